// The `from…` and `to…` sections of Cilium's rules.

import type { Field } from '../fields.ts';
import { compileSelector, matchLabels } from '../selector.ts';
import { type AddressSet, addressesIn, ALL_ADDRESSES, withoutAddresses } from './address-set.ts';
import { atMost, doubt, type Doubt } from './answer.ts';
import { type IdentityScope, readIdentitySelector, selectPeers } from './cilium-identity.ts';
import { type AddressRange, parseBlock, parseBlockOrAddress } from './ip-address.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import { domainName } from './domain-name.ts';
import { ALL_BUT_METADATA } from './metadata-address.ts';
import {
  addressesOnly,
  anyOf,
  anything,
  EVERYTHING,
  nodesOnly,
  NOTHING,
  outsideOf,
  outsideOnly,
  podsOnly,
  someOutside,
} from './peer-test.ts';
import type { PolicyReader } from './reader.ts';
import { podsBehind } from './service-pods.ts';
import { EVERY_POD, type Direction, type PeerTest, type PodTest } from './traffic-policy.ts';

export interface PeerContext extends IdentityScope {
  readonly reader: PolicyReader;
}

type PeerReader = (item: Field, context: PeerContext) => PeerTest;

const MALFORMED = doubt('malformed', 'the peer cannot be read');
const NODE_LABELS = doubt('node', 'which nodes are meant is not computed');
const API_SERVER = doubt('node', 'whether the API server is on that node is not known');
const GROUPS = doubt('unmodelled', 'the groups of a cloud provider are not known');
const SERVICES = doubt('unmodelled', 'what `toServices` means differs between versions and kinds of Services');
const UNKNOWN_GROUP = doubt('unmodelled', 'the CiliumCIDRGroup is not among what was read');

const PEER_KEYS: Readonly<Record<Direction, ReadonlyMap<string, PeerReader>>> = {
  ingress: new Map<string, PeerReader>([
    ['fromEndpoints', readEndpoint],
    ['fromEntities', readEntity],
    ['fromCIDR', readCidr],
    ['fromCIDRSet', readCidrRule],
    ['fromNodes', () => nodesOnly({ same: NODE_LABELS, other: NODE_LABELS })],
    ['fromGroups', () => outsideOnly(someOutside(ALL_ADDRESSES, GROUPS))],
  ]),
  egress: new Map<string, PeerReader>([
    ['toEndpoints', readEndpoint],
    ['toEntities', readEntity],
    ['toCIDR', readCidr],
    ['toCIDRSet', readCidrRule],
    ['toNodes', () => nodesOnly({ same: NODE_LABELS, other: NODE_LABELS })],
    ['toGroups', () => outsideOnly(someOutside(ALL_ADDRESSES, GROUPS))],
    ['toFQDNs', readDomainName],
    ['toServices', readService],
  ]),
};

export function peerKeysOf(direction: Direction): readonly string[] {
  return [...PEER_KEYS[direction].keys()];
}

export interface CiliumPeers {
  /** `none` when no section is given at all. */
  readonly given: 'none' | 'empty' | 'some';
  readonly peer: PeerTest;
  /** Not null when sections stand together that Cilium refuses to combine. */
  readonly doubt: Doubt | null;
}

const COMBINED = doubt('malformed', 'Cilium refuses a rule that combines different kinds of peers');

export function readCiliumPeers(rule: Field, direction: Direction, context: PeerContext): CiliumPeers {
  const tests: PeerTest[] = [];
  let given: CiliumPeers['given'] = 'none';
  let sections = 0;
  for (const [key, read] of PEER_KEYS[direction]) {
    const field = rule.get(key);
    if (!field.isPresent) continue;
    const items = field.asList();
    if (isNoList(field)) {
      tests.push(anything(MALFORMED));
      given = 'some';
    } else if (items.length === 0) {
      given = given === 'none' ? 'empty' : given;
    } else {
      tests.push(...items.map((item) => read(item, context)));
      given = 'some';
      sections += 1;
    }
  }
  return { given, peer: anyOf(tests), doubt: sections > 1 ? COMBINED : null };
}

function readEndpoint(item: Field, context: PeerContext): PeerTest {
  if (item.kind !== 'map') return malformed(item, 'a label selector');
  return selectPeers(readIdentitySelector(item), context);
}

/** https://docs.cilium.io/en/stable/security/policy/language/#entities-based */
function readEntity(item: Field): PeerTest {
  const entity = item.requireText();
  if (entity === null) return anything(MALFORMED);
  switch (entity) {
    case 'all':
      return EVERYTHING;
    case 'cluster':
      return { ...EVERYTHING, outside: NOTHING.outside };
    case 'world':
      return outsideOnly(EVERYTHING.outside);
    case 'world-ipv4':
    case 'world-ipv6': {
      const family = entity === 'world-ipv4' ? 4 : 6;
      return outsideOnly(outsideOf(ALL_ADDRESSES.filter((range) => range.family === family)));
    }
    case 'host':
      return nodesOnly({ same: true, other: false });
    case 'remote-node':
      return nodesOnly({ same: false, other: true });
    case 'kube-apiserver':
      return nodesOnly({ same: API_SERVER, other: API_SERVER });
    case 'init':
    case 'health':
    case 'unmanaged':
    case 'ingress':
    case 'none':
      return NOTHING;
    default:
      return malformed(item, 'an entity that Cilium knows');
  }
}

function readCidr(item: Field, { reader }: PeerContext): PeerTest {
  const text = item.requireText();
  const range = text === null ? null : parseBlockOrAddress(text);
  if (range === null) return malformed(item, 'an IP block or address');
  return addressesOnly([range], reader.addresses);
}

function readCidrRule(item: Field, context: PeerContext): PeerTest {
  const isKnown = hasOnly(item, ['cidr', 'cidrGroupRef', 'cidrGroupSelector', 'except']);
  if (item.kind !== 'map' || !isKnown) return malformed(item, 'a mapping with a CIDR');
  const exceptField = item.get('except');
  const exceptions = readRanges(exceptField.asList());
  const blocks = readCidrSource(item, context);
  if (blocks === null || exceptions === null || isNoList(exceptField)) return anything(MALFORMED);
  if (blocks === 'unknown') return outsideOnly(someOutside(withoutAddresses(ALL_ADDRESSES, exceptions), UNKNOWN_GROUP));
  return addressesOnly(withoutAddresses(blocks, exceptions), context.reader.addresses);
}

/** Null when malformed. */
function readCidrSource(item: Field, { reader }: PeerContext): AddressSet | 'unknown' | null {
  const reference = item.get('cidrGroupRef');
  const selector = item.get('cidrGroupSelector');
  if (!reference.isPresent && !selector.isPresent) return readRanges([item.get('cidr')]);
  const groups = reader.cluster.byKind('cilium.io', 'CiliumCIDRGroup');
  const chosen = reference.isPresent
    ? groups.filter(({ name }) => name === reference.asText())
    : groups.filter(({ labels }) => matchLabels(compileSelector(selector), labels) === 'yes');
  if (chosen.length === 0) return 'unknown';
  return readRanges(chosen.flatMap((group) => reader.cluster.field(group, 'spec', 'externalCIDRs').asList()));
}

/** Null when one of them is no block. */
function readRanges(fields: readonly Field[]): AddressSet | null {
  const ranges: AddressRange[] = [];
  for (const field of fields) {
    const text = field.requireText();
    const range = text === null ? null : parseBlock(text);
    if (range === null) {
      if (text !== null) field.noteWrong('an IP block such as 10.0.0.0/8');
      return null;
    }
    ranges.push(range);
  }
  return addressesIn(ranges);
}

function readDomainName(item: Field): PeerTest {
  const isKnown = hasOnly(item, ['matchName', 'matchPattern']);
  const name = item.get('matchName').asText() ?? item.get('matchPattern').asText();
  if (item.kind !== 'map' || !isKnown || name === null || name === '') return malformed(item, 'a name or a pattern');
  return domainName(name);
}

function readService(item: Field, { reader, namespace }: PeerContext): PeerTest {
  if (item.kind !== 'map') return malformed(item, 'a mapping');
  const byName = item.get('k8sService');
  const bySelector = item.get('k8sServiceSelector');
  const place = (byName.isPresent ? byName : bySelector).get('namespace').asText() ?? namespace;
  const selector = compileSelector(bySelector.get('selector'));
  const services = reader.cluster
    .byKind('', 'Service')
    .filter((service) => place === null || service.namespace === place)
    .filter(({ name, labels }) =>
      byName.isPresent ? name === byName.get('serviceName').asText() : matchLabels(selector, labels) !== 'no',
    );
  const tests = services.map((service) => podsBehind(service, reader));
  const pods = tests.filter((test) => test !== null).map((test) => doubtful(test));
  const isElsewhere = tests.length === 0 || tests.includes(null);
  return anyOf([podsOnly(pods), isElsewhere ? outsideOnly(someOutside(ALL_BUT_METADATA, SERVICES)) : NOTHING]);
}

function doubtful(test: PodTest): PodTest {
  if (test.kind === 'every') return { ...EVERY_POD, answer: atMost(test.answer, SERVICES) };
  return { ...test, key: `services ${test.key}`, ofPod: (pod) => atMost(test.ofPod(pod), SERVICES) };
}

function malformed(item: Field, expected: string): PeerTest {
  item.noteWrong(expected);
  return anything(MALFORMED);
}
