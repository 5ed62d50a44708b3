import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArrivalSchedule } from '../../bench/load/schedule.ts';

describe('open-loop schedule', () => {
  it('has an arrival due at each interval from the start', () => {
    const schedule = new ArrivalSchedule(1_000, 1e6);
    expect([schedule.take(1_000), schedule.take(1_999), schedule.take(2_000)]).toEqual([1_000, Number.NaN, 2_000]);
  });

  it('gives nothing before its start', () => {
    expect(new ArrivalSchedule(1_000, 1e6).take(999)).toBeNaN();
  });

  it('makes up for a pause with every arrival that fell into it, each at the time it was meant for', () => {
    const schedule = new ArrivalSchedule(0, 1_000);
    const taken: number[] = [];
    for (;;) {
      const due = schedule.take(5e6);
      if (Number.isNaN(due)) break;
      taken.push(due);
    }
    expect(taken).toEqual([0, 1e6, 2e6, 3e6, 4e6, 5e6]);
  });

  it('keeps its rate, whenever it is looked at', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(fc.integer({ min: 1, max: 50_000_000 }), { minLength: 1, maxLength: 30 }),
        (rate, steps) => {
          const schedule = new ArrivalSchedule(0, rate);
          let now = 0;
          for (const step of steps) {
            now += step / 10;
            while (!Number.isNaN(schedule.take(now)));
            const expected = (now / 1e9) * rate;
            expect(schedule.taken).toBeGreaterThan(expected - 1e-6);
            expect(schedule.taken).toBeLessThanOrEqual(expected + 1 + 1e-6);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
