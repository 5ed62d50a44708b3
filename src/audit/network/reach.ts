// One pair of places: whether the one can reach the other, and which policies and rules say so.

import { SallyportError } from '../../core/error.ts';
import { findNearestName } from '../../core/nearest-name.ts';
import { quote } from '../../core/quote.ts';
import type { Cluster } from '../cluster.ts';
import type { Json } from '../finding.ts';
import { formatPath } from '../path.ts';
import type { Workload } from '../workload.ts';
import { formatBounds } from './bounds.ts';
import type { CniName } from './cni.ts';
import {
  type ConnectionSet,
  connectionsTo,
  formatConnections,
  includes,
  intersect,
  isNone,
  isPort,
  isProtocol,
  type Protocol,
} from './connection-set.ts';
import { assumptionOf, listingTerms } from './connections.ts';
import { type Connection, type Connectivity, connectivity, type Place } from './connectivity.ts';
import { OUTSIDE } from './outside-groups.ts';
import { largestPart } from './outside.ts';
import { formatReason, locateReason, type Reason } from './reason.ts';

export class ReachError extends SallyportError<'unknown-place' | 'invalid-port'> {}

export interface ReachPort {
  readonly protocol: Protocol;
  readonly number: number;
}

export interface ReachQuery {
  /** `namespace/name`, with or without `[Kind]`, an IP address, `outside`, or `metadata` for the instance metadata of a cloud. */
  readonly from: string;
  readonly to: string;
  /** Null for every port. */
  readonly port: ReachPort | null;
  /** Null to look for it. */
  readonly cni: CniName | null;
}

export interface Reach {
  readonly from: string;
  readonly to: string;
  readonly port: ReachPort | null;
  /** Without a port: whether any connection is allowed. */
  readonly verdict: 'allowed' | 'denied' | 'unknown';
  /** As in the list of connections. */
  readonly connections: string;
  /** Those about the port, where one is asked for. */
  readonly why: readonly Reason[];
  readonly assumption: string | null;
}

/** `80`, `TCP/80`, `udp 53`, `53/UDP`. */
export function parseReachPort(text: string): ReachPort {
  const parts = text.split(/[/ :]+/);
  const protocols = parts.map((part) => part.toUpperCase()).filter(isProtocol);
  const numbers = parts.filter((part) => /^\d{1,5}$/.test(part)).map(Number);
  const [number] = numbers;
  if (numbers.length !== 1 || number === undefined || !isPort(number) || parts.length > 1 + protocols.length) {
    throw new ReachError('invalid-port', `${quote(text)} is no port: write 80, TCP/80 or UDP/53`);
  }
  return { protocol: protocols[0] ?? 'TCP', number };
}

/** One answer for every pair of workloads that the names may mean. */
export function reach(cluster: Cluster, { from, to, port, cni }: ReachQuery): readonly Reach[] {
  const found = connectivity(cluster, listingTerms(cluster, cni));
  const { basis, detail } = found.enforcement;
  const assumption = basis === 'assumed' ? assumptionOf(detail) : null;
  const targets = placesOf(cluster, found, to);
  return placesOf(cluster, found, from).flatMap((source) =>
    targets.map((target) => {
      const connection = found.between(source.place, target.place);
      return {
        from: source.ref,
        to: target.ref,
        port,
        verdict: verdictOf(connection, port),
        connections: formatBounds(connection.bounds),
        why: connection.why.flatMap((reason) => narrow(reason, port)),
        assumption,
      };
    }),
  );
}

export function formatReach(answer: Reach): string {
  const { from, to, port, verdict, connections, why, assumption } = answer;
  const asked = port === null ? '' : ` ${port.protocol} ${port.number}`;
  const lines = why.map((reason) => {
    const position = locateReason(reason);
    return `  ${formatReason(reason)}${position === null ? '' : `  ${position}`}`;
  });
  if (assumption !== null) lines.push(`  ${assumption}`);
  return [`${from} → ${to}${asked}: ${verdict}${port === null ? ` (${connections})` : ''}`, ...lines].join('\n');
}

export function reachToJson({ from, to, port, verdict, connections, why, assumption }: Reach): Json {
  return {
    from,
    to,
    port: port === null ? null : `${port.protocol} ${port.number}`,
    verdict,
    connections,
    why: why.map((reason) => ({
      direction: reason.direction,
      effect: reason.effect,
      policy: reason.policy?.title ?? null,
      rule: reason.path.length === 0 ? null : formatPath(reason.path),
      connections: reason.connections === null ? null : formatConnections(reason.connections),
      certain: reason.doubt === null,
      doubt: reason.doubt?.code ?? null,
      at: locateReason(reason),
      text: formatReason(reason),
    })),
    assumption,
  };
}

function verdictOf({ bounds }: Connection, port: ReachPort | null): Reach['verdict'] {
  const asks = (set: ConnectionSet): boolean =>
    port === null ? !isNone(set) : includes(set, port.protocol, port.number);
  if (asks(bounds.certain)) return 'allowed';
  return asks(bounds.possible) ? 'unknown' : 'denied';
}

/** What a reason says of the port; nothing when it is about others. */
function narrow(reason: Reason, port: ReachPort | null): readonly Reason[] {
  if (port === null || reason.connections === null) return [reason];
  const connections = intersect(reason.connections, connectionsTo(port.protocol, port.number, port.number));
  return isNone(connections) ? [] : [{ ...reason, connections }];
}

interface NamedPlace {
  readonly ref: string;
  readonly place: Place;
}

function placesOf(cluster: Cluster, found: Connectivity, name: string): readonly NamedPlace[] {
  const outside = outsideNamed(found, name);
  if (outside !== null) return [outside];
  const workloads = cluster.workloads.filter((workload) => isNamed(workload, name));
  if (workloads.length > 0) return workloads.map((place) => ({ ref: place.ref, place }));
  const names = cluster.workloads.map((workload) => `${workload.namespace}/${workload.name}`);
  const near = findNearestName(name, new Set(names));
  const hint =
    near === null ? 'write namespace/name, an IP address, outside or metadata' : `did you mean ${quote(near)}?`;
  throw new ReachError('unknown-place', `there is no workload ${quote(name)}: ${hint}`);
}

function isNamed({ ref, namespace, name }: Workload, asked: string): boolean {
  return asked === ref || asked === `${namespace}/${name}`;
}

function outsideNamed(found: Connectivity, name: string): NamedPlace | null {
  if (name === OUTSIDE) {
    const part = largestPart(found.outside, 4);
    return part === null ? null : { ref: OUTSIDE, place: part };
  }
  if (name === 'metadata') {
    const part = found.outside.find(({ isMetadata }) => isMetadata);
    return part === undefined ? null : { ref: 'metadata', place: part };
  }
  const place = found.outsideAt(name);
  return place === null ? null : { ref: name, place };
}
