// `npm run bench [-- --quick]`: prints what things cost; asserts nothing but that the answers were right.

import { measureDecide } from './decide.ts';

const isQuick = process.argv.includes('--quick');
const effort = isQuick ? { rounds: 5, decisionsPerRound: 20_000 } : { rounds: 15, decisionsPerRound: 200_000 };
const { loads, measurements } = measureDecide(effort);

printTable(
  ['load a policy', 'ms'],
  loads.map(({ name, milliseconds }) => [name, milliseconds.toFixed(0)]),
);
printTable(
  ['decide, ns per decision', 'min', 'median', 'max'],
  measurements.map(({ name, nanoseconds: { min, median, max } }) => [
    name,
    ...[min, median, max].map((each) => each.toFixed(0)),
  ]),
);

function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 2)))
      .join('');
  process.stdout.write(`${[line(header), ...rows.map(line)].join('\n')}\n\n`);
}
