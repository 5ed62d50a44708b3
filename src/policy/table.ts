// The matrix as text for a terminal: who may do what, one row for each component, as many columns as fit.

import { summariseCell, verbsOf, type CellAnswer } from './cell-summary.ts';
import { VERBS, type Verb } from './decision.ts';
import type { CompiledPolicy } from './matrix.ts';

export interface TableOptions {
  /** Columns of the terminal; wider matrices are cut into blocks one above the other. */
  readonly width: number;
  /** Marks text by what it says; the identity where there is no colour. */
  readonly paint: (text: string, answer: CellAnswer) => string;
}

const LETTERS: Readonly<Record<Verb, string>> = { read: 'r', write: 'w', infer: 'i', admin: 'a' };
const MARKS: Readonly<Record<CellAnswer, string>> = { none: '·', deny: '×', allow: '', partly: '?', watched: '~' };
const GAP = '  ';

export function renderTable(policy: CompiledPolicy, options: TableOptions): string {
  const { components } = policy;
  const rowWidth = Math.max(...components.map((name) => name.length), 'from \\ to'.length);
  const columns = components.map((target) => {
    const cells = components.map((component) => describeCell(policy, component, target));
    return { target, cells, width: Math.max(target.length, ...cells.map(textWidth)) };
  });
  const blocks: (typeof columns)[] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const column of columns) {
    const needed = GAP.length + column.width;
    if (used + needed > options.width) {
      blocks.push([]);
      used = rowWidth;
    }
    blocks.at(-1)?.push(column);
    used += needed;
  }
  const rendered = blocks.map((block) => {
    const header = ['from \\ to'.padEnd(rowWidth), ...block.map(({ target, width }) => target.padEnd(width))];
    const rows = components.map((component, index) => {
      const cells = block.map(({ cells, width }) => paintCell(cells[index] ?? [], width, options));
      return [component.padEnd(rowWidth), ...cells].join(GAP).trimEnd();
    });
    return [header.join(GAP).trimEnd(), ...rows].join('\n');
  });
  return `${rendered.join('\n\n')}\n\n${legend(
    policy,
    columns.flatMap(({ cells }) => cells.flat()),
  )}\n`;
}

interface Mark {
  readonly text: string;
  readonly answer: CellAnswer;
}

/** Verbs the target can be asked for; one mark for the whole cell when nothing in it is granted. */
function describeCell(policy: CompiledPolicy, component: string, target: string): readonly Mark[] {
  const reachable = verbsOf(policy, target);
  const answers = VERBS.map((verb) => ({
    verb,
    answer: summariseCell(policy, { component, target, verb }).answer,
  })).filter(({ verb }) => reachable.includes(verb));
  const granted = answers.filter(({ answer }) => answer !== 'none' && answer !== 'deny');
  if (granted.length > 0) return granted.map(({ verb, answer }) => ({ text: LETTERS[verb] + MARKS[answer], answer }));
  const answer = answers.some((each) => each.answer === 'deny') ? 'deny' : 'none';
  return [{ text: MARKS[answer], answer }];
}

function textWidth(marks: readonly Mark[]): number {
  return marks.reduce((width, { text }) => width + text.length, 0);
}

/** Padded before it is painted: colour codes have no width. */
function paintCell(marks: readonly Mark[], width: number, { paint }: TableOptions): string {
  const painted = marks.map(({ text, answer }) => paint(text, answer)).join('');
  return painted + ' '.repeat(Math.max(0, width - textWidth(marks)));
}

function legend(policy: CompiledPolicy, marks: readonly Mark[]): string {
  const verbs = VERBS.filter((verb) => policy.components.some((target) => verbsOf(policy, target).includes(verb)));
  const letters = verbs.map((verb) => `${LETTERS[verb]} ${verb}`).join('  ');
  const meanings: Readonly<Record<CellAnswer, string>> = {
    none: 'not granted, so denied',
    deny: 'denied by rule',
    allow: '',
    partly: 'depends on method or path',
    watched: 'in shadow: would be denied, is forwarded',
  };
  const present = new Set(marks.map(({ answer }) => answer));
  const others = (['deny', 'none', 'partly', 'watched'] as const)
    .filter((answer) => present.has(answer))
    .map((answer) => `${MARKS[answer]} ${meanings[answer]}`);
  return [letters, ...others].join('\n');
}
