// `source` and `destination` of Calico's rules: everything that is given must match.
// https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#entityrule

import type { Cluster, Namespace } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { type AddressSet, addressesIn, ALL_ADDRESSES, withoutAddresses } from './address-set.ts';
import { type Answer, and, doubt, isDoubt, not, or } from './answer.ts';
import {
  askNamespace,
  askNetworkSet,
  MALFORMED_SELECTOR,
  namespaceTestOf,
  type NetworkSetFacts,
  podTestOf,
  readCalicoSelector,
  serviceAccountsNamed,
  serviceAccountTestOf,
} from './calico-labels.ts';
import type { Expression } from './calico-selector.ts';
import { domainName } from './domain-name.ts';
import { type AddressRange, parseBlockOrAddress } from './ip-address.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import {
  addressesOnly,
  allOf,
  anyOf,
  anything,
  EVERYTHING,
  outsideOf,
  podsOnly,
  UNKNOWN_ADDRESS,
} from './peer-test.ts';
import { allPodTests, anyPodTest, noPodTest } from './pod-test.ts';
import { podsBehind } from './service-pods.ts';
import { EVERY_POD, type OutsideTest, type PeerTest, type PodTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface CalicoContext {
  readonly cluster: Cluster;
  readonly vocabulary: Vocabulary;
  /** Of the policy; null for one of the cluster. */
  readonly namespace: string | null;
  readonly networkSets: readonly NetworkSet[];
  /** Whether there are endpoints that stand for nodes; which of them a selector means is not computed. */
  readonly hasHostEndpoints: boolean;
}

export interface NetworkSet {
  readonly object: KubeObject;
  readonly facts: NetworkSetFacts;
  /** Null when they cannot be read. */
  readonly addresses: AddressSet | null;
}

const ENTITY_KEYS = [
  'nets',
  'notNets',
  'selector',
  'notSelector',
  'namespaceSelector',
  'serviceAccounts',
  'services',
  'domains',
  'ports',
  'notPorts',
];
const MALFORMED = doubt('malformed', 'the end of the rule cannot be read');
const HOST_ENDPOINTS = doubt('unmodelled', 'which host endpoints a selector means is not computed');
const SERVICES = doubt('unmodelled', 'the endpoints of a Service are not computed');

export function readEntity(field: Field, context: CalicoContext): PeerTest {
  const isKnown = hasOnly(field, ENTITY_KEYS);
  if (field.isPresent && field.kind !== 'map') {
    field.asMap();
    return anything(MALFORMED);
  }
  const tests = [
    readNets(field.get('nets'), (addresses) => addressesOnly(addresses, COMPARED)),
    readNets(field.get('notNets'), (addresses) => addressesOnly(withoutAddresses(ALL_ADDRESSES, addresses), COMPARED)),
    readSelectors(field, context),
    readNotSelector(field.get('notSelector'), context),
    readServices(field.get('services'), context),
    readDomains(field.get('domains')),
    ...(isKnown ? [] : [anything(MALFORMED)]),
  ];
  return allOf(tests);
}

/** What the same entity says of a pod that it is on the side of. */
export function ownSideOf(entity: PeerTest): PodTest | null {
  const test = anyPodTest(entity.pods);
  return test === EVERY_POD ? null : test;
}

const COMPARED = { pods: 'compared', nodes: 'compared' } as const;

function readNets(field: Field, toTest: (addresses: AddressSet) => PeerTest): PeerTest {
  if (!field.isPresent) return EVERYTHING;
  const nets = field.asList();
  if (isNoList(field)) return anything(MALFORMED);
  if (nets.length === 0) return EVERYTHING;
  const addresses = readNetworks(nets);
  return addresses === null ? anything(MALFORMED) : toTest(addresses);
}

/** Null when one of them is no network. */
function readNetworks(nets: readonly Field[]): AddressSet | null {
  const ranges: AddressRange[] = [];
  let isMalformed = false;
  for (const net of nets) {
    const text = net.requireText();
    const range = text === null ? null : parseBlockOrAddress(text);
    if (range !== null) ranges.push(range);
    else {
      if (text !== null) net.noteWrong('an IP block or address');
      isMalformed = true;
    }
  }
  return isMalformed ? null : addressesIn(ranges);
}

/** Any of these selectors confines a rule of a namespace to the pods of it, unless namespaces are selected. */
function readSelectors(field: Field, context: CalicoContext): PeerTest {
  const { vocabulary } = context;
  const pods = readCalicoSelector(field.get('selector'));
  const namespaces = readCalicoSelector(field.get('namespaceSelector'));
  const hasNotSelector = readCalicoSelector(field.get('notSelector')) !== null;
  const accounts = readServiceAccounts(field.get('serviceAccounts'), vocabulary);
  if (pods === null && namespaces === null && accounts === null && !(hasNotSelector && context.namespace !== null)) {
    return EVERYTHING;
  }
  const place = namespaces !== null ? namespaceTestOf(namespaces) : ownNamespace(context.namespace);
  const test = allPodTests([place, pods === null ? EVERY_POD : podTestOf(pods, vocabulary), accounts ?? EVERY_POD]);
  const sets = selectSets(context, ({ facts }) => {
    // A network set has no service account.
    if (accounts !== null) return false;
    return and(askPlace(namespaces, facts, context), pods === null ? true : askSet(pods, facts));
  });
  return withSets(test, sets, context);
}

function readNotSelector(field: Field, context: CalicoContext): PeerTest {
  const expression = readCalicoSelector(field);
  if (expression === null) return EVERYTHING;
  const sets = selectSets(context, ({ facts }) => askSet(expression, facts));
  const selected = withSets(podTestOf(expression, context.vocabulary), sets, context);
  return {
    pods: [noPodTest(anyPodTest(selected.pods))],
    nodes: { same: not(selected.nodes.same), other: not(selected.nodes.other) },
    outside: {
      certain: withoutAddresses(ALL_ADDRESSES, selected.outside.possible),
      possible: withoutAddresses(ALL_ADDRESSES, selected.outside.certain),
      doubt: selected.outside.doubt,
    },
  };
}

/** Pods that are selected, and the addresses of selected sets, which may be addresses of other pods as well. */
function withSets(pods: PodTest, sets: OutsideTest, { hasHostEndpoints }: CalicoContext): PeerTest {
  const isSetSelected = sets.possible.length > 0;
  const nodes = or(hasHostEndpoints ? HOST_ENDPOINTS : false, isSetSelected ? UNKNOWN_ADDRESS : false);
  return {
    pods: isSetSelected ? [pods, { kind: 'every', answer: UNKNOWN_ADDRESS }] : [pods],
    nodes: { same: nodes, other: nodes },
    outside: sets,
  };
}

function selectSets({ networkSets }: CalicoContext, ask: (set: NetworkSet) => Answer): OutsideTest {
  let test = outsideOf([]);
  for (const set of networkSets) {
    const answer = ask(set);
    if (answer === false) continue;
    const reason = isDoubt(answer) ? answer : MALFORMED;
    const isCertain = answer === true && set.addresses !== null;
    test = {
      certain: addressesIn([...test.certain, ...(isCertain ? (set.addresses ?? []) : [])]),
      possible: addressesIn([...test.possible, ...(set.addresses ?? ALL_ADDRESSES)]),
      doubt: isCertain ? test.doubt : reason,
    };
  }
  return test;
}

function askSet(expression: Expression | 'malformed', facts: NetworkSetFacts): Answer {
  return expression === 'malformed' ? MALFORMED_SELECTOR : askNetworkSet(expression, facts);
}

function askPlace(
  namespaces: Expression | 'malformed' | null,
  { namespace }: NetworkSetFacts,
  context: CalicoContext,
): Answer {
  if (namespaces === 'malformed') return MALFORMED_SELECTOR;
  if (namespaces !== null) return askNamespace(namespaces, namespace);
  return context.namespace === null || namespace?.name === context.namespace;
}

export function ownNamespace(namespace: string | null): PodTest {
  if (namespace === null) return EVERY_POD;
  return {
    kind: 'some',
    key: JSON.stringify(['calico own', namespace]),
    namespace,
    ofNamespace: ({ name }) => name === namespace,
    ofPod: () => true,
  };
}

/** Null when none are given. */
function readServiceAccounts(field: Field, vocabulary: Vocabulary): PodTest | null {
  const isKnown = hasOnly(field, ['names', 'selector']);
  if (!field.isPresent) return null;
  const names = field.get('names');
  const selector = readCalicoSelector(field.get('selector'));
  if (field.kind !== 'map' || !isKnown || isNoList(names)) {
    names.asList();
    return { kind: 'every', answer: MALFORMED };
  }
  const texts = new Set(names.asTexts());
  const isMalformed = texts.size < new Set(names.asList().map(({ value }) => value)).size;
  const tests: PodTest[] = [
    ...(selector === null ? [] : [serviceAccountTestOf(selector, vocabulary)]),
    ...(texts.size === 0 ? [] : [serviceAccountsNamed(texts, vocabulary)]),
    ...(isMalformed ? [{ kind: 'every', answer: MALFORMED } as const] : []),
  ];
  return tests.length === 0 ? null : allPodTests(tests);
}

function readServices(field: Field, { cluster, vocabulary, namespace }: CalicoContext): PeerTest {
  if (!field.isPresent) return EVERYTHING;
  const isKnown = hasOnly(field, ['name', 'namespace']);
  const name = field.get('name').asText();
  const place = field.get('namespace').asText() ?? namespace;
  if (field.kind !== 'map' || !isKnown || name === null) {
    if (field.kind === 'map') field.noteWrong('a name and a namespace');
    return anything(MALFORMED);
  }
  const service = cluster.find('', 'Service', { namespace: place, name });
  const pods = service === null ? null : podsBehind(service, { cluster, vocabulary });
  if (pods === null) return anything(SERVICES);
  return podsOnly([allPodTests([pods, { kind: 'every', answer: SERVICES }])]);
}

function readDomains(field: Field): PeerTest {
  if (!field.isPresent) return EVERYTHING;
  const domains = field.asTexts();
  if (isNoList(field)) return anything(MALFORMED);
  return domains.length === 0 ? EVERYTHING : anyOf(domains.map(domainName));
}

/** The sets of networks of a cluster. */
export function readNetworkSets(objects: readonly KubeObject[], cluster: Cluster): readonly NetworkSet[] {
  return objects.map((object) => {
    const nets = cluster.field(object, 'spec', 'nets');
    const addresses = isNoList(nets) ? null : readNetworks(nets.asList());
    const namespace =
      object.namespace === null ? null : factsOf(cluster.namespaces.get(object.namespace), object.namespace);
    return { object, addresses, facts: { labels: object.labels, namespace } };
  });
}

function factsOf(namespace: Namespace | undefined, name: string): NetworkSetFacts['namespace'] {
  return namespace ?? { name, labels: new Map(), isImplied: true };
}

export function restrictToFamily(test: PeerTest, family: 4 | 6): PeerTest {
  const own = ALL_ADDRESSES.filter((range) => range.family === family);
  const inside = doubt('address', `whether a pod is reached over IPv${family} is not known`);
  return allOf([
    test,
    { pods: [{ kind: 'every', answer: inside }], nodes: { same: inside, other: inside }, outside: outsideOf(own) },
  ]);
}
