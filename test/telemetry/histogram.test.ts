import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COARSE_STEPS, decadeBounds, FINE_STEPS, Histogram } from '../../src/telemetry/histogram.ts';

const BOUNDS = decadeBounds(FINE_STEPS, 50e-9, 10e-3);

/** What a histogram is by definition: for each bound the observations that are not greater. */
function naive(bounds: readonly number[], observations: readonly number[]): readonly number[] {
  const seen = observations.filter((seconds) => Number.isFinite(seconds)).map((seconds) => Math.max(seconds, 0));
  return bounds.map((bound) => seen.filter((seconds) => seconds <= bound).length);
}

function observed(bounds: readonly number[], observations: readonly number[]): Histogram {
  const histogram = new Histogram(bounds);
  for (const seconds of observations) histogram.observe(seconds);
  return histogram;
}

describe('decadeBounds', () => {
  it('gives every step of every decade between its ends, both included, as the decimal number written', () => {
    expect(decadeBounds(COARSE_STEPS, 0.025, 1)).toEqual([0.025, 0.05, 0.1, 0.25, 0.5, 1]);
    expect(BOUNDS.slice(0, 8)).toEqual([5e-8, 7e-8, 1e-7, 1.5e-7, 2e-7, 3e-7, 5e-7, 7e-7]);
    expect(BOUNDS.at(-1)).toBe(0.01);
  });

  it('ascends', () => {
    expect(BOUNDS).toEqual(BOUNDS.toSorted((a, b) => a - b));
    expect(new Set(BOUNDS).size).toBe(BOUNDS.length);
  });
});

describe('Histogram', () => {
  const seconds = fc.oneof(
    fc.double({ min: 0, max: 0.02, noNaN: true }),
    fc.double(),
    fc.constantFrom(...BOUNDS),
    // The neighbours of a bound, where an index computed from the exponent could be off by one.
    fc.constantFrom(...BOUNDS).map((bound) => bound * (1 + Number.EPSILON)),
    fc.constantFrom(...BOUNDS).map((bound) => bound * (1 - Number.EPSILON)),
  );

  it('counts as a naive histogram does, whatever is observed', () => {
    fc.assert(
      fc.property(fc.array(seconds), (observations) => {
        expect(observed(BOUNDS, observations).cumulative()).toEqual(naive(BOUNDS, observations));
      }),
    );
  });

  it('counts as a naive histogram does, whatever the bounds', () => {
    const bounds = fc
      .uniqueArray(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), { minLength: 1, maxLength: 255 })
      .map((unsorted) => unsorted.toSorted((a, b) => a - b));
    fc.assert(
      fc.property(bounds, fc.array(fc.double()), (bounds, observations) => {
        const all = [...observations, ...bounds];
        expect(observed(bounds, all).cumulative()).toEqual(naive(bounds, all));
      }),
    );
  });

  it('puts a value equal to a bound into that bound, as `le` says', () => {
    expect(observed([1, 2, 4], [1, 2, 4]).cumulative()).toEqual([1, 2, 3]);
  });

  it('counts what is greater than every bound in count and sum only', () => {
    const histogram = observed([1, 2], [3, 0.5]);
    expect(histogram.cumulative()).toEqual([1, 1]);
    expect(histogram.count).toBe(2);
    expect(histogram.sum).toBe(3.5);
  });

  it('takes a negative duration as zero', () => {
    const histogram = observed([1], [-5]);
    expect(histogram.cumulative()).toEqual([1]);
    expect(histogram.sum).toBe(0);
  });

  it('does not count NaN and infinity', () => {
    const histogram = observed([1], [Number.NaN, Infinity, -Infinity]);
    expect(histogram.count).toBe(0);
    expect(histogram.sum).toBe(0);
  });
});
