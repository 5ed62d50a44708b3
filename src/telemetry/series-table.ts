// Counters by label values, never more than a fixed number of them: whatever the network sends, memory and scrapes stay small.

/** One counter of a metric. The hot path keeps the reference and adds to `value`; it only ever grows. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/** Value of every label of the series that counts what came after the table was full. */
export const OVERFLOW = 'other';

export class SeriesTable {
  readonly #labelNames: readonly string[];
  readonly #maxSeries: number;
  readonly #series = new Map<string, Series>();

  constructor(labelNames: readonly string[], maxSeries: number) {
    this.#labelNames = labelNames;
    this.#maxSeries = maxSeries;
  }

  /** The counter of these values, in the order of the label names; made at zero when it is new. */
  series(...values: readonly string[]): Series {
    const key = JSON.stringify(values);
    const existing = this.#series.get(key);
    if (existing !== undefined) return existing;
    if (this.#series.size < this.#maxSeries) return this.#create(key, values);
    return (
      this.#series.get('') ??
      this.#create(
        '',
        this.#labelNames.map(() => OVERFLOW),
      )
    );
  }

  all(): Iterable<Series> {
    return this.#series.values();
  }

  #create(key: string, values: readonly string[]): Series {
    const labels = Object.fromEntries(this.#labelNames.map((name, index) => [name, values[index] ?? OVERFLOW]));
    const series = { labels, value: 0 };
    this.#series.set(key, series);
    return series;
  }
}
