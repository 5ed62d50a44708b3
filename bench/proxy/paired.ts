// What differs by a percent: proxies that take turns within the same second, and the ratios of what each turn cost them.

import type { LoadPlan } from '../load/plan.ts';
import { type SlicedLoad, startSlices } from '../load/run-load.ts';
import type { Figure } from '../samples.ts';
import { summariseMedian } from '../summary.ts';
import { CLIENTS, LOAD_CPU } from './contender.ts';

export interface PairedEffort {
  readonly rounds: number;
  readonly sliceMs: number;
}

/** Whose CPU per request is divided by whose: names of those who take part. */
export type Pair = readonly [over: string, under: string];

export interface Turn {
  readonly name: string;
  readonly plan: Pick<LoadPlan, 'target' | 'asks' | 'connections'>;
  /** Of the proxy, so far. */
  cpuSeconds(): number;
}

/** Rounds before the first that counts. */
const PRACTICE = 3;

/** In the order in which they take their turns, and back in the next round. */
export async function measurePaired(
  directory: string,
  turns: readonly Turn[],
  of: PairedEffort & { readonly pairs: readonly Pair[] },
): Promise<Figure> {
  const loads: { readonly turn: Turn; readonly load: SlicedLoad }[] = [];
  const costs = new Map<string, number[]>(turns.map(({ name }) => [name, []]));
  try {
    for (const turn of turns) {
      const plan: LoadPlan = {
        kind: 'slices',
        sliceMs: of.sliceMs,
        directory,
        clients: CLIENTS,
        ...turn.plan,
        warmupMs: 0,
        measureMs: 0,
      };
      loads.push({ turn, load: await startSlices(plan, { cpu: LOAD_CPU, processes: 1 }) });
    }
    for (let round = -PRACTICE; round < of.rounds; round += 1) {
      // Taken over the whole round: what a proxy leaves to be done after its slice is its own.
      const before = turns.map((turn) => turn.cpuSeconds());
      const answered = new Map<Turn, number>();
      for (const { turn, load } of round % 2 === 0 ? loads : loads.toReversed()) answered.set(turn, await load.slice());
      if (round < 0) continue;
      for (const [index, turn] of turns.entries()) {
        const used = turn.cpuSeconds() - (before[index] ?? Number.NaN);
        costs.get(turn.name)?.push(used / (answered.get(turn) ?? Number.NaN));
      }
    }
  } finally {
    await Promise.all(loads.map(({ load }) => load.close()));
  }
  return {
    id: 'paired',
    title: `CPU per request, ${of.rounds} rounds of slices of ${of.sliceMs} ms: median ratio and its 95 % interval`,
    unit: '×',
    decimals: 3,
    better: 'lower',
    rows: ratiosOf(costs, of.pairs),
  };
}

/** Round by round; a pair of which one was not measured has none. */
export function ratiosOf(costs: ReadonlyMap<string, readonly number[]>, pairs: readonly Pair[]): Figure['rows'] {
  return pairs.flatMap(([over, under]) => {
    const [above, below] = [costs.get(over), costs.get(under)];
    if (above === undefined || below === undefined) return [];
    const ratios = above.map((cost, round) => cost / (below[round] ?? Number.NaN));
    return [{ name: `${over} / ${under}`, value: summariseMedian(ratios), ratio: null }];
  });
}
