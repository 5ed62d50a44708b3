// The policies of a cluster, in the tiers in which an enforcer asks them.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import { ADMIN_TIER, BASELINE_TIER, compileAdminPolicy } from './admin-policy.ts';
import { type Answer, and, doubt } from './answer.ts';
import { compileCiliumPolicies, isolationBySetting } from './cilium-policy.ts';
import { readCiliumSettings } from './cilium-settings.ts';
import { compileCalicoTiers } from './calico-tiers.ts';
import { enforces, type PolicyKind } from './cni.ts';
import type { Enforcer } from './enforcement.ts';
import { compileKubernetesPolicy } from './kubernetes-policy.ts';
import type { AddressMatching } from './peer-test.ts';
import { allPodTests } from './pod-test.ts';
import { rankPolicies, type TieredPolicy } from './tier-order.ts';
import type { Tier, TrafficPolicy } from './traffic-policy.ts';
import { unseenPolicies } from './unseen-policies.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface EnforcedTiers {
  readonly enforcer: Enforcer;
  readonly tiers: readonly Tier[];
  /** What may restrict nodes and with them pods on their network; null for nothing. */
  readonly ofNodes: KubeObject | null;
}

export interface TierSource {
  readonly cluster: Cluster;
  readonly vocabulary: Vocabulary;
}

export function compileTiers(enforcer: Enforcer, source: TierSource): EnforcedTiers {
  if (enforcer.cni === 'cilium' && readCiliumSettings(source.cluster).enforcement === 'never') {
    return { enforcer, tiers: [], ofNodes: null };
  }
  const unseen = tierOf('Unseen', unseenPolicies(source.cluster, enforcer.cni));
  const { tiers, ofNodes } = compileSeen(enforcer, source);
  return { enforcer, tiers: [unseen, ...tiers].filter(({ ranks }) => ranks.length > 0), ofNodes };
}

type SeenTiers = Pick<EnforcedTiers, 'tiers' | 'ofNodes'>;

function compileSeen(enforcer: Enforcer, source: TierSource): SeenTiers {
  const { cni } = enforcer;
  if (cni === 'cilium') return compileCilium(source);
  if (cni === 'calico') {
    const kubernetes = compileKubernetes(source, { addresses: COMPARED, answer: true });
    return compileCalicoTiers(
      source,
      kubernetes,
      compileAdmin(source, () => true),
    );
  }
  const admin = compileAdmin(source, (kind) => enforces(cni, kind));
  const kubernetes = compileKubernetes(source, { addresses: UNKNOWN, answer: enforces(cni, 'kubernetes') });
  return { tiers: betweenAdminTiers(admin, tierOf('NetworkPolicy', kubernetes)), ofNodes: null };
}

const COMPARED: AddressMatching = { pods: 'compared', nodes: 'compared' };
const UNKNOWN: AddressMatching = { pods: 'unknown', nodes: 'unknown' };
const UNKNOWN_MODE = doubt('malformed', '`enable-policy` in cilium-config cannot be read');

function compileCilium(source: TierSource): SeenTiers {
  const { cluster } = source;
  const settings = readCiliumSettings(cluster);
  const { addresses } = settings;
  const isOn = settings.enforcement === 'unknown' ? UNKNOWN_MODE : true;
  const kubernetes = compileKubernetes(source, { addresses, answer: and(isOn, settings.enforcesKubernetes) });
  const reader = { ...source, addresses };
  const clusterwide = cluster.byKind('cilium.io', 'CiliumClusterwideNetworkPolicy');
  const own = compileCiliumPolicies(cluster.byKind('cilium.io', 'CiliumNetworkPolicy'), reader, settings);
  const ofAll = compileCiliumPolicies(clusterwide, reader, settings);
  const inNamespaces = and(isOn, settings.enforcesNamespaced);
  const inCluster = and(isOn, settings.enforcesClusterwide);
  const denying = [...limit(own.denying, inNamespaces), ...limit(ofAll.denying, inCluster)];
  const allowing = [...limit(own.allowing, inNamespaces), ...limit(ofAll.allowing, inCluster), ...kubernetes];
  if (settings.object !== null && settings.enforcement !== 'default') {
    allowing.push(...limit([isolationBySetting(settings.object)], isOn));
  }
  const tier: Tier = { name: 'Cilium', atEnd: 'deny', ranks: [[denying], [allowing]] };
  return {
    tiers: betweenAdminTiers(
      compileAdmin(source, (kind) => enforces('cilium', kind)),
      tier,
    ),
    ofNodes: ofAll.ofNodes[0] ?? null,
  };
}

interface KubernetesTerms {
  readonly addresses: AddressMatching;
  /** Whether it is enforced. */
  readonly answer: Answer;
}

function compileKubernetes(source: TierSource, { addresses, answer }: KubernetesTerms): readonly TrafficPolicy[] {
  if (answer === false) return [];
  const policies = source.cluster
    .byKind('networking.k8s.io', 'NetworkPolicy')
    .map((object) => compileKubernetesPolicy(object, { ...source, addresses }));
  return limit(policies, answer);
}

function compileAdmin({ cluster, vocabulary }: TierSource, ask: (kind: PolicyKind) => Answer): readonly TieredPolicy[] {
  const reader = { cluster, vocabulary, addresses: COMPARED };
  return ADMIN_KINDS.flatMap(([name, kind]) => {
    const answer = ask(kind);
    if (answer === false) return [];
    return cluster
      .byKind('policy.networking.k8s.io', name)
      .flatMap((object) => compileAdminPolicy(object, reader))
      .map((tiered) => ({ ...tiered, policy: limitOne(tiered.policy, answer) }));
  });
}

const ADMIN_KINDS = [
  ['AdminNetworkPolicy', 'admin'],
  ['BaselineAdminNetworkPolicy', 'admin'],
  ['ClusterNetworkPolicy', 'cluster'],
] as const;

function betweenAdminTiers(admin: readonly TieredPolicy[], tier: Tier): readonly Tier[] {
  const adminTier = (name: string): Tier => ({
    name,
    atEnd: 'pass',
    ranks: rankPolicies(admin.filter((policy) => policy.tier === name)),
  });
  return [adminTier(ADMIN_TIER), tier, adminTier(BASELINE_TIER)];
}

function tierOf(name: string, policies: readonly TrafficPolicy[]): Tier {
  return { name, atEnd: 'deny', ranks: policies.length === 0 ? [] : [[policies]] };
}

function limit(policies: readonly TrafficPolicy[], answer: Answer): readonly TrafficPolicy[] {
  if (answer === false) return [];
  return policies.map((policy) => limitOne(policy, answer));
}

/** Of a policy that is perhaps not enforced, nobody knows whom it selects. */
function limitOne(policy: TrafficPolicy, answer: Answer): TrafficPolicy {
  if (answer === true) return policy;
  return { ...policy, subjects: allPodTests([policy.subjects, { kind: 'every', answer }]) };
}
