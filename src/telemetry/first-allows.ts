// Which principal was already seen to be allowed which verb on which target under the policy in force.

import type { Decision } from '../policy/decision.ts';

export class FirstAllows {
  readonly #maxPrincipals: number;
  /** Principals by policy, target and verb. */
  readonly #seen = new Map<string, Set<string>>();
  /** The same sets by decision: looking one up allocates nothing. */
  readonly #seenByDecision = new Map<Decision, Set<string>>();
  #principals = 0;

  /** When more than `maxPrincipals` were seen everybody is new again: at worst something is logged once more. */
  constructor(maxPrincipals: number) {
    this.#maxPrincipals = maxPrincipals;
  }

  /** True the first time `decision`, an allow, is made for `principal`. */
  isFirst(decision: Decision, principal: string): boolean {
    const seen = this.#seenByDecision.get(decision) ?? this.#remember(decision);
    if (seen.has(principal)) return false;
    if (this.#principals < this.#maxPrincipals) {
      seen.add(principal);
      this.#principals += 1;
      return true;
    }
    this.clear();
    return this.isFirst(decision, principal);
  }

  /** A policy took the place of another. */
  clear(): void {
    this.#seen.clear();
    this.#seenByDecision.clear();
    this.#principals = 0;
  }

  #remember(decision: Decision): Set<string> {
    const key = JSON.stringify([decision.policyDigest, decision.target, decision.verb]);
    const seen = this.#seen.get(key) ?? new Set();
    if (this.#seenByDecision.size >= this.#maxPrincipals) this.#seenByDecision.clear();
    this.#seen.set(key, seen);
    this.#seenByDecision.set(decision, seen);
    return seen;
  }
}
