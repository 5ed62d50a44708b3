// Policies put into the order in which they are asked.

import type { Chain, Rank, Tier, TrafficPolicy } from './traffic-policy.ts';

/** A policy of a tier with its place there. */
export interface TieredPolicy {
  readonly policy: TrafficPolicy;
  readonly tier: string;
  /** Lower is earlier. */
  readonly order: number | 'unknown';
  /** Among policies of equal order, only those of one chain have an order, by name; null for one that shares a chain with none. */
  readonly chain: string | null;
  readonly name: string;
}

export interface TierPlan {
  readonly name: string;
  readonly atEnd: 'deny' | 'pass';
}

export function orderTier({ name, atEnd }: TierPlan, policies: readonly TieredPolicy[]): Tier {
  return { name, atEnd, ranks: rankPolicies(policies) };
}

/** Chains of one order make a rank. One policy without a known order could come before or after each of the others. */
export function rankPolicies(policies: readonly TieredPolicy[]): readonly Rank[] {
  if (policies.some(({ order }) => order === 'unknown')) return [policies.map(({ policy }) => [policy])];
  const byOrder = Map.groupBy(policies, ({ order }) => order);
  return [...byOrder].sort(([left], [right]) => compareOrders(left, right)).map(([, equals]) => chainsOf(equals));
}

function chainsOf(policies: readonly TieredPolicy[]): readonly Chain[] {
  const alone = policies.filter(({ chain }) => chain === null).map(({ policy }) => [policy]);
  const chains = Map.groupBy(
    policies.filter(({ chain }) => chain !== null),
    ({ chain }) => chain,
  );
  return [...alone, ...[...chains.values()].map((members) => members.sort(compareNames).map(({ policy }) => policy))];
}

function compareOrders(left: number | 'unknown', right: number | 'unknown'): number {
  if (left === right || left === 'unknown' || right === 'unknown') return 0;
  return left < right ? -1 : 1;
}

function compareNames(left: TieredPolicy, right: TieredPolicy): number {
  if (left.name === right.name) return 0;
  return left.name < right.name ? -1 : 1;
}
