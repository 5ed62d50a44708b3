// What the access matrix grants one component towards another, whatever the request.

import { verbsOf } from '../../policy/cell-summary.ts';
import type { Verb } from '../../policy/decision.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';

/** Verbs of which some request is let through; what rules in shadow grant still is. Empty: nothing is. */
function grantedVerbs(policy: CompiledPolicy, component: string, target: string): readonly Verb[] {
  const rules = (policy.declarations.get(component)?.rules ?? []).filter((rule) => rule.target.text === target);
  return verbsOf(policy, target).filter((verb) => {
    const ofVerb = rules.filter(({ verbs }) => verbs.includes(verb));
    const isDenied = ofVerb.some(
      ({ effect, shadow, methods, paths, upgrades }) =>
        effect === 'deny' && !shadow && methods === null && paths === null && upgrades === null,
    );
    return !isDenied && ofVerb.some(({ effect }) => effect === 'allow');
  });
}

/** Asked for every pair of workloads, so remembered. */
export class Grants {
  readonly #policy: CompiledPolicy;
  readonly #verbs = new Map<string, readonly Verb[]>();

  constructor(policy: CompiledPolicy) {
    this.#policy = policy;
  }

  verbs(component: string, target: string): readonly Verb[] {
    const key = `${component}\n${target}`;
    let verbs = this.#verbs.get(key);
    if (verbs === undefined) {
      verbs = grantedVerbs(this.#policy, component, target);
      this.#verbs.set(key, verbs);
    }
    return verbs;
  }

  isKnown(component: string): boolean {
    return this.#policy.declarations.has(component);
  }

  /** Whoever is of no component is granted nothing. */
  has(component: string | null, target: string | null): boolean {
    return component !== null && target !== null && this.verbs(component, target).length > 0;
  }
}
