// Ports of AdminNetworkPolicy v1alpha1 and protocols of ClusterNetworkPolicy v1alpha2.

import type { Field } from '../fields.ts';
import { connectionsOf, connectionsTo, isPort, isProtocol, type Protocol, PROTOCOLS } from './connection-set.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import { ALL_PORTS, joinPorts, malformedPorts, namedPort, portsOf } from './port-test.ts';
import type { PortList, PortTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

const MALFORMED = 'the port cannot be read';

export function readAdminPorts(field: Field, vocabulary: Vocabulary): PortTest {
  return readList(field, (port) => readPort(port, vocabulary));
}

export function readAdminProtocols(field: Field, vocabulary: Vocabulary): PortTest {
  return readList(field, (protocol) => readProtocol(protocol, vocabulary));
}

function readList(field: Field, read: (item: Field) => PortList | null): PortTest {
  if (!field.isPresent) return ALL_PORTS;
  const items = field.asList();
  if (isNoList(field)) return { include: malformedPorts(MALFORMED), exclude: null };
  if (items.length === 0) return ALL_PORTS;
  return { include: joinPorts(items.map((item) => read(item) ?? malformedPorts(MALFORMED))), exclude: null };
}

function readPort(field: Field, vocabulary: Vocabulary): PortList | null {
  const key = onlyKeyOf(field, ['portNumber', 'portRange', 'namedPort']);
  if (key === null) return null;
  const value = field.get(key);
  if (key === 'namedPort') return readName(value, vocabulary);
  const isKnown = hasOnly(value, ['protocol', 'port', 'start', 'end']);
  const protocol = readProtocolName(value.get('protocol'));
  if (!isKnown || protocol === null) return null;
  return key === 'portNumber' ? readNumber(protocol, value.get('port')) : readRange(protocol, value);
}

function readProtocol(field: Field, vocabulary: Vocabulary): PortList | null {
  const key = onlyKeyOf(field, ['tcp', 'udp', 'sctp', 'destinationNamedPort']);
  if (key === null) return null;
  const value = field.get(key);
  if (key === 'destinationNamedPort') return readName(value, vocabulary);
  const isKnown = hasOnly(value, ['destinationPort']);
  const protocol = PROTOCOLS.find((name) => name.toLowerCase() === key);
  if (value.kind !== 'map' || !isKnown || protocol === undefined) return null;
  const port = value.get('destinationPort');
  if (!port.isPresent) return portsOf(connectionsOf(protocol));
  const portKey = onlyKeyOf(port, ['number', 'range']);
  if (portKey === null) return null;
  return portKey === 'number' ? readNumber(protocol, port.get('number')) : readRange(protocol, port.get('range'));
}

/** Null, and noted, unless exactly one of `keys` is there and nothing else. */
function onlyKeyOf<Key extends string>(field: Field, keys: readonly Key[]): Key | null {
  const isKnown = hasOnly(field, keys);
  const given = field.kind === 'map' ? keys.filter((key) => field.get(key).isPresent) : [];
  const [key] = given;
  if (isKnown && key !== undefined && given.length === 1) return key;
  return field.noteWrong(`one of ${keys.join(', ')}`);
}

function readName(field: Field, vocabulary: Vocabulary): PortList | null {
  const name = field.requireText();
  return name === null || name === '' ? null : namedPort({ name, protocol: null }, vocabulary);
}

function readNumber(protocol: Protocol, field: Field): PortList | null {
  const port = field.asInteger();
  if (port !== null && isPort(port)) return portsOf(connectionsTo(protocol, port, port));
  return field.noteWrong('a port from 1 to 65535');
}

function readRange(protocol: Protocol, field: Field): PortList | null {
  const isKnown = hasOnly(field, ['protocol', 'start', 'end']);
  const start = field.get('start').asInteger();
  const end = field.get('end').asInteger();
  if (isKnown && start !== null && end !== null && isPort(start) && isPort(end) && start <= end) {
    return portsOf(connectionsTo(protocol, start, end));
  }
  return field.noteWrong('a start and an end');
}

/** TCP when absent. */
function readProtocolName(field: Field): Protocol | null {
  if (!field.isPresent) return 'TCP';
  const text = field.asText();
  if (text === null) return null;
  return isProtocol(text) ? text : field.noteWrong('TCP, UDP or SCTP');
}
