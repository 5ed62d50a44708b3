// All policies that Calico enforces, in its tiers. Those of Kubernetes itself have places there too.
// https://docs.tigera.io/calico/latest/reference/resources/tier

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { BASELINE_TIER } from './admin-policy.ts';
import { doubt } from './answer.ts';
import { type CalicoContext, readNetworkSets } from './calico-entity.ts';
import { compileCalicoPolicy, DEFAULT_TIER, readOrder } from './calico-policy.ts';
import { allPodTests } from './pod-test.ts';
import { orderTier, type TieredPolicy } from './tier-order.ts';
import type { Tier, TrafficPolicy } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

interface TierFacts {
  readonly name: string;
  readonly order: number | 'unknown';
  readonly atEnd: 'deny' | 'pass';
}

const ADMIN = 'kube-admin';
const BASELINE = 'kube-baseline';
/** Made by Calico itself. */
const OWN_TIERS: readonly TierFacts[] = [
  { name: DEFAULT_TIER, order: 1_000_000, atEnd: 'deny' },
  { name: ADMIN, order: 1_000, atEnd: 'pass' },
  { name: 'adminnetworkpolicy', order: 1_000, atEnd: 'pass' },
  { name: BASELINE, order: 10_000_000, atEnd: 'pass' },
  { name: 'baselineadminnetworkpolicy', order: 10_000_000, atEnd: 'pass' },
];
/** Where policies of Kubernetes stand among the others of the default tier. */
const KUBERNETES_ORDER = 1_000;
const UNKNOWN_TIER = doubt('rank', 'where the tier of the policy stands among the others is not known');

export interface CalicoTiers {
  readonly tiers: readonly Tier[];
  readonly ofNodes: KubeObject | null;
}

export function compileCalicoTiers(
  { cluster, vocabulary }: { readonly cluster: Cluster; readonly vocabulary: Vocabulary },
  kubernetes: readonly TrafficPolicy[],
  admin: readonly TieredPolicy[],
): CalicoTiers {
  const ofKind = (kind: string): readonly KubeObject[] => objectsOf(cluster, kind);
  const networkSets = readNetworkSets([...ofKind('NetworkSet'), ...ofKind('GlobalNetworkSet')], cluster);
  const hostEndpoints = ofKind('HostEndpoint');
  const own = [...ofKind('NetworkPolicy'), ...ofKind('GlobalNetworkPolicy')].flatMap((object) => {
    const context: CalicoContext = {
      cluster,
      vocabulary,
      namespace: object.kind === 'NetworkPolicy' ? (object.namespace ?? 'default') : null,
      networkSets,
      hasHostEndpoints: hostEndpoints.length > 0,
    };
    return compileCalicoPolicy(object, context) ?? [];
  });
  const policies = [...own, ...kubernetes.map(inDefaultTier), ...admin.map(inAdminTier)];
  return { tiers: arrangeTiers(policies, readTiers(cluster)), ofNodes: hostEndpoints[0] ?? null };
}

/** Of both API groups that Calico uses, each once. */
export function objectsOf(cluster: Cluster, kind: string): readonly KubeObject[] {
  const objects = new Map<string, KubeObject>();
  for (const group of ['projectcalico.org', 'crd.projectcalico.org']) {
    for (const object of cluster.byKind(group, kind)) {
      // Stored names carry the tier, others need not.
      const name = object.name.replace(/^default\./, '');
      const key = JSON.stringify([object.namespace, name]);
      if (!objects.has(key)) objects.set(key, object);
    }
  }
  return [...objects.values()];
}

function inDefaultTier(policy: TrafficPolicy): TieredPolicy {
  return { policy, tier: DEFAULT_TIER, order: KUBERNETES_ORDER, chain: 'Kubernetes', name: policy.title };
}

function inAdminTier(policy: TieredPolicy): TieredPolicy {
  return { ...policy, tier: policy.tier === BASELINE_TIER ? BASELINE : ADMIN };
}

function readTiers(cluster: Cluster): ReadonlyMap<string, TierFacts> {
  // Calico keeps its own tiers as they are.
  const tiers = new Map(OWN_TIERS.map((tier) => [tier.name, tier]));
  for (const object of objectsOf(cluster, 'Tier')) {
    const spec = cluster.field(object, 'spec');
    tiers.set(object.name, tiers.get(object.name) ?? readTier(object.name, spec));
  }
  return tiers;
}

function readTier(name: string, spec: Field): TierFacts {
  const field = spec.get('defaultAction');
  const action = field.asText();
  const order = readOrder(spec.get('order'));
  if (action === 'Pass') return { name, order, atEnd: 'pass' };
  if (action === 'Deny' || !field.isPresent) return { name, order, atEnd: 'deny' };
  if (action !== null) field.noteWrong('Deny or Pass');
  return { name, order: 'unknown', atEnd: 'deny' };
}

/** Tiers without a known place come first, with doubt: whatever follows may as well be what decides. */
function arrangeTiers(policies: readonly TieredPolicy[], facts: ReadonlyMap<string, TierFacts>): readonly Tier[] {
  const byTier = [...Map.groupBy(policies, ({ tier }) => tier)].map(([name, members]) => ({
    tier: facts.get(name) ?? { name, order: 'unknown' as const, atEnd: 'deny' as const },
    members,
  }));
  const unknown = byTier.filter(({ tier }) => tier.order === 'unknown');
  const known = byTier
    .filter(({ tier }) => tier.order !== 'unknown')
    .sort((left, right) => compare(left.tier, right.tier));
  return [
    ...unknown.map(({ tier, members }) => orderTier(tier, members.map(withDoubt))),
    ...known.map(({ tier, members }) => orderTier(tier, members)),
  ];
}

function compare(left: TierFacts, right: TierFacts): number {
  if (left.order !== right.order) return left.order < right.order ? -1 : 1;
  return left.name < right.name ? -1 : 1;
}

function withDoubt(tiered: TieredPolicy): TieredPolicy {
  const { policy } = tiered;
  const subjects = allPodTests([policy.subjects, { kind: 'every', answer: UNKNOWN_TIER }]);
  return { ...tiered, policy: { ...policy, subjects } };
}
