// What was measured, round by round: turned into medians, and into ratios to a reference of the same round.

import { type Summary, summarise } from './summary.ts';

export interface FigureKind {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly decimals: number;
  readonly better: 'lower' | 'higher';
}

export interface FigureRow {
  readonly name: string;
  readonly value: Summary;
  /** To the reference, round by round; null where that was not measured. */
  readonly ratio: Summary | null;
}

export interface Figure extends FigureKind {
  readonly rows: readonly FigureRow[];
}

export class Samples {
  readonly #figures = new Map<string, { readonly kind: FigureKind; readonly values: Map<string, number[]> }>();

  add(kind: FigureKind, name: string, value: number): void {
    let figure = this.#figures.get(kind.id);
    if (figure === undefined) {
      figure = { kind, values: new Map() };
      this.#figures.set(kind.id, figure);
    }
    const values = figure.values.get(name);
    if (values === undefined) figure.values.set(name, [value]);
    else values.push(value);
  }

  /** A figure of its own: that of `kind` by what another was at in the same round. */
  addRatios(of: string, under: string, kind: FigureKind): void {
    const values = this.#figures.get(of)?.values;
    const below = values?.get(under);
    if (values === undefined || below === undefined) return;
    for (const [name, measured] of values) {
      if (measured.length !== below.length) continue;
      for (const [round, value] of measured.entries()) this.add(kind, name, value / (below[round] ?? Number.NaN));
    }
  }

  toFigures(reference: string): readonly Figure[] {
    return Array.from(this.#figures.values(), ({ kind, values }) => ({
      ...kind,
      rows: Array.from(values, ([name, measured]) => ({
        name,
        value: summarise(measured),
        // Ratios have none: whose they are is said by their title.
        ratio: kind.unit === '×' ? null : ratioTo(values.get(reference), measured),
      })),
    }));
  }
}

function ratioTo(reference: readonly number[] | undefined, measured: readonly number[]): Summary | null {
  if (reference === undefined || reference.length !== measured.length) return null;
  return summarise(measured.map((value, round) => value / (reference[round] ?? Number.NaN)));
}
