// Charts of results as SVG, on a ground of their own that follows the reader's light or dark.

import type { Figure } from '../samples.ts';
import { findFigure, type Results } from './results.ts';
import { formatRatio, formatValue } from './text.ts';

const WIDTH = 760;
const STYLE = `<style>
text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#24292f}
.title{font-size:15px;font-weight:600}.quiet{fill:#59636e}.ground{fill:#fff}.grid{stroke:#d8dee4}.spread{stroke:#24292f;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.ground{fill:#0d1117}.grid{stroke:#30363d}.spread{stroke:#e6edf3}}
</style>`;
const COLOURS = new Map([
  ['nginx', '#2da44e'],
  ['HAProxy', '#0ea5e9'],
  ['Envoy', '#cf4a9a'],
  ['Caddy', '#e08b2c'],
  ['Sallyport passthrough', '#c4a5f5'],
]);
/** Every mode of Sallyport that has none of its own. */
const OWN_COLOUR = '#8250df';
const RATES = [1_000, 5_000, 10_000];
const PERCENTILES = [50, 90, 99, 99.9];
const LETTER_WIDTH = 7.5;

/** By file name; what was not measured has no chart. */
export function renderCharts(results: Results): ReadonlyMap<string, string> {
  const charts = new Map<string, string>();
  const cpu = findFigure(results, 'cpu-per-request-64');
  if (cpu !== undefined) charts.set('cpu-per-request.svg', renderBars(cpu));
  const grpc = findFigure(results, 'grpc-cpu');
  if (grpc !== undefined) charts.set('grpc.svg', renderBars(grpc));
  const streaming = findFigure(results, 'stream-cpu');
  if (streaming !== undefined) charts.set('streaming.svg', renderBars(streaming));
  const latency = renderLatency(results);
  if (latency !== null) charts.set('latency.svg', latency);
  return charts;
}

/** A bar to the median, a line from the least to the most, and the ratio to the reference. */
function renderBars({ title, unit, decimals, rows }: Figure): string {
  const [left, right, top, step] = [195, 140, 60, 30];
  const most = Math.max(...rows.map(({ value }) => value.max));
  const scale = (value: number): number => (value / most) * (WIDTH - left - right);
  const bars = rows.map(({ name, value, ratio }, index) => {
    const y = top + index * step;
    const end = left + scale(value.max);
    const told = `${formatValue(value.median, decimals)} ${unit}${ratio === null ? '' : `  ×${formatRatio(ratio.median)}`}`;
    return `<text x="${left - 10}" y="${y + 15}" text-anchor="end">${name}</text>
<rect x="${left}" y="${y}" width="${round(scale(value.median))}" height="20" rx="2" fill="${colourOf(name)}"/>
<path class="spread" d="M${round(left + scale(value.min))} ${y + 10}H${round(end)}"/>
<text x="${round(end + 8)}" y="${y + 15}">${told}</text>`;
  });
  const subtitle = 'median, line from least to most, × is the ratio to nginx; shorter is better';
  return frame(`${title}, ${unit}`, { subtitle, height: top + rows.length * step + 12, body: bars.join('\n') });
}

/** One panel for each arrival rate, a line for each proxy, microseconds on a logarithmic scale. */
function renderLatency(results: Results): string | null {
  const panels = RATES.flatMap((rate) => {
    const figures = PERCENTILES.flatMap((percent) => findFigure(results, `p${percent}-${rate}`) ?? []);
    return figures.length === PERCENTILES.length ? [{ rate, figures }] : [];
  });
  const [first] = panels;
  if (first === undefined) return null;
  const names = (first.figures[0]?.rows ?? []).map(({ name }) => name).filter(isInLatencyChart);
  const medians = panels.flatMap(({ figures }) =>
    figures.flatMap(({ rows }) => rows.filter(({ name }) => names.includes(name)).map(({ value }) => value.median)),
  );
  const decades = {
    from: Math.floor(Math.log10(Math.min(...medians))),
    to: Math.ceil(Math.log10(Math.max(...medians))),
  };
  const body = [
    ...names.map((name, index) =>
      legendOf(name, 20 + names.slice(0, index).reduce((sum, each) => sum + 40 + each.length * LETTER_WIDTH, 0)),
    ),
    ...panels.map((panel, index) => renderPanel(panel, { names, decades, left: 68 + index * 236 })),
  ];
  const subtitle = 'counted from when a request was due, not from when it could be sent; lower is better';
  return frame('Latency by arrival rate', { subtitle, height: 350, body: body.join('\n') });
}

function isInLatencyChart(name: string): boolean {
  return !name.startsWith('Sallyport ') || name === 'Sallyport enforce' || name === 'Sallyport passthrough';
}

interface PanelPlace {
  readonly names: readonly string[];
  readonly decades: { readonly from: number; readonly to: number };
  readonly left: number;
}

function renderPanel(
  { rate, figures }: { readonly rate: number; readonly figures: readonly Figure[] },
  { names, decades, left }: PanelPlace,
): string {
  const [top, bottom, step] = [116, 305, 52];
  const y = (micros: number): number =>
    bottom - ((Math.log10(micros) - decades.from) / (decades.to - decades.from)) * (bottom - top);
  const lines: string[] = [
    `<text class="quiet" x="${left + 1.5 * step}" y="100" text-anchor="middle">${rate.toLocaleString('en')} requests/s</text>`,
  ];
  for (let decade = decades.from; decade <= decades.to; decade += 1) {
    const at = round(y(10 ** decade));
    lines.push(`<path class="grid" d="M${left - 8} ${at}h${3 * step + 16}"/>`);
    lines.push(`<text class="quiet" x="${left - 12}" y="${at + 4}" text-anchor="end">${labelOf(decade)}</text>`);
  }
  for (const [index, percent] of PERCENTILES.entries())
    lines.push(
      `<text class="quiet" x="${left + index * step}" y="${bottom + 22}" text-anchor="middle">p${percent}</text>`,
    );
  for (const name of names) {
    const points = figures.flatMap(({ rows }, index) => {
      const median = rows.find((row) => row.name === name)?.value.median;
      return median === undefined ? [] : [{ x: left + index * step, y: round(y(median)) }];
    });
    const colour = colourOf(name);
    const width = name === 'Sallyport enforce' ? 3 : 1.8;
    lines.push(
      `<polyline fill="none" stroke="${colour}" stroke-width="${width}" points="${points.map((point) => `${point.x},${point.y}`).join(' ')}"/>`,
    );
    for (const point of points)
      lines.push(`<circle cx="${point.x}" cy="${point.y}" r="${width + 0.7}" fill="${colour}"/>`);
  }
  return lines.join('\n');
}

function labelOf(decade: number): string {
  const micros = 10 ** decade;
  if (micros < 1e3) return `${micros} µs`;
  return micros < 1e6 ? `${micros / 1e3} ms` : `${micros / 1e6} s`;
}

function legendOf(name: string, x: number): string {
  return `<rect x="${x}" y="63" width="14" height="4" fill="${colourOf(name)}"/>
<text x="${x + 20}" y="69">${name}</text>`;
}

function frame(
  title: string,
  { subtitle, height, body }: { readonly subtitle: string; readonly height: number; readonly body: string },
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${title}">
${STYLE}
<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>
<text class="title" x="20" y="26">${title}</text>
<text class="quiet" x="20" y="44">${subtitle}</text>
${body}
</svg>
`;
}

function colourOf(name: string): string {
  return COLOURS.get(name) ?? OWN_COLOUR;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
