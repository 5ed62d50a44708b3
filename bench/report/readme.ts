// The performance section of the README, made from results alone.

import type { Figure } from '../samples.ts';
import { ahead, comparisonTable, NOT_MEASURED, OWN } from './comparison-table.ts';
import { renderProtocols } from './readme-protocols.ts';
import { findFigure, type Results } from './results.ts';
import { formatValue } from './text.ts';

const BEGIN = '<!-- bench: written by `npm run bench -- readme` from bench/results/latest.json -->';
const END = '<!-- bench: end -->';
const REFERENCE = 'nginx';
const PROXIES = [REFERENCE, 'HAProxy', 'Envoy', 'Caddy', OWN];
/** Measured where it streams, and no column of its own for that. */
const COMPETITORS: ReadonlySet<string> = new Set([...PROXIES, 'nginx, tuned buffers']);
const FLOOR = 'no proxy';
const FLOOR_RATE = 5_000;
const MODES = ['passthrough', 'enforce', 'enforce-cold', 'enforce-log-all', 'enforce-10k-rules'];
const CPU = 'cpu-per-request-64';
const SHOWN = [
  CPU,
  'requests-per-second-64',
  'p50-5000',
  'p99-5000',
  'p99.9-5000',
  'handshake',
  'idle-connection-5000',
  'idle-connection-1000',
  'stream-cpu',
  'stream-cpu-tuned',
  'stream-peak',
  'start',
  'idle-memory',
];
const ENGINE_FIGURES = ['decision-10-1', 'decision-1000-1000', 'decision-10000-1000'];

/** @throws {Error} when the README has no place for it. */
export function replaceSection(readme: string, results: Results): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the README lacks \`${BEGIN}\` and \`${END}\``);
  return `${readme.slice(0, begin)}${BEGIN}\n${renderReadmeSection(results)}${readme.slice(end)}`;
}

export function renderReadmeSection(results: Results): string {
  const { machine, versions, date, commit, isQuick, missing } = results;
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const shown = SHOWN.flatMap((id) => findFigure(results, id) ?? []);
  const blocks = [
    `\`npm run bench\` takes these on your machine${isQuick ? '; **these are of a `--quick` run, and not for quoting**' : ''}. ${date.slice(0, 10)}, commit ${commit}, ${machine.cores} × ${machine.cpu}, ${programs.join(', ')}. Proxies on one core, load and upstream on the other, mTLS with client certificates verified, medians, and the ratio to nginx of the same rounds. Everything, with least and most: [bench/results/latest.md](bench/results/latest.md); how: [bench/README.md](bench/README.md).`,
    '![CPU per request](bench/results/cpu-per-request.svg)',
    ...comparisonTable({ figures: shown, names: PROXIES, reference: REFERENCE }, results),
    floor(results),
    ahead(shown, COMPETITORS),
    modes(findFigure(results, CPU)),
    paired(findFigure(results, 'paired')),
    '![Latency by arrival rate](bench/results/latency.svg)\n![CPU per GiB streamed](bench/results/streaming.svg)',
    ...renderProtocols(results),
    engineTable(ENGINE_FIGURES.flatMap((id) => findFigure(results, id) ?? [])),
    missing.map((line) => `Missing: ${line}.`).join('\n'),
  ];
  return `\n${blocks.filter((block) => block !== '').join('\n\n')}\n\n`;
}

/** What of a latency is no proxy's. */
function floor(results: Results): string {
  const said = [50, 99].flatMap((percent) => {
    const row = findFigure(results, `p${percent}-${FLOOR_RATE}`)?.rows.find(({ name }) => name === FLOOR);
    return row === undefined ? [] : [`p${percent} ${formatValue(row.value.median, 0)} µs`];
  });
  return said.length === 0
    ? ''
    : `Of these latencies the load generator, the kernel and TLS alone take ${said.join(', ')} at ${FLOOR_RATE.toLocaleString('en')}/s: the same load where nginx answers itself and no proxy is in between.`;
}

function modes(figure: Figure | undefined): string {
  const said = MODES.flatMap((mode) => {
    const row = figure?.rows.find(({ name }) => name === `Sallyport ${mode}`);
    return row === undefined ? [] : [`\`${mode}\` ${formatValue(row.value.median, 1)} µs`];
  });
  return said.length === 0
    ? ''
    : `What deciding costs, in CPU per request: ${said.join(', ')}. \`passthrough\` is the same data plane without the decision, and exists in the bench only.`;
}

function paired(figure: Figure | undefined): string {
  if (figure === undefined) return '';
  const said = figure.rows.map(({ name, value }) => {
    const [low, median, high] = [value.min, value.median, value.max].map((ratio) => ratio.toFixed(figure.decimals));
    return `${name} ×${median} (${low}–${high})`;
  });
  return `The same in slices that take turns within a second, as ratios with their 95 % intervals: ${said.join(', ')}. The last is two processes of the same program: what is within it is no difference.`;
}

function engineTable(figures: readonly Figure[]): string {
  const [first] = figures;
  if (first === undefined) return '';
  const rows = first.rows.map(
    ({ name }) => `| ${name} | ${figures.map((figure) => nanosecondsOf(figure, name)).join(' | ')} |`,
  );
  const titles = figures.map(({ title }) => title.replace('Decision, ', ''));
  return [
    `| One decision, in process | ${titles.join(' | ')} |`,
    `|---|${'---:|'.repeat(figures.length)}`,
    ...rows,
  ].join('\n');
}

function nanosecondsOf({ rows }: Figure, name: string): string {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) return NOT_MEASURED;
  const { median } = row.value;
  if (median < 1e3) return `${median.toFixed(0)} ns`;
  return median < 1e6 ? `${(median / 1e3).toFixed(1)} µs` : `${(median / 1e6).toFixed(1)} ms`;
}
