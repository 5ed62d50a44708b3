// Figures of several rounds in three numbers, and as a table.

export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { min: at(0), median: at(sorted.length >> 1), max: at(sorted.length - 1) };
}

/** The median with its 95 % interval instead of the extremes, from order statistics: nothing is assumed of how the values scatter. */
export function summariseMedian(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const half = 0.98 * Math.sqrt(sorted.length);
  const last = sorted.length - 1;
  const at = (rank: number): number => sorted[Math.min(Math.max(rank, 0), last)] ?? Number.NaN;
  return {
    min: at(Math.floor(sorted.length / 2 - half)),
    median: at(sorted.length >> 1),
    max: at(Math.ceil(sorted.length / 2 + half)),
  };
}

export function toCells({ min, median, max }: Summary, decimals: number): readonly string[] {
  return [min, median, max].map((value) => value.toFixed(decimals));
}

/** The first column to the left, the others to the right. */
export function renderColumns(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 2)))
      .join('');
  return `${[line(header), ...rows.map(line)].join('\n')}\n`;
}
