import { describe, expect, it } from 'vitest';
import { diffPolicies } from '../../src/policy/diff.ts';
import {
  load,
  loadAccess,
  LAB_PROTOCOL,
  policySource,
  protocolSource,
  shippedMatrix,
  SHIPPED_PROTOCOLS,
} from './policies.ts';
import { loadPolicy } from '../../src/policy/load.ts';

/** Changed cells as `component target verb: before → after`. */
function cells(before: string, after: string): readonly string[] {
  return diffPolicies(loadAccess(before), loadAccess(after)).cells.map(
    (change) => `${change.component} ${change.target} ${change.verb}: ${change.before.answer} → ${change.after.answer}`,
  );
}

describe('the difference of two policies', () => {
  it('is nothing when only comments, order and spelling differ', () => {
    const after = shippedMatrix()
      .replace('[data-store, registry,', '[{ registry: [infer, read, write] }, data-store,')
      .replace(/#.*/g, '');
    expect(diffPolicies(load(shippedMatrix()), load(after))).toEqual({ cells: [], trustDomain: null, components: [] });
  });

  it.each([
    ['allow: [{ service: [read] }]', 'allow: [{ service: [read, write] }]', ['peer service write: none → allow']],
    ['allow: [{ service: [read] }]', 'deny: [{ service: [read] }]', ['peer service read: allow → deny']],
    [
      'allow: [{ service: [read] }]',
      'allow: [{ target: service, verbs: [read], methods: [GET] }]',
      ['peer service read: allow → partly'],
    ],
    [
      'allow: [{ target: service, verbs: [read], methods: [GET] }]',
      'allow: [{ target: service, verbs: [read], methods: [POST] }]',
      ['peer service read: partly → partly'],
    ],
    [
      'allow: [{ target: service, verbs: [read], methods: [GET, PUT], paths: [/b, /a] }]',
      'allow: [{ target: service, verbs: [read], methods: [PUT, GET], paths: [/a, /b] }]',
      [],
    ],
    [
      'allow: [{ service: [read] }]',
      'allow: [{ target: service, verbs: [read], shadow: true }]',
      ['peer service read: allow → watched'],
    ],
    [
      'allow: [{ service: [read] }]',
      'allow: [{ service: [read] }]\ndeny: [{ target: service, verbs: [read], shadow: true }]',
      ['peer service read: allow → watched'],
    ],
    ['deny: [{ target: service, verbs: [read], shadow: true }]', 'allow: []', []],
    ['deny: [{ service: [read] }]', 'deny: [{ service: [read] }, { target: service, verbs: [read], paths: [/a] }]', []],
  ])('%s → %s', (before, after, expected) => {
    expect(cells(before, after)).toEqual(expected);
  });

  it('shows the conditions that make a cell conditional', () => {
    const { cells: changes } = diffPolicies(
      loadAccess('allow: [{ service: [read] }]'),
      loadAccess('allow: [{ service: [read] }]\ndeny: [{ target: service, verbs: [read], paths: [/read/a] }]'),
    );
    expect(changes[0]?.after.conditions).toEqual(['allow', 'deny * /read/a']);
  });

  it('shows components, IDs, protocols and the trust domain', () => {
    const before = load('version: 1\ntrustDomain: a.example\ncomponents: { a: {}, b: {}, c: { ids: [/x] } }\n');
    const after = load(
      'version: 1\ntrustDomain: b.example\ncomponents: { a: { protocol: lab, ids: [spiffe://a.example/a/**] }, c: { ids: [/x, /y] }, d: {} }\n',
    );
    expect(diffPolicies(before, after)).toEqual({
      cells: [],
      trustDomain: { before: 'a.example', after: 'b.example' },
      components: [
        { kind: 'protocol', component: 'a', before: 'generic', after: 'lab' },
        { kind: 'removed', component: 'b' },
        {
          kind: 'ids',
          component: 'c',
          before: 'spiffe://a.example/x',
          after: 'spiffe://b.example/x spiffe://b.example/y',
        },
        { kind: 'added', component: 'd' },
      ],
    });
  });

  it('shows that routes of a protocol changed', () => {
    const text = 'version: 1\ntrustDomain: a\ncomponents: { service: { protocol: lab } }\n';
    const other = protocolSource(
      Buffer.from(LAB_PROTOCOL.bytes).toString().replace('verb: infer', 'verb: read'),
      'protocols/lab.yaml',
    );
    const loaded = (lab: typeof other): ReturnType<typeof load> =>
      loadPolicy([policySource(text), lab, ...SHIPPED_PROTOCOLS], 'enforce');
    expect(diffPolicies(loaded(LAB_PROTOCOL), loaded(other)).components).toEqual([
      { kind: 'routes', component: 'service', before: 'lab', after: 'lab' },
    ]);
  });
});
