// AdminNetworkPolicy and BaselineAdminNetworkPolicy v1alpha1, and ClusterNetworkPolicy v1alpha2 that takes the place of both.
// https://network-policy-api.sigs.k8s.io/

import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { addressesIn } from './address-set.ts';
import { readAdminPorts, readAdminProtocols } from './admin-ports.ts';
import { doubt } from './answer.ts';
import { domainName } from './domain-name.ts';
import { type AddressRange, parseBlock } from './ip-address.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import { addressesOnly, anyOf, anything, nodesOnly, podsOnly } from './peer-test.ts';
import type { PolicyReader } from './reader.ts';
import { readSelector, selectPods } from './selector-test.ts';
import type { TieredPolicy } from './tier-order.ts';
import type { Action, Direction, PeerTest, PodTest, PolicyRule, PolicySection } from './traffic-policy.ts';
import { doubtfulRule, unreadableSection } from './unreadable-section.ts';

export const ADMIN_TIER = 'Admin';
export const BASELINE_TIER = 'Baseline';

const MALFORMED_RULE = doubt('malformed', 'the rule cannot be read');
const MALFORMED_PEER = doubt('malformed', 'the peer cannot be read');
const MALFORMED_SUBJECT = doubt('malformed', 'the subject of the policy cannot be read');
const NODE_LABELS = doubt('node', 'which nodes are meant is not computed');
const MAX_PRIORITY = 1000;

/** A policy whose tier cannot be read stands in both, with doubt. */
export function compileAdminPolicy(object: KubeObject, reader: PolicyReader): readonly TieredPolicy[] {
  const spec = reader.cluster.field(object, 'spec');
  const isKnown = hasOnly(spec, ['tier', 'priority', 'subject', 'ingress', 'egress']);
  if (!spec.isPresent) spec.noteWrong('a mapping');
  const tier = readTier(object, spec);
  const isReadable = isKnown && spec.kind === 'map' && tier !== null;
  const context = { object, reader };
  const unreadable = unreadableSection(spec.path);
  const policy = {
    title: formatObject(object),
    object,
    path: ['spec'],
    subjects: readSubject(spec.get('subject'), reader),
    ingress: isReadable ? readSection(spec, 'ingress', context) : unreadableActions(spec, unreadable),
    egress: isReadable ? readSection(spec, 'egress', context) : unreadableActions(spec, unreadable),
  };
  const order = object.kind === 'BaselineAdminNetworkPolicy' ? 0 : readPriority(spec.get('priority'));
  // Policies of one priority are asked in whatever order the implementation likes.
  const tiered = { policy, order, chain: null, name: object.name };
  if (tier !== null) return [{ ...tiered, tier }];
  return [
    { ...tiered, tier: ADMIN_TIER },
    { ...tiered, tier: BASELINE_TIER },
  ];
}

function readTier({ kind }: KubeObject, spec: Field): string | null {
  if (kind === 'AdminNetworkPolicy') return ADMIN_TIER;
  if (kind === 'BaselineAdminNetworkPolicy') return BASELINE_TIER;
  const field = spec.get('tier');
  const tier = field.requireText();
  if (tier === null) return null;
  return tier === ADMIN_TIER || tier === BASELINE_TIER ? tier : field.noteWrong('Admin or Baseline');
}

function readPriority(field: Field): number | 'unknown' {
  const priority = field.asInteger();
  if (priority !== null && priority >= 0 && priority <= MAX_PRIORITY) return priority;
  field.noteWrong('a priority from 0 to 1000');
  return 'unknown';
}

/** Such a policy isolates nobody; each rule decides what it matches. */
function unreadableActions({ path }: Field, { rules }: PolicySection): PolicySection {
  return { isolates: false, rules: [...rules, ...everyAction(path).slice(1)] };
}

function everyAction(path: Field['path']): readonly PolicyRule[] {
  return (['allow', 'deny', 'pass'] as const).map((action) => doubtfulRule(action, path, MALFORMED_RULE));
}

interface SectionContext {
  readonly object: KubeObject;
  readonly reader: PolicyReader;
}

function readSection(spec: Field, direction: Direction, context: SectionContext): PolicySection {
  const field = spec.get(direction);
  if (!isNoList(field)) {
    return { isolates: false, rules: field.asList().flatMap((rule) => readRule(rule, direction, context)) };
  }
  field.asList();
  return { isolates: false, rules: everyAction(field.path) };
}

function readRule(field: Field, direction: Direction, { object, reader }: SectionContext): readonly PolicyRule[] {
  const isCluster = object.kind === 'ClusterNetworkPolicy';
  const peersKey = direction === 'ingress' ? 'from' : 'to';
  const portsKey = isCluster ? 'protocols' : 'ports';
  const isKnown = hasOnly(field, ['name', 'action', peersKey, portsKey]);
  if (field.kind !== 'map') field.noteWrong('a mapping');
  if (!isKnown || field.kind !== 'map') return everyAction(field.path);
  const action = readAction(field.get('action'), object);
  if (action === null) return everyAction(field.path);
  const ports = field.get(portsKey);
  return [
    {
      action,
      doubt: null,
      own: null,
      peer: readPeers(field.get(peersKey), { direction, reader }),
      ports: isCluster ? readAdminProtocols(ports, reader.vocabulary) : readAdminPorts(ports, reader.vocabulary),
      remarks: [],
      path: field.path,
    },
  ];
}

function readAction(field: Field, { kind }: KubeObject): Action | null {
  const text = field.requireText();
  if (text === null) return null;
  if (text === 'Deny') return 'deny';
  if (text === 'Pass' && kind !== 'BaselineAdminNetworkPolicy') return 'pass';
  if (text === (kind === 'ClusterNetworkPolicy' ? 'Accept' : 'Allow')) return 'allow';
  return field.noteWrong(kind === 'ClusterNetworkPolicy' ? 'Accept, Deny or Pass' : 'Allow, Deny or Pass');
}

interface PeerContext {
  readonly direction: Direction;
  readonly reader: PolicyReader;
}

/** There must be one at least. */
function readPeers(field: Field, context: PeerContext): PeerTest {
  const peers = field.asList();
  if (isNoList(field)) return anything(MALFORMED_PEER);
  if (peers.length === 0) {
    field.noteWrong('a list of peers');
    return anything(MALFORMED_PEER);
  }
  return anyOf(peers.map((peer) => readPeer(peer, context)));
}

function readPeer(peer: Field, { direction, reader }: PeerContext): PeerTest {
  const keys = direction === 'ingress' ? INGRESS_PEERS : EGRESS_PEERS;
  const isKnown = hasOnly(peer, keys);
  const given = peer.kind === 'map' ? keys.filter((key) => peer.get(key).isPresent) : [];
  const [key] = given;
  if (!isKnown || key === undefined || given.length > 1) {
    peer.noteWrong(`one of ${keys.join(', ')}`);
    return anything(MALFORMED_PEER);
  }
  const field = peer.get(key);
  switch (key) {
    case 'namespaces':
      return podsOnly([selectPods({ namespaces: readSelector(field), pods: null }, reader.vocabulary)]);
    case 'pods':
      return podsOnly([readNamespacedPods(field, reader)]);
    case 'nodes':
      return nodesOnly({ same: NODE_LABELS, other: NODE_LABELS });
    case 'networks':
      return readNetworks(field);
    case 'domainNames': {
      const names = field.asTexts();
      return names.length === 0 || names.length < field.asList().length
        ? anything(MALFORMED_PEER)
        : anyOf(names.map(domainName));
    }
  }
}

const INGRESS_PEERS = ['namespaces', 'pods'] as const;
const EGRESS_PEERS = ['namespaces', 'pods', 'nodes', 'networks', 'domainNames'] as const;

/** They are compared with addresses inside the cluster as well. */
function readNetworks(field: Field): PeerTest {
  const networks = field.asList();
  const ranges: AddressRange[] = [];
  for (const network of networks) {
    const text = network.requireText();
    const range = text === null ? null : parseBlock(text);
    if (range !== null) ranges.push(range);
    else if (text !== null) network.noteWrong('an IP block such as 10.0.0.0/8');
  }
  if (isNoList(field) || networks.length === 0 || ranges.length < networks.length) return anything(MALFORMED_PEER);
  return addressesOnly(addressesIn(ranges), { pods: 'compared', nodes: 'compared' });
}

function readSubject(subject: Field, reader: PolicyReader): PodTest {
  const isKnown = hasOnly(subject, ['namespaces', 'pods']);
  const namespaces = subject.get('namespaces');
  const pods = subject.get('pods');
  if (subject.kind !== 'map' || !isKnown || namespaces.isPresent === pods.isPresent) {
    subject.noteWrong('either namespaces or pods');
    return { kind: 'every', answer: MALFORMED_SUBJECT };
  }
  if (pods.isPresent) return readNamespacedPods(pods, reader);
  return selectPods({ namespaces: readSelector(namespaces), pods: null }, reader.vocabulary);
}

function readNamespacedPods(field: Field, { vocabulary }: PolicyReader): PodTest {
  const isKnown = hasOnly(field, ['namespaceSelector', 'podSelector']);
  if (field.kind !== 'map' || !isKnown) {
    field.asMap();
    return { kind: 'every', answer: MALFORMED_PEER };
  }
  return selectPods(
    {
      namespaces: readSelector(field.get('namespaceSelector')),
      pods: readSelector(field.get('podSelector')),
    },
    vocabulary,
  );
}
