import { describe, expect, it } from 'vitest';
import { ratiosOf } from '../../bench/proxy/paired.ts';
import { summariseMedian } from '../../bench/summary.ts';

describe('paired slices', () => {
  it('are divided round by round, so that what slows a whole round is in neither', () => {
    const costs = new Map([
      ['enforce', [11, 22, 110]],
      ['passthrough', [10, 20, 100]],
    ]);
    const [row] = ratiosOf(costs, [['enforce', 'passthrough']]);
    expect(row?.name).toBe('enforce / passthrough');
    expect(row?.value.median).toBeCloseTo(1.1, 12);
    expect(row?.value.max).toBeCloseTo(1.1, 12);
  });

  it('have no ratio to whom was not measured', () => {
    expect(ratiosOf(new Map([['enforce', [1]]]), [['enforce', 'nginx']])).toEqual([]);
  });
});

describe('the interval of a median', () => {
  it('is that of order statistics, ranks 40 and 60 of a hundred', () => {
    const values = Array.from({ length: 100 }, (_, index) => (index * 37) % 100);
    expect(summariseMedian(values)).toEqual({ min: 40, median: 50, max: 60 });
  });

  it('is not moved by outliers', () => {
    const values = Array.from({ length: 100 }, (_, index) => (index < 90 ? 1 : 1_000));
    expect(summariseMedian(values)).toEqual({ min: 1, median: 1, max: 1 });
  });

  it('is all there is of a few values', () => {
    expect(summariseMedian([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
  });
});
