// Tiers of policies, decided for one connection by trying every order that nobody excludes.

import { firstOf, type Outcome, type Step } from './world.ts';

export interface RefTier {
  /** Chains of equal rank, rank by rank; between chains of one rank every order is possible. A chain is a list of policies' steps. */
  readonly ranks: readonly (readonly (readonly (readonly Step[])[])[])[];
  readonly isIsolated: boolean;
  readonly atEnd: 'deny' | 'pass';
}

export function decide(tiers: readonly RefTier[]): Outcome {
  const verdicts = verdictsOf(tiers);
  return { mayBeYes: verdicts.has(true), mayBeNo: verdicts.has(false) };
}

function verdictsOf([tier, ...others]: readonly RefTier[]): ReadonlySet<boolean> {
  if (tier === undefined) return new Set([true]);
  const verdicts = new Set<boolean>();
  for (const steps of ordersOf(tier.ranks)) {
    for (const outcome of firstOf(steps, 'end')) {
      if (outcome === 'allow') verdicts.add(true);
      else if (outcome === 'deny') verdicts.add(false);
      else if (outcome === 'end' && tier.isIsolated && tier.atEnd === 'deny') verdicts.add(false);
      else for (const verdict of verdictsOf(others)) verdicts.add(verdict);
    }
  }
  return verdicts;
}

function ordersOf([chains, ...others]: RefTier['ranks']): readonly (readonly Step[])[] {
  if (chains === undefined) return [[]];
  return mergesOf(chains).flatMap((first) => ordersOf(others).map((rest) => [...first, ...rest]));
}

/** Every way to shuffle chains into one, each keeping its own order. */
function mergesOf(chains: readonly (readonly (readonly Step[])[])[]): readonly (readonly Step[])[] {
  const open = chains.filter(({ length }) => length > 0);
  if (open.length === 0) return [[]];
  return open.flatMap((chain, index) => {
    const [first = [], ...rest] = chain;
    const others = open.map((other, at) => (at === index ? rest : other));
    return mergesOf(others).map((merge) => [...first, ...merge]);
  });
}
