import { describe, expect, it } from 'vitest';
import { decide } from '../../src/policy/decide.ts';
import { DECISION_REASONS } from '../../src/policy/decision.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { ask, askService, load, loadAccess, policySource, requestOf, shippedMatrix } from './policies.ts';

const COMPONENTS = [
  'training',
  'inference',
  'pipeline',
  'registry',
  'feature-store',
  'data-store',
  'experiment-tracker',
  'monitoring-admin',
] as const;

// Rows ask columns, in the order of COMPONENTS. What a cell grants, by the first letters of the verbs; x: denied by a rule; -: nothing said.
const MATRIX = `
training            - x - rw rw rw rw x
inference           x - - r  rw x  -  -
pipeline            rw x - rw rw rw -  -
registry            x x - -  -  rw -  -
feature-store       - - - -  -  -  -  -
data-store          - - - -  -  -  -  -
experiment-tracker  - - - -  -  -  -  -
monitoring-admin    - - - -  -  -  -  -
`;
// A request for each verb that the target's protocol has.
const GENERIC_REQUESTS = { r: 'GET /things/1', w: 'POST /things' } as const;
const REGISTRY_REQUESTS = {
  r: 'POST /api/2.0/mlflow/runs/search',
  w: 'POST /api/2.0/mlflow/runs/create',
  a: 'POST /api/2.0/mlflow/users/create',
} as const;

function* matrixCells(): Iterable<readonly [from: string, to: string, line: string, expected: string]> {
  for (const row of MATRIX.trim().split('\n')) {
    const [from = '', ...cells] = row.split(/ +/);
    for (const [index, to] of COMPONENTS.entries()) {
      const cell = cells[index] ?? '';
      const requests = to === 'registry' ? REGISTRY_REQUESTS : GENERIC_REQUESTS;
      for (const [letter, line] of Object.entries(requests)) {
        const denial = cell === 'x' ? 'deny denied-by-rule' : 'deny not-granted';
        yield [from, to, line, cell !== 'x' && cell.includes(letter) ? 'allow allowed-by-rule' : denial];
      }
    }
  }
}

describe("the article's matrix", () => {
  const policy = load(shippedMatrix());

  it.each([...matrixCells()])('%s → %s, %s: %s', (from, to, line, expected) => {
    const { effect, reason } = ask(policy, `${from}/job-1`, to, line);
    expect(`${effect} ${reason}`).toBe(expected);
  });

  it('says who asked, what for, and which rule decided', () => {
    expect(ask(policy, 'inference/gpu-0', 'registry', 'GET /api/2.0/mlflow/registered-models/get')).toEqual({
      effect: 'allow',
      reason: 'allowed-by-rule',
      rule: {
        file: 'policy.yaml',
        line:
          shippedMatrix()
            .split('\n')
            .findIndex((line) => line.includes('registry: [read]')) + 1,
      },
      component: 'inference',
      target: 'registry',
      verb: 'read',
      policyDigest: policy.digest,
    });
  });
});

describe('decide', () => {
  it('answers the same cell with the same object, denials included', () => {
    const policy = load(shippedMatrix());
    const pairs = [
      ['training/a', 'registry', 'POST /api/2.0/mlflow/runs/create'],
      ['training/a', 'inference', 'GET /'],
      ['data-store/a', 'training', 'GET /'],
      ['training/a', 'registry', 'GET /nowhere'],
      ['nobody/a', 'registry', 'GET /'],
      ['training/a', 'nothing', 'GET /'],
    ] as const;
    for (const [from, to, line] of pairs) {
      expect(ask(policy, from, to, line)).toBe(ask(policy, from.replace('/a', '/b'), to, line));
    }
    expect(ask(policy, 'training/a', 'nothing', 'GET /')).toBe(ask(policy, 'training/a', 'something', 'GET /'));
  });

  it('never puts outside text into a decision', () => {
    const decision = ask(load(shippedMatrix()), 'training/job', 'x\nallow', 'GET /');
    expect(decision).toMatchObject({
      effect: 'deny',
      reason: 'unknown-target',
      target: 'unknown',
      component: 'training',
    });
  });

  it.each([
    '',
    'x',
    '%',
    '/%',
    '/%zz',
    '/%c0%af',
    '/%ed%a0%80',
    '*',
    'http://a/',
    '//',
    '/a//b',
    '//a',
    '/a/..',
    '/../a',
    '/./a',
    '/.',
    '/%2e%2e/a',
    '/a/%2e',
    '/%20//a',
  ])('denies the malformed path `%s`', (path) => {
    const policy = load(shippedMatrix());
    const request = {
      principal: parseSpiffeId('spiffe://ai.example/training/a'),
      target: 'data-store',
      method: 'GET',
      query: null,
      upgrade: null,
    };
    expect(decide(policy, { ...request, path })).toMatchObject({
      effect: 'deny',
      reason: 'malformed-path',
      verb: null,
    });
  });

  it('reaches every reason, and no other', () => {
    const policy = loadAccess(`
allow:
  - service: [read]
  - { target: service, verbs: [write], methods: [PUT] }
  - { target: service, verbs: [infer], shadow: true }
deny:
  - { target: service, paths: [/read/secret/**] }`);
    const reached = [
      ask(policy, 'peer/a', 'service', 'GET /read/x'),
      ask(policy, 'peer/a', 'service', 'GET /read/secret/x'),
      ask(policy, 'peer/a', 'service', 'GET /admin/x'),
      ask(policy, 'peer/a', 'service', 'POST /write/x'),
      ask(policy, 'peer/a', 'service', 'POST /infer/x'),
      ask(policy, 'nobody/a', 'service', 'GET /read/x'),
      ask(policy, 'peer/a', 'nothing', 'GET /read/x'),
      ask(policy, 'peer/a', 'service', 'GET /nowhere'),
      ask(policy, 'peer/a', 'service', 'GET /%ff'),
      ask(policy, 'peer/a', 'service', 'POST /mount?from=a&from=b'),
      ask(policy, 'peer/a', 'service', 'POST /copy'),
      ask(policy, 'peer/a', 'service', 'POST /copy?from=../x'),
    ].map(({ reason }) => reason);
    expect(reached).toEqual([
      'allowed-by-rule',
      'denied-by-rule',
      'not-granted',
      'conditions-not-met',
      'grant-in-shadow',
      'unknown-principal',
      'unknown-target',
      'unknown-route',
      'malformed-path',
      'ambiguous-query',
      'missing-parameter',
      'unsafe-parameter',
    ]);
    expect(new Set(reached)).toEqual(new Set(Object.keys(DECISION_REASONS)));
  });
});

describe('rules', () => {
  it('grants every verb but admin to a bare target', () => {
    const policy = loadAccess('allow: [service]');
    expect(askService(policy, 'GET /read/x')).toBe('allow allowed-by-rule');
    expect(askService(policy, 'GET /write/x')).toBe('allow allowed-by-rule');
    expect(askService(policy, 'POST /infer/x')).toBe('allow allowed-by-rule');
    expect(askService(policy, 'GET /admin/x')).toBe('deny not-granted');
  });

  describe('on upgrades', () => {
    const plain = 'GET /read/x';
    const websocket = 'GET /read/x websocket';
    const other = 'GET /read/x tls/1.3';

    it.each<[string, string, readonly [plain: string, websocket: string, other: string]]>([
      ['an allow covers none', 'allow: [{ service: [read] }]', ['allow', 'deny', 'deny']],
      [
        'an allow that names one covers that alone',
        'allow: [{ target: service, upgrades: [websocket] }]',
        ['deny', 'allow', 'deny'],
      ],
      [
        'two allows cover both',
        'allow: [service, { target: service, upgrades: [tls/1.3, websocket] }]',
        ['allow', 'allow', 'allow'],
      ],
      [
        'a deny covers every one',
        'allow: [service, { target: service, upgrades: [websocket, tls/1.3] }]\ndeny: [service]',
        ['deny', 'deny', 'deny'],
      ],
      [
        'a deny with conditions does so where they are met',
        'allow: [service, { target: service, upgrades: [websocket, tls/1.3] }]\ndeny: [{ target: service, paths: [/read/x] }]',
        ['deny', 'deny', 'deny'],
      ],
      [
        'a deny that names one covers that alone',
        'allow: [service, { target: service, upgrades: [websocket, tls/1.3] }]\ndeny: [{ target: service, upgrades: [websocket] }]',
        ['allow', 'deny', 'allow'],
      ],
      [
        'all conditions of a rule must hold',
        'allow: [service, { target: service, verbs: [write], upgrades: [websocket] }, { target: service, paths: [/read/y], upgrades: [websocket] }]',
        ['allow', 'deny', 'deny'],
      ],
      [
        'an allow in shadow is watched for what it names',
        'allow: [{ target: service, upgrades: [websocket], shadow: true }]',
        ['deny', 'would-deny', 'deny'],
      ],
      [
        'a deny in shadow as well',
        'allow: [service, { target: service, upgrades: [websocket] }]\ndeny: [{ target: service, upgrades: [websocket], shadow: true }]',
        ['allow', 'would-deny', 'deny'],
      ],
    ])('%s', (_, access, expected) => {
      const policy = loadAccess(access);
      expect([plain, websocket, other].map((line) => askService(policy, line).split(' ')[0])).toEqual(expected);
    });

    it('tells a target that nothing grants from one whose conditions are not met', () => {
      expect(askService(loadAccess('allow: [{ service: [read] }]'), websocket)).toBe('deny conditions-not-met');
      expect(askService(loadAccess('allow: [{ service: [write] }]'), websocket)).toBe('deny not-granted');
    });

    it('needs every further permission as an upgrade too', () => {
      const one = '{ target: service, verbs: [write], upgrades: [x] }';
      const both = '{ target: service, verbs: [read, write], upgrades: [x] }';
      const line = 'POST /mount?from=a x';
      expect(askService(loadAccess(`allow: [service, ${one}]`), line)).toBe('deny conditions-not-met');
      expect(askService(loadAccess(`allow: [service, ${both}]`), line)).toBe('allow allowed-by-rule');
    });

    it('answers protocols that no rule names with one and the same decision', () => {
      const policy = loadAccess('allow: [{ target: service, upgrades: [websocket] }]');
      const [one, another] = ['a', 'b'].map((upgrade) => ask(policy, 'peer/x', 'service', `${plain} ${upgrade}`));
      expect(one).toBe(another);
    });
  });

  it('grants admin by name', () => {
    expect(askService(loadAccess('allow: [{ service: [admin] }]'), 'GET /admin/x')).toBe('allow allowed-by-rule');
    expect(askService(loadAccess('allow: [{ service: [admin] }]'), 'GET /read/x')).toBe('deny not-granted');
  });

  it('leaves nothing open under a bare deny, not even admin granted by name', () => {
    const policy = loadAccess('allow: [{ service: [read, admin] }]\ndeny: [service]');
    expect(askService(policy, 'GET /admin/x')).toBe('deny denied-by-rule');
    expect(askService(policy, 'GET /read/x')).toBe('deny denied-by-rule');
  });

  it('PF-126 lets deny beat allow, whichever is written first and however narrow it is', () => {
    const denyLast = loadAccess('allow: [service]\ndeny: [{ target: service, paths: [/read/a] }]');
    const denyFirst = loadAccess('deny: [{ target: service, paths: [/read/a] }]\nallow: [service]');
    for (const policy of [denyLast, denyFirst]) {
      expect(askService(policy, 'GET /read/a')).toBe('deny denied-by-rule');
      expect(askService(policy, 'GET /read/b')).toBe('allow allowed-by-rule');
    }
  });

  it('matches methods exactly', () => {
    const policy = loadAccess('allow: [{ target: service, methods: [GET] }]');
    expect(askService(policy, 'GET /read/x')).toBe('allow allowed-by-rule');
    expect(askService(policy, 'POST /read/x')).toBe('deny conditions-not-met');
    expect(askService(policy, 'get /write/x')).toBe('deny conditions-not-met');
  });

  it.each([
    ['/read/a', 'GET /read/a', 'allow'],
    ['/read/a', 'GET /read/a/b', 'deny'],
    ['/read/*', 'GET /read/a', 'allow'],
    ['/read/*', 'GET /read/a/b', 'deny'],
    ['/read/**', 'GET /read/a/b', 'allow'],
    ['/read/*/c', 'GET /read/a/c', 'allow'],
    ['/read/*/c', 'GET /read/a/b/c', 'deny'],
    // Both sides are decoded, so a pattern and a path may be spelt differently.
    ['/read/a%20b', 'GET /read/a%20b', 'allow'],
    ['/read/a b', 'GET /read/a%20b', 'allow'],
    ['/read/ä', 'GET /read/%C3%A4', 'allow'],
    ['/read/ä', 'GET /read/%c3%a4', 'allow'],
    ['/read/a@b', 'GET /read/a%40b', 'allow'],
    ['/read/100%25', 'GET /read/100%25', 'allow'],
    // An encoded slash is part of its segment here, and refused by the proxy before.
    ['/read/a/b', 'GET /read/a%2Fb', 'deny'],
    // Characters that mean something in other pattern languages mean themselves.
    ['/read/a.b', 'GET /read/axb', 'deny'],
    ['/read/(a)+$', 'GET /read/(a)+$', 'allow'],
    ['/read/(a)+$', 'GET /read/aa', 'deny'],
  ])('compares path %s with %s by whole decoded segments: %s', (pattern, line, expected) => {
    const policy = loadAccess(`allow: [{ target: service, paths: ["${pattern}"] }]`);
    expect(askService(policy, line).split(' ')[0]).toBe(expected);
  });

  it('denies everything below a denied `**`, with or without a slash at the end', () => {
    const policy = loadAccess('allow: [service]\ndeny: [{ target: service, paths: [/write/secret/**] }]');
    for (const path of ['/write/secret/a', '/write/secret/', '/write/secret/a/', '/write/secret/a/b']) {
      expect(askService(policy, `GET ${path}`)).toBe('deny denied-by-rule');
    }
    expect(askService(policy, 'GET /write/secret')).toBe('allow allowed-by-rule');
    expect(askService(policy, 'GET /write/secrets/a')).toBe('allow allowed-by-rule');
  });

  it('reports the first rule of the file among those that match with conditions', () => {
    const policy = loadAccess(`
allow:
  - { target: service, paths: [/read/*] }
  - { target: service, paths: [/read/a] }
  - { target: service, paths: [/read/**] }`);
    const lines = ['GET /read/a', 'GET /read/a/b'].map((line) => ask(policy, 'peer/x', 'service', line).rule?.line);
    expect(lines).toEqual([10, 12]);
  });
});

describe('shadow', () => {
  it('turns every denial of the whole policy into would-deny, and changes no allow', () => {
    const access = 'allow: [{ service: [read] }]\ndeny: [{ target: service, paths: [/read/a] }]';
    const lines = [
      'GET /read/b',
      'GET /read/a',
      'GET /write/x',
      'GET /nowhere',
      'GET /%ff',
      'POST /mount?from=a&from=b',
    ];
    expect(lines.map((line) => askService(loadAccess(access, 'shadow'), line))).toEqual([
      'allow allowed-by-rule',
      'would-deny denied-by-rule',
      'would-deny not-granted',
      'would-deny unknown-route',
      'would-deny malformed-path',
      'would-deny ambiguous-query',
    ]);
    const policy = loadAccess(access, 'shadow');
    expect(ask(policy, 'nobody/x', 'service', 'GET /read/b')).toMatchObject({
      effect: 'would-deny',
      reason: 'unknown-principal',
    });
    expect(ask(policy, 'peer/x', 'nothing', 'GET /read/b')).toMatchObject({
      effect: 'would-deny',
      reason: 'unknown-target',
    });
  });

  it.each([
    // Only a deny in shadow stands against an enforced allow: forwarded.
    ['allow: [service]\ndeny: [{ target: service, shadow: true }]', 'would-deny denied-by-rule'],
    ['allow: [service]\ndeny: [{ target: service, paths: [/read/x], shadow: true }]', 'would-deny denied-by-rule'],
    ['allow: [service]\ndeny: [{ target: service, paths: [/read/y], shadow: true }]', 'allow allowed-by-rule'],
    // Without an allow the default denies too, so it is not only that rule.
    ['deny: [{ target: service, shadow: true }]', 'deny not-granted'],
    [
      'allow: [{ target: service, paths: [/read/y] }]\ndeny: [{ target: service, shadow: true }]',
      'deny conditions-not-met',
    ],
    // An enforced deny beside it denies.
    ['allow: [service]\ndeny: [{ target: service, shadow: true }, { service: [read] }]', 'deny denied-by-rule'],
    // Only an allow in shadow allows: forwarded under watch.
    ['allow: [{ target: service, shadow: true }]', 'would-deny grant-in-shadow'],
    ['allow: [{ target: service, shadow: true }, { target: service, methods: [GET] }]', 'allow allowed-by-rule'],
    ['allow: [{ target: service, shadow: true }]\ndeny: [service]', 'deny denied-by-rule'],
    [
      'allow: [{ target: service, shadow: true }]\ndeny: [{ target: service, shadow: true }]',
      'would-deny denied-by-rule',
    ],
    ['allow: [{ target: service, shadow: true, paths: [/read/y] }]', 'deny conditions-not-met'],
  ])('%s → %s', (access, expected) => {
    expect(askService(loadAccess(access), 'GET /read/x')).toBe(expected);
  });
});

describe('principals', () => {
  const policy = load(`version: 1
trustDomain: ai.example
components:
  constructor: {}
  toString: {}
  __proto__: {}
  training: { ids: [/ns/prod/sa/*, spiffe://partner.example/training/**] }
  registry: { ids: [spiffe://ai.example/ns/*/registry] }
  service: { protocol: lab }
  targets-only: { ids: [] }
access:
  constructor: { allow: [service] }
  training: { allow: [service] }
  registry: { allow: [{ service: [read] }] }
`);
  const componentOf = (id: string): string | null => ask(policy, id, 'service', 'GET /read/x').component;

  it.each([
    ['spiffe://ai.example/constructor/x', 'constructor'],
    ['spiffe://ai.example/toString/x', 'toString'],
    ['spiffe://ai.example/__proto__/x', '__proto__'],
    ['spiffe://ai.example/hasOwnProperty/x', null],
    ['spiffe://ai.example/valueOf/x', null],
    ['spiffe://__proto__/constructor/x', null],
    ['spiffe://constructor/training/x', null],
  ])('ID-20 looks %s up in maps: %s', (id, component) => {
    expect(componentOf(id)).toBe(component);
  });

  it('ID-20 finds no row for a target that is a property of every object', () => {
    for (const target of ['toString', '__proto__', 'constructor']) {
      expect(ask(policy, 'training/x', target, 'GET /x')).toMatchObject({ effect: 'deny' });
      expect(ask(policy, 'ns/prod/sa/x', target, 'GET /x')).toMatchObject({
        effect: 'deny',
        reason: 'not-granted',
        target,
      });
    }
    expect(ask(policy, 'ns/prod/sa/x', 'hasOwnProperty', 'GET /x')).toMatchObject({ reason: 'unknown-target' });
  });

  it.each([
    ['ID-21 the beginning of a segment is not the segment', 'spiffe://ai.example/ns/prod-evil/sa/x', null],
    ['ID-21 nor is its end', 'spiffe://ai.example/ns/evil-prod/sa/x', null],
    ['ID-22 the end of an ID is not the ID', 'spiffe://evil.example/ns/prod/sa/x', null],
    ['ID-22 nor with more before it', 'spiffe://ai.example/evil/ns/prod/sa/x', null],
    [
      'ID-23 a component named further down is a segment like any other',
      'spiffe://ai.example/constructor/x/training/y',
      'constructor',
    ],
    ['ID-23 and classifies nothing', 'spiffe://ai.example/x/constructor/y', null],
    ['ID-24 the same path elsewhere is somebody else', 'spiffe://other.example/ns/prod/sa/x', null],
    ['ID-24 also in a federated domain', 'spiffe://partner.example/ns/prod/sa/x', null],
    ['one segment is one', 'spiffe://ai.example/ns/prod/sa/x', 'training'],
    ['not two', 'spiffe://ai.example/ns/prod/sa/x/y', null],
    ['nor none', 'spiffe://ai.example/ns/prod/sa', null],
    ['`**` is one or more', 'spiffe://partner.example/training/a/b/c', 'training'],
    ['not none', 'spiffe://partner.example/training', null],
    ['a `*` in the middle', 'spiffe://ai.example/ns/any/registry', 'registry'],
    ['case counts', 'spiffe://ai.example/NS/prod/sa/x', null],
    ['the default pattern needs something below the name', 'spiffe://ai.example/constructor', null],
    ['the domain itself is nobody', 'spiffe://ai.example', null],
    ['a component without IDs is nobody', 'spiffe://ai.example/targets-only/x', null],
  ])('%s: %s → %s', (_, id, component) => {
    expect(componentOf(id)).toBe(component);
  });
});

describe('paths and methods at the matrix', () => {
  const policy = load(`version: 1
trustDomain: ai.example
components:
  training: {}
  inference: {}
  registry: { protocol: mlflow }
  images: { protocol: oci }
  hub: { protocol: huggingface }
  triton: { protocol: kserve-v2 }
  vllm: { protocol: openai }
  files: {}
access:
  training:
    allow: [registry, triton, vllm, hub, { target: files, methods: [PUT], paths: [/models/**] }]
  inference:
    allow:
      - registry: [read]
      - hub: [read]
      - { target: images, verbs: [write] }
      - { target: images, verbs: [read], paths: [/v2/team-a/**] }
      - { target: files, verbs: [read, write], methods: [GET], paths: [/v1/models, /v1/models/*] }
`);
  it.each([
    ['PA-99 letter case is another path', 'inference', 'files', 'GET /V1/Models', 'deny'],
    ['PA-99 as in the pattern', 'inference', 'files', 'GET /v1/models', 'allow'],
    ['PA-99 in a protocol', 'inference', 'registry', 'POST /API/2.0/mlflow/runs/search', 'deny'],
    ['PA-100 a query has no part in a path rule', 'inference', 'files', 'GET /v1/models?x=/../admin', 'allow'],
    ['PA-100 an empty one neither', 'inference', 'files', 'GET /v1/models?', 'allow'],
    ['PA-100 nor one with a question mark', 'inference', 'files', 'GET /v1/models?a?b', 'allow'],
    ['PA-100 and cannot make a path match', 'inference', 'files', 'GET /v2?/v1/models', 'deny'],
    ['PA-101 a slash at the end is another path', 'inference', 'files', 'GET /v1/models/', 'deny'],
    ['PA-101 so is a dot', 'inference', 'files', 'GET /v1/models.', 'deny'],
    ['PA-101 so is a space', 'inference', 'files', 'GET /v1/models%20', 'deny'],
    ['PA-101 and `*` is no empty segment', 'inference', 'files', 'GET /v1/models/a/', 'deny'],
    [
      'PA-102 the alias of the UI is the same API',
      'inference',
      'registry',
      'POST /ajax-api/2.0/mlflow/runs/search',
      'allow',
    ],
    ['PA-102 for writes too', 'inference', 'registry', 'POST /ajax-api/2.0/mlflow/runs/create', 'deny'],
    [
      'PA-103 a search by POST is a read',
      'inference',
      'registry',
      'POST /api/2.0/mlflow/registered-models/alias',
      'deny',
    ],
    ['PA-103 a search by POST is a read', 'inference', 'registry', 'POST /api/2.0/mlflow/runs/search', 'allow'],
    ['PA-103 a create by POST is not', 'inference', 'registry', 'POST /api/2.0/mlflow/runs/create', 'deny'],
    ['PA-103 a delete is not, whatever its method', 'inference', 'registry', 'GET /api/2.0/mlflow/runs/delete', 'deny'],
    ['PA-103 nor by POST', 'inference', 'registry', 'POST /api/2.0/mlflow/runs/delete', 'deny'],
    [
      'PA-104 a mount needs the read of its source',
      'inference',
      'images',
      'POST /v2/a/blobs/uploads/?mount=sha256:1&from=team-b/m',
      'deny',
    ],
    [
      'PA-104 which may be granted',
      'inference',
      'images',
      'POST /v2/a/blobs/uploads/?mount=sha256:1&from=team-a/m',
      'allow',
    ],
    [
      'PA-104 not by a path that climbs out',
      'inference',
      'images',
      'POST /v2/a/blobs/uploads/?mount=sha256:1&from=team-a/../b',
      'deny',
    ],
    [
      'PA-104 nor by an encoded one',
      'inference',
      'images',
      'POST /v2/a/blobs/uploads/?mount=sha256:1&from=team-a%2F..%2Fb',
      'deny',
    ],
    ['PA-104 nor without a source', 'inference', 'images', 'POST /v2/a/blobs/uploads/?mount=sha256:1', 'deny'],
    [
      'PA-104 nor with two',
      'inference',
      'images',
      'POST /v2/a/blobs/uploads/?mount=sha256:1&from=team-a/m&from=b',
      'deny',
    ],
    ['PA-104 an ordinary upload is a write', 'inference', 'images', 'POST /v2/a/blobs/uploads/', 'allow'],
    ['PA-105 an LFS batch may be an upload', 'inference', 'hub', 'POST /org/model.git/info/lfs/objects/batch', 'deny'],
    ['PA-106 loading a model into Triton is admin', 'training', 'triton', 'POST /v2/repository/models/m/load', 'deny'],
    ['PA-106 inference is not', 'training', 'triton', 'POST /v2/models/m/infer', 'allow'],
    ['PA-106 vLLM pause', 'training', 'vllm', 'POST /pause', 'deny'],
    ['PA-106 vLLM update_weights', 'training', 'vllm', 'POST /update_weights', 'deny'],
    ['PA-106 vLLM collective_rpc', 'training', 'vllm', 'POST /collective_rpc', 'deny'],
    ['PA-106 vLLM load_lora_adapter', 'training', 'vllm', 'POST /v1/load_lora_adapter', 'deny'],
    ['PA-106 a completion is not', 'training', 'vllm', 'POST /v1/chat/completions', 'allow'],
    ['PA-107 HEAD is not implied by GET', 'inference', 'files', 'HEAD /v1/models', 'deny'],
    ['PA-107 nor OPTIONS', 'inference', 'files', 'OPTIONS /v1/models', 'deny'],
    ['PA-107 nor by PUT', 'training', 'files', 'HEAD /models/a', 'deny'],
    ['PA-107 what is named is allowed', 'training', 'files', 'PUT /models/a', 'allow'],
  ])('%s: %s → %s %s: %s', (_, from, to, line, expected) => {
    expect(ask(policy, `${from}/job`, to, line).effect).toBe(expected);
  });
});

describe('the digest', () => {
  const digestOf = (text: string): string => load(text).digest;

  it('is the SHA-256 of contents and names, whatever directory they are in', () => {
    const matrix = shippedMatrix();
    expect(digestOf(matrix)).toMatch(/^[0-9a-f]{64}$/);
    expect(digestOf(matrix)).toBe(digestOf(matrix));
    expect(digestOf(`${matrix}\n`)).not.toBe(digestOf(matrix));
    expect(policySource(matrix).file).toBe('policy.yaml');
  });

  it('stands in every decision', () => {
    const policy = load(shippedMatrix());
    expect(decide(policy, requestOf('nobody/x', 'nothing', 'GET /')).policyDigest).toBe(policy.digest);
  });
});
