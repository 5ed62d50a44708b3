import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/policy/decision.ts';
import type { DecisionLogOptions } from '../../src/telemetry/decision-log.ts';
import type { Recorder, RequestRecord } from '../../src/telemetry/recorder.ts';
import type { TrustFigures } from '../../src/telemetry/trust-metrics.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts';
import { type ExposedFamily, parseExposition } from './exposition-text.ts';
import { decision, denied, KeptLines, ManualClock, record } from './request-record.ts';

// The contract with dashboards and alerts, as they rely on it: every name, its type and its labels, and no other.
const CONTRACT: readonly (readonly [name: string, type: string, labels: readonly string[]])[] = [
  ['sallyport_decisions_total', 'counter', ['listener', 'source', 'target', 'verb', 'effect', 'reason']],
  ['sallyport_decision_duration_seconds', 'histogram', []],
  ['sallyport_request_overhead_seconds', 'histogram', []],
  ['sallyport_request_duration_seconds', 'histogram', []],
  ['sallyport_upstream_duration_seconds', 'histogram', []],
  ['sallyport_decision_cache_total', 'counter', ['result']],
  ['sallyport_decision_cache_entries', 'gauge', []],
  ['sallyport_cache_disagreements_total', 'counter', []],
  ['sallyport_handshakes_total', 'counter', ['result', 'reason']],
  ['sallyport_connections_open', 'gauge', []],
  ['sallyport_connections_terminated_total', 'counter', ['reason']],
  ['sallyport_svid_expiry_timestamp_seconds', 'gauge', []],
  ['sallyport_svid_seconds_left', 'gauge', []],
  ['sallyport_trust_bundle_authorities', 'gauge', ['trust_domain']],
  ['sallyport_trust_bundle_jwt_keys', 'gauge', ['trust_domain']],
  ['sallyport_trust_bundle_sequence', 'gauge', ['trust_domain']],
  ['sallyport_trust_bundle_age_seconds', 'gauge', ['trust_domain']],
  ['sallyport_workload_api_state', 'gauge', ['state']],
  ['sallyport_workload_api_last_message_age_seconds', 'gauge', []],
  ['sallyport_workload_api_discarded_messages_total', 'counter', []],
  ['sallyport_revocation_entries', 'gauge', ['list']],
  ['sallyport_revocation_list_age_seconds', 'gauge', ['list']],
  ['sallyport_revocation_list_current', 'gauge', ['list']],
  ['sallyport_clock_jumps_total', 'counter', ['direction']],
  ['sallyport_new_destinations_total', 'counter', ['listener']],
  ['sallyport_policy_epoch', 'gauge', []],
  ['sallyport_reload_total', 'counter', ['what', 'result']],
  ['sallyport_reload_failing', 'gauge', ['what']],
  ['sallyport_bytes_total', 'counter', ['listener', 'direction']],
  ['sallyport_build_info', 'gauge', ['version']],
  ['sallyport_decision_log_dropped_total', 'counter', []],
  ['sallyport_log_write_failures_total', 'counter', []],
  ['sallyport_refusals_total', 'counter', ['listener', 'reason']],
  ['sallyport_responses_total', 'counter', ['listener', 'status']],
];

const PROCESS_METRICS = [
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_open_fds',
  'process_start_time_seconds',
  'nodejs_eventloop_lag_p99_seconds',
  'nodejs_heap_size_used_bytes',
  'nodejs_gc_duration_seconds',
];

const NO_TRUST: TrustFigures = { svid: null, domains: [], agent: null, revocation: [] };
let trust: TrustFigures = NO_TRUST;
const ALL_TRUST: TrustFigures = {
  svid: { notAfterSeconds: 1_700_000_000.5, secondsLeft: 42 },
  domains: [
    { trustDomain: 'ai.example', x509Authorities: 2, jwtKeys: 3, sequence: 7, ageSeconds: 5 },
    { trustDomain: '__proto__', x509Authorities: 0, jwtKeys: 0, sequence: null, ageSeconds: 6 },
  ],
  agent: { state: 'stale', lastMessageAgeSeconds: 8, discardedMessages: 9 },
  revocation: [
    { list: 'file', entries: 10, ageSeconds: 12, isCurrent: true },
    { list: 'redis', entries: 11, ageSeconds: null, isCurrent: false },
  ],
};
let isPolicyFailing = false;

function telemetry(lines = new KeptLines(), options: Partial<DecisionLogOptions> = {}): Telemetry {
  return createTelemetry({
    sources: {
      version: '1.2.3',
      policyEpoch: () => 7,
      trust: () => trust,
      reloadsFailing: () => [['policy', isPolicyFailing]],
      decisionCache: () => ({ hits: 11, misses: 12, stale: 13, entries: 14 }),
      logWriteFailures: () => 15,
    },
    decisionLog: {
      allow: 'none',
      queueEntries: 10,
      maxRecordsPerSecond: 1_000_000,
      destination: lines,
      clock: new ManualClock(),
      schedule: () => () => {},
      random: () => 0.5,
      ...options,
    },
  });
}

async function scrape(source: Telemetry): Promise<ReadonlyMap<string, ExposedFamily>> {
  return parseExposition((await source.scrape()).text);
}

/** The samples of one metric as `label,label … value`. */
async function samples(source: Telemetry, name: string): Promise<readonly string[]> {
  const family = (await scrape(source)).get(name);
  return (family?.samples ?? []).map(({ labels, value }) => `${Object.values(labels).join(' ')} ${value}`.trim());
}

async function collectGarbage(): Promise<void> {
  // A WeakRef that was made or read holds its target until the turn is over.
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** Reports a request with a decision nobody else holds. */
function reportFresh(recorder: Recorder): WeakRef<Decision> {
  const fresh = decision();
  recorder.request(record({ decision: fresh }));
  return new WeakRef(fresh);
}

/** One of everything that can be reported. */
function reportAll(recorder: Recorder): void {
  recorder.request(record({ decision: decision(), decisionSeconds: 2e-7 }));
  recorder.request(record({ refusal: 'no-identity', status: 401 }));
  recorder.handshake('refused', 'expired');
  recorder.connectionOpened();
  recorder.connectionTerminated('policy-changed');
  recorder.connectionClosed();
  recorder.reload('policy', 'failure');
  recorder.cacheDisagreement();
  recorder.clockJump('forward');
  recorder.newDestination('out');
}

describe('a scrape', () => {
  it('shows every metric of the contract with its type and labels, and no other of ours', async () => {
    const subject = telemetry();
    trust = ALL_TRUST;
    reportAll(subject.recorder);
    const exposed = [...(await scrape(subject)).values()].filter(({ name }) => name.startsWith('sallyport_'));
    const shown = exposed.map(({ name, type, samples }) => {
      const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== 'le'));
      return [name, type, [...labels]];
    });
    const byName = (a: readonly unknown[], b: readonly unknown[]): number => String(a[0]).localeCompare(String(b[0]));
    expect(shown.sort(byName)).toEqual([...CONTRACT].sort(byName));
  });

  it('explains every metric', async () => {
    for (const { name, help } of (await scrape(telemetry())).values()) {
      expect(help.length, name).toBeGreaterThan(10);
    }
  });

  it('shows the process: CPU, memory, descriptors, start, event loop lag, garbage collection', async () => {
    const families = await scrape(telemetry());
    for (const name of PROCESS_METRICS) expect(families.has(name), name).toBe(true);
  });

  it('has the media type of the text format', async () => {
    expect((await telemetry().scrape()).contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  it('shows figures others keep as they are at that moment', async () => {
    const subject = telemetry();
    trust = ALL_TRUST;
    await subject.scrape();
    expect(await samples(subject, 'sallyport_policy_epoch')).toEqual(['7']);
    expect(await samples(subject, 'sallyport_reload_failing')).toEqual(['policy 0']);
    isPolicyFailing = true;
    expect(await samples(subject, 'sallyport_reload_failing')).toEqual(['policy 1']);
    expect(await samples(subject, 'sallyport_svid_expiry_timestamp_seconds')).toEqual(['1700000000.5']);
    expect(await samples(subject, 'sallyport_svid_seconds_left')).toEqual(['42']);
    expect(await samples(subject, 'sallyport_trust_bundle_authorities')).toEqual(['ai.example 2', '__proto__ 0']);
    expect(await samples(subject, 'sallyport_trust_bundle_jwt_keys')).toEqual(['ai.example 3', '__proto__ 0']);
    expect(await samples(subject, 'sallyport_trust_bundle_sequence')).toEqual(['ai.example 7']);
    expect(await samples(subject, 'sallyport_trust_bundle_age_seconds')).toEqual(['ai.example 5', '__proto__ 6']);
    expect(await samples(subject, 'sallyport_workload_api_state')).toEqual([
      'waiting 0',
      'current 0',
      'stale 1',
      'withdrawn 0',
      'stopped 0',
    ]);
    expect(await samples(subject, 'sallyport_workload_api_last_message_age_seconds')).toEqual(['8']);
    expect(await samples(subject, 'sallyport_workload_api_discarded_messages_total')).toEqual(['9']);
    expect(await samples(subject, 'sallyport_revocation_entries')).toEqual(['file 10', 'redis 11']);
    expect(await samples(subject, 'sallyport_revocation_list_age_seconds')).toEqual(['file 12']);
    expect(await samples(subject, 'sallyport_revocation_list_current')).toEqual(['file 1', 'redis 0']);
    trust = NO_TRUST;
    expect(await samples(subject, 'sallyport_svid_seconds_left')).toEqual([]);
    expect(await samples(subject, 'sallyport_workload_api_state')).toEqual([]);
    expect(await samples(subject, 'sallyport_decision_cache_total')).toEqual(['hit 11', 'miss 12', 'stale 13']);
    expect(await samples(subject, 'sallyport_decision_cache_entries')).toEqual(['14']);
    expect(await samples(subject, 'sallyport_log_write_failures_total')).toEqual(['15']);
    expect(await samples(subject, 'sallyport_build_info')).toEqual(['1.2.3 1']);
    expect(await samples(subject, 'sallyport_policy_epoch')).toEqual(['7']);
  });

  it('shows counters that can only be zero so far', async () => {
    const subject = telemetry();
    expect(await samples(subject, 'sallyport_cache_disagreements_total')).toEqual(['0']);
    expect(await samples(subject, 'sallyport_decision_log_dropped_total')).toEqual(['0']);
    expect(await samples(subject, 'sallyport_reload_total')).toHaveLength(6);
  });
});

describe('requests', () => {
  const cases: readonly (readonly [name: string, request: Partial<RequestRecord>, sample: string])[] = [
    ['an allow', { decision: decision() }, 'registry training registry read allow allowed-by-rule 1'],
    ['a denial', { decision: denied() }, 'registry training registry read deny denied-by-rule 1'],
    [
      'a denial in shadow',
      { decision: decision({ effect: 'would-deny', reason: 'not-granted' }) },
      'registry training registry read would-deny not-granted 1',
    ],
    [
      'a principal of no component as unknown',
      { decision: denied({ component: null, verb: null, reason: 'unknown-principal' }) },
      'registry unknown registry none deny unknown-principal 1',
    ],
    [
      'an allowed request the upstream failed by its decision',
      { decision: decision(), refusal: 'upstream-timeout', status: 504 },
      'registry training registry read allow allowed-by-rule 1',
    ],
    [
      'a refusal before the decision as a denial for that reason',
      { refusal: 'no-identity', principal: null, status: 401 },
      'registry unknown unknown none deny no-identity 1',
    ],
    [
      'the target of a refusal when it was known',
      { refusal: 'no-identity', target: 'registry', status: 401 },
      'registry unknown registry none deny no-identity 1',
    ],
    ['a peer that left before a decision', { status: 0 }, 'registry unknown unknown none deny abandoned 1'],
  ];
  it.each(cases)('counts %s', async (_, request, sample) => {
    const subject = telemetry();
    subject.recorder.request(record(request));
    expect(await samples(subject, 'sallyport_decisions_total')).toEqual([sample]);
  });

  it('adds decisions up to requests, whatever became of them', async () => {
    const subject = telemetry();
    for (const [, request] of cases) subject.recorder.request(record(request));
    const families = await scrape(subject);
    const decisions = families.get('sallyport_decisions_total')?.samples ?? [];
    expect(decisions.reduce((total, { value }) => total + value, 0)).toBe(cases.length);
  });

  it('counts refusals before and after the decision, each once', async () => {
    const subject = telemetry();
    subject.recorder.request(record({ refusal: 'no-identity' }));
    subject.recorder.request(record({ refusal: 'upstream-timeout', decision: decision() }));
    subject.recorder.request(record({ refusal: 'upstream-timeout', decision: decision() }));
    subject.recorder.request(record({ decision: decision() }));
    const expected = ['registry no-identity 1', 'registry upstream-timeout 2'];
    expect(await samples(subject, 'sallyport_refusals_total')).toEqual(expected);
  });

  it('counts the class of the status that was sent', async () => {
    const subject = telemetry();
    for (const status of [200, 204, 403, 502, 0, 999, -1, Number.NaN]) subject.recorder.request(record({ status }));
    expect(await samples(subject, 'sallyport_responses_total')).toEqual(
      ['none 4', '1xx 0', '2xx 2', '3xx 0', '4xx 1', '5xx 1'].map((sample) => `registry ${sample}`),
    );
  });

  it('adds up the bytes of both directions per listener', async () => {
    const subject = telemetry();
    subject.recorder.request(record({ requestBytes: 2 ** 40, responseBytes: 1 }));
    subject.recorder.request(record({ requestBytes: 3, responseBytes: 2 }));
    subject.recorder.request(record({ listener: 'features', requestBytes: 1, responseBytes: 0 }));
    expect(await samples(subject, 'sallyport_bytes_total')).toEqual([
      `registry upstream ${2 ** 40 + 3}`,
      'registry downstream 3',
      'features upstream 1',
      'features downstream 0',
    ]);
  });

  it('shows a histogram as cumulative buckets, sum and count', async () => {
    const subject = telemetry();
    for (const overheadSeconds of [12e-6, 31e-6, 33e-6, 5]) subject.recorder.request(record({ overheadSeconds }));
    const shown = (await scrape(subject)).get('sallyport_request_overhead_seconds')?.samples ?? [];
    const bucket = (le: string): number | undefined => shown.find(({ labels }) => labels['le'] === le)?.value;
    expect([bucket('0.00001'), bucket('0.000015'), bucket('0.00003'), bucket('0.00005')]).toEqual([0, 1, 1, 3]);
    expect([bucket('1'), bucket('+Inf')]).toEqual([3, 4]);
    expect(shown.find(({ name }) => name.endsWith('_sum'))?.value).toBeCloseTo(5.000076, 9);
    expect(shown.find(({ name }) => name.endsWith('_count'))?.value).toBe(4);
  });

  it('leaves durations that were not measured out of their histograms', async () => {
    const subject = telemetry();
    subject.recorder.request(record({ decisionSeconds: Number.NaN, upstreamSeconds: Number.NaN }));
    subject.recorder.request(record({ decisionSeconds: 1e-7, upstreamSeconds: Number.NaN }));
    const families = await scrape(subject);
    const count = (name: string): number | undefined => families.get(name)?.samples.at(-1)?.value;
    expect(count('sallyport_decision_duration_seconds')).toBe(1);
    expect(count('sallyport_upstream_duration_seconds')).toBe(0);
    expect(count('sallyport_request_duration_seconds')).toBe(2);
  });

  it('has buckets from 50 ns for decisions, from 10 µs to 1 s for overhead, up to 300 s for durations', async () => {
    const families = await scrape(telemetry());
    const bounds = (name: string): readonly (string | undefined)[] =>
      (families.get(name)?.samples ?? []).flatMap(({ labels }) => labels['le'] ?? []);
    expect(bounds('sallyport_decision_duration_seconds')[0]).toBe('5e-8');
    expect(bounds('sallyport_request_overhead_seconds')[0]).toBe('0.00001');
    expect(bounds('sallyport_request_overhead_seconds').at(-2)).toBe('1');
    expect(bounds('sallyport_request_duration_seconds').slice(-3)).toEqual(['250', '300', '+Inf']);
    expect(bounds('sallyport_upstream_duration_seconds').at(-2)).toBe('300');
  });
});

describe('connections and reloads', () => {
  it('counts open connections up and down', async () => {
    const subject = telemetry();
    for (let index = 0; index < 3; index += 1) subject.recorder.connectionOpened();
    subject.recorder.connectionClosed();
    expect(await samples(subject, 'sallyport_connections_open')).toEqual(['2']);
  });

  it('counts handshakes, terminations and disagreements', async () => {
    const subject = telemetry();
    subject.recorder.handshake('accepted', 'verified');
    subject.recorder.handshake('refused', 'expired');
    subject.recorder.handshake('refused', 'expired');
    subject.recorder.connectionTerminated('svid-expired');
    subject.recorder.cacheDisagreement();
    expect(await samples(subject, 'sallyport_handshakes_total')).toEqual(['accepted verified 1', 'refused expired 2']);
    expect(await samples(subject, 'sallyport_connections_terminated_total')).toEqual(['svid-expired 1']);
    expect(await samples(subject, 'sallyport_cache_disagreements_total')).toEqual(['1']);
  });

  it('counts reloads by what was read and how it ended', async () => {
    const subject = telemetry();
    subject.recorder.reload('trust-bundle', 'failure');
    const shown = await samples(subject, 'sallyport_reload_total');
    expect(shown).toContain('trust-bundle failure 1');
    expect(shown).toContain('policy success 0');
  });
});

describe('policies that replace each other', () => {
  it('keep the totals of the same cell growing', async () => {
    const subject = telemetry();
    const totals: number[] = [];
    for (let policy = 0; policy < 20; policy += 1) {
      const rule = { file: 'policies/matrix.yaml', line: policy };
      const interned = decision({ policyDigest: `${policy}`, rule });
      for (let request = 0; request < 3; request += 1) subject.recorder.request(record({ decision: interned }));
      subject.recorder.reload('policy', 'success');
      // A request decided under the old policy that ends after the swap.
      subject.recorder.request(record({ decision: interned }));
      const [sample] = (await scrape(subject)).get('sallyport_decisions_total')?.samples ?? [];
      totals.push(sample?.value ?? Number.NaN);
    }
    expect(totals).toEqual(Array.from({ length: 20 }, (_, policy) => (policy + 1) * 4));
  });

  it('show one sample for rules that differ only in their line', async () => {
    const subject = telemetry();
    for (let line = 1; line <= 50; line += 1) {
      subject.recorder.request(record({ decision: decision({ rule: { file: 'a.yaml', line } }) }));
    }
    const expected = ['registry training registry read allow allowed-by-rule 50'];
    expect(await samples(subject, 'sallyport_decisions_total')).toEqual(expected);
  });

  it('are not kept once another is in force', async () => {
    const subject = telemetry(new KeptLines(), { allow: 0 });
    const first = reportFresh(subject.recorder);
    await collectGarbage();
    expect(first.deref()).toBeDefined();
    subject.recorder.reload('policy', 'failure');
    await collectGarbage();
    expect(first.deref()).toBeDefined();
    subject.recorder.reload('policy', 'success');
    await collectGarbage();
    expect(first.deref()).toBeUndefined();
  });

  it('are not kept when nobody announces the next or nobody interns', async () => {
    const subject = telemetry();
    const first = reportFresh(subject.recorder);
    for (let request = 1; request < 30_000; request += 1) reportFresh(subject.recorder);
    await collectGarbage();
    expect(first.deref()).toBeUndefined();
    const expected = ['registry training registry read allow allowed-by-rule 30000'];
    expect(await samples(subject, 'sallyport_decisions_total')).toEqual(expected);
  });
});

describe('the decision log', () => {
  it('hears of requests and of new policies, and is flushed', () => {
    const lines = new KeptLines();
    const subject = telemetry(lines, { allow: 0 });
    const allowed = decision();
    for (const result of ['failure', 'success'] as const) {
      subject.recorder.request(record({ decision: allowed }));
      subject.recorder.reload('policy', result);
      subject.recorder.reload('identity', 'success');
    }
    subject.recorder.request(record({ decision: allowed }));
    expect(lines.chunks).toEqual([]);
    subject.flush();
    expect(lines.parsed.map(({ msg }) => msg)).toEqual(['request allowed', 'request allowed']);
  });

  it('has what it dropped counted', async () => {
    const subject = telemetry(new KeptLines(), { queueEntries: 1 });
    for (let index = 0; index < 5; index += 1) subject.recorder.request(record({ refusal: 'no-route' }));
    expect(await samples(subject, 'sallyport_decision_log_dropped_total')).toEqual(['4']);
  });
});

describe('cardinality', () => {
  it('EX-170 does not grow with a million distinct paths, IDs, authorities and decision ids', async () => {
    const subject = telemetry();
    const interned = [decision(), denied(), decision({ component: 'pipeline' })];
    const report = (index: number): void => {
      subject.recorder.request(
        record({
          decision: interned[index % 4] ?? null,
          refusal: index % 4 === 3 ? 'no-route' : null,
          principal: `spiffe://ai.example/training/${index}`,
          path: `/models/${index}`,
          authority: `host-${index}`,
          decisionId: `${index}`,
          method: `M${index}`,
        }),
      );
    };
    for (let index = 0; index < 4; index += 1) report(index);
    const before = (await subject.scrape()).text;
    for (let index = 4; index < 1_000_000; index += 1) report(index);
    const after = (await subject.scrape()).text;
    const ours = (text: string): number => text.split('\n').filter((line) => line.startsWith('sallyport_')).length;
    expect(ours(after)).toBe(ours(before));
    expect(after).not.toMatch(/spiffe:|models\/|host-/);
    expect(await samples(subject, 'sallyport_decisions_total')).toContain(
      'registry unknown unknown none deny no-route 250000',
    );
  });

  it('EX-170 is bounded even if labels were chosen by the network', async () => {
    const subject = telemetry();
    for (let index = 0; index < 20_000; index += 1) {
      const odd = `odd-${index}`;
      subject.recorder.request(record({ listener: odd, refusal: odd, target: odd, status: index }));
      subject.recorder.request(record({ decision: decision({ component: odd, target: odd }) }));
      subject.recorder.request(record({ refusal: odd, target: odd }));
      subject.recorder.handshake('refused', odd);
      subject.recorder.connectionTerminated(odd);
    }
    const families = await scrape(subject);
    const shown = (name: string): number => families.get(name)?.samples.length ?? 0;
    expect(shown('sallyport_decisions_total')).toBe(10_001);
    expect(shown('sallyport_handshakes_total')).toBe(1_001);
    expect(shown('sallyport_connections_terminated_total')).toBe(1_001);
    expect(shown('sallyport_refusals_total')).toBe(1_001);
    expect(shown('sallyport_bytes_total')).toBe(514);
    const decisions = families.get('sallyport_decisions_total')?.samples ?? [];
    expect(decisions.reduce((total, { value }) => total + value, 0)).toBe(60_000);
  });
});
