// Questions about the other end of a connection, put together from smaller ones.

import {
  type AddressSet,
  addressesIn,
  ALL_ADDRESSES,
  containsRange,
  intersectAddresses,
  isEveryAddress,
} from './address-set.ts';
import { type Answer, and, doubt, type Doubt, or } from './answer.ts';
import { METADATA } from './metadata-address.ts';
import { allPodTests, anyPodTest } from './pod-test.ts';
import { EVERY_POD, type OutsideTest, type PeerTest, type PodTest } from './traffic-policy.ts';

/** Whether a CNI compares blocks with the addresses of pods and of nodes. */
export interface AddressMatching {
  readonly pods: 'compared' | 'never' | 'unknown';
  readonly nodes: 'compared' | 'never' | 'unknown';
}

export const NOTHING: PeerTest = {
  pods: [],
  nodes: { same: false, other: false },
  outside: outsideOf([]),
};

export const EVERYTHING: PeerTest = {
  pods: [EVERY_POD],
  nodes: { same: true, other: true },
  outside: outsideOf(ALL_ADDRESSES),
};

/** Nobody knows what. */
export function anything(reason: Doubt): PeerTest {
  return {
    pods: [{ kind: 'every', answer: reason }],
    nodes: { same: reason, other: reason },
    outside: someOutside(ALL_ADDRESSES, reason),
  };
}

export function podsOnly(pods: readonly PodTest[]): PeerTest {
  return { ...NOTHING, pods };
}

export function nodesOnly(nodes: PeerTest['nodes']): PeerTest {
  return { ...NOTHING, nodes };
}

export function outsideOnly(outside: OutsideTest): PeerTest {
  return { ...NOTHING, outside };
}

export function outsideOf(addresses: AddressSet): OutsideTest {
  return { certain: addresses, possible: addresses, doubt: null };
}

/** Some of `addresses`, and nobody knows which. */
export function someOutside(addresses: AddressSet, reason: Doubt): OutsideTest {
  return { certain: [], possible: addresses, doubt: reason };
}

/** Blocks, and what of the cluster they cover. */
export function addressesOnly(addresses: AddressSet, matching: AddressMatching): PeerTest {
  const pods = compareWith(addresses, matching.pods);
  const nodes = compareWith(addresses, matching.nodes);
  return {
    pods: pods === false ? [] : [{ kind: 'every', answer: pods }],
    nodes: { same: nodes, other: nodes },
    outside: outsideOf(addresses),
  };
}

/** Whether `addresses` cover one inside the cluster that is not known. */
function compareWith(addresses: AddressSet, matching: 'compared' | 'never' | 'unknown'): Answer {
  // Neither pod nor node has the address at which the cloud answers.
  if (matching === 'never' || addresses.every((range) => containsRange(METADATA, range))) return false;
  const isEvery = matching === 'compared' && isEveryAddress(addressesIn([...addresses, ...METADATA]));
  return isEvery ? true : UNKNOWN_ADDRESS;
}

export function anyOf(tests: readonly PeerTest[]): PeerTest {
  const [first, ...others] = tests.filter((test) => test !== NOTHING);
  return others.reduce(either, first ?? NOTHING);
}

export function allOf(tests: readonly PeerTest[]): PeerTest {
  const [first, ...others] = tests.filter((test) => test !== EVERYTHING);
  return others.reduce(both, first ?? EVERYTHING);
}

export const UNKNOWN_ADDRESS = doubt(
  'address',
  'whether an IP block covers addresses inside the cluster depends on the CNI and on address translation',
);

function either(left: PeerTest, right: PeerTest): PeerTest {
  return {
    pods: [...left.pods, ...right.pods],
    nodes: { same: or(left.nodes.same, right.nodes.same), other: or(left.nodes.other, right.nodes.other) },
    outside: {
      certain: addressesIn([...left.outside.certain, ...right.outside.certain]),
      possible: addressesIn([...left.outside.possible, ...right.outside.possible]),
      doubt: left.outside.doubt ?? right.outside.doubt,
    },
  };
}

function both(left: PeerTest, right: PeerTest): PeerTest {
  return {
    pods: [allPodTests([anyPodTest(left.pods), anyPodTest(right.pods)])],
    nodes: { same: and(left.nodes.same, right.nodes.same), other: and(left.nodes.other, right.nodes.other) },
    outside: {
      certain: intersectAddresses(left.outside.certain, right.outside.certain),
      possible: intersectAddresses(left.outside.possible, right.outside.possible),
      doubt: left.outside.doubt ?? right.outside.doubt,
    },
  };
}
