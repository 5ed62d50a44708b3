// Results for a terminal and as Markdown.

import type { Figure, FigureRow } from '../samples.ts';
import { renderColumns, type Summary, toCells } from '../summary.ts';
import {
  isLimitedByGenerator,
  isRatioLimited,
  LIMITED_MARK,
  LIMITED_NOTE,
  type Results,
  type Section,
} from './results.ts';

const SPREAD = ['min', 'median', 'max'];

export function renderTerminal({ sections, missing }: Pick<Results, 'sections' | 'missing'>): string {
  const tables = sections.flatMap(({ figures, reference }) =>
    figures.map((figure) =>
      renderColumns(
        [`${figure.title}, ${figure.unit}`, ...SPREAD, ...(reference === null ? [] : [`to ${reference}`])],
        figure.rows.map(({ name, value, ratio }) => [
          isLimitedByGenerator(figures, figure, name) ? `${name} ${LIMITED_MARK}` : name,
          ...toCells(value, figure.decimals),
          ...(reference === null ? [] : [ratio === null ? '' : formatRatios(ratio)]),
        ]),
      ),
    ),
  );
  if (sections.some(hasLimited)) tables.push(`${LIMITED_NOTE}\n`);
  return [...tables, ...missing.map((line) => `${line}\n`)].join('\n');
}

/** A row for each figure, a column for each of those compared. */
export function renderMarkdown(results: Results): string {
  const { machine, versions, isQuick, missing } = results;
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    '# What `npm run bench` found',
    '',
    isQuick ? 'With `--quick`: one short round of everything, to see that it works. Not for quoting.' : '',
    `${results.date}, commit ${results.commit}, ${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}, in`,
    `${(results.seconds / 60).toFixed(1)} minutes. ${programs.join(', ')}.`,
    '',
    'Medians, in brackets the least and the most of the rounds, then the ratio, taken round by round.',
    ...missing.map((line) => `\nMissing: ${line}.`),
    ...results.sections.flatMap((section) => ['', ...renderSection(section)]),
    '',
  ].join('\n');
}

export function formatRatio(ratio: number): string {
  if (ratio >= 100) return Math.round(ratio).toLocaleString('en');
  return ratio.toFixed(ratio >= 10 ? 0 : 2);
}

export function formatValue(value: number, decimals: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function formatRatios({ median, min, max }: Summary): string {
  return `${formatRatio(median)} (${formatRatio(min)}–${formatRatio(max)})`;
}

function renderSection({ title, reference, figures }: Section): readonly string[] {
  const names = [...new Set(figures.flatMap(({ rows }) => rows.map(({ name }) => name)))];
  if (reference === null) {
    return [
      `## ${title}`,
      ...figures.flatMap(({ title: what, unit, decimals, rows }) => [
        '',
        `| ${what}, ${unit} | |`,
        '|---|---:|',
        ...rows.map(({ name, value }) => `| ${name} | ${formatSpread(value, decimals)} |`),
      ]),
    ];
  }
  return [
    `## ${title}`,
    '',
    `Ratios are to ${reference}.`,
    '',
    `| | ${names.join(' | ')} |`,
    `|---|${'---:|'.repeat(names.length)}`,
    ...figures.map((figure) => {
      const cells = names.map((name) => {
        const cell = cellOf(figure, name);
        return isRatioLimited(figures, figure, [name, reference]) && cell !== '' ? `${cell} ${LIMITED_MARK}` : cell;
      });
      return `| ${figure.title}, ${figure.unit} | ${cells.join(' | ')} |`;
    }),
    ...(hasLimited({ figures }) ? ['', LIMITED_NOTE] : []),
  ];
}

function hasLimited({ figures }: Pick<Section, 'figures'>): boolean {
  return figures.some((figure) => figure.rows.some(({ name }) => isLimitedByGenerator(figures, figure, name)));
}

function cellOf({ rows, decimals }: Figure, name: string): string {
  const row = rows.find((each) => each.name === name);
  return row === undefined ? '' : `${formatSpread(row.value, decimals)}${ratioOf(row)}`;
}

function formatSpread({ median, min, max }: Summary, decimals: number): string {
  return `${formatValue(median, decimals)} (${formatValue(min, decimals)}–${formatValue(max, decimals)})`;
}

function ratioOf({ ratio }: FigureRow): string {
  return ratio === null ? '' : ` ×${formatRatio(ratio.median)}`;
}
