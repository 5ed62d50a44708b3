// NetworkPolicy of networking.k8s.io.
// https://kubernetes.io/docs/concepts/services-networking/network-policies/

import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { addressesIn, withoutAddresses } from './address-set.ts';
import { type Answer, doubt } from './answer.ts';
import { connectionsOf, connectionsTo, isPort, isProtocol, type Protocol } from './connection-set.ts';
import { type AddressRange, parseBlock } from './ip-address.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import { addressesOnly, anyOf, anything, EVERYTHING, podsOnly } from './peer-test.ts';
import { type PolicyTypes, readPolicyTypes } from './policy-types.ts';
import { ALL_PORTS, joinPorts, malformedPorts, namedPort, portsOf, somePortsOf } from './port-test.ts';
import type { PolicyReader } from './reader.ts';
import { readSelector, selectPods } from './selector-test.ts';
import { unreadableSection } from './unreadable-section.ts';
import type {
  Direction,
  PeerTest,
  PolicyRule,
  PolicySection,
  PortList,
  PortTest,
  TrafficPolicy,
} from './traffic-policy.ts';

const MALFORMED_RULE = doubt('malformed', 'the rule cannot be read');
const MALFORMED_PEER = doubt('malformed', 'the peer cannot be read');

export function compileKubernetesPolicy(object: KubeObject, reader: PolicyReader): TrafficPolicy {
  const spec = reader.cluster.field(object, 'spec');
  const namespace = object.namespace ?? 'default';
  const subjects = selectPods(
    { namespaces: namespace, pods: readSelector(spec.get('podSelector')) },
    reader.vocabulary,
  );
  if (!hasOnly(spec, ['podSelector', 'policyTypes', 'ingress', 'egress']) || (spec.isPresent && spec.kind !== 'map')) {
    const section = unreadableSection(spec.path);
    return { title: formatObject(object), object, path: ['spec'], subjects, ingress: section, egress: section };
  }
  const types = readTypes(spec);
  return {
    title: formatObject(object),
    object,
    path: ['spec'],
    subjects,
    ingress: readSection(spec, 'ingress', { isolates: types.ingress, namespace, reader }),
    egress: readSection(spec, 'egress', { isolates: types.egress, namespace, reader }),
  };
}

/** Absent or empty means ingress, and egress as well where there are rules for it. */
function readTypes(spec: Field): PolicyTypes {
  const types = readPolicyTypes(spec.get('policyTypes'));
  if (types !== null) return types;
  const egress = spec.get('egress');
  return { ingress: true, egress: isNoList(egress) ? MALFORMED_RULE : egress.asList().length > 0 };
}

interface SectionContext {
  readonly isolates: Answer;
  readonly namespace: string;
  readonly reader: PolicyReader;
}

function readSection(spec: Field, direction: Direction, context: SectionContext): PolicySection {
  const { isolates } = context;
  if (isolates === false) return { isolates, rules: [] };
  const field = spec.get(direction);
  if (isNoList(field)) {
    field.asList();
    return { isolates, rules: [allowOf(anything(MALFORMED_RULE), ALL_PORTS, field)] };
  }
  return { isolates, rules: field.asList().map((rule) => readRule(rule, direction, context)) };
}

function readRule(field: Field, direction: Direction, context: SectionContext): PolicyRule {
  const peersKey = direction === 'ingress' ? 'from' : 'to';
  const isKnown = hasOnly(field, [peersKey, 'ports']);
  if (field.kind !== 'map') field.noteWrong('a mapping');
  const rule = allowOf(readPeers(field.get(peersKey), context), readPorts(field.get('ports'), context.reader), field);
  // Null as a rule is an empty one to some readers, and empty means everything.
  return isKnown && field.kind === 'map' ? rule : { ...rule, doubt: MALFORMED_RULE };
}

function allowOf(peer: PeerTest, ports: PortTest, { path }: Field): PolicyRule {
  return { action: 'allow', doubt: null, own: null, peer, ports, remarks: [], path };
}

function readPeers(field: Field, { namespace, reader }: SectionContext): PeerTest {
  if (!field.isPresent) return EVERYTHING;
  const peers = field.asList();
  if (isNoList(field)) return anything(MALFORMED_PEER);
  if (peers.length === 0) return EVERYTHING;
  const blocks: AddressRange[] = [];
  const tests: PeerTest[] = [];
  for (const peer of peers) {
    const kind = kindOfPeer(peer);
    if (kind === 'block') blocks.push(...(readBlock(peer.get('ipBlock')) ?? []));
    if (kind === 'pods') tests.push(readPodPeer(peer, namespace, reader));
    if (kind === 'malformed' || (kind === 'block' && readBlock(peer.get('ipBlock')) === null)) {
      tests.push(anything(MALFORMED_PEER));
    }
  }
  // All blocks of a rule together: only the two families together cover every pod.
  if (blocks.length > 0) tests.push(addressesOnly(addressesIn(blocks), reader.addresses));
  return anyOf(tests);
}

/** A block excludes selectors; a peer that is neither is no peer. */
function kindOfPeer(peer: Field): 'block' | 'pods' | 'malformed' {
  const isKnown = hasOnly(peer, ['podSelector', 'namespaceSelector', 'ipBlock']);
  if (peer.kind !== 'map' || !isKnown) {
    if (peer.kind !== 'map') peer.noteWrong('a mapping');
    return 'malformed';
  }
  const hasBlock = peer.get('ipBlock').isPresent;
  const hasSelector = peer.get('podSelector').isPresent || peer.get('namespaceSelector').isPresent;
  if (hasBlock === hasSelector) {
    peer.noteWrong('either ipBlock, or podSelector or namespaceSelector');
    return 'malformed';
  }
  return hasBlock ? 'block' : 'pods';
}

function readPodPeer(peer: Field, namespace: string, { vocabulary }: PolicyReader): PeerTest {
  const namespaces = peer.get('namespaceSelector');
  const pods = peer.get('podSelector');
  return podsOnly([
    selectPods(
      {
        namespaces: namespaces.isPresent ? readSelector(namespaces) : namespace,
        pods: pods.isPresent ? readSelector(pods) : null,
      },
      vocabulary,
    ),
  ]);
}

function readBlock(field: Field): readonly AddressRange[] | null {
  const isKnown = hasOnly(field, ['cidr', 'except']);
  const cidr = field.get('cidr');
  const block = readCidr(cidr);
  const exceptField = field.get('except');
  const exceptions = exceptField.asList().map(readCidr);
  if (block === null || !isKnown || isNoList(exceptField)) return null;
  const holes: AddressRange[] = [];
  for (const exception of exceptions) {
    if (exception === null) return null;
    holes.push(exception);
  }
  return withoutAddresses([block], addressesIn(holes));
}

function readCidr(field: Field): AddressRange | null {
  const text = field.requireText();
  if (text === null) return null;
  return parseBlock(text) ?? field.noteWrong('an IP block such as 10.0.0.0/8');
}

function readPorts(field: Field, reader: PolicyReader): PortTest {
  if (!field.isPresent) return ALL_PORTS;
  const ports = field.asList();
  if (isNoList(field)) return { include: malformedPorts('the ports cannot be read'), exclude: null };
  if (ports.length === 0) return ALL_PORTS;
  return { include: joinPorts(ports.map((port) => readPort(port, reader))), exclude: null };
}

function readPort(field: Field, { vocabulary }: PolicyReader): PortList {
  const isKnown = hasOnly(field, ['port', 'protocol', 'endPort']);
  if (field.kind !== 'map') field.noteWrong('a mapping');
  const protocol = readProtocol(field.get('protocol'));
  if (!isKnown || field.kind !== 'map' || protocol === null) return malformedPorts('the port cannot be read');
  const portField = field.get('port');
  const port = portField.asIntegerOrText();
  const endPort = field.get('endPort');
  if (port === null) {
    const isWhole = !portField.isPresent && !endPort.isPresent;
    if (isWhole) return portsOf(connectionsOf(protocol));
    endPort.noteWrong('nothing, for there is no port');
  } else if (typeof port === 'number') {
    const last = endPort.isPresent ? endPort.asInteger() : port;
    if (last !== null && isPort(port) && isPort(last) && last >= port) {
      return portsOf(connectionsTo(protocol, port, last));
    }
    (isPort(port) ? endPort : portField).noteWrong('a port from 1 to 65535, and not less than the first');
  } else if (isPortName(port) && !endPort.isPresent) {
    return namedPort({ name: port, protocol }, vocabulary);
  } else {
    portField.noteWrong('a port number, or the name of a port and no endPort');
  }
  return somePortsOf(connectionsOf(protocol), doubt('malformed', 'the port cannot be read'));
}

/** TCP when absent. */
function readProtocol(field: Field): Protocol | null {
  if (!field.isPresent) return 'TCP';
  const text = field.asText();
  if (text === null) return null;
  return isProtocol(text) ? text : field.noteWrong('TCP, UDP or SCTP');
}

/** An IANA service name: at most 15 lower-case letters, digits and hyphens, of which at least one letter. */
function isPortName(text: string): boolean {
  return /^(?=.*[a-z])(?!.*--)[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?$/.test(text);
}
