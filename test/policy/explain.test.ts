import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, type AuthzRequest } from '../../src/policy/decide.ts';
import { explain, type Explanation } from '../../src/policy/explain.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { policyText, request } from './generators.ts';
import { NaiveEvaluator, type NaiveRequest } from './naive.ts';
import { LAB_PROTOCOL, load, loadAccess, requestOf, shippedMatrix, shippedProtocol } from './policies.ts';

const PROTOCOLS = [LAB_PROTOCOL, shippedProtocol('generic')].map(({ bytes }) => Buffer.from(bytes).toString());

function toAuthzRequest(naive: NaiveRequest): AuthzRequest {
  return { ...naive, principal: parseSpiffeId(naive.principal) };
}

/** What the rules of an explanation, read without the decision, come to. */
function outcomeOfRules({ rules, decision }: Explanation): string {
  const matching = rules.filter(({ failed }) => failed === null);
  const has = (effect: string, shadow: boolean): boolean =>
    matching.some((rule) => rule.effect === effect && rule.shadow === shadow);
  if (has('deny', false)) return 'deny';
  if (!has('allow', false) && !has('allow', true)) return 'deny';
  if (has('deny', true) || !has('allow', false)) return 'would-deny';
  expect(decision.effect).not.toBe('deny');
  return 'allow';
}

describe('decide, explain and an evaluator written from the description', () => {
  it('agree on 40,000 random questions to random policies', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(policyText, fc.array(request, { minLength: 100, maxLength: 100 }), (text, requests) => {
        const policy = load(text);
        const naive = new NaiveEvaluator(text, PROTOCOLS);
        for (const each of requests) {
          const asked = toAuthzRequest(each);
          const decision = decide(policy, asked);
          const { effect, reason, rule } = decision;
          expect({ effect, reason, each }).toEqual({ ...naive.decide(each), each });
          const explanation = explain(policy, asked);
          expect(explanation.decision).toBe(decision);
          if (explanation.permissions.length > 0) expect(outcomeOfRules(explanation)).toBe(effect);
          const deciding = explanation.rules.filter(({ decides }) => decides);
          expect(deciding.map((trace) => trace.rule)).toEqual(rule === null ? [] : [rule]);
          expect(deciding.every(({ failed }) => failed === null)).toBe(true);
          seen.set(`${effect} ${reason}`, (seen.get(`${effect} ${reason}`) ?? 0) + 1);
        }
      }),
      { numRuns: 400, endOnFailure: true },
    );
    // A generator that never meets a rule would prove nothing; a quarter of the questions misses the rarest answer now and then.
    expect([...seen.keys()].sort()).toEqual([
      'allow allowed-by-rule',
      'deny ambiguous-query',
      'deny conditions-not-met',
      'deny denied-by-rule',
      'deny malformed-path',
      'deny missing-parameter',
      'deny not-granted',
      'deny unknown-principal',
      'deny unknown-route',
      'deny unknown-target',
      'deny unsafe-parameter',
      'would-deny denied-by-rule',
      'would-deny grant-in-shadow',
    ]);
    expect(seen.get('allow allowed-by-rule')).toBeGreaterThan(200);
  });
});

describe('explain', () => {
  const policy = load(shippedMatrix());
  const explained = (from: string, to: string, line: string): Explanation => explain(policy, requestOf(from, to, line));

  it('holds every rule of the component against the request, in the order of the file', () => {
    const { rules } = explained('inference/x', 'registry', 'POST /api/2.0/mlflow/runs/create');
    expect(rules.map(({ effect, target, failed }) => [effect, target, failed?.condition ?? 'matches'])).toEqual([
      ['allow', 'registry', 'verb'],
      ['allow', 'feature-store', 'target'],
      ['deny', 'training', 'target'],
      ['deny', 'data-store', 'target'],
    ]);
    expect(rules[0]?.failed).toEqual({ condition: 'verb', expected: ['read'], actual: 'write' });
  });

  it('names the route that gave the request its verb', () => {
    const { route } = explained('inference/x', 'registry', 'POST /api/2.0/mlflow/runs/search');
    expect(route).toMatchObject({ protocol: 'mlflow', verb: 'read', rule: { file: 'policies/protocols/mlflow.yaml' } });
    expect(explained('inference/x', 'registry', 'GET /nowhere').route).toBeNull();
  });

  it.each([
    [
      'a verb away',
      'inference/x',
      'registry',
      'POST /api/2.0/mlflow/runs/create',
      'inference',
      "its verb is `read`, and the request's is `write`",
    ],
    ['behind a deny', 'training/x', 'inference', 'GET /', null, ''],
    ['with another component', 'inference/x', 'data-store', 'GET /', 'training', 'it is for component `training`'],
    [
      'with another component, for nobody',
      'nobody/x',
      'data-store',
      'GET /',
      'training',
      'it is for component `training`',
    ],
    [
      'behind a route nobody knows',
      'training/x',
      'registry',
      'GET /nowhere',
      'training',
      'the request has no verb (unknown-route)',
    ],
  ])('names the nearest allow: %s', (_, from, to, line, component, difference) => {
    const { nearestAllow } = explained(from, to, line);
    expect(nearestAllow === null ? [null, ''] : [nearestAllow.component, nearestAllow.difference]).toEqual([
      component,
      difference,
    ]);
  });

  it('names the deny that stands before an allow', () => {
    const guarded = loadAccess('allow: [service]\ndeny: [{ target: service, paths: [/read/a] }]');
    const { nearestAllow } = explain(guarded, requestOf('peer/x', 'service', 'GET /read/a'));
    expect(nearestAllow?.difference).toBe('the deny at policy.yaml:10 beats it');
  });

  it('has no nearest allow for what is allowed', () => {
    expect(explained('training/x', 'data-store', 'GET /').nearestAllow).toBeNull();
  });

  it('shows every condition that can fail first', () => {
    const narrow = loadAccess('allow: [{ target: service, verbs: [read], methods: [GET], paths: [/read/a] }]');
    const failedOn = (target: string, line: string): string | undefined =>
      explain(narrow, requestOf('peer/x', target, line)).rules[0]?.failed?.condition;
    expect(failedOn('other', 'GET /read/a')).toBe('target');
    expect(failedOn('service', 'GET /nowhere')).toBe('route');
    expect(failedOn('service', 'GET /%ff')).toBe('route');
    expect(failedOn('service', 'GET /write/a')).toBe('verb');
    expect(failedOn('service', 'POST /read/a')).toBe('method');
    expect(failedOn('service', 'GET /read/b')).toBe('path');
    expect(failedOn('service', 'GET /read/a')).toBeUndefined();
  });

  it('shows what else a request needs, and holds the rules against the permission that is missing', () => {
    const uploads = loadAccess(
      'allow: [{ service: [write] }, { target: service, verbs: [read], paths: [/read/mine] }]',
    );
    const { permissions, rules, decision } = explain(
      uploads,
      requestOf('peer/x', 'service', 'POST /mount?from=theirs'),
    );
    expect(permissions.map(({ verb, path, decision: { effect } }) => [verb, path, effect])).toEqual([
      ['write', '/mount', 'allow'],
      ['read', '/read/theirs', 'deny'],
    ]);
    expect(decision).toMatchObject({ effect: 'deny', reason: 'conditions-not-met', verb: 'read' });
    expect(rules.map(({ failed }) => failed?.condition)).toEqual(['verb', 'path']);
    expect(explain(uploads, requestOf('peer/x', 'service', 'POST /mount?from=mine')).decision.effect).toBe('allow');
  });
});

describe('PF-132 a great many rules', () => {
  const SIDE = 100;

  function build(rule: (row: number, column: number) => string): string {
    const names = Array.from({ length: SIDE }, (_, index) => `c${index}`);
    const lines = [
      'version: 1',
      'trustDomain: ai.example',
      'components:',
      ...names.map((name) => `  ${name}: { protocol: lab }`),
      'access:',
    ];
    for (const [row, name] of names.entries()) {
      const rules = names.map((_, column) => `      - ${rule(row, column)}`);
      lines.push(`  ${name}:`, '    allow:', ...rules);
    }
    return `${lines.join('\n')}\n`;
  }

  const verbAt = (row: number, column: number): string =>
    ['read', 'write', 'infer', 'admin'][(row * 7 + column) % 4] ?? 'read';
  const spread = build((row, column) => `c${column}: [${verbAt(row, column)}]`);
  const conditional = build(
    (row, column) =>
      `{ target: c${column}, verbs: [read, write], methods: [GET], paths: [/read/${row}/*, /write/${column}/**] }`,
  );
  const oneCell = `version: 1
trustDomain: ai.example
components: { c0: {}, c1: { protocol: lab } }
access:
  c0:
    allow:
${Array.from({ length: 10_000 }, (_, index) => `      - { target: c1, paths: [/read/${index}/weights] }\n`).join('')}`;

  const at = fc.record({
    row: fc.nat(SIDE - 1),
    column: fc.nat(SIDE - 1),
    first: fc.constantFrom('read', 'write', 'infer', 'admin'),
    second: fc.nat(SIDE - 1),
    tail: fc.constantFrom('x', 'weights', 'x/y'),
  });

  it.each([
    ['in as many cells', spread],
    ['with conditions, in as many cells', conditional],
    ['with conditions, in one cell', oneCell],
  ])('10,000 %s: decide, explain and the naive evaluator agree', (_, text) => {
    const policy = load(text);
    const naive = new NaiveEvaluator(text, PROTOCOLS);
    fc.assert(
      fc.property(at, fc.boolean(), ({ row, column, first, second, tail }, isOneCell) => {
        const each = {
          principal: `spiffe://ai.example/c${isOneCell ? 0 : row}/job`,
          target: isOneCell ? 'c1' : `c${column}`,
          method: 'GET',
          path: `/${first}/${isOneCell ? second * 100 + row : second}/${tail}`,
          query: null,
          upgrade: null,
        };
        const decision = decide(policy, toAuthzRequest(each));
        const { effect, reason } = decision;
        expect({ effect, reason }).toEqual(naive.decide(each));
        const explanation = explain(policy, toAuthzRequest(each));
        expect(explanation.decision).toBe(decision);
        expect(explanation.rules.filter(({ decides }) => decides).map(({ rule }) => rule)).toEqual(
          decision.rule === null ? [] : [decision.rule],
        );
      }),
      { numRuns: 25 },
    );
  });

  it('100,000 are loaded within seconds and answered alike', () => {
    const side = 320;
    const names = Array.from({ length: side }, (_, index) => `c${index}`);
    const access = names.map(
      (name, row) =>
        `  ${name}: { allow: [${names
          .filter((_, column) => (row + column) % 3 !== 0)
          .concat(names[0] ?? '')
          .join(', ')}] }`,
    );
    const denied = access.map((line, row) =>
      line
        .replace(' }', `, deny: [${names.filter((_, column) => (row + column) % 3 === 0).join(', ')}] }`)
        .replace(/, c0\]/, ']'),
    );
    const text = [
      'version: 1',
      'trustDomain: ai.example',
      'components:',
      ...names.map((name) => `  ${name}: {}`),
      'access:',
      ...denied,
    ].join('\n');
    const start = performance.now();
    const policy = load(text);
    const seconds = (performance.now() - start) / 1000;
    expect(policy.ruleCount).toBeGreaterThan(100_000);
    expect(seconds).toBeLessThan(20);
    for (let index = 0; index < 5_000; index += 1) {
      const row = (index * 31) % side;
      const column = (index * 17) % side;
      const expected = (row + column) % 3 === 0 ? 'deny' : 'allow';
      expect(decide(policy, requestOf(`c${row}/job`, `c${column}`, 'GET /x')).effect).toBe(expected);
    }
  });
});
