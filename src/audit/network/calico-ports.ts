// Protocols and ports of Calico's rules.

import type { Field } from '../fields.ts';
import {
  ALL_CONNECTIONS,
  type ConnectionSet,
  connectionsOf,
  connectionsToAnyProtocol,
  intersect,
  isPort,
  isProtocol,
  NO_CONNECTIONS,
  type Protocol,
  PROTOCOLS,
  subtract,
} from './connection-set.ts';
import { isNoList } from './known-keys.ts';
import { joinPorts, malformedPorts, namedPort, portsOf } from './port-test.ts';
import type { PortList, PortTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

/** IANA protocol numbers. */
const PROTOCOL_NUMBERS: ReadonlyMap<number, Protocol> = new Map([
  [6, 'TCP'],
  [17, 'UDP'],
  [132, 'SCTP'],
]);
const OTHER_PROTOCOLS: ReadonlySet<string> = new Set(['ICMP', 'ICMPV6', 'UDPLITE']);

export function readCalicoPorts(rule: Field, vocabulary: Vocabulary): PortTest {
  const destination = rule.get('destination');
  const protocol = readProtocol(rule.get('protocol'));
  const notProtocol = readProtocol(rule.get('notProtocol'));
  if (protocol === 'malformed' || notProtocol === 'malformed') {
    return { include: malformedPorts('the protocol cannot be read'), exclude: null };
  }
  const connections = subtract(protocol ?? ALL_CONNECTIONS, notProtocol ?? NO_CONNECTIONS);
  const ports = readPortList(destination.get('ports'), connections, vocabulary);
  const notPorts = readPortList(destination.get('notPorts'), connections, vocabulary);
  if (protocol === null && (ports !== null || notPorts !== null)) {
    rule.get('protocol').noteWrong('a protocol, since there are ports');
    return { include: malformedPorts('ports have no meaning without a protocol'), exclude: null };
  }
  return { include: ports ?? portsOf(connections), exclude: notPorts };
}

/** The connections of a protocol; none for one without ports. Null when absent. */
function readProtocol(field: Field): ConnectionSet | 'malformed' | null {
  const value = field.asIntegerOrText();
  if (value === null) return field.isPresent ? 'malformed' : null;
  const text = String(value).toUpperCase();
  if (isProtocol(text)) return connectionsOf(text);
  if (OTHER_PROTOCOLS.has(text)) return NO_CONNECTIONS;
  if (/^(?:0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255) {
    const protocol = PROTOCOL_NUMBERS.get(Number(text));
    return protocol === undefined ? NO_CONNECTIONS : connectionsOf(protocol);
  }
  field.noteWrong('a protocol');
  return 'malformed';
}

/** Null when there is none. */
function readPortList(field: Field, connections: ConnectionSet, vocabulary: Vocabulary): PortList | null {
  if (!field.isPresent) return null;
  const ports = field.asList();
  if (isNoList(field)) return malformedPorts('the ports cannot be read');
  if (ports.length === 0) return null;
  return joinPorts(ports.map((port) => readPort(port, connections, vocabulary)));
}

/** `80`, `"80"`, `"8000:9000"` or a name. */
function readPort(field: Field, connections: ConnectionSet, vocabulary: Vocabulary): PortList {
  const value = field.asIntegerOrText();
  const range = value === null ? null : parseRange(String(value));
  if (range !== null) return portsOf(intersect(connections, connectionsToAnyProtocol(range.first, range.last)));
  if (typeof value === 'string' && /^(?=.*[a-z])[a-z0-9-]{1,63}$/i.test(value)) {
    const protocols = PROTOCOLS.filter((protocol) => connections[protocol].length > 0);
    return joinPorts(protocols.map((protocol) => namedPort({ name: value, protocol }, vocabulary)));
  }
  if (!field.isPresent || value !== null) field.noteWrong('a port, a range such as "8000:9000", or a name');
  return malformedPorts('the port cannot be read');
}

function parseRange(text: string): { readonly first: number; readonly last: number } | null {
  const match = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  // Calico knows a port 0, which no connection has.
  return first <= last && isPort(last) ? { first: Math.max(first, 1), last } : null;
}
