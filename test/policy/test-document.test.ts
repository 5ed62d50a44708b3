import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/core/source-position.ts';
import { findSampleId, parsePolicyTests, type PolicyTest } from '../../src/policy/test-document.ts';
import { findFailures } from '../../src/policy/test-run.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { load, shippedMatrix } from './policies.ts';

const policy = load(shippedMatrix());

function parse(text: string): readonly PolicyTest[] {
  return parsePolicyTests(Buffer.from(text), 'x.test.yaml', policy);
}

function problemsOf(test: string): readonly string[] {
  try {
    parse(`version: 1\ntests:\n  - ${test}\n`);
  } catch (error) {
    if (error instanceof DocumentError)
      return error.problems.map((problem) => formatProblem(problem).replace(/^x.test.yaml:3:\d+: .* \[(.*)\]$/, '$1'));
    throw error;
  }
  return [];
}

describe('tests of a policy', () => {
  it('of the shipped matrix pass', () => {
    const bytes = readFileSync(new URL('../../policies/ai-platform.test.yaml', import.meta.url));
    const tests = parsePolicyTests(bytes, 'ai-platform.test.yaml', policy);
    expect(tests.length).toBeGreaterThan(40);
    expect(findFailures(policy, tests)).toEqual([]);
  });

  it('are one for each request', () => {
    const tests = parse(`version: 1
tests:
  - from: training
    to: registry
    expect: allow
    verb: write
    reason: allowed-by-rule
    requests: [POST /a?x=y, GET /b]
  - { name: two, from: spiffe://b.example/x, to: registry, method: GET, path: /c, expect: deny }
`);
    expect(
      tests.map(({ principal, method, path, query, position }) => [principal, method, path, query, position.line]),
    ).toEqual([
      ['spiffe://ai.example/training/any', 'POST', '/a', 'x=y', 8],
      ['spiffe://ai.example/training/any', 'GET', '/b', null, 8],
      ['spiffe://b.example/x', 'GET', '/c', null, 9],
    ]);
    expect(tests[0]?.expected).toEqual({ effect: 'allow', reason: 'allowed-by-rule', verb: 'write' });
  });

  it.each([
    ['{ from: training, to: registry, method: GET, path: /x, expect: deny }', []],
    ['{ from: training, to: registry, requests: [GET /x], expect: deny, path: /x }', ['bad-request']],
    ['{ from: training, to: registry, expect: deny }', ['missing-key', 'missing-key']],
    ['{ to: registry, method: GET, path: /x, expect: deny }', ['missing-key']],
    ['{ from: training, to: registry, method: GET, path: /x }', ['missing-key']],
    ['{ from: trainin, to: registry, method: GET, path: /x, expect: deny }', ['unknown-component']],
    ['{ from: "spiffe://A/x", to: registry, method: GET, path: /x, expect: deny }', ['bad-id-pattern']],
    ['{ from: training, to: registry, method: GET, path: /x, expect: denied }', ['unknown-effect']],
    ['{ from: training, to: registry, method: GET, path: /x, expect: deny, reason: denied }', ['unknown-reason']],
    ['{ from: training, to: registry, method: GET, path: /x, expect: deny, verb: delete }', ['unknown-verb']],
    ['{ from: training, to: registry, method: GET, path: /x/../y, expect: deny }', ['bad-request']],
    ['{ from: training, to: registry, method: GET, path: "/x?a#b", expect: deny }', ['bad-request']],
    ['{ from: training, to: registry, method: TRACE, path: /x, expect: deny }', ['bad-request']],
    ['{ from: training, to: registry, method: get, path: /x, expect: deny }', ['bad-request']],
    ['{ from: training, to: registry, requests: [/x], expect: deny }', ['bad-request']],
    ['{ from: training, to: registry, requests: [GET /x HTTP/1.1], expect: deny }', ['bad-request']],
    ['{ from: training, to: registry, requests: [], expect: deny }', ['empty-list']],
    ['{ from: training, to: registry, method: GET, path: /x, upgrade: WebSocket, expect: deny }', ['bad-upgrade']],
    ['{ from: training, to: registry, method: GET, path: /x, upgrade: [websocket], expect: deny }', ['wrong-type']],
    ['{ from: training, to: registry, requests: [connect], upgrade: x, expect: deny }', ['bad-request']],
    ['{ from: training, to: registry, method: GET, path: /x, expects: deny }', ['unknown-key', 'missing-key']],
    ['7', ['wrong-type']],
  ])('%s: %j', (test, expected) => {
    expect(problemsOf(test).toSorted()).toEqual(expected.toSorted());
  });

  it('fail by effect, reason and verb, each for itself', () => {
    const failing = (extra: string): number =>
      findFailures(
        policy,
        parse(`version: 1\ntests: [{ from: training, to: data-store, method: GET, path: /x, ${extra} }]\n`),
      ).length;
    expect(failing('expect: allow, verb: read, reason: allowed-by-rule')).toBe(0);
    expect(failing('expect: deny')).toBe(1);
    expect(failing('expect: would-deny')).toBe(1);
    expect(failing('expect: allow, verb: write')).toBe(1);
    expect(failing('expect: allow, reason: denied-by-rule')).toBe(1);
    expect(failing('expect: allow, upgrade: websocket')).toBe(1);
    expect(failing('expect: deny, reason: conditions-not-met, upgrade: websocket')).toBe(0);
  });

  it('stand for a workload by the first pattern of its component', () => {
    const many = load(`version: 1
trustDomain: ai.example
components: { a: { ids: ["spiffe://b.example/ns/*/sa/**", /z] }, b: { ids: [] }, c: {} }
`);
    expect([
      findSampleId(many, 'a'),
      findSampleId(many, 'b'),
      findSampleId(many, 'c'),
      findSampleId(many, 'd'),
    ]).toEqual(['spiffe://b.example/ns/any/sa/any', null, 'spiffe://ai.example/c/any', null]);
  });
});
