// Asks the tiers of policies about one pod in one direction, in the order in which a CNI does.

import { type Answer, isDoubt } from './answer.ts';
import type { Bounds } from './bounds.ts';
import {
  ALL_CONNECTIONS,
  type ConnectionSet,
  intersect,
  isNone,
  NO_CONNECTIONS,
  subtract,
  unite,
} from './connection-set.ts';
import type { PolicyRule, TrafficPolicy } from './traffic-policy.ts';

/** A rule of a policy that selects the pod. */
export interface BoundRule {
  /** Among all rules of the program, from 0. */
  readonly index: number;
  readonly rule: PolicyRule;
  readonly policy: TrafficPolicy;
  /** That the policy selects the pod, and the rule its own side; never false. */
  readonly applies: Answer;
}

export interface BoundTier {
  readonly name: string;
  readonly atEnd: 'deny' | 'pass';
  /** Whether a policy in it selects the pod and isolates it. */
  readonly isolated: Answer;
  /** Rules in order, by chain and rank. */
  readonly ranks: readonly (readonly (readonly BoundRule[])[])[];
  /** The policies that isolate it, or may. */
  readonly isolating: readonly TrafficPolicy[];
}

/** What one rule matches of the connections that are asked about. */
export interface RuleMatch {
  readonly certain: ConnectionSet;
  readonly possible: ConnectionSet;
}

export type MatchOf = (bound: BoundRule) => RuleMatch;

/** Takes what happens on the way, for the account that is given of it. */
export interface Trace {
  /** `connections` reach the rule and may be decided by it. */
  rule(bound: BoundRule, connections: ConnectionSet): void;
  /** No rule of the tier decides `connections`. */
  tierEnd(tier: BoundTier, connections: ConnectionSet): void;
}

const NO_TRACE: Trace = { rule: () => undefined, tierEnd: () => undefined };

/** What is asked of a tier: whatever may get there. */
interface State {
  allowed: ConnectionSet;
  denied: ConnectionSet;
}

/** Every connection that no tier decides is allowed. */
export function evaluate(tiers: readonly BoundTier[], matchOf: MatchOf, trace: Trace = NO_TRACE): Bounds {
  const state: State = { allowed: NO_CONNECTIONS, denied: NO_CONNECTIONS };
  let open = ALL_CONNECTIONS;
  for (const tier of tiers) {
    if (isNone(open)) break;
    open = evaluateTier({ tier, open, matchOf, trace }, state);
  }
  const possible = unite(state.allowed, open);
  return { certain: subtract(possible, state.denied), possible };
}

interface TierQuestion {
  readonly tier: BoundTier;
  readonly open: ConnectionSet;
  readonly matchOf: MatchOf;
  readonly trace: Trace;
}

/** What may come out of the tier undecided. */
function evaluateTier({ tier, open, matchOf, trace }: TierQuestion, state: State): ConnectionSet {
  let passed = NO_CONNECTIONS;
  let left = open;
  for (const chains of tier.ranks) {
    let afterRank = left;
    // Whichever chain comes first, the first of them to decide is the first rule of one of them that matches.
    for (const chain of chains) {
      let inChain = left;
      for (const bound of chain) {
        if (isNone(inChain)) break;
        const match = matchOf(bound);
        const hit = intersect(inChain, match.possible);
        if (isNone(hit)) continue;
        trace.rule(bound, hit);
        if (bound.rule.action === 'allow') state.allowed = unite(state.allowed, hit);
        else if (bound.rule.action === 'deny') state.denied = unite(state.denied, hit);
        else passed = unite(passed, hit);
        inChain = subtract(inChain, match.certain);
      }
      afterRank = intersect(afterRank, inChain);
    }
    left = afterRank;
  }
  if (tier.isolated === false || tier.atEnd === 'pass' || isNone(left)) return unite(passed, left);
  trace.tierEnd(tier, left);
  state.denied = unite(state.denied, left);
  return isDoubt(tier.isolated) ? unite(passed, left) : passed;
}
