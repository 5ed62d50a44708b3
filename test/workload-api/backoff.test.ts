import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, maxBackoffMs } from '../../src/workload-api/backoff.ts';

describe('backoff', () => {
  it('WA-155 doubles its ceiling from 100 ms to the longest wait', () => {
    const ceilings = Array.from({ length: 10 }, (_, attempts) => backoffMs(attempts, 30_000, 1));
    expect(ceilings).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]);
  });

  it('WA-155 waits anything between nothing and the ceiling', () => {
    expect([0, 0.25, 0.5, 0.999].map((random) => backoffMs(3, 30_000, random))).toEqual([0, 200, 400, 799.2]);
  });

  it.each<[string, number, number]>([
    ['30 s with a day left', 24 * 3_600_000, 30_000],
    ['a quarter of what is left', 40_000, 10_000],
    ['1 s with 4 s left', 4_000, 1_000],
    ['1 s with less left', 1, 1_000],
    ['1 s when it has expired', -3_600_000, 1_000],
    ['30 s when there is nothing to lose', Infinity, 30_000],
  ])('waits at most %s', (_name, remainingMs, expected) => {
    expect(maxBackoffMs(remainingMs)).toBe(expected);
  });

  it('stays within its bounds however many attempts have failed', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ noNaN: true }),
        (attempts, random, lifeMs) => {
          const delayMs = backoffMs(attempts, maxBackoffMs(lifeMs), random);
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(30_000);
        },
      ),
      { numRuns: 300 },
    );
  });
});
