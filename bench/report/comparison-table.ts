// Figures beside one another as the README has them: a column for each of those compared, and who of them is ahead of us.

import type { Figure } from '../samples.ts';
import { isRatioLimited, LIMITED_MARK, LIMITED_NOTE, type Results } from './results.ts';
import { formatRatio, formatValue } from './text.ts';

export interface Compared {
  readonly figures: readonly Figure[];
  /** In the order of the columns, those that are not there among them. */
  readonly names: readonly string[];
  readonly reference: string;
}

/** The row of Sallyport. */
export const OWN = 'Sallyport enforce';
export const NOT_MEASURED = '—';

/** @returns the table, and what is to be said of it. */
export function comparisonTable({ figures, names, reference }: Compared, { sections }: Results): readonly string[] {
  const all = sections.flatMap((section) => section.figures);
  const lines = figures.map((figure) => {
    const cells = names.map((name) => {
      const cell = cellOf(figure, name, reference);
      return isRatioLimited(all, figure, [name, reference]) && cell !== NOT_MEASURED ? `${cell} ${LIMITED_MARK}` : cell;
    });
    return `| ${figure.title}, ${figure.unit} | ${cells.join(' | ')} |`;
  });
  const table = [`| | ${names.join(' | ')} |`, `|---|${'---:|'.repeat(names.length)}`, ...lines].join('\n');
  return table.includes(LIMITED_MARK) ? [table, LIMITED_NOTE] : [table];
}

/** Said plainly: wherever another's median is better than ours. `others`: who counts. */
export function ahead(figures: readonly Figure[], others: ReadonlySet<string>): string {
  const sentences = figures.flatMap((figure) => {
    const own = figure.rows.find(({ name }) => name === OWN)?.value.median;
    // What is a ratio already repeats a figure above it.
    if (own === undefined || figure.unit === '×') return [];
    const better = figure.rows.filter(({ name, value }) => others.has(name) && isBetter(figure, value.median, own));
    return better.length === 0 ? [] : [`${figure.title}: ${better.map(({ name }) => name).join(', ')}`];
  });
  return sentences.length === 0
    ? 'None of them is ahead of Sallyport in any of these.'
    : `Ahead of Sallyport: ${sentences.join('; ')}.`;
}

function isBetter({ better }: Figure, value: number, than: number): boolean {
  return better === 'lower' ? value < than : value > than;
}

function cellOf({ rows, decimals }: Figure, name: string, reference: string): string {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) return NOT_MEASURED;
  const value = formatValue(row.value.median, decimals);
  return row.ratio === null || name === reference ? value : `${value} (×${formatRatio(row.ratio.median)})`;
}
