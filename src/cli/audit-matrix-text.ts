// The access matrix against a cluster, as text for a terminal.

import { printable } from '../audit/formats/printable.ts';
import type { ComponentGraph, EdgeState, GraphEdge } from '../audit/matrix/component-graph.ts';
import { describeCut, describePath, type Spread } from '../audit/matrix/spread.ts';

const MARKS: Readonly<Record<EdgeState, string>> = {
  hole: 'HOLE',
  breakage: 'broken',
  unknown: '?',
  'one-layer': '1 layer',
  allowed: 'ok',
  held: 'held',
};

export function formatGraph(graph: ComponentGraph): string {
  const told = graph.edges.filter(({ state }) => state !== 'allowed' && state !== 'held');
  const unmapped = graph.unmapped.length === 0 ? [] : [`of no component for certain: ${graph.unmapped.join(', ')}`];
  return [grid(graph), ...told.map(describe), ...graph.spreads.map(describeSpread), ...unmapped]
    .map(toLines)
    .join('\n');
}

function toLines(text: string): string {
  return text
    .split('\n')
    .map((line) => `${printable(line)}\n`)
    .join('');
}

/** A row for whoever asks, a column for whoever is asked. */
function grid({ nodes, edges }: ComponentGraph): string {
  const stateOf = new Map(edges.map(({ from, to, state }) => [`${from}\n${to}`, state]));
  const names = nodes.map(({ component }) => component);
  const mark = (from: string, to: string): string => {
    const state = stateOf.get(`${from}\n${to}`);
    return state === undefined ? '·' : MARKS[state];
  };
  const first = Math.max(...names.map(({ length }) => length), CORNER.length);
  const widths = names.map((name) => Math.max(name.length, ...names.map((from) => mark(from, name).length)));
  const line = (head: string, cells: readonly string[]): string =>
    [head.padEnd(first), ...cells.map((cell, index) => cell.padEnd(widths[index] ?? 0))].join('  ').trimEnd();
  const rows = names.map((from) =>
    line(
      from,
      names.map((to) => mark(from, to)),
    ),
  );
  return [line(CORNER, names), ...rows].join('\n');
}

const CORNER = 'from \\ to';

function describe({ from, to, state, ports, witness, why }: GraphEdge): string {
  const where = ports.length === 0 ? '' : ` at ${ports.join(', ')}`;
  const lines = [...(witness === null ? [] : [witness]), ...why].map((line) => `  ${line}`);
  return [`${MARKS[state]}: ${from} → ${to}${where}`, ...lines].join('\n');
}

function describeSpread({ component, reached, perhaps, workloads, cut }: Spread): string {
  const names = reached.map((each) => `${each.component}${each.isGranted ? '' : ' (not by the matrix)'}`);
  const lines = [
    `broken into ${component}: ${names.length === 0 ? 'nothing else falls' : `${names.join(', ')} fall, ${workloads} workloads in all`}`,
    ...(perhaps.length === 0 ? [] : [`  perhaps ${perhaps.join(', ')}`]),
    ...reached.filter(({ isGranted }) => !isGranted).map((each) => `  ${describePath(each)}`),
    ...(cut === null ? [] : [`  ${describeCut(cut)} saves ${cut.saved} of ${workloads}`]),
  ];
  return lines.join('\n');
}
