// Policies whose effect nobody can compute here: those that were not read, and those of kinds that are not modelled.

import type { Cluster } from '../cluster.ts';
import type { Unreadable } from '../inventory.ts';
import { formatObject } from '../kube-object.ts';
import { doubt, type Doubt } from './answer.ts';
import { type CniName, enforces, type PolicyKind } from './cni.ts';
import { ownNamespace } from './calico-entity.ts';
import { EVERYTHING, outsideOnly } from './peer-test.ts';
import { NO_SECTION, type PolicySection, type TrafficPolicy } from './traffic-policy.ts';
import { doubtfulRule, unreadableSection } from './unreadable-section.ts';

const KINDS: readonly (readonly [kind: PolicyKind, group: string, name: string, isNamespaced: boolean])[] = [
  ['kubernetes', 'networking.k8s.io', 'NetworkPolicy', true],
  ['admin', 'policy.networking.k8s.io', 'AdminNetworkPolicy', false],
  ['admin', 'policy.networking.k8s.io', 'BaselineAdminNetworkPolicy', false],
  ['cluster', 'policy.networking.k8s.io', 'ClusterNetworkPolicy', false],
  ['cilium', 'cilium.io', 'CiliumNetworkPolicy', true],
  ['cilium', 'cilium.io', 'CiliumClusterwideNetworkPolicy', false],
];

/** Any of them may deny, and may allow, everything in its place. */
export function unseenPolicies(cluster: Cluster, cni: CniName): readonly TrafficPolicy[] {
  return [...unreadPolicies(cluster, cni), ...unmodelledPolicies(cluster, cni)];
}

function unreadPolicies(cluster: Cluster, cni: CniName): readonly TrafficPolicy[] {
  const missing = KINDS.filter(([kind]) => enforces(cni, kind) !== false).flatMap(([, group, name, isNamespaced]) =>
    placesOf(cluster, isNamespaced).flatMap((namespace) => {
      const unread = unreadIn(cluster, { group, name, namespace });
      return unread === null ? [] : [toPolicy(unread, namespace)];
    }),
  );
  const calico = enforces(cni, 'calico') === false ? [] : unreadCalicoPolicies(cluster);
  return [...missing, ...calico];
}

/** Calico's kinds are in one of two API groups; either is as good. */
function unreadCalicoPolicies(cluster: Cluster): readonly TrafficPolicy[] {
  const groups = ['projectcalico.org', 'crd.projectcalico.org'];
  return ['NetworkPolicy', 'GlobalNetworkPolicy'].flatMap((name) => {
    const unread = groups.map((group) => unreadIn(cluster, { group, name, namespace: null }));
    const first = unread.find((entry) => entry !== null) ?? null;
    return first === null || unread.includes(null) ? [] : [toPolicy(first, null)];
  });
}

function placesOf(cluster: Cluster, isNamespaced: boolean): readonly (string | null)[] {
  return isNamespaced ? [...cluster.namespaces.keys()] : [null];
}

interface UnreadKind {
  readonly group: string;
  readonly name: string;
  readonly namespace: string | null;
}

/**
 * Null when all of them are there: a kind that the server does not have has no objects, and neither has one that is not among the given
 * files. A file that could have held anything makes nothing here unknown; what rests on the absence of policies is not proved by it either.
 */
function unreadIn(cluster: Cluster, { group, name, namespace }: UnreadKind): Unreadable | null {
  const known = cluster.isKnown(group, name, namespace);
  if (known === true || known.kind === null || known.reason === 'absent-kind') return null;
  return known.reason === 'not-given' && cluster.inventory.completeKinds === 'as-given' ? null : known;
}

function toPolicy({ what, detail }: Unreadable, namespace: string | null): TrafficPolicy {
  const section = unreadableSection([], doubt('unread', `${what} could not be read: ${detail}`));
  return {
    title: what,
    object: null,
    path: [],
    subjects: ownNamespace(namespace),
    ingress: section,
    egress: section,
  };
}

interface UnmodelledKind {
  readonly group: string;
  readonly kind: string;
  /** Null when it works with every CNI. */
  readonly cni: CniName | null;
  readonly effect: 'both' | 'egress' | 'egress-outside';
}

const UNMODELLED_KINDS: readonly UnmodelledKind[] = [
  { group: 'crd.antrea.io', kind: 'NetworkPolicy', cni: 'antrea', effect: 'both' },
  { group: 'crd.antrea.io', kind: 'ClusterNetworkPolicy', cni: 'antrea', effect: 'both' },
  { group: 'k8s.ovn.org', kind: 'EgressFirewall', cni: 'ovn-kubernetes', effect: 'egress-outside' },
  { group: 'network.openshift.io', kind: 'EgressNetworkPolicy', cni: 'openshift-sdn', effect: 'egress-outside' },
  { group: 'vpcresources.k8s.aws', kind: 'SecurityGroupPolicy', cni: null, effect: 'both' },
  { group: 'networking.k8s.aws', kind: 'ClusterNetworkPolicy', cni: 'aws-vpc-cni', effect: 'both' },
  { group: 'networking.k8s.aws', kind: 'ApplicationNetworkPolicy', cni: 'aws-vpc-cni', effect: 'egress' },
  { group: 'networking.gke.io', kind: 'FQDNNetworkPolicy', cni: 'cilium', effect: 'egress' },
];

function unmodelledPolicies(cluster: Cluster, cni: CniName): readonly TrafficPolicy[] {
  return UNMODELLED_KINDS.filter((kind) => kind.cni === null || kind.cni === cni || cni === 'standard').flatMap(
    ({ group, kind, effect }) =>
      cluster.byKind(group, kind).map((object): TrafficPolicy => {
        const reason = doubt('unmodelled', `the effect of ${formatObject(object)} is not computed`);
        return {
          title: formatObject(object),
          object,
          path: ['spec'],
          subjects: ownNamespace(object.namespace),
          ingress: effect === 'both' ? unreadableSection(['spec'], reason) : NO_SECTION,
          egress: effect === 'egress-outside' ? firewallSection(reason) : unreadableSection(['spec'], reason),
        };
      }),
  );
}

/** It takes addresses outside away, and gives none. */
function firewallSection(reason: Doubt): PolicySection {
  const peer = outsideOnly(EVERYTHING.outside);
  return { isolates: false, rules: [{ ...doubtfulRule('deny', ['spec'], reason), peer }] };
}
