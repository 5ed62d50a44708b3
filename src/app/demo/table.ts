// The outcomes as a table for people: aligned, at most 100 columns, in colour where there is colour.

import type { Outcome, OutcomeGroup } from './run-scenarios.ts';
import { componentOf } from './listeners.ts';
import type { Trial } from './trials.ts';

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow';

/** Wraps text for the terminal, or leaves it alone. */
export type Paint = (style: Style, text: string) => string;

const CODES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

const COLUMNS = ['who → where', 'request', 'expected', 'actual', 'reason', 'µs'] as const;
const GAP = '  ';
const INDENT = '    ';

export function paintFor(colour: boolean): Paint {
  if (!colour) return (_style, text) => text;
  return (style, text) => `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m`;
}

export function formatTable(groups: readonly OutcomeGroup[], paint: Paint): string {
  const rows = groups.flatMap(({ outcomes }) => outcomes.map(cellsOf));
  const widths = COLUMNS.map((title, at) => Math.max(title.length, ...rows.map((cells) => cells[at]?.length ?? 0)));
  const lines = [paint('dim', `${INDENT}${align([...COLUMNS], widths)}`.trimEnd())];
  for (const { title, outcomes } of groups) {
    lines.push('', `  ${paint('bold', title)}`);
    for (const outcome of outcomes) lines.push(...formatOutcome(outcome, widths, paint));
  }
  return `${lines.join('\n')}\n`;
}

/** In one paragraph with a title, as a group of the table. */
export function formatTrials(title: string, trials: readonly Trial[], paint: Paint): string {
  const lines = trials.flatMap(({ text, complaint }) => formatMarked(text, complaint, paint));
  return `${[`  ${paint('bold', title)}`, ...lines].join('\n')}\n`;
}

export function formatMicros(seconds: number): string {
  return Number.isFinite(seconds) ? String(Math.round(seconds * 1e6)) : '–';
}

function formatOutcome(outcome: Outcome, widths: readonly number[], paint: Paint): readonly string[] {
  return formatMarked(align(cellsOf(outcome), widths), outcome.complaint, paint);
}

function formatMarked(text: string, complaint: string | null, paint: Paint): readonly string[] {
  if (complaint === null) return [`  ${paint('green', '✓')} ${text}`];
  return [`  ${paint('red', '✗')} ${text}`, `${INDENT}${paint('red', `└ ${complaint}`)}`];
}

function cellsOf({ scenario, actual }: Outcome): readonly string[] {
  const { who, to, shown, expected } = scenario;
  const isAnswered = actual.effect !== 'fail';
  return [
    `${who} → ${componentOf(to)}`,
    shown,
    `${expected.effect} ${expected.status}`,
    isAnswered ? `${actual.effect} ${actual.status}` : 'failed',
    actual.reason,
    isAnswered ? formatMicros(actual.overheadSeconds) : '–',
  ];
}

/** The last column is of numbers, which end below one another. */
function align(cells: readonly string[], widths: readonly number[]): string {
  const last = cells.length - 1;
  return cells
    .map((cell, at) => (at === last ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
    .join(GAP);
}
