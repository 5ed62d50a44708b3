// Binds the policies of a cluster to pods: which of them a pod is subject to, and in which order.

import { type Answer, and, or } from './answer.ts';
import type { PodFacts } from './endpoint.ts';
import type { EnforcedTiers } from './enforced-tiers.ts';
import type { BoundRule, BoundTier } from './evaluate.ts';
import { askPodTest } from './pod-test.ts';
import { hasNames, keyOfName } from './port-test.ts';
import type { Direction, PolicyRule, PolicySection, TrafficPolicy } from './traffic-policy.ts';

/** Everything that decides about one direction of a pod. */
export interface Program {
  readonly direction: Direction;
  /** Tiers by enforcer, each of which must let connections through. */
  readonly enforcers: readonly (readonly BoundTier[])[];
  /** All of them, by their `index`. */
  readonly rules: readonly BoundRule[];
  /** Of one of the pods it is for. */
  readonly pod: PodFacts;
}

/** A policy that has something to say about one direction, and its place. */
export interface Slot {
  readonly policy: TrafficPolicy;
  readonly section: PolicySection;
  readonly enforcer: number;
  readonly tier: number;
  readonly rank: number;
  readonly chain: number;
}

/** A policy that selects a pod, or may. */
export interface Selected {
  readonly slot: number;
  /** Never false. */
  readonly answer: Answer;
}

/** In the order in which they are asked. */
export function slotsOf(enforced: readonly EnforcedTiers[], direction: Direction): readonly Slot[] {
  return enforced.flatMap(({ tiers }, enforcer) =>
    tiers.flatMap(({ ranks }, tier) =>
      ranks.flatMap((chains, rank) =>
        chains.flatMap((policies, chain) =>
          policies
            .map((policy) => ({ policy, section: policy[direction], enforcer, tier, rank, chain }))
            .filter(({ section }) => section.isolates !== false || section.rules.length > 0),
        ),
      ),
    ),
  );
}

/** Equal for pods that have equal programs. */
export function keyOfProgram(selected: readonly Selected[], slots: readonly Slot[], subject: ProgramSubject): string {
  const parts: string[] = [];
  for (const { slot, answer } of selected) {
    parts.push(answer === true ? `${slot}` : `${slot}?`);
    for (const rule of slots[slot]?.section.rules ?? []) {
      if (rule.own !== null) parts.push(shorten(askPodTest(rule.own, subject.pod)));
      if (subject.direction === 'ingress' && hasNames(rule.ports)) parts.push(keyOfNames(rule, subject.pod));
    }
  }
  return parts.join();
}

export interface ProgramSubject {
  readonly direction: Direction;
  readonly pod: PodFacts;
}

export interface BindingSource {
  readonly enforced: readonly EnforcedTiers[];
  readonly slots: readonly Slot[];
}

export function bindProgram(
  selected: readonly Selected[],
  { enforced, slots }: BindingSource,
  { direction, pod }: ProgramSubject,
): Program {
  const rules: BoundRule[] = [];
  const bound = selected.flatMap(({ slot: index, answer }) => {
    const slot = slots[index];
    return slot === undefined ? [] : [{ slot, answer, rules: bindRules(slot, { answer, pod, rules }) }];
  });
  const enforcers = enforced.map(({ tiers }, enforcer) =>
    tiers.flatMap((tier, index): readonly BoundTier[] => {
      const members = bound.filter(({ slot }) => slot.enforcer === enforcer && slot.tier === index);
      if (members.length === 0) return [];
      const isolating = members.filter(({ slot }) => slot.section.isolates !== false);
      return [
        {
          name: tier.name,
          atEnd: tier.atEnd,
          isolated: isolating.reduce<Answer>(
            (isolated, { slot, answer }) => or(isolated, and(answer, slot.section.isolates)),
            false,
          ),
          isolating: [...new Set(isolating.map(({ slot }) => slot.policy))],
          ranks: groupInOrder(members, ({ slot }) => slot.rank).map((rank) =>
            groupInOrder(rank, ({ slot }) => slot.chain).map((chain) => chain.flatMap((member) => member.rules)),
          ),
        },
      ];
    }),
  );
  return { direction, enforcers, rules, pod };
}

interface RuleSubject {
  readonly answer: Answer;
  readonly pod: PodFacts;
  /** To which each is added. */
  readonly rules: BoundRule[];
}

function bindRules({ policy, section }: Slot, { answer, pod, rules }: RuleSubject): readonly BoundRule[] {
  const bound: BoundRule[] = [];
  for (const rule of section.rules) {
    const applies = rule.own === null ? answer : and(answer, askPodTest(rule.own, pod));
    if (applies === false) continue;
    const one = { index: rules.length, rule, policy, applies };
    rules.push(one);
    bound.push(one);
  }
  return bound;
}

function groupInOrder<T>(items: readonly T[], keyOf: (item: T) => number): readonly (readonly T[])[] {
  return [...Map.groupBy(items, keyOf).values()];
}

function keyOfNames({ ports }: PolicyRule, pod: PodFacts): string {
  const names = [...ports.include.names, ...(ports.exclude?.names ?? [])];
  return names.map(({ name }) => keyOfName(name, { kind: 'pod', pod })).join(';');
}

function shorten(answer: Answer): string {
  if (typeof answer === 'boolean') return answer ? '+' : '-';
  return '~';
}
