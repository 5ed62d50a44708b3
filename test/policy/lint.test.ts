import { describe, expect, it } from 'vitest';
import { lintPolicy } from '../../src/policy/lint.ts';
import { load, loadAccess, shippedMatrix } from './policies.ts';

/** Warnings about the rules of `peer`, as `line code`; the first line of `access` is 9. */
function lint(access: string): readonly string[] {
  return lintPolicy(loadAccess(access))
    .filter(({ code }) => code !== 'component-unused')
    .map(({ position, code }) => `${position.line} ${code}`);
}

describe('lint', () => {
  it('has nothing to say about the shipped matrix', () => {
    expect(lintPolicy(load(shippedMatrix()))).toEqual([]);
  });

  it.each([
    ['PF-131 a verb the protocol has no route for', 'allow: [{ other: [infer] }]', ['9 rule-never-matches']],
    [
      'PF-131 a path the protocol does not know',
      'allow: [{ target: service, paths: [/elsewhere/**] }]',
      ['9 rule-never-matches'],
    ],
    [
      'PF-131 a path that another verb has',
      'allow: [{ target: service, verbs: [read], paths: [/write/x] }]',
      ['9 rule-never-matches'],
    ],
    [
      'PF-131 a method that no route of the verb has',
      'allow: [{ target: service, verbs: [infer], methods: [GET] }]',
      ['9 rule-never-matches'],
    ],
    ['a verb it knows', 'allow: [{ target: service, verbs: [infer], methods: [POST], paths: [/infer/a/*] }]', []],
    [
      'PF-131 an allow below a wider allow',
      'allow: [service, { target: service, verbs: [read], paths: [/read/a] }]',
      ['9 rule-shadowed'],
    ],
    ['PF-131 an allow that is denied whole', 'allow: [{ service: [read] }]\ndeny: [service]', ['9 rule-shadowed']],
    ['PF-131 a deny below a wider deny', 'deny: [{ target: service, methods: [GET] }, service]', ['9 rule-shadowed']],
    [
      'the same conditions in another order',
      'allow: [{ target: service, methods: [GET, PUT] }, { target: service, methods: [PUT, GET], verbs: [read] }]',
      ['9 rule-shadowed'],
    ],
    [
      'PF-126 an allow that is denied in part',
      'allow: [service]\ndeny: [{ service: [write] }]',
      ['9 allow-deny-overlap'],
    ],
    [
      'PF-126 paths that meet',
      'allow: [{ target: service, paths: [/read/a/**] }]\ndeny: [{ target: service, paths: ["/read/*/secret"] }]',
      ['9 allow-deny-overlap'],
    ],
    [
      'paths that do not',
      'allow: [{ target: service, paths: [/read/a/**] }]\ndeny: [{ target: service, paths: [/read/b/secret] }]',
      [],
    ],
    [
      'methods that do not',
      'allow: [{ target: service, methods: [GET] }]\ndeny: [{ target: service, methods: [POST] }]',
      [],
    ],
    ['verbs that do not', 'allow: [{ service: [read] }]\ndeny: [{ service: [write] }]', []],
    ['admin on everything', 'allow: [{ service: [admin] }]', ['9 broad-admin']],
    ['admin on a path', 'allow: [{ target: service, verbs: [admin], paths: [/admin/x] }]', []],
    ['a deny of admin', 'deny: [{ service: [admin] }]', []],
    ['upgrades and nothing else', 'allow: [{ target: service, upgrades: [websocket] }]', ['9 upgrades-only']],
    ['upgrades beside the rest', 'allow: [service, { target: service, upgrades: [websocket] }]', []],
    ['a deny of upgrades', 'allow: [service]\ndeny: [{ target: service, upgrades: [websocket] }]', []],
    [
      'an upgrade that a deny takes back whole',
      'allow: [service, { target: service, upgrades: [x, websocket] }]\ndeny: [{ target: service, upgrades: [websocket, x] }]',
      ['9 rule-shadowed'],
    ],
    [
      'an upgrade that a deny takes back in part',
      'allow: [service, { target: service, upgrades: [x, websocket] }]\ndeny: [{ target: service, upgrades: [websocket] }]',
      ['9 allow-deny-overlap'],
    ],
    [
      'an upgrade that a deny of all takes back',
      'allow: [{ target: service, upgrades: [websocket] }]\ndeny: [service]',
      ['9 rule-shadowed', '9 upgrades-only'],
    ],
    [
      'a websocket that is no GET',
      'allow: [service, { target: service, methods: [POST], upgrades: [websocket] }]',
      ['9 rule-never-matches'],
    ],
    ['another upgrade by POST', 'allow: [service, { target: service, methods: [POST], upgrades: [x] }]', []],
    [
      'a rule in shadow',
      'allow: [service]\ndeny: [{ target: service, verbs: [write], shadow: true }]',
      ['10 rule-in-shadow'],
    ],
  ])('%s: %s', (_, access, expected) => {
    expect(lint(access)).toEqual(expected);
  });

  it('names what a rule is up against', () => {
    const warnings = lintPolicy(loadAccess('allow: [service]\ndeny: [{ service: [write] }]'));
    expect(warnings.find(({ code }) => code === 'allow-deny-overlap')?.message).toBe(
      'the deny at policy.yaml:10:14 takes back part of this allow; deny beats allow',
    );
  });

  it('tells of a component that nothing names', () => {
    const warnings = lintPolicy(loadAccess('allow: [service]'));
    expect(warnings.map(({ code, position }) => `${position.line} ${code}`)).toEqual(['6 component-unused']);
  });

  it('looks through 10,000 rules of one cell in reasonable time', () => {
    const rules = Array.from({ length: 10_000 }, (_, index) => `  - { target: service, paths: ["/read/${index}/*"] }`);
    const policy = loadAccess(`allow:\n${rules.join('\n')}`);
    const start = performance.now();
    expect(lintPolicy(policy).filter(({ code }) => code !== 'component-unused')).toEqual([]);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
