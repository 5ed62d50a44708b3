import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FEDERATION_TIMING, refreshDelayMs, retryDelayMs } from '../../src/federation/refresh-times.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const timing = FEDERATION_TIMING;

describe('when to fetch again (Federation §4.1)', () => {
  it.each([
    ['five minutes without a hint', null, 4.5 * MINUTE_MS, 5.5 * MINUTE_MS],
    ['as the hint says', 10 * MINUTE_MS, 9 * MINUTE_MS, 11 * MINUTE_MS],
    ['WA-163 a minute for a hint of 0', 0, MINUTE_MS, 1.1 * MINUTE_MS],
    ['a minute for a hint of a second', 1_000, MINUTE_MS, 1.1 * MINUTE_MS],
    ['WA-163 a day for a hint of 1e12 seconds', 1e15, 0.9 * DAY_MS, DAY_MS],
    ['a day for the longest hint there is', Number.MAX_SAFE_INTEGER, 0.9 * DAY_MS, DAY_MS],
  ])('is %s', (_name, hintMs, leastMs, mostMs) => {
    expect(refreshDelayMs(hintMs, timing, 0)).toBeCloseTo(leastMs, 3);
    expect(refreshDelayMs(hintMs, timing, 1)).toBeCloseTo(mostMs, 3);
  });

  it('stays within the bounds for every hint', () => {
    fc.assert(
      fc.property(fc.option(fc.maxSafeNat()), fc.double({ min: 0, max: 1, noNaN: true }), (hintMs, random) => {
        const delayMs = refreshDelayMs(hintMs, timing, random);
        expect(delayMs).toBeGreaterThanOrEqual(MINUTE_MS);
        expect(delayMs).toBeLessThanOrEqual(DAY_MS);
      }),
    );
  });
});

describe('when to try again after failures (Federation §6.2)', () => {
  it('doubles from ten seconds up to the refresh interval, half of it by chance', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7].map((failures) => retryDelayMs(failures, null, { timing, random: 1 }) / 1000);
    expect(delays).toEqual([10, 20, 40, 80, 160, 300, 300]);
    expect(retryDelayMs(1, null, { timing, random: 0 })).toBe(5_000);
  });

  it('is bounded by the hint of the bundle in force, however many failures there were', () => {
    expect(retryDelayMs(9, MINUTE_MS, { timing, random: 1 })).toBe(MINUTE_MS);
    expect(retryDelayMs(100_000, 1e15, { timing, random: 1 })).toBe(DAY_MS);
    expect(retryDelayMs(Number.MAX_SAFE_INTEGER, 0, { timing, random: 0 })).toBe(MINUTE_MS / 2);
  });
});
