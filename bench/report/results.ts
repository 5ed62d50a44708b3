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

export function findFigure({ sections }: Results, id: string): Figure | undefined {
  return sections.flatMap(({ figures }) => figures).find((figure) => figure.id === id);
}
