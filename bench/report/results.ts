// What a run found, as it is kept in latest.json.

import type { Figure } from '../samples.ts';

export interface Section {
  readonly id: string;
  readonly title: string;
  /** What the ratios are to; null where nothing is compared. */
  readonly reference: string | null;
  readonly figures: readonly Figure[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
}

export interface Results {
  readonly date: string;
  readonly commit: string;
  readonly isQuick: boolean;
  readonly seconds: number;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly missing: readonly string[];
  readonly sections: readonly Section[];
}

/** Of what `JSON.stringify` of Results gave. */
export function parseResults(text: string): Results {
  return JSON.parse(text) as Results;
}

/** What stands beside a figure that the load generator decided, and what is said of it. */
export const LIMITED_MARK = '†';
export const LIMITED_NOTE = `${LIMITED_MARK} limited by the generator: at this percentile its own lateness is more than half of the latency, so that neither the figure nor its ratio tells proxies apart.`;

/** Of a latency: whether the generator was late by more than half of it, at the same percentile and rate. Of anything else: never. */
export function isLimitedByGenerator(figures: readonly Figure[], { id, rows }: Figure, name: string): boolean {
  const lateness = figures.find((figure) => figure.id === `lateness-${id}`);
  const [late, latency] = [lateness?.rows, rows].map((of) => of?.find((row) => row.name === name)?.value.median);
  return late !== undefined && latency !== undefined && late > latency / 2;
}

/** A ratio is worth no more than what it is to. */
export function isRatioLimited(figures: readonly Figure[], figure: Figure, of: readonly [string, string]): boolean {
  return of.some((name) => isLimitedByGenerator(figures, figure, name));
}

export function findFigure({ sections }: Results, id: string): Figure | undefined {
  return sections.flatMap(({ figures }) => figures).find((figure) => figure.id === id);
}
