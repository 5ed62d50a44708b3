// Ports as policies write them, and what they mean for one destination.

import { doubt, type Doubt } from './answer.ts';
import type { Bounds } from './bounds.ts';
import {
  ALL_CONNECTIONS,
  type ConnectionSet,
  connectionsOf,
  connectionsTo,
  isPort,
  NO_CONNECTIONS,
  subtract,
  unite,
} from './connection-set.ts';
import type { Endpoint } from './endpoint.ts';
import type { PortList, PortName, PortTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

export const ALL_PORTS: PortTest = { include: portsOf(ALL_CONNECTIONS), exclude: null };
export const NO_PORTS: PortTest = { include: portsOf(NO_CONNECTIONS), exclude: null };

export function portsOf(connections: ConnectionSet): PortList {
  return { certain: connections, possible: connections, names: [], doubt: null };
}

/** Some of `connections`, and nobody knows which. */
export function somePortsOf(connections: ConnectionSet, reason: Doubt): PortList {
  return { certain: NO_CONNECTIONS, possible: connections, names: [], doubt: reason };
}

export function namedPort(name: PortName, vocabulary: Vocabulary): PortList {
  vocabulary.portNames.add(name.name);
  return { certain: NO_CONNECTIONS, possible: NO_CONNECTIONS, names: [name], doubt: null };
}

export function joinPorts(lists: readonly PortList[]): PortList {
  let joined = portsOf(NO_CONNECTIONS);
  for (const { certain, possible, names, doubt } of lists) {
    joined = {
      certain: unite(joined.certain, certain),
      possible: unite(joined.possible, possible),
      names: [...joined.names, ...names],
      doubt: joined.doubt ?? doubt,
    };
  }
  return joined;
}

/** What cannot be read may be any port. */
export function malformedPorts(detail: string): PortList {
  return somePortsOf(ALL_CONNECTIONS, doubt('malformed', detail));
}

export interface ResolvedPorts {
  readonly bounds: Bounds;
  readonly doubt: Doubt | null;
}

export function resolvePorts({ include, exclude }: PortTest, destination: Endpoint): ResolvedPorts {
  const included = resolveList(include, destination);
  if (exclude === null) return included;
  const excluded = resolveList(exclude, destination);
  return {
    bounds: {
      certain: subtract(included.bounds.certain, excluded.bounds.possible),
      possible: subtract(included.bounds.possible, excluded.bounds.certain),
    },
    doubt: included.doubt ?? excluded.doubt,
  };
}

export function hasNames({ include, exclude }: PortTest): boolean {
  return include.names.length > 0 || (exclude?.names.length ?? 0) > 0;
}

/** How a destination resolves a name; equal for destinations that resolve it alike. */
export function keyOfName(name: string, destination: Endpoint): string {
  if (destination.kind !== 'pod') return '';
  const ports = destination.pod.ports.get(name) ?? [];
  return `${name}=${ports.map(({ protocol, number }) => `${protocol} ${number}`).join()} ${destination.pod.otherPorts}`;
}

function resolveList(list: PortList, destination: Endpoint): ResolvedPorts {
  let { certain, possible, doubt: reason } = list;
  for (const name of list.names) {
    const resolved = resolveName(name, destination);
    certain = unite(certain, resolved.bounds.certain);
    possible = unite(possible, resolved.bounds.possible);
    reason ??= resolved.doubt;
  }
  return { bounds: { certain, possible }, doubt: reason };
}

function resolveName({ name, protocol }: PortName, destination: Endpoint): ResolvedPorts {
  const ports = destination.kind === 'pod' ? (destination.pod.ports.get(name) ?? []) : [];
  let connections = NO_CONNECTIONS;
  for (const port of ports) {
    if ((protocol !== null && port.protocol !== protocol) || !isPort(port.number)) continue;
    connections = unite(connections, connectionsTo(port.protocol, port.number, port.number));
  }
  const isKnown = destination.kind === 'pod' && destination.pod.otherPorts === 'none';
  if (isKnown || connections !== NO_CONNECTIONS) {
    return { bounds: { certain: connections, possible: connections }, doubt: null };
  }
  const possible = protocol === null ? ALL_CONNECTIONS : connectionsOf(protocol);
  return {
    bounds: { certain: NO_CONNECTIONS, possible },
    doubt: doubt('named-port', `no container of the destination names a port \`${name}\``),
  };
}
