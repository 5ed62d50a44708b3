// Workloads of one component that nothing tells apart: neither policies of the network, nor a mesh, nor the ports they serve.

import type { Cluster } from '../cluster.ts';
import { mapToComponent, type ComponentAnswer } from '../component.ts';
import type { AuditContext } from '../finding.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { findWaysAround } from '../mesh/rules/sallyport-bypass.ts';
import {
  connectionsOf,
  connectionsTo,
  isProtocol,
  NO_CONNECTIONS,
  unite,
  type ConnectionSet,
  type Protocol,
} from '../network/connection-set.ts';
import type { Connectivity } from '../network/connectivity.ts';
import type { PodClass } from '../network/pod-class.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';
import type { Workload } from '../workload.ts';

export interface CellPort {
  /** Null for any, but for those `besides`. */
  readonly number: number | null;
  /** Null where no port is declared. */
  readonly besides: ConnectionSet | null;
  readonly protocol: Protocol;
  /** It is there for requests that the matrix is about: not for probes, and not beside Sallyport. */
  readonly isForRequests: boolean;
  /** Why it is not known whether anybody listens there; null when somebody does. */
  readonly doubt: string | null;
}

export interface Cell {
  /** From 0. */
  readonly id: number;
  /** Null: of none. A workload of several is in a cell of each. */
  readonly component: string | null;
  /** The component, or the namespace of workloads that have none. */
  readonly group: string;
  readonly workloads: readonly [Workload, ...Workload[]];
  /** Null on the network of the node. */
  readonly podClass: PodClass | null;
  readonly ports: readonly CellPort[];
  /** Something beside the network may decide who gets to it. */
  readonly isGuarded: boolean;
  /** Equal for cells that a mesh takes for the same caller. */
  readonly caller: string;
}

export interface CellSource {
  readonly cluster: Cluster;
  readonly mesh: Mesh;
  readonly found: Connectivity;
  readonly policy: CompiledPolicy;
  readonly options: AuditContext['options'];
}

export interface Cells {
  readonly all: readonly Cell[];
  readonly answers: ReadonlyMap<Workload, ComponentAnswer>;
}

export function groupCells(source: CellSource): Cells {
  const { cluster, found, policy, options } = source;
  const answers = new Map<Workload, ComponentAnswer>();
  const cells = new Map<string, Cell & { readonly workloads: [Workload, ...Workload[]] }>();
  for (const workload of cluster.workloads) {
    const answer = mapToComponent(workload, policy, options);
    answers.set(workload, answer);
    const podClass = found.classOf(workload);
    const place = placeInMesh(workload, source);
    const ports = portsOf(workload, source, place.isGuarded);
    // What guards a workload may go by any of its labels.
    const own = place.isGuarded ? workload.ref : null;
    for (const component of answer.kind === 'none' ? [null] : componentsIn(answer)) {
      const group = component ?? `namespace ${workload.namespace}`;
      const key = JSON.stringify([component, group, podClass?.id ?? null, ports, place, own]);
      const known = cells.get(key);
      if (known === undefined) {
        cells.set(key, { id: cells.size, component, group, workloads: [workload], podClass, ports, ...place });
      } else {
        known.workloads.push(workload);
      }
    }
  }
  return { all: [...cells.values()], answers };
}

/** Of which it may be, each of which it is held to. */
export function componentsIn(answer: ComponentAnswer): readonly string[] {
  if (answer.kind === 'none') return [];
  return answer.kind === 'several' ? answer.names : [answer.name];
}

function portsOf(workload: Workload, { mesh }: CellSource, isGuarded: boolean): readonly CellPort[] {
  const sallyport = mesh.sallyportOf(workload);
  const listeners = sallyport?.config.kind === 'read' ? sallyport.config.listeners.map(({ port }) => port) : null;
  const served = mesh.portsOf(workload).flatMap(({ number, protocol }): readonly CellPort[] => {
    if (!isProtocol(protocol)) return [];
    const isForRequests =
      protocol === 'TCP' && !mesh.mtlsMode(workload, number).isProbes && (listeners?.includes(number) ?? true);
    return [{ number, besides: null, protocol, isForRequests, doubt: null }];
  });
  const around = sallyport === null ? [] : findWaysAround(workload, sallyport);
  const hidden = around
    .filter(({ port }) => served.every(({ number }) => number !== port))
    .map(({ port, isCertain, detail }): CellPort => {
      return { number: port, besides: null, protocol: 'TCP', isForRequests: false, doubt: isCertain ? null : detail };
    });
  const ports = [...served, ...hidden];
  if (ports.length === 0) return [{ number: null, besides: null, protocol: 'TCP', isForRequests: true, doubt: null }];
  const isKnownWhole = sallyport?.config.kind === 'read' && around.length === 0 && !workload.isHostNetwork;
  return isKnownWhole ? ports : [...ports, undeclared(ports, isGuarded)];
}

/** A declaration is a note: a container listens wherever it likes. What guards a workload beside the network sees no more than TCP. */
function undeclared(ports: readonly CellPort[], isGuarded: boolean): CellPort {
  const declared = ports.map(({ protocol, number }) => connectionsTo(protocol, number ?? 1, number ?? 0));
  const others = isGuarded ? unite(connectionsOf('UDP'), connectionsOf('SCTP')) : NO_CONNECTIONS;
  const doubt = 'whether anybody listens on ports that no container declares is not known';
  return { number: null, besides: declared.reduce(unite, others), protocol: 'TCP', isForRequests: false, doubt };
}

/** Whoever is in no mesh proves nothing to any: one caller is as good as another. */
function placeInMesh(workload: Workload, { cluster, mesh }: CellSource): Pick<Cell, 'isGuarded' | 'caller'> {
  const { kind } = mesh.carrierOf(workload);
  const isGuarded = kind !== 'none' || mesh.sallyportOf(workload) !== null || mesh.cilium.isUsed;
  if (kind === 'none') return { isGuarded, caller: '' };
  const isPlain =
    kind !== 'unknown' &&
    mesh.openingsOf(workload).length === 0 &&
    cluster.byKind('networking.istio.io', 'DestinationRule').length === 0;
  const identity = [kind, workload.namespace, workload.serviceAccount];
  return { isGuarded, caller: JSON.stringify(isPlain ? identity : [...identity, workload.ref]) };
}
