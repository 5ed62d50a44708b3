import { createHistogram } from 'node:perf_hooks';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../bench/load/histogram.ts';

const PERCENTILES = [1, 50, 90, 99, 99.9, 100];
const nanoseconds = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 2 ** 39 }));

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** The value itself that stands at the rank of a percentile. */
function exactPercentile(values: readonly number[], percent: number): number {
  const rank = Math.max(1, Math.ceil(Number(((percent / 100) * values.length).toFixed(6))));
  return values.toSorted((a, b) => a - b)[rank - 1] ?? Number.NaN;
}

describe('latency histogram', () => {
  it('gives percentiles that are never below the exact ones and less than one part in 128 above', () => {
    fc.assert(
      fc.property(fc.array(nanoseconds, { minLength: 1, maxLength: 300 }), (values) => {
        const histogram = histogramOf(values);
        for (const percent of PERCENTILES) {
          const exact = exactPercentile(values, percent);
          const found = histogram.percentile(percent);
          expect(found).toBeGreaterThanOrEqual(exact);
          expect(found).toBeLessThanOrEqual(exact + exact / 128);
        }
      }),
      { numRuns: 300 },
    );
  });

  // On many values: for few the two round the rank of a percentile differently.
  it.each(PERCENTILES)('agrees with the histogram of perf_hooks on the %d th percentile', (percent) => {
    const values = Array.from({ length: 20_000 }, (_, index) => index ** 2 + 1);
    const theirs = createHistogram({ lowest: 1, highest: 2 ** 40, figures: 3 });
    for (const value of values) theirs.record(value);
    const expected = theirs.percentile(percent);
    expect(Math.abs(histogramOf(values).percentile(percent) / expected - 1)).toBeLessThan(0.02);
  });

  it('merges into what one histogram of all values would be, however they are divided', () => {
    fc.assert(
      fc.property(fc.array(fc.array(nanoseconds, { maxLength: 50 }), { maxLength: 5 }), (processes) => {
        const merged = new LatencyHistogram();
        for (const values of processes) merged.add(LatencyHistogram.fromCells(histogramOf(values).toCells()));
        const whole = histogramOf(processes.flat());
        expect(merged.toCells()).toEqual(whole.toCells());
        expect(merged.count).toBe(processes.flat().length);
      }),
      { numRuns: 200 },
    );
  });

  it('is not what one gets by averaging percentiles of parts', () => {
    const fast = histogramOf(Array.from({ length: 990 }, () => 100));
    fast.add(histogramOf(Array.from({ length: 10 }, () => 1_000_000)));
    expect(fast.percentile(99)).toBe(100);
    expect(fast.percentile(99.1)).toBeGreaterThanOrEqual(1_000_000);
  });

  it('survives the way from one process to another', () => {
    const cells: unknown = JSON.parse(JSON.stringify(histogramOf([1, 255, 256, 257, 1e9]).toCells()));
    expect(cells).toEqual(histogramOf([1, 255, 256, 257, 1e9]).toCells());
  });

  it.each([
    ['counts 99.9 % of a thousand as 999', 1_000, 99.9, 999],
    ['counts 50 % of three as two', 3, 50, 2],
    ['counts 0 % as the first', 3, 0, 1],
  ])('%s', (_name, values, percent, expected) => {
    const histogram = histogramOf(Array.from({ length: values }, (_, index) => index + 1));
    expect(histogram.percentile(percent)).toBeGreaterThanOrEqual(expected);
    expect(histogram.percentile(percent)).toBeLessThanOrEqual(expected * (1 + 1 / 128));
  });

  it('has no percentile of nothing', () => {
    expect(new LatencyHistogram().percentile(50)).toBeNaN();
  });

  it('keeps what is out of range at its ends', () => {
    expect(histogramOf([-5]).percentile(50)).toBe(0);
    expect(histogramOf([2 ** 50]).percentile(50)).toBe(2 ** 40 - 1);
  });
});
