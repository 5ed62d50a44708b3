// `toPorts` of Cilium.

import type { Field } from '../fields.ts';
import { doubt } from './answer.ts';
import {
  ALL_CONNECTIONS,
  type ConnectionSet,
  connectionsOf,
  connectionsTo,
  connectionsToAnyProtocol,
  isPort,
  isProtocol,
  NO_CONNECTIONS,
  type Protocol,
} from './connection-set.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import { joinPorts, malformedPorts, namedPort, portsOf, somePortsOf } from './port-test.ts';
import type { PortList, PortTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface CiliumPorts {
  readonly ports: PortTest;
  readonly remarks: readonly string[];
}

const OTHER_PROTOCOLS: ReadonlySet<string> = new Set(['ICMP', 'ICMPV6', 'VRRP', 'IGMP']);
const PORT_RULE_KEYS = ['ports', 'rules', 'listener', 'terminatingTLS', 'originatingTLS', 'serverNames'];
const NO_PORT_GIVEN = doubt('unmodelled', 'what an entry of `toPorts` without ports means differs between versions');

/** Null when there is none: the rule is about everything between its ends. */
export function readCiliumPorts(field: Field, vocabulary: Vocabulary): CiliumPorts | null {
  if (!field.isPresent) return null;
  const entries = field.asList();
  if (isNoList(field)) return withoutRemarks(malformedPorts('`toPorts` cannot be read'));
  if (entries.length === 0) return null;
  const remarks = new Set<string>();
  const lists = entries.map((entry) => {
    for (const remark of remarksOn(entry)) remarks.add(remark);
    return readPortRule(entry, vocabulary);
  });
  return { ports: { include: joinPorts(lists), exclude: null }, remarks: [...remarks] };
}

function withoutRemarks(include: PortList): CiliumPorts {
  return { ports: { include, exclude: null }, remarks: [] };
}

function readPortRule(field: Field, vocabulary: Vocabulary): PortList {
  const isKnown = hasOnly(field, PORT_RULE_KEYS);
  if (field.kind !== 'map') field.noteWrong('a mapping');
  const ports = field.get('ports');
  const entries = ports.asList();
  if (!isKnown || field.kind !== 'map' || isNoList(ports))
    return malformedPorts('an entry of `toPorts` cannot be read');
  if (entries.length === 0) return somePortsOf(ALL_CONNECTIONS, NO_PORT_GIVEN);
  return joinPorts(entries.map((entry) => readPort(entry, vocabulary)));
}

/** What is narrowed above the transport; connections are all the same allowed. */
function remarksOn(field: Field): readonly string[] {
  const remarks: string[] = [];
  const rules = field.get('rules');
  if (rules.kind === 'map') for (const [kind, rule] of rules.asMap()) if (rule.isPresent) remarks.push(`${kind} rules`);
  if (field.get('serverNames').isPresent) remarks.push('server names');
  if (field.get('listener').isPresent) remarks.push('a listener');
  return remarks;
}

function readPort(field: Field, vocabulary: Vocabulary): PortList {
  const isKnown = hasOnly(field, ['port', 'endPort', 'protocol']);
  if (field.kind !== 'map') field.noteWrong('a mapping');
  const protocol = readProtocol(field.get('protocol'));
  if (!isKnown || field.kind !== 'map' || protocol === null) return malformedPorts('the port cannot be read');
  if (protocol === 'none') return portsOf(NO_CONNECTIONS);
  const port = field.get('port');
  const text = port.requireText();
  const endPort = field.get('endPort');
  if (text !== null && /^(?:0|[1-9]\d{0,4})$/.test(text)) {
    const first = Number(text);
    const last = endPort.isPresent && endPort.value !== 0 ? endPort.asInteger() : first;
    if (first === 0 && last === 0) return portsOf(connectionsFor(protocol));
    if (last !== null && isPort(first) && isPort(last) && first <= last)
      return portsOf(rangeFor(protocol, first, last));
    (isPort(first) ? endPort : port).noteWrong('a port from 1 to 65535, and not less than the first');
  } else if (text !== null && /^(?=.*[a-z])[a-z0-9-]{1,15}$/i.test(text) && !endPort.isPresent) {
    return namedPort({ name: text.toLowerCase(), protocol: protocol === 'any' ? null : protocol }, vocabulary);
  } else if (text !== null) {
    port.noteWrong('a port number, or the name of a port and no endPort');
  }
  return somePortsOf(connectionsFor(protocol), doubt('malformed', 'the port cannot be read'));
}

/** Any when absent; `none` for a protocol that has no ports. Null for what is no protocol. */
function readProtocol(field: Field): Protocol | 'any' | 'none' | null {
  if (!field.isPresent) return 'any';
  const text = field.asText()?.toUpperCase() ?? null;
  if (text === null) return null;
  if (text === '' || text === 'ANY') return 'any';
  if (isProtocol(text)) return text;
  return OTHER_PROTOCOLS.has(text) ? 'none' : field.noteWrong('a protocol');
}

function connectionsFor(protocol: Protocol | 'any'): ConnectionSet {
  return protocol === 'any' ? ALL_CONNECTIONS : connectionsOf(protocol);
}

function rangeFor(protocol: Protocol | 'any', first: number, last: number): ConnectionSet {
  return protocol === 'any' ? connectionsToAnyProtocol(first, last) : connectionsTo(protocol, first, last);
}
