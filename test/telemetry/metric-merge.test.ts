import { describe, expect, it } from 'vitest';
import { Histogram } from '../../src/telemetry/histogram.ts';
import { createRegistry } from '../../src/telemetry/exposition.ts';
import {
  findMergeRule,
  mergeMetrics,
  type ReportedMetric,
  retireMetrics,
  toReport,
} from '../../src/telemetry/metric-merge.ts';
import { listMetrics } from '../../src/telemetry/metric-list.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

const metric = (
  name: string,
  type: string,
  ...values: readonly [number, Record<string, string>?][]
): ReportedMetric => ({
  name,
  help: 'help',
  type,
  values: values.map(([value, labels = {}]) => ({ labels, value })),
});

async function linesOf(
  primary: readonly ReportedMetric[],
  ...workers: (readonly ReportedMetric[])[]
): Promise<string[]> {
  const { text } = await mergeMetrics(primary, workers);
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('the metrics of several processes', () => {
  it('have a rule for every metric there is', async () => {
    const sources = {
      version: '1',
      policyEpoch: () => 1,
      trust: () => ({ svid: null, domains: [], agent: null, revocation: [] }),
      reloadsFailing: () => [],
      decisionCache: () => ({ hits: 0, misses: 0, stale: 0, entries: 0 }),
      logWriteFailures: () => 0,
    };
    const report = await toReport(createRegistry(listMetrics(new Metrics(), sources, () => 0)));
    expect(report.length).toBeGreaterThan(50);
    expect(report.map(({ name }) => name).filter((name) => findMergeRule(name) === undefined)).toEqual([]);
  });

  it('are refused when one has none', async () => {
    await expect(mergeMetrics([metric('sallyport_new_total', 'counter', [1])], [])).rejects.toThrow(
      'sallyport_new_total',
    );
    expect(() => retireMetrics([], [metric('constructor', 'counter', [1])])).toThrow('constructor');
  });

  it('are summed label by label, in whichever order the labels come', async () => {
    const name = 'sallyport_refusals_total';
    expect(
      await linesOf(
        [metric(name, 'counter')],
        [metric(name, 'counter', [2, { listener: 'a', reason: 'x' }], [1, { listener: 'b', reason: 'x' }])],
        [metric(name, 'counter', [3, { reason: 'x', listener: 'a' }])],
      ),
    ).toEqual([`${name}{listener="a",reason="x"} 5`, `${name}{listener="b",reason="x"} 1`]);
  });

  it('are the least of what must not run out, the worst of delays, and what the first process alone knows', async () => {
    const report = (left: number, lag: number, failing: number): readonly ReportedMetric[] => [
      metric('sallyport_svid_seconds_left', 'gauge', [left]),
      metric('nodejs_eventloop_lag_p99_seconds', 'gauge', [lag]),
      metric('sallyport_reload_failing', 'gauge', [failing, { what: 'policy' }]),
    ];
    expect(await linesOf(report(50, 0.1, 1), report(40, 0.3, 0), report(60, 0.2, 0))).toEqual([
      'sallyport_svid_seconds_left 40',
      'nodejs_eventloop_lag_p99_seconds 0.3',
      'sallyport_reload_failing{what="policy"} 1',
    ]);
  });

  it('say nothing of what only workers say and only the first process may', async () => {
    expect(await linesOf([], [metric('sallyport_reload_total', 'counter', [7, { what: 'policy' }])])).toEqual([]);
  });

  it('sum histograms bucket by bucket', async () => {
    const report = async (...seconds: number[]): Promise<readonly ReportedMetric[]> => {
      const observations = new Histogram([0.25, 1]);
      for (const each of seconds) observations.observe(each);
      const name = 'sallyport_request_duration_seconds';
      return (await toReport(createRegistry([{ type: 'histogram', name, help: 'help', observations }]))).slice(0, 1);
    };
    expect(await linesOf(await report(), await report(0.25, 0.5), await report(2, 0.125))).toEqual([
      'sallyport_request_duration_seconds_bucket{le="0.25"} 2',
      'sallyport_request_duration_seconds_bucket{le="1"} 3',
      'sallyport_request_duration_seconds_bucket{le="+Inf"} 4',
      'sallyport_request_duration_seconds_sum 2.875',
      'sallyport_request_duration_seconds_count 4',
    ]);
  });

  it('keep what a process counted that has ended, and not what it was', () => {
    const ended = (count: number): readonly ReportedMetric[] => [
      metric('sallyport_handshakes_total', 'counter', [count, { result: 'accepted' }]),
      metric('sallyport_connections_open', 'gauge', [9]),
      metric('sallyport_policy_epoch', 'gauge', [3]),
      metric('sallyport_reload_total', 'counter', [4]),
    ];
    expect(retireMetrics(retireMetrics([], ended(2)), ended(5))).toEqual([
      metric('sallyport_handshakes_total', 'counter', [7, { result: 'accepted' }]),
    ]);
  });
});
