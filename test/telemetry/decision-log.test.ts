import { afterEach, describe, expect, it, vi } from 'vitest';
import * as fc from 'fast-check';
import { DecisionLog, type DecisionLogOptions } from '../../src/telemetry/decision-log.ts';
import type { RequestRecord } from '../../src/telemetry/recorder.ts';
import { decision, denied, KeptLines, ManualClock, record } from './request-record.ts';

afterEach(() => {
  vi.useRealTimers();
});

interface Subject {
  readonly log: DecisionLog;
  readonly lines: KeptLines;
  readonly clock: ManualClock;
}

function decisionLog(options: Partial<DecisionLogOptions> = {}): Subject {
  const lines = new KeptLines();
  const clock = new ManualClock();
  const log = new DecisionLog({
    allow: 0,
    queueEntries: 100,
    maxRecordsPerSecond: 1_000_000,
    destination: lines,
    clock,
    schedule: (_delayMs, callback) => {
      due = [callback];
      return () => {
        due = [];
      };
    },
    random: () => 0.5,
    ...options,
  });
  return { log, lines, clock };
}

/** What the log says of these requests. */
function logged(
  options: Partial<DecisionLogOptions>,
  requests: readonly Partial<RequestRecord>[],
): readonly Record<string, unknown>[] {
  const { log, lines } = decisionLog({ queueEntries: 10_000, ...options });
  for (const request of requests) log.request(record(request));
  log.flush();
  return lines.parsed;
}

/** What the log has had scheduled last. */
let due: (() => void)[] = [];
const turn = (): void => {
  for (const callback of due.splice(0)) callback();
};
const allowed = decision();

describe('what is logged', () => {
  it('tells of a denial in full', () => {
    const [line] = logged({}, [{ decision: denied(), refusal: 'denied', status: 403, upstreamSeconds: Number.NaN }]);
    expect(line).toEqual({
      level: 'info',
      log: 'decision',
      time: '2023-11-14T22:13:20.000Z',
      decisionId: '0123456789abcdef0123456789abcdef',
      listener: 'registry',
      principal: 'spiffe://ai.example/training/job-1',
      component: 'training',
      target: 'registry',
      verb: 'read',
      effect: 'deny',
      reason: 'denied-by-rule',
      rule: 'policies/matrix.yaml:12',
      refusal: 'denied',
      method: 'GET',
      path: '/v1/models',
      authority: 'registry.example',
      status: 403,
      overheadMicros: 35,
      durationMicros: 2000,
      requestBytes: 10,
      responseBytes: 2000,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      policyDigest: 'a'.repeat(64),
      msg: 'request denied',
    });
  });

  it('tells of a refusal before the decision as a denial', () => {
    const [line] = logged({}, [{ refusal: 'no-identity', principal: null, target: 'registry', status: 401 }]);
    expect(line).toMatchObject({
      effect: 'deny',
      reason: 'no-identity',
      principal: null,
      component: null,
      target: 'registry',
      verb: null,
      rule: null,
      policyDigest: null,
      msg: 'request denied',
    });
  });

  const due: readonly (readonly [name: string, request: Partial<RequestRecord>, message: string])[] = [
    ['every denial', { decision: denied() }, 'request denied'],
    [
      'every denial in shadow',
      { decision: decision({ effect: 'would-deny', reason: 'not-granted' }) },
      'request would be denied',
    ],
    ['every refusal before the decision', { refusal: 'no-route' }, 'request denied'],
    ['every peer gone before the decision', { status: 0 }, 'request denied'],
    [
      'every allowed request the proxy then answered itself',
      { decision: allowed, refusal: 'upstream-timeout', status: 504 },
      'request allowed',
    ],
    [
      'every allowed request that was cut off',
      { decision: allowed, refusal: 'svid-expired', status: 200 },
      'request allowed',
    ],
  ];
  it.each(due)('logs %s, whatever is chosen for allows', (_, request, message) => {
    for (const allow of ['all', 'none', 0] as const) {
      const lines = logged({ allow }, [request, request, request]);
      expect(lines.map(({ msg }) => msg)).toEqual([message, message, message]);
    }
  });

  it('logs no allow whose peer only went away', () => {
    expect(logged({ allow: 'none' }, [{ decision: allowed, refusal: 'peer-aborted', status: 499 }])).toEqual([]);
    expect(logged({ allow: 'none' }, [{ decision: allowed, refusal: 'peer-aborted', status: 200 }])).toEqual([]);
  });

  it('logs every allow with `all` and none with `none`', () => {
    const requests = Array.from({ length: 7 }, () => ({ decision: allowed }));
    expect(logged({ allow: 'all' }, requests)).toHaveLength(7);
    expect(logged({ allow: 'none' }, requests)).toHaveLength(0);
  });

  it('logs the first allow of each principal, target and verb', () => {
    const write = decision({ verb: 'write' });
    const other = decision({ target: 'feature-store' });
    const principal = 'spiffe://ai.example/training/job-2';
    const requests = [allowed, write, other, allowed].flatMap((decision) => [
      { decision },
      { decision, principal },
      { decision },
    ]);
    expect(logged({}, requests).map(({ principal, target, verb }) => [principal, target, verb])).toEqual([
      ['spiffe://ai.example/training/job-1', 'registry', 'read'],
      [principal, 'registry', 'read'],
      ['spiffe://ai.example/training/job-1', 'registry', 'write'],
      [principal, 'registry', 'write'],
      ['spiffe://ai.example/training/job-1', 'feature-store', 'read'],
      [principal, 'feature-store', 'read'],
    ]);
  });

  it('takes two rules that allow the same verb on the same target for one', () => {
    const sameCell = decision({ rule: { file: 'policies/matrix.yaml', line: 99 } });
    expect(logged({}, [{ decision: allowed }, { decision: sameCell }])).toHaveLength(1);
  });

  it('logs the first allow again under another policy and after a reload', () => {
    const { log, lines } = decisionLog();
    log.request(record({ decision: allowed }));
    log.request(record({ decision: decision({ policyDigest: 'b' }) }));
    log.startPolicyEpoch();
    log.request(record({ decision: allowed }));
    log.request(record({ decision: allowed }));
    log.flush();
    expect(lines.parsed).toHaveLength(3);
  });

  it('logs a share of the other allows, as the random source says', () => {
    let calls = 0;
    const random = (): number => (calls++ % 100) / 100;
    const requests = Array.from({ length: 1_001 }, () => ({ decision: allowed }));
    expect(logged({ allow: 0.01, random }, requests)).toHaveLength(1 + 10);
    expect(logged({ allow: 0, random }, requests)).toHaveLength(1);
  });

  it('reads the record at once: the caller uses one object again', () => {
    const { log, lines } = decisionLog();
    const reused = { ...record({ decision: denied() }) };
    for (const path of ['/a', '/b']) log.request(Object.assign(reused, { path }));
    log.flush();
    expect(lines.parsed.map(({ path }) => path)).toEqual(['/a', '/b']);
  });

  it('reads what a record computes', () => {
    const { log, lines } = decisionLog();
    const plain = record({ decision: denied() });
    log.request(
      Object.create(plain, {
        status: { get: () => 418 },
      }),
    );
    log.flush();
    expect(lines.parsed[0]).toMatchObject({ status: 418, path: '/v1/models' });
  });
});

describe('what a line contains', () => {
  it('leaves out durations that were not measured', () => {
    const unmeasured = { decisionSeconds: Number.NaN, upstreamSeconds: Number.NaN, overheadSeconds: Number.NaN };
    const [line] = logged({}, [{ decision: denied(), ...unmeasured }]);
    expect(Object.keys(line ?? {}).filter((field) => field.endsWith('Micros'))).toEqual(['durationMicros']);
  });

  it('gives durations in microseconds to the nanosecond', () => {
    const [line] = logged({}, [{ decision: denied(), decisionSeconds: 123.4e-9, upstreamSeconds: 12 }]);
    expect(line).toMatchObject({ decisionMicros: 0.123, upstreamMicros: 12_000_000 });
  });

  it.each(['/a?token=secret', '/a#secret', '/a?', '/a#?secret'])('never logs a query: `%s`', (path) => {
    expect(logged({}, [{ refusal: 'ambiguous-request', path }])[0]?.['path']).toBe('/a');
  });

  it('bounds path, authority and method, and says how long the path was', () => {
    const long = 'x'.repeat(60_000);
    const [line] = logged({}, [{ decision: denied(), path: `/${long}`, authority: long, method: long }]);
    expect(line).toMatchObject({ path: `/${'x'.repeat(511)}`, pathLength: 60_001, method: 'x'.repeat(32) });
    expect(JSON.stringify(line).length).toBeLessThan(2_000);
  });

  it.each(['', 'nonsense', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01'])(
    'has no trace id for traceparent `%s`',
    (traceparent) => {
      expect(logged({}, [{ decision: denied(), traceparent }])[0]?.['traceId']).toBeNull();
    },
  );

  const injections: readonly (readonly [name: string, text: string])[] = [
    ['CR and LF', '/a\r\n{"level":"info","msg":"request allowed"}'],
    ['an ANSI sequence', '/a\u001b[2J\u001b[1;1H'],
    ['a C1 control sequence introducer', '/a\u009b2J'],
    ['line and paragraph separators and NEL', '/a\u2028b\u2029c\u0085'],
    ['bidirectional overrides', '/a\u202e\u2066txt.exe'],
    ['quotes, backslashes and NUL', '/a","effect":"allow","x":"\\\u0000'],
    ['CEF and LEEF delimiters', '/a|CEF:0|x|y=z\t'],
    ['lone surrogates', '/a\ud800b\udc00'],
    ['DEL and non-ASCII', '/a\u007f\u00e9\u0430😀'],
  ];
  it.each(injections)('EX-171 keeps %s inside one line of printable ASCII', (_, text) => {
    const { log, lines } = decisionLog();
    const fields = { path: text, method: text, authority: text, principal: text, traceparent: text };
    log.request(record({ refusal: 'ambiguous-request', ...fields }));
    log.flush();
    const written = lines.chunks.join('');
    expect(written).toMatch(/^[ -~]+\n$/);
    expect(lines.parsed).toHaveLength(1);
    expect(lines.parsed[0]).toMatchObject({ path: text, principal: text, effect: 'deny' });
  });

  it('EX-171 writes one line of printable ASCII that reads back, whatever a path holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const { log, lines } = decisionLog();
        log.request(record({ decision: denied(), principal: text }));
        log.flush();
        expect(lines.chunks.join('')).toMatch(/^[ -~]+\n$/);
        expect(lines.parsed[0]?.['principal']).toBe(text);
      }),
    );
  });
});

describe('when it is written', () => {
  it('writes nothing in the turn of the request, then everything since then at once', async () => {
    const { log, lines } = decisionLog();
    for (let index = 0; index < 50; index += 1) log.request(record({ decision: denied() }));
    await Promise.resolve();
    expect(lines.chunks).toHaveLength(0);
    turn();
    expect(lines.chunks).toHaveLength(1);
    expect(lines.parsed).toHaveLength(50);
  });

  it('spreads a long queue over turns, in order', () => {
    const { log, lines } = decisionLog({ queueEntries: 1_000 });
    for (let index = 0; index < 600; index += 1) log.request(record({ decision: denied(), decisionId: `${index}` }));
    turn();
    expect(lines.parsed.length).toBeLessThan(600);
    for (let index = 0; index < 5; index += 1) turn();
    expect(lines.parsed.map(({ decisionId }) => decisionId)).toEqual(
      Array.from({ length: 600 }, (_, index) => `${index}`),
    );
    expect(log.dropped).toBe(0);
  });

  it('hands long lines over in several pieces, in order, and loses none', () => {
    const { log, lines } = decisionLog({ queueEntries: 10_000 });
    // Of which a piece holds some fifty.
    const principal = 'p'.repeat(5_000);
    const ids = Array.from({ length: 300 }, (_, index) => `${index}`);
    for (const decisionId of ids) log.request(record({ decision: denied(), decisionId, principal }));
    // More than any piece has room for.
    log.request(record({ decision: denied(), decisionId: 'long', principal: 'p'.repeat(600_000) }));
    log.request(record({ decision: denied(), decisionId: 'last' }));
    log.flush();
    expect(lines.parsed.map(({ decisionId }) => decisionId)).toEqual([...ids, 'long', 'last']);
    expect(log.dropped).toBe(0);
  });

  it('does not wait when half of what may wait is there', () => {
    const delays: number[] = [];
    const schedule: DecisionLogOptions['schedule'] = (delayMs) => {
      delays.push(delayMs);
      return () => {};
    };
    const { log } = decisionLog({ queueEntries: 100, schedule });
    for (let index = 0; index < 100; index += 1) log.request(record({ decision: denied() }));
    expect(delays).toEqual([expect.toSatisfy((delayMs) => delayMs > 0 && delayMs <= 100), 0]);
    expect(log.dropped).toBe(0);
  });

  it('writes what comes after a flush as well', () => {
    const { log, lines } = decisionLog();
    log.request(record({ decision: denied() }));
    log.flush();
    turn();
    log.request(record({ decision: denied() }));
    turn();
    expect(lines.parsed).toHaveLength(2);
  });

  it('has nothing to flush when nothing happened', () => {
    const { log, lines } = decisionLog();
    log.flush();
    expect(lines.chunks).toEqual([]);
  });
});

describe('what is dropped', () => {
  const notices = (lines: KeptLines): readonly unknown[] =>
    lines.parsed.filter(({ msg }) => msg === 'decision log dropped records').map(({ dropped }) => dropped);

  it('drops and counts what does not fit into the queue, and says so', () => {
    const { log, lines } = decisionLog({ queueEntries: 3 });
    for (let index = 0; index < 10; index += 1) log.request(record({ decision: denied() }));
    expect(log.dropped).toBe(7);
    log.flush();
    expect(lines.parsed).toHaveLength(4);
    expect(lines.parsed.at(-1)).toMatchObject({ level: 'warn', log: 'decision', dropped: 7 });
  });

  it('says so within a second without being asked, and once', () => {
    vi.useFakeTimers();
    const { log, lines } = decisionLog({ queueEntries: 1 });
    for (let index = 0; index < 5; index += 1) log.request(record({ decision: denied() }));
    vi.advanceTimersByTime(1_000);
    expect(notices(lines)).toEqual([4]);
    vi.advanceTimersByTime(10_000);
    log.flush();
    expect(notices(lines)).toEqual([4]);
  });

  it('bounds a flood of denials per second, and takes up again in the next', () => {
    const { log, clock } = decisionLog({ maxRecordsPerSecond: 100, queueEntries: 10_000 });
    const flood = (): void => {
      for (let index = 0; index < 1_000; index += 1) {
        log.request(record({ decision: denied(), principal: `spiffe://ai.example/training/${index % 10}` }));
      }
    };
    flood();
    expect(log.dropped).toBe(900);
    clock.nowMs += 999;
    flood();
    expect(log.dropped).toBe(1_900);
    clock.nowMs += 1;
    flood();
    expect(log.dropped).toBe(2_800);
  });

  it('gives a principal its share again in the next second', () => {
    const { log, clock } = decisionLog({ maxRecordsPerSecond: 100, queueEntries: 10_000 });
    for (const dropped of [50, 100]) {
      for (let index = 0; index < 100; index += 1) log.request(record({ decision: denied() }));
      expect(log.dropped).toBe(dropped);
      clock.nowMs += 1_000;
    }
  });

  it('does not let the flood of one principal, or of peers without one, hide what others do', () => {
    for (const principal of ['spiffe://ai.example/training/noisy', null]) {
      const { log, lines } = decisionLog({ maxRecordsPerSecond: 100, queueEntries: 1_000 });
      for (let index = 0; index < 1_000; index += 1) log.request(record({ decision: denied(), principal }));
      log.request(record({ decision: denied(), principal: 'spiffe://ai.example/inference/quiet' }));
      log.flush();
      expect(lines.parsed.filter(({ msg }) => msg === 'request denied')).toHaveLength(51);
      expect(lines.parsed.some((line) => line['principal'] === 'spiffe://ai.example/inference/quiet')).toBe(true);
    }
  });

  it('EX-173 counts what the destination lost, goes on, and says so when it takes lines again', () => {
    const { log, lines } = decisionLog();
    lines.fails = true;
    for (let index = 0; index < 3; index += 1) log.request(record({ decision: denied() }));
    log.flush();
    expect(log.dropped).toBe(3);
    log.flush();
    expect(log.dropped).toBe(3);
    lines.fails = false;
    log.request(record({ decision: denied() }));
    log.flush();
    expect(log.dropped).toBe(3);
    expect(lines.parsed.map(({ msg }) => msg)).toEqual(['request denied', 'decision log dropped records']);
    expect(notices(lines)).toEqual([3]);
  });
});
