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

const LETTERS: Readonly<Record<Verb, string>> = { read: 'r', write: 'w', infer: 'i', admin: 'a', connect: 'c' };
const MARKS: Readonly<Record<CellAnswer, string>> = { none: '·', deny: '×', allow: '', partly: '?', watched: '~' };
const GAP = '  ';

export function renderTable(policy: CompiledPolicy, options: TableOptions): string {
  const rows = policy.components.filter((name) => policy.declarations.get(name)?.rules.length !== 0);
  const idle = policy.components.filter((name) => !rows.includes(name));
  const rowWidth = Math.max(...rows.map((name) => name.length), CORNER.length);
  const toColumns = (stack: (name: string) => readonly string[]): readonly Column[] =>
    policy.components.map((target) => {
      const cells = rows.map((component) => describeCell(policy, component, target));
      const header = stack(target);
      return { header, cells, width: Math.max(...header.map((line) => line.length), ...cells.map(textWidth)) };
    });
  const wide = toColumns((name) => [name]);
  const isTooWide = rowWidth + wide.reduce((sum, { width }) => sum + GAP.length + width, 0) > options.width;
  const columns = isTooWide ? toColumns(stackName) : wide;
  const blocks = splitColumns(columns, { rowWidth, width: options.width });
  const text = rows.length === 0 ? [] : blocks.map((block) => renderBlock({ block, rows, rowWidth }, options));
  if (idle.length > 0) text.push(`nothing granted to: ${idle.join(', ')}`);
  const marks = columns.flatMap(({ cells }) => cells.flat());
  return `${[...text, legend(policy, marks)].join('\n\n')}\n`;
}

interface Column {
  /** One or more lines. */
  readonly header: readonly string[];
  /** One for each row. */
  readonly cells: readonly (readonly Mark[])[];
  readonly width: number;
}

const CORNER = 'from \\ to';

/** `feature-store` → `feature-`, `store`. */
function stackName(name: string): readonly string[] {
  return name.match(/[^-_.]*[-_.]|[^-_.]+$/g) ?? [name];
}

function splitColumns(
  columns: readonly Column[],
  { rowWidth, width }: { readonly rowWidth: number; readonly width: number },
): readonly (readonly Column[])[] {
  const blocks: Column[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const column of columns) {
    const needed = GAP.length + column.width;
    if (used + needed > width) {
      blocks.push([]);
      used = rowWidth;
    }
    blocks.at(-1)?.push(column);
    used += needed;
  }
  return blocks;
}

function renderBlock(
  {
    block,
    rows,
    rowWidth,
  }: { readonly block: readonly Column[]; readonly rows: readonly string[]; readonly rowWidth: number },
  options: TableOptions,
): string {
  const height = Math.max(...block.map(({ header }) => header.length));
  const lines: string[] = [];
  for (let line = 0; line < height; line += 1) {
    const isLast = line === height - 1;
    // Headers stand on the rows: short ones are empty at the top.
    const names = block.map(({ header, width }) => (header[line - height + header.length] ?? '').padEnd(width));
    lines.push([(isLast ? CORNER : '').padEnd(rowWidth), ...names].join(GAP).trimEnd());
  }
  for (const [index, component] of rows.entries()) {
    const cells = block.map(({ cells, width }) => paintCell(cells[index] ?? [], width, options));
    lines.push([component.padEnd(rowWidth), ...cells].join(GAP).trimEnd());
  }
  return lines.join('\n');
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
    partly: 'depends on method, path or upgrade',
    watched: 'in shadow: would be denied, is forwarded',
  };
  const present = new Set(marks.map(({ answer }) => answer));
  const others = (['deny', 'none', 'partly', 'watched'] as const)
    .filter((answer) => present.has(answer))
    .map((answer) => `${MARKS[answer]} ${meanings[answer]}`);
  return [letters, ...others].join('\n');
}
