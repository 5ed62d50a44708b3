import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Unreadable } from '../../../src/audit/inventory.ts';
import {
  deployment,
  modesOf,
  namespace,
  peerAuthentication,
  SIDECARS,
  sourceOf,
  type Body,
  type PeerTerms,
} from './setting.ts';

const API = 'ml/api[Deployment]';
const OLD = '2024-01-01T00:00:00Z';
const NEW = '2025-01-01T00:00:00Z';
const APP = { app: 'api' };

/** Policies by place, and the mode of port 8080 of ml/api, whose pods have the label app=api. */
type Case = readonly [
  name: string,
  policies: readonly (readonly [place: string, terms: PeerTerms])[],
  expected: string,
];

const CASES: readonly Case[] = [
  ['is PERMISSIVE where nobody says anything', [], 'PERMISSIVE'],
  ['takes the mode of the namespace', [['ml/default', { mode: 'STRICT' }]], 'STRICT'],
  ['takes DISABLE of the namespace', [['ml/default', { mode: 'DISABLE' }]], 'DISABLE'],
  ['takes PERMISSIVE of the namespace', [['ml/default', { mode: 'PERMISSIVE' }]], 'PERMISSIVE'],
  ['does not go by the name of the policy', [['ml/whatever', { mode: 'STRICT' }]], 'STRICT'],
  ['takes no notice of another namespace', [['other/default', { mode: 'STRICT' }]], 'PERMISSIVE'],
  ['S16 takes the mode of the mesh from the root namespace', [['istio-system/default', { mode: 'STRICT' }]], 'STRICT'],
  [
    'takes the namespace before the mesh',
    [
      ['istio-system/m', { mode: 'STRICT' }],
      ['ml/n', { mode: 'PERMISSIVE' }],
    ],
    'PERMISSIVE',
  ],
  [
    'takes the namespace before the mesh, the other way round',
    [
      ['istio-system/m', { mode: 'DISABLE' }],
      ['ml/n', { mode: 'STRICT' }],
    ],
    'STRICT',
  ],
  [
    'S15 takes the workload before the namespace',
    [
      ['ml/n', { mode: 'STRICT' }],
      ['ml/w', { selector: APP, mode: 'PERMISSIVE' }],
    ],
    'PERMISSIVE',
  ],
  [
    'S15 takes the workload before the mesh',
    [
      ['istio-system/m', { mode: 'STRICT' }],
      ['ml/w', { selector: APP, mode: 'DISABLE' }],
    ],
    'DISABLE',
  ],
  [
    'S15 is not reassured by STRICT for another workload',
    [['ml/w', { selector: { app: 'other' }, mode: 'STRICT' }]],
    'PERMISSIVE',
  ],
  [
    'S15 is not reassured by STRICT for another port',
    [['ml/w', { selector: APP, mode: 'PERMISSIVE', ports: { 9090: 'STRICT' } }]],
    'PERMISSIVE',
  ],
  [
    'S15 takes the port before the workload',
    [['ml/w', { selector: APP, mode: 'STRICT', ports: { 8080: 'DISABLE' } }]],
    'DISABLE',
  ],
  [
    'S15 takes the port before the namespace',
    [
      ['ml/n', { mode: 'STRICT' }],
      ['ml/w', { selector: APP, ports: { 8080: 'PERMISSIVE' } }],
    ],
    'PERMISSIVE',
  ],
  [
    'S17 leaves UNSET of the namespace to the mesh',
    [
      ['istio-system/m', { mode: 'STRICT' }],
      ['ml/n', { mode: 'UNSET' }],
    ],
    'STRICT',
  ],
  [
    'S17 leaves a policy without mtls to the mesh',
    [
      ['istio-system/m', { mode: 'STRICT' }],
      ['ml/n', {}],
    ],
    'STRICT',
  ],
  [
    'S17 leaves UNSET of the workload to the namespace',
    [
      ['ml/n', { mode: 'STRICT' }],
      ['ml/w', { selector: APP, mode: 'UNSET' }],
    ],
    'STRICT',
  ],
  [
    'S17 leaves UNSET of workload and namespace to the mesh',
    [
      ['istio-system/m', { mode: 'STRICT' }],
      ['ml/n', { mode: 'UNSET' }],
      ['ml/w', { selector: APP }],
    ],
    'STRICT',
  ],
  [
    'S17 leaves UNSET of a port to the workload',
    [['ml/w', { selector: APP, mode: 'STRICT', ports: { 8080: 'UNSET' } }]],
    'STRICT',
  ],
  [
    'S17 leaves UNSET of a port to the namespace',
    [
      ['ml/n', { mode: 'DISABLE' }],
      ['ml/w', { selector: APP, ports: { 8080: 'UNSET' } }],
    ],
    'DISABLE',
  ],
  ['S17 takes UNSET of the mesh for PERMISSIVE', [['istio-system/m', { mode: 'UNSET' }]], 'PERMISSIVE'],
  [
    'S17 takes the oldest of a namespace',
    [
      ['ml/b', { mode: 'STRICT', createdAt: OLD }],
      ['ml/a', { mode: 'DISABLE', createdAt: NEW }],
    ],
    'STRICT',
  ],
  [
    'S17 takes the oldest of a namespace although it is UNSET',
    [
      ['ml/b', { mode: 'UNSET', createdAt: OLD }],
      ['ml/a', { mode: 'STRICT', createdAt: NEW }],
    ],
    'PERMISSIVE',
  ],
  [
    'S17 takes the oldest of the mesh',
    [
      ['istio-system/b', { mode: 'STRICT', createdAt: OLD }],
      ['istio-system/a', { mode: 'DISABLE', createdAt: NEW }],
    ],
    'STRICT',
  ],
  [
    'S17 takes the oldest of those that select a workload',
    [
      ['ml/b', { selector: APP, mode: 'STRICT', createdAt: OLD }],
      ['ml/a', { selector: APP, mode: 'DISABLE', createdAt: NEW }],
    ],
    'STRICT',
  ],
  [
    'S17 takes the ports of the oldest only',
    [
      ['ml/b', { selector: APP, mode: 'STRICT', createdAt: OLD }],
      ['ml/a', { selector: APP, ports: { 8080: 'DISABLE' }, createdAt: NEW }],
    ],
    'STRICT',
  ],
  [
    'S17 does not count older ones that select others',
    [
      ['ml/b', { selector: { app: 'other' }, mode: 'STRICT', createdAt: OLD }],
      ['ml/a', { selector: APP, mode: 'DISABLE', createdAt: NEW }],
    ],
    'DISABLE',
  ],
  [
    'S17 goes by names where two are equally old',
    [
      ['ml/b', { mode: 'DISABLE', createdAt: OLD }],
      ['ml/a', { mode: 'STRICT', createdAt: OLD }],
    ],
    'STRICT',
  ],
  [
    'S17 knows no oldest where nobody says when',
    [
      ['ml/b', { mode: 'DISABLE' }],
      ['ml/a', { mode: 'STRICT' }],
    ],
    'UNKNOWN',
  ],
  [
    'S17 needs no oldest where all say the same',
    [
      ['ml/b', { mode: 'STRICT' }],
      ['ml/a', { mode: 'STRICT' }],
    ],
    'STRICT',
  ],
  [
    'S17 needs no oldest of the mesh where the namespace decides',
    [
      ['istio-system/b', { mode: 'DISABLE' }],
      ['istio-system/a', { mode: 'STRICT' }],
      ['ml/n', { mode: 'STRICT' }],
    ],
    'STRICT',
  ],
  [
    'S17 knows no oldest where one of two has no date',
    [
      ['ml/b', { mode: 'DISABLE', createdAt: OLD }],
      ['ml/a', { mode: 'STRICT' }],
    ],
    'UNKNOWN',
  ],
  [
    'S17 follows each possible oldest on to the namespace',
    [
      ['ml/b', { selector: APP, mode: 'UNSET' }],
      ['ml/a', { selector: APP, mode: 'STRICT' }],
      ['ml/n', { mode: 'STRICT' }],
    ],
    'STRICT',
  ],
  [
    'S17 ignores a selector in the root namespace',
    [['istio-system/w', { selector: APP, mode: 'STRICT' }]],
    'PERMISSIVE',
  ],
  [
    'S17 ignores a selector in the root namespace that would take STRICT away',
    [
      ['istio-system/m', { mode: 'STRICT' }],
      ['istio-system/w', { selector: APP, mode: 'DISABLE' }],
    ],
    'STRICT',
  ],
  ['S17 ignores ports without a selector', [['ml/n', { mode: 'STRICT', ports: { 8080: 'DISABLE' } }]], 'STRICT'],
  [
    'S17 ignores ports in the policy of the mesh',
    [['istio-system/m', { mode: 'STRICT', ports: { 8080: 'DISABLE' } }]],
    'STRICT',
  ],
  ['takes an empty selector for none', [['ml/n', { selector: {}, mode: 'STRICT' }]], 'STRICT'],
  [
    'wants every label of the selector',
    [['ml/w', { selector: { app: 'api', tier: 'x' }, mode: 'STRICT' }]],
    'PERMISSIVE',
  ],
  ['knows nothing of a mode in lower case', [['ml/n', { mode: 'strict' }]], 'UNKNOWN'],
  ['knows nothing of a mode that is a number', [['ml/n', { mode: 3 }]], 'UNKNOWN'],
  [
    'takes a null mode for none',
    [
      ['istio-system/m', { mode: 'STRICT' }],
      ['ml/n', { mode: null }],
    ],
    'STRICT',
  ],
  [
    'does not mind a wrong mode that a narrower one covers',
    [
      ['ml/n', { mode: 'strict' }],
      ['ml/w', { selector: APP, mode: 'STRICT' }],
    ],
    'STRICT',
  ],
  [
    'does not mind a wrong mode of another port',
    [['ml/w', { selector: APP, mode: 'STRICT', ports: { 9090: 'on' } }]],
    'STRICT',
  ],
];

function cluster(policies: Case[1], extra: readonly Body[] = []): readonly Body[] {
  return [
    namespace('ml', SIDECARS),
    deployment('api'),
    ...policies.map(([place, terms]) => peerAuthentication(place, terms)),
    ...extra,
  ];
}

describe('PeerAuthentication', () => {
  it.each(CASES)('%s', (_name, policies, expected) => {
    expect(modesOf(cluster(policies))[`${API}:8080`]).toBe(expected);
  });

  it('S17 goes by the port of the workload, not by that of the Service', () => {
    const policy = peerAuthentication('ml/w', { selector: APP, mode: 'STRICT', ports: { 80: 'DISABLE' } });
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'api', namespace: 'ml' },
      spec: { selector: APP, ports: [{ port: 80, targetPort: 8080 }] },
    };
    expect(modesOf([namespace('ml', SIDECARS), deployment('api'), policy, service])).toEqual({
      [`${API}:80`]: 'DISABLE',
      [`${API}:8080`]: 'STRICT',
    });
  });

  it.each([
    ['matchLabels that are a list', { matchLabels: ['app'] }],
    ['a selector that is a text', 'app=api'],
    ['matchExpressions, which Istio does not know', { matchExpressions: [{ key: 'app', operator: 'Exists' }] }],
    ['a label that is a number', { matchLabels: { app: 1 } }],
  ])('does not know whom %s select', (_name, selector) => {
    const policy = {
      ...peerAuthentication('ml/w', {}),
      spec: { selector, mtls: { mode: 'STRICT' } },
    };
    expect(modesOf([namespace('ml', SIDECARS), deployment('api'), policy])[`${API}:8080`]).toBe('UNKNOWN');
  });

  it.each([
    ['nothing but labels', 'api', 'UNKNOWN'],
    ['another namespace', 'other', 'PERMISSIVE'],
  ])('takes an unreadable PeerAuthentication for one that could be there: %s', (_name, place, expected) => {
    const unreadable: Unreadable = {
      what: 'peerauthentications',
      kind: 'PeerAuthentication.security.istio.io',
      namespace: place === 'api' ? 'ml' : 'other',
      reason: 'forbidden',
      detail: '403',
      position: null,
    };
    expect(modesOf(cluster([['third/n', { mode: 'STRICT' }]]), { unreadable: [unreadable] })[`${API}:8080`]).toBe(
      expected,
    );
  });

  it('S16 does not guess where the root namespace could not be read', () => {
    const unreadable: Unreadable = {
      what: 'peerauthentications in namespace istio-system',
      kind: 'PeerAuthentication.security.istio.io',
      namespace: 'istio-system',
      reason: 'forbidden',
      detail: '403',
      position: null,
    };
    expect(modesOf(cluster([]), { unreadable: [unreadable] })[`${API}:8080`]).toBe('UNKNOWN');
    expect(modesOf(cluster([['ml/n', { mode: 'STRICT' }]]), { unreadable: [unreadable] })[`${API}:8080`]).toBe(
      'STRICT',
    );
    expect(modesOf(cluster([['ml/n', { mode: 'UNSET' }]]), { unreadable: [unreadable] })[`${API}:8080`]).toBe(
      'UNKNOWN',
    );
  });

  it('S16 takes the root namespace from the mesh configuration', () => {
    const config = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: 'istio-system' },
      data: { mesh: 'rootNamespace: mesh-root\ntrustDomain: ai.example\n' },
    };
    expect(modesOf(cluster([['mesh-root/m', { mode: 'STRICT' }]], [config]))[`${API}:8080`]).toBe('STRICT');
    expect(modesOf(cluster([['istio-system/m', { mode: 'STRICT' }]], [config]))[`${API}:8080`]).toBe('PERMISSIVE');
  });

  it('takes the policy of the root namespace for its own workloads once', () => {
    const root = [deployment('egress', { namespace: 'istio-system' }), namespace('istio-system', SIDECARS)];
    expect(modesOf([...root, peerAuthentication('istio-system/m', { mode: 'STRICT' })])).toEqual({
      'istio-system/egress[Deployment]:8080': 'STRICT',
    });
  });

  it.each([
    [[], "Istio's default: no PeerAuthentication in namespace ml or for the mesh says otherwise"],
    [[['ml/n', { mode: 'STRICT' }]], 'PeerAuthentication ml/n, for the namespace'],
    [[['istio-system/m', { mode: 'STRICT' }]], 'PeerAuthentication istio-system/m, for the mesh'],
    [[['ml/w', { selector: APP, mode: 'STRICT' }]], 'PeerAuthentication ml/w, for the workload'],
    [[['ml/w', { selector: APP, ports: { 8080: 'STRICT' } }]], 'PeerAuthentication ml/w, for this port'],
    [
      [
        ['ml/a', { mode: 'STRICT' }],
        ['ml/b', { mode: 'STRICT' }],
      ],
      'PeerAuthentication ml/a or PeerAuthentication ml/b, for the namespace',
    ],
    [[['ml/n', { mode: 'strict' }]], 'PeerAuthentication ml/n: not a mode of mutual TLS'],
  ] as readonly (readonly [Case[1], string])[])('says who decided: %j', (policies, source) => {
    expect(sourceOf(cluster(policies), API)).toBe(source);
  });
});

describe('PeerAuthentication on random clusters', () => {
  interface RandomPolicy {
    readonly namespace: string;
    readonly name: string;
    readonly selector: Readonly<Record<string, string>> | null;
    readonly mode: string | null;
    readonly ports: readonly (readonly [number, string])[];
    readonly seconds: number;
  }

  const MODE = fc.constantFrom('UNSET', 'STRICT', 'PERMISSIVE', 'DISABLE');
  const LABELS = fc.constantFrom<Readonly<Record<string, string>>>(
    { app: 'a' },
    { app: 'b' },
    { tier: 'x' },
    { app: 'a', tier: 'x' },
  );
  const POLICY: fc.Arbitrary<Omit<RandomPolicy, 'name'>> = fc.record({
    namespace: fc.constantFrom('istio-system', 'ml', 'other'),
    selector: fc.option(LABELS),
    mode: fc.option(MODE),
    ports: fc.array(fc.tuple(fc.constantFrom(80, 8080), MODE), { maxLength: 2 }),
    seconds: fc.integer({ min: 0, max: 3 }),
  });

  /** Straight from the reference documentation, for one port, with nothing unknown. */
  function naiveMode(
    policies: readonly RandomPolicy[],
    labels: Readonly<Record<string, string>>,
    port: number,
  ): string {
    const selects = ({ selector }: RandomPolicy): boolean =>
      selector !== null && Object.entries(selector).every(([key, value]) => labels[key] === value);
    const oldest = (candidates: readonly RandomPolicy[]): RandomPolicy | undefined =>
      candidates.reduce<RandomPolicy | undefined>((best, policy) => {
        if (best === undefined || policy.seconds < best.seconds) return policy;
        return policy.seconds === best.seconds && policy.name < best.name ? policy : best;
      }, undefined);
    let mode = 'PERMISSIVE';
    const mesh = oldest(
      policies.filter(({ namespace, selector }) => namespace === 'istio-system' && selector === null),
    );
    if (mesh?.mode && mesh.mode !== 'UNSET') mode = mesh.mode;
    const own = oldest(policies.filter(({ namespace, selector }) => namespace === 'ml' && selector === null));
    if (own?.mode && own.mode !== 'UNSET') mode = own.mode;
    const workload = oldest(policies.filter((policy) => policy.namespace === 'ml' && selects(policy)));
    if (workload?.mode && workload.mode !== 'UNSET') mode = workload.mode;
    const ofPort = new Map(workload?.ports ?? []).get(port);
    return ofPort === undefined || ofPort === 'UNSET' ? mode : ofPort;
  }

  const CLUSTER = fc.record({
    policies: fc
      .array(POLICY, { maxLength: 8 })
      .map((all) => all.map((policy, index): RandomPolicy => ({ ...policy, name: `p${index}` }))),
    labels: LABELS,
  });

  function bodiesOf(
    policies: readonly RandomPolicy[],
    labels: Readonly<Record<string, string>>,
    isDated: boolean,
  ): readonly Body[] {
    return [
      namespace('ml', SIDECARS),
      deployment('api', { labels, ports: [80, 8080, 9999] }),
      ...policies.map(({ namespace, name, selector, mode, ports, seconds }) =>
        peerAuthentication(`${namespace}/${name}`, {
          ...(selector === null ? {} : { selector }),
          ...(mode === null ? {} : { mode }),
          ports: Object.fromEntries(ports),
          ...(isDated ? { createdAt: `2025-01-01T00:00:0${seconds}Z` } : {}),
        }),
      ),
    ];
  }

  it('agrees with a naive reading of the documentation', () => {
    fc.assert(
      fc.property(CLUSTER, ({ policies, labels }) => {
        const modes = modesOf(bodiesOf(policies, labels, true));
        for (const port of [80, 8080, 9999]) expect(modes[`${API}:${port}`]).toBe(naiveMode(policies, labels, port));
      }),
      { numRuns: 500 },
    );
  });

  it('without dates knows a mode exactly where every order of creation leads to it', () => {
    fc.assert(
      fc.property(CLUSTER, ({ policies, labels }) => {
        const few = policies.slice(0, 4);
        const modes = modesOf(bodiesOf(few, labels, false));
        for (const port of [80, 8080, 9999]) {
          const possible = new Set(
            permutations(few).map((order) =>
              naiveMode(
                order.map((policy, seconds) => ({ ...policy, seconds })),
                labels,
                port,
              ),
            ),
          );
          const [only] = possible;
          expect(modes[`${API}:${port}`]).toBe(possible.size === 1 ? only : 'UNKNOWN');
        }
      }),
      { numRuns: 200 },
    );
  });

  function permutations<T>(items: readonly T[]): readonly (readonly T[])[] {
    if (items.length <= 1) return [items];
    return items.flatMap((item, index) =>
      permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
    );
  }
});
