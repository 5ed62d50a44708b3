import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeJson } from '../../src/core/ascii-json.ts';
import type { Decision } from '../../src/policy/decision.ts';
import { DecisionLines } from '../../src/telemetry/decision-fields.ts';
import { LineGatherer } from '../../src/telemetry/line-batch.ts';
import type { RequestRecord } from '../../src/telemetry/recorder.ts';
import { decision, record } from './request-record.ts';

const TIME = '2023-11-14T22:13:20.000Z';

/** The same line as JSON.stringify() makes it: fields and their order are read by programs that are not ours. */
function reference(request: RequestRecord, time: string): string {
  const { decision: decided } = request;
  const path = request.path.split(/[?#]/)[0] ?? '';
  const micros = (seconds: number): number | undefined =>
    Number.isFinite(seconds) ? Math.round(seconds * 1e9) / 1e3 : undefined;
  const effect = decided?.effect ?? 'deny';
  const messages = { allow: 'request allowed', deny: 'request denied', 'would-deny': 'request would be denied' };
  return escapeJson(
    JSON.stringify({
      level: 'info',
      log: 'decision',
      time,
      decisionId: request.decisionId,
      listener: request.listener,
      principal: request.principal,
      actor: request.actor ?? undefined,
      component: decided?.component ?? null,
      target: decided?.target ?? request.target,
      verb: decided?.verb ?? null,
      effect,
      reason: decided?.reason ?? request.refusal ?? 'abandoned',
      rule: decided?.rule ? `${decided.rule.file}:${decided.rule.line}` : null,
      refusal: request.refusal,
      method: request.method.slice(0, 32),
      path: path.slice(0, 512),
      pathLength: path.length > 512 ? path.length : undefined,
      authority: request.authority.slice(0, 261),
      upgrade: request.upgrade?.slice(0, 32),
      status: request.status,
      decisionMicros: micros(request.decisionSeconds),
      overheadMicros: micros(request.overheadSeconds),
      durationMicros: micros(request.durationSeconds),
      upstreamMicros: micros(request.upstreamSeconds),
      requestBytes: request.requestBytes,
      responseBytes: request.responseBytes,
      traceId: /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(request.traceparent)?.[1] ?? null,
      policyDigest: decided?.policyDigest ?? null,
      msg: messages[effect],
    }),
  );
}

/** The line as it is written behind another. */
function lineOf(lines: DecisionLines, request: RequestRecord, time: string): string {
  const gathered = new LineGatherer();
  gathered.begin(1);
  gathered.endLine();
  expect(lines.write(request, time, gathered)).toBe(true);
  const text = gathered.take().bytes.toString('latin1');
  expect(text).toMatch(/^\n[^\n]*\n$/);
  return text.slice(1, -1);
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 600 }),
  fc.constantFrom(
    '',
    '"',
    '\\',
    '","effect":"allow","x":"',
    '\r\n',
    '\u2028',
    '\ud800',
    '\u007f',
    '/a?b',
    '/a#b',
    '${x}',
    '$&',
  ),
);
const seconds = fc.oneof(
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, -0, -1e-6, 1e-9, 0.000_123, 1e-3, 1, 1e6, 1e9, 1e15, 1e300),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 1e7, noNaN: true }),
  fc.integer({ min: 0, max: 1e12 }).map((nanos) => nanos / 1e9),
);
const decisions: fc.Arbitrary<Decision> = fc
  .record({
    effect: fc.constantFrom<Decision['effect']>('allow', 'deny', 'would-deny'),
    rule: fc.option(fc.record({ file: hostile, line: fc.nat() })),
    component: fc.option(hostile),
    target: hostile,
    verb: fc.constantFrom<Decision['verb']>('read', 'connect', null),
    policyDigest: hostile,
  })
  .map(decision);
const requests = fc
  .record({
    listener: hostile,
    decision: fc.option(decisions),
    target: fc.option(hostile),
    refusal: fc.option(hostile),
    decisionId: hostile,
    principal: fc.option(hostile),
    actor: fc.option(hostile),
    method: hostile,
    path: hostile,
    authority: hostile,
    upgrade: fc.option(hostile),
    status: fc.nat(599),
    traceparent: fc.oneof(hostile, fc.constant('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')),
    decisionSeconds: seconds,
    overheadSeconds: seconds,
    durationSeconds: seconds,
    upstreamSeconds: seconds,
    requestBytes: fc.maxSafeNat(),
    responseBytes: fc.maxSafeNat(),
  })
  .map(record);

describe('a line of the decision log', () => {
  it('EX-171 is octet for octet what JSON.stringify() makes of the same fields, in printable ASCII', () => {
    const lines = new DecisionLines();
    fc.assert(
      fc.property(requests, hostile, (request, time) => {
        const line = lineOf(lines, request, time);
        expect(line).toBe(reference(request, time));
        expect(line).toMatch(/^[ -~]+$/);
      }),
      { numRuns: 1_000 },
    );
  });

  it('EX-171 says of each request what is its own, however much of the one before it repeats', () => {
    const few = fc.array(
      fc.record({
        listener: fc.constantFrom('a', 'b'),
        decision: fc.option(fc.constantFrom(decision(), decision({ verb: 'write' }), decision({ effect: 'deny' }))),
        target: fc.constantFrom(null, 'registry', 'features'),
        refusal: fc.constantFrom(null, 'no-route', 'denied'),
        principal: fc.constantFrom(null, 'spiffe://ai.example/a', 'spiffe://ai.example/b'),
        actor: fc.constantFrom(null, 'spiffe://ai.example/b'),
        method: fc.constantFrom('GET', 'PUT', `${'M'.repeat(32)}1`, `${'M'.repeat(32)}2`),
        path: fc.constantFrom('/', '/a', '/a?b', '/"', `/${'p'.repeat(511)}`, `/${'p'.repeat(512)}`),
        authority: fc.constantFrom('x', 'y', `${'x'.repeat(300)}1`, `${'x'.repeat(300)}2`, '\u0100', '\u0000'),
        upgrade: fc.constantFrom(null, 'websocket', 'other'),
        status: fc.constantFrom(200, 403),
      }),
      { minLength: 2, maxLength: 12 },
    );
    fc.assert(
      fc.property(few, (fields) => {
        const lines = new DecisionLines();
        for (const request of fields.map(record)) expect(lineOf(lines, request, TIME)).toBe(reference(request, TIME));
      }),
      { numRuns: 1_000 },
    );
  });

  it('EX-171 tells requests apart that differ in one thing', () => {
    const lines = new DecisionLines();
    const others: Partial<RequestRecord>[] = [
      { listener: 'other' },
      { decision: decision({ verb: 'write' }) },
      { decision: null },
      { refusal: 'upstream-reset' },
      { actor: 'spiffe://ai.example/training/job-2' },
      { method: 'POST' },
      { path: '/v1/other' },
      { authority: 'other.example' },
      { upgrade: 'websocket' },
      { status: 502 },
      { traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-00' },
      { traceparent: '' },
      { decisionId: '"' },
    ];
    const usual = { decision: decision() };
    for (const fields of others.flatMap((other) => [usual, { ...usual, ...other }])) {
      expect(lineOf(lines, record(fields), TIME)).toBe(reference(record(fields), TIME));
    }
  });

  it.each([
    ['in more than latin1', { authority: '\u0100' }, { authority: '\u0000' }],
    ['behind what a line shows', { authority: `${'x'.repeat(300)}1` }, { authority: 'x'.repeat(261) }],
  ])('EX-171 tells requests apart that differ %s', (_how, first, second) => {
    const lines = new DecisionLines();
    for (const fields of [first, second, first]) {
      expect(lineOf(lines, record(fields), TIME)).toBe(reference(record(fields), TIME));
    }
  });

  it('is whole also at a time that is no text, first of all', () => {
    expect(lineOf(new DecisionLines(), record({}), '')).toBe(reference(record({}), ''));
  });

  it('says of one principal after another what is its own', () => {
    const lines = new DecisionLines();
    for (let index = 0; index < 600; index += 1) {
      const request = record({ decision: decision(), principal: `spiffe://ai.example/${index % 400}`, status: index });
      expect(lineOf(lines, request, TIME)).toBe(reference(request, TIME));
    }
  });

  it('writes numbers of any length as JSON does', () => {
    const lines = new DecisionLines();
    for (const count of [0, 9, 10, 999, 1_000, 1_001, 9_999, 10_000, 99_010, 999_999, 1_000_000, 1_234_567]) {
      const request = record({ decision: decision(), durationSeconds: count / 1e6, responseBytes: count });
      expect(lineOf(lines, request, TIME)).toBe(reference(request, TIME));
    }
  });

  it('writes every thousandth of a microsecond as JSON does', () => {
    const lines = new DecisionLines();
    for (let nanos = 0; nanos < 2_500; nanos += 1) {
      const request = record({ decision: decision(), durationSeconds: nanos / 1e9 });
      expect(lineOf(lines, request, TIME)).toBe(reference(request, TIME));
    }
  });

  it('tells decisions apart that say the same but for one thing', () => {
    const lines = new DecisionLines();
    for (const verb of ['read', 'write', 'read'] as const) {
      for (const one of [decision({ verb }), decision({ verb, effect: 'would-deny' })]) {
        const request = record({ decision: one });
        expect(lineOf(lines, request, TIME)).toBe(reference(request, TIME));
        expect(lineOf(lines, request, '2023-11-14T22:13:20.001Z')).toBe(reference(request, '2023-11-14T22:13:20.001Z'));
      }
    }
  });
});
