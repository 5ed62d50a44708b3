import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../bench/load/histogram.ts';
import type { LoadOutcome, LoadPlan } from '../../bench/load/plan.ts';
import { mergeOutcomes, sharesOf } from '../../bench/load/run-load.ts';

const PLAN: LoadPlan = {
  kind: 'open',
  ratePerSecond: 3_000,
  target: { kind: 'plain', at: 1 },
  asks: { protocol: 'http1', path: '/' },
  directory: '/none',
  clients: 1,
  connections: 10,
  warmupMs: 0,
  measureMs: 0,
};

function outcomeOf(values: readonly number[], of: Partial<LoadOutcome>): LoadOutcome {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  const latency = histogram.toCells();
  return { done: values.length, elapsedMs: 1_000, bytes: 0, cpuMs: 0, waitedMs: 0, latency, lateness: [], ...of };
}

describe('processes of the load generator', () => {
  it('share connections and rate so that together they are what was asked for', () => {
    const shares = sharesOf(PLAN, 3);
    expect(shares.map(({ connections }) => connections)).toEqual([4, 3, 3]);
    expect(shares.map((share) => (share.kind === 'open' ? share.ratePerSecond : 0))).toEqual([1_000, 1_000, 1_000]);
  });

  it('are no more than there are connections', () => {
    expect(sharesOf({ ...PLAN, connections: 2 }, 5)).toHaveLength(2);
  });

  it('do not say how long they waited where one of them does not know', () => {
    expect(mergeOutcomes([outcomeOf([1], {}), outcomeOf([1], { waitedMs: null })]).waitedShare).toBeNull();
  });

  it('are added up, rates by the time each took, percentiles over all values', () => {
    const merged = mergeOutcomes([
      outcomeOf([10, 10, 10], { elapsedMs: 1_000, bytes: 5, cpuMs: 1 }),
      outcomeOf([200], { elapsedMs: 500, bytes: 7, cpuMs: 2, waitedMs: 250 }),
    ]);
    expect(merged).toMatchObject({
      done: 4,
      perSecond: 5,
      bytes: 12,
      generatorCpuMs: 3,
      elapsedMs: 1_000,
      waitedShare: 0.25,
    });
    expect(merged.latency.percentile(75)).toBe(10);
    expect(merged.latency.percentile(100)).toBe(200);
  });
});
