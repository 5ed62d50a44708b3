import { describe, expect, it } from 'vitest';
import { renderCharts } from '../../bench/report/charts.ts';
import { findFigure, parseResults, type Results } from '../../bench/report/results.ts';
import { formatRatio, formatValue, renderMarkdown, renderTerminal } from '../../bench/report/text.ts';
import { RESULTS } from './fixed-results.ts';

describe('results as text', () => {
  it('shows the terminal each figure with its spread and its ratio', () => {
    const text = renderTerminal(RESULTS);
    expect(text).toContain('CPU per request, 64 connections, µs   min  median   max          to nginx');
    expect(text).toMatch(/^Sallyport enforce +24\.5 +24\.5 +24\.5 +1\.23 \(1\.23–1\.23\)$/m);
  });

  it('shows the terminal no ratio where nothing is compared', () => {
    expect(renderTerminal(RESULTS)).toMatch(/^request +1\.0 +1\.5 +2\.0$/m);
  });

  it('names what is missing, with the way to have it', () => {
    expect(renderTerminal(RESULTS)).toContain('apt-get install caddy');
    expect(renderMarkdown(RESULTS)).toContain(
      'Missing: Caddy: not measured, caddy is not installed (apt-get install caddy).',
    );
  });

  it('has a column for each contender in Markdown, empty where it was not measured', () => {
    const lines = renderMarkdown(RESULTS).split('\n');
    expect(lines).toContain('| | nginx | HAProxy | Sallyport passthrough | Sallyport enforce |');
    expect(lines).toContain(
      '| CPU per GiB streamed, ms | 1,800 (1,800–1,800) ×1.00 |  |  | 1,200 (1,200–1,200) ×0.67 |',
    );
    expect(lines).toContain('| request | 1.5 (1.0–2.0) |');
  });

  it('says of a quick run that it is one', () => {
    expect(renderMarkdown(RESULTS)).not.toContain('--quick');
    expect(renderMarkdown({ ...RESULTS, isQuick: true })).toContain('With `--quick`');
  });

  it.each([
    ['a small one with two decimals', 1.234, '1.23'],
    ['one above ten without', 12.34, '12'],
    ['a great one with separators', 24_680, '24,680'],
  ])('formats a ratio: %s', (_name, ratio, expected) => {
    expect(formatRatio(ratio)).toBe(expected);
  });

  it('formats values with as many decimals as they have', () => {
    expect(formatValue(1_234.56, 1)).toBe('1,234.6');
  });

  it('reads back what it kept', () => {
    expect(parseResults(JSON.stringify(RESULTS))).toEqual(RESULTS);
  });
});

describe('a latency that the generator decided', () => {
  const [proxy] = RESULTS.sections;
  const p99 = findFigure(RESULTS, 'p99-5000');
  const late = (micros: number): Results => {
    if (proxy === undefined || p99 === undefined) throw new Error('the fixed results have changed');
    const rows = p99.rows.map((row) => ({ ...row, value: { min: micros, median: micros, max: micros } }));
    const lateness = { ...p99, id: 'lateness-p99-5000', title: 'The generator', rows };
    return { ...RESULTS, sections: [{ ...proxy, figures: [...proxy.figures, lateness] }] };
  };

  it.each([
    ['not at half of everybody’s', 99, []],
    [
      'at more than half of the reference, for the reference and whoever is compared with it',
      100,
      ['nginx', 'Sallyport enforce'],
    ],
  ])('is marked: %s', (_name, micros, expected) => {
    const line = renderMarkdown(late(micros))
      .split('\n')
      .find((each) => each.startsWith('| Latency p99 at 5000/s'));
    const cells = line?.split('|').slice(2, -1) ?? [];
    const names = ['nginx', 'HAProxy', 'Sallyport passthrough', 'Sallyport enforce'];
    expect(names.filter((_each, index) => cells[index]?.includes('†'))).toEqual(expected);
    expect(renderTerminal(late(micros)).includes('limited by the generator')).toBe(expected.length > 0);
  });

  it('is not marked where lateness was not measured', () => {
    expect(renderMarkdown(RESULTS)).not.toContain('†');
  });
});

describe('charts', () => {
  it('are drawn of what was measured', () => {
    expect([...renderCharts(RESULTS).keys()]).toEqual(['cpu-per-request.svg', 'streaming.svg', 'latency.svg']);
    expect(renderCharts({ ...RESULTS, sections: [] }).size).toBe(0);
  });

  it('have bars in proportion to the figures', () => {
    const chart = renderCharts(RESULTS).get('cpu-per-request.svg') ?? '';
    const widths = [...chart.matchAll(/<rect x="195" y="\d+" width="([\d.]+)"/g)].map((match) => Number(match[1]));
    expect(widths).toHaveLength(4);
    expect((widths[3] ?? 0) / (widths[0] ?? 1)).toBeCloseTo(24.5 / 20, 2);
    expect(chart).toContain('24.5 µs  ×1.23');
  });

  it('draw a line for each proxy at each rate', () => {
    const chart = renderCharts(RESULTS).get('latency.svg') ?? '';
    expect(chart.match(/<polyline/g)).toHaveLength(6);
    expect(chart).not.toContain('NaN');
  });
});
