import { describe, expect, it } from 'vitest';
import { decide, toConnect } from '../../src/policy/decide.ts';
import { findRequestRules } from '../../src/policy/connection-rules.ts';
import { diffPolicies } from '../../src/policy/diff.ts';
import { explain } from '../../src/policy/explain.ts';
import { lintPolicy } from '../../src/policy/lint.ts';
import { renderTable } from '../../src/policy/table.ts';
import { parsePolicyTests } from '../../src/policy/test-document.ts';
import { findFailures } from '../../src/policy/test-run.ts';
import type { CompiledPolicy, PolicyMode } from '../../src/policy/matrix.ts';
import { formatProblem } from '../../src/core/source-position.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { ask, load, loadAccess, policySource, problemMessagesOf, problemsOf, protocolSource } from './policies.ts';

const PEER = parseSpiffeId('spiffe://ai.example/peer/job');

function connects(policy: CompiledPolicy, target = 'service'): string {
  const { effect, reason, verb } = decide(policy, toConnect(PEER, target));
  return `${effect} ${reason} ${verb ?? 'none'}`;
}

describe('connect', () => {
  it.each<readonly [string, string, string]>([
    ['is granted by name', 'allow: [{ service: [connect] }]', 'allow allowed-by-rule connect'],
    [
      'is granted by name in a mapping',
      'allow: [{ target: service, verbs: [connect] }]',
      'allow allowed-by-rule connect',
    ],
    ['is granted beside other verbs', 'allow: [{ service: [read, connect] }]', 'allow allowed-by-rule connect'],
    ['is not granted by a bare target', 'allow: [service]', 'deny not-granted connect'],
    ['is not granted by a bare target of a mapping', 'allow: [{ target: service }]', 'deny not-granted connect'],
    ['is not granted by other verbs', 'allow: [{ service: [read, write, infer, admin] }]', 'deny not-granted connect'],
    ['is not granted by any path', 'allow: [{ target: service, paths: [/**] }]', 'deny not-granted connect'],
    ['is not granted for another target', 'allow: [{ other: [connect] }]', 'deny not-granted connect'],
    [
      'is denied by name',
      'allow: [{ service: [connect] }]\ndeny: [{ service: [connect] }]',
      'deny denied-by-rule connect',
    ],
    ['is denied by a bare target', 'allow: [{ service: [connect] }]\ndeny: [service]', 'deny denied-by-rule connect'],
    [
      'is watched in shadow',
      'allow: [{ target: service, verbs: [connect], shadow: true }]',
      'would-deny grant-in-shadow connect',
    ],
    [
      'is let through by a deny in shadow',
      'allow: [{ service: [connect] }]\ndeny: [{ target: service, shadow: true }]',
      'would-deny denied-by-rule connect',
    ],
    [
      'is not touched by a deny of paths',
      'allow: [{ service: [connect] }]\ndeny: [{ target: service, paths: [/a] }]',
      'allow allowed-by-rule connect',
    ],
  ])('%s', (_, access, expected) => {
    expect(connects(loadAccess(access))).toBe(expected);
  });

  it('is for components that the policy knows, of peers that it knows', () => {
    const policy = loadAccess('allow: [{ service: [connect] }]');
    expect(connects(policy, 'nowhere')).toBe('deny unknown-target none');
    const stranger = parseSpiffeId('spiffe://other.example/peer/job');
    expect(decide(policy, toConnect(stranger, 'service'))).toMatchObject({
      effect: 'deny',
      reason: 'unknown-principal',
    });
  });

  it('grants no request', () => {
    const policy = loadAccess('allow: [{ service: [connect] }]');
    for (const line of ['GET /read/x', 'POST /infer/x', 'CONNECT /read/x', 'CONNECT x', 'CONNECT ']) {
      expect(ask(policy, 'peer/job', 'service', line).effect).toBe('deny');
    }
  });

  it('is asked by no request, whatever its protocol knows', () => {
    const anything = protocolSource(
      'protocol: any\nroutes: [{ path: "/**", methods: ["*"], verb: read }]\n',
      'any.yaml',
    );
    expect(problemsOf(anything)).toEqual(['1:1 no-policy']);
    const policy = loadAccess('allow: [{ service: [connect] }]');
    const request = { principal: PEER, target: 'service', method: '', path: '/read/x', query: null, upgrade: null };
    expect(decide(policy, request).verb).not.toBe('connect');
    expect(decide(policy, { ...request, method: 'CONNECT', path: '' }).verb).toBeNull();
  });

  it.each<readonly [string, PolicyMode, string]>([
    ['is denied', 'enforce', 'deny not-granted connect'],
    ['is forwarded where the whole policy is in shadow', 'shadow', 'would-deny not-granted connect'],
  ])('%s without a rule', (_, mode, expected) => {
    expect(connects(loadAccess('allow: []', mode))).toBe(expected);
  });

  it.each([
    ['methods', '{ target: service, verbs: [connect], methods: [GET] }', '9:50 bad-rule'],
    ['paths', '{ target: service, verbs: [connect, read], paths: [/a] }', '9:56 bad-rule'],
    ['upgrades', '{ target: service, verbs: [connect], upgrades: [x] }', '9:50 bad-rule'],
  ])('takes no %s', (_, rule, expected) => {
    const text = (each: string): string =>
      `version: 1\ntrustDomain: ai.example\ncomponents:\n  peer: {}\n  service: { protocol: lab }\n  other: {}\naccess:\n  peer:\n    allow: [${each}]\n`;
    expect(problemsOf(policySource(text(rule)))).toEqual([expected]);
  });

  it('is no verb of a route', () => {
    const text = 'version: 1\ntrustDomain: ai.example\ncomponents: { a: { protocol: odd } }\n';
    const protocol = 'protocol: odd\nroutes: [{ path: /x, methods: [GET], verb: connect }]\n';
    expect(problemMessagesOf(policySource(text), protocolSource(protocol, 'odd.yaml'))).toEqual([
      'odd.yaml:2:44: unknown verb `connect`; verbs are read, write, infer, admin [unknown-verb]',
    ]);
  });

  it('is explained rule by rule', () => {
    const policy = loadAccess('allow: [{ service: [read] }, { service: [connect] }]\ndeny: [other]');
    const allowed = explain(policy, toConnect(PEER, 'service'));
    expect(allowed.route).toBeNull();
    expect(allowed.rules.map(({ failed, decides }) => [failed?.condition ?? 'matches', decides])).toEqual([
      ['verb', false],
      ['matches', true],
      ['target', false],
    ]);
    const denied = explain(loadAccess('allow: [{ service: [read] }]'), toConnect(PEER, 'service'));
    expect(denied.nearestAllow?.difference).toBe("its verb is `read`, and the request's is `connect`");
  });

  it('stands in the table where it is granted, and in differences', () => {
    const plain = { width: 100, paint: (text: string): string => text };
    const granted = loadAccess('allow: [{ service: [connect] }]');
    const table = renderTable(granted, plain);
    expect(table).toMatch(/^peer +· +c +·$/m);
    expect(table).toContain('  c connect\n');
    expect(renderTable(loadAccess('allow: [service]'), plain)).not.toContain('connect');
    const { cells } = diffPolicies(loadAccess('allow: []'), granted);
    expect(cells.map(({ verb, before, after }) => [verb, before.answer, after.answer])).toEqual([
      ['connect', 'none', 'allow'],
    ]);
  });

  it('is held to tests', () => {
    const policy = loadAccess('allow: [{ service: [connect] }]');
    const parse = (effect: string, requests: string): ReturnType<typeof parsePolicyTests> =>
      parsePolicyTests(
        Buffer.from(
          `version: 1\ntests: [{ from: peer, to: service, expect: ${effect}, verb: connect, requests: ${requests} }]`,
        ),
        'x.test.yaml',
        policy,
      );
    expect(findFailures(policy, parse('allow', '[connect]'))).toEqual([]);
    expect(findFailures(policy, parse('deny', '[connect]'))).toHaveLength(1);
    expect(findFailures(policy, parse('allow', '[GET /read/x]'))).toHaveLength(1);
    expect(() => parse('allow', '[CONNECT /a]')).toThrow('501');
  });

  it('is a rule that can match, for whoever reviews the policy', () => {
    const about = (access: string): readonly string[] =>
      lintPolicy(loadAccess(access)).flatMap(({ code }) => (code === 'component-unused' ? [] : code));
    expect(about('allow: [{ other: [connect] }]')).toEqual([]);
    expect(about('allow: [{ service: [connect] }]\ndeny: [service]')).toEqual(['rule-shadowed']);
  });
});

describe('rules about a component that is served over TCP', () => {
  const about = (access: string, components: readonly string[] = ['service']): readonly string[] =>
    findRequestRules(loadAccess(access), new Set(components)).map(formatProblem);

  it.each([
    ['a grant of connections', 'allow: [{ service: [connect] }]'],
    ['a deny of connections', 'deny: [{ service: [connect] }]'],
    ['a deny of everything', 'deny: [service]'],
    ['a deny of everything in shadow', 'deny: [{ target: service, shadow: true }]'],
    ['rules about others', 'allow: [other, { target: other, paths: [/a], methods: [GET] }]'],
  ])('may be %s', (_, access) => {
    expect(about(access)).toEqual([]);
  });

  it.each([
    ['paths', 'allow: [{ target: service, paths: [/read/**] }]'],
    ['methods', 'allow: [{ target: service, verbs: [read], methods: [GET] }]'],
    ['upgrades', 'allow: [{ target: service, verbs: [read], upgrades: [websocket] }]'],
    ['the verb of a request', 'allow: [{ service: [read] }]'],
    ['the verb of a request beside connect', 'allow: [{ service: [connect, admin] }]'],
    ['every verb but connect', 'allow: [service]'],
    ['every verb', 'allow: [{ service: [read, write, infer, admin, connect] }]'],
    ['a deny of writes, which a connection would get around', 'deny: [{ service: [write] }]'],
    ['a deny of some paths', 'deny: [{ target: service, paths: [/write/a] }]'],
  ])('must not look at %s', (_, access) => {
    const [only, ...others] = about(access);
    expect(only).toMatch(
      /^policy\.yaml:9:\d+: `service` is served over TCP, .*`service: \[connect\]`.* \[request-rule-on-tcp\]$/,
    );
    expect(others).toEqual([]);
  });

  it('are all told, of every component', () => {
    const policy = load(`version: 1
trustDomain: ai.example
components: { a: {}, b: {}, cache: {} }
access:
  a:
    allow: [cache, { target: cache, paths: [/x] }]
  b:
    deny: [{ cache: [write] }]
`);
    expect(findRequestRules(policy, new Set(['cache'])).map(({ position }) => position.line)).toEqual([6, 6, 8]);
    expect(findRequestRules(policy, new Set())).toEqual([]);
  });
});
