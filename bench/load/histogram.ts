// Latencies in the layout of HdrHistogram: buckets that double, each cut into equal parts, so that any value is kept to one part in 256.

const PART_BITS = 8;
const PARTS = 1 << PART_BITS;
/** 2^40 ns are 18 minutes; what is longer counts as that. */
const MAX_BITS = 40;
const MAX_VALUE = 2 ** MAX_BITS - 1;
const CELLS = (MAX_BITS - PART_BITS + 2) * (PARTS / 2);

/** The cells that are not empty, `[cell, count]`: what one process tells another. */
export type HistogramCells = readonly (readonly [number, number])[];

export class LatencyHistogram {
  #count = 0;
  readonly #counts = new Float64Array(CELLS);

  static fromCells(cells: HistogramCells): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const [cell, count] of cells) {
      histogram.#counts[cell] = (histogram.#counts[cell] ?? 0) + count;
      histogram.#count += count;
    }
    return histogram;
  }

  get count(): number {
    return this.#count;
  }

  record(nanoseconds: number): void {
    const cell = cellOf(Math.min(Math.max(Math.round(nanoseconds), 0), MAX_VALUE));
    this.#counts[cell] = (this.#counts[cell] ?? 0) + 1;
    this.#count += 1;
  }

  add(other: LatencyHistogram): void {
    for (const [cell, count] of other.toCells()) this.#counts[cell] = (this.#counts[cell] ?? 0) + count;
    this.#count += other.#count;
  }

  /** The greatest value of the cell in which the share `percent` of all values is reached; NaN when nothing was recorded. */
  percentile(percent: number): number {
    // What 99.9 % of 1,000 is must not come out as 999.0000000000001.
    const rank = Math.max(1, Math.ceil(Number(((percent / 100) * this.#count).toFixed(6))));
    let seen = 0;
    for (const [cell, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= rank) return highestOf(cell);
    }
    return Number.NaN;
  }

  toCells(): HistogramCells {
    const cells: (readonly [number, number])[] = [];
    for (const [cell, count] of this.#counts.entries()) if (count > 0) cells.push([cell, count]);
    return cells;
  }
}

/** Below 256 every value has its own cell; from there on each doubling has 128. */
function cellOf(value: number): number {
  if (value < PARTS) return value;
  const shift = Math.floor(Math.log2(value)) - PART_BITS + 1;
  return shift * (PARTS / 2) + Math.floor(value / 2 ** shift);
}

function highestOf(cell: number): number {
  if (cell < PARTS) return cell;
  const shift = Math.floor(cell / (PARTS / 2)) - 1;
  const part = cell - shift * (PARTS / 2);
  return (part + 1) * 2 ** shift - 1;
}
