import { describe, expect, it } from 'vitest';
import { ask, askService, load, loadAccess, policySource, protocolSource } from './policies.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';

/** A policy in which `peer` may do everything on `service`, which has these routes. */
function withRoutes(...routes: readonly string[]): CompiledPolicy {
  const protocol = protocolSource(
    `protocol: own\nroutes:\n${routes.map((route) => `  - ${route}\n`).join('')}`,
    'own.yaml',
  );
  const policy = policySource(`version: 1
trustDomain: ai.example
components: { peer: { ids: [/peer/**] }, service: { protocol: own, ids: [] } }
access: { peer: { allow: [{ service: [read, write, infer, admin] }] } }
`);
  const generic = protocolSource(
    'protocol: generic\nroutes: [{ path: /, methods: [GET], verb: read }]\n',
    'generic.yaml',
  );
  return loadPolicy([policy, protocol, generic], 'enforce');
}

function answer(policy: CompiledPolicy, line: string): string {
  const { verb, reason } = ask(policy, 'peer/x', 'service', line);
  return verb ?? reason;
}

describe('routes', () => {
  it('are asked in the order of the file, whatever their shape', () => {
    const policy = withRoutes(
      '{ path: "/a/special", methods: [GET], verb: admin }',
      '{ path: "/a/*", methods: [GET], verb: read }',
      '{ path: "/a/late", methods: [GET], verb: admin }',
      '{ path: "/a/*", methods: ["*"], verb: write }',
      '{ path: "/**", methods: [GET, PUT], verb: infer }',
    );
    expect(answer(policy, 'GET /a/special')).toBe('admin');
    expect(answer(policy, 'GET /a/late')).toBe('read');
    expect(answer(policy, 'PUT /a/late')).toBe('write');
    expect(answer(policy, 'PUT /b')).toBe('infer');
    expect(answer(policy, 'POST /b')).toBe('unknown-route');
  });

  it.each([
    ['/v2/**/manifests/*', '/v2/a/manifests/1', true],
    ['/v2/**/manifests/*', '/v2/a/b/c/manifests/1', true],
    ['/v2/**/manifests/*', '/v2/manifests/1', false],
    ['/v2/**/manifests/*', '/v2/a/manifests/1/2', false],
    ['/v2/**/manifests/*', '/v2/manifests/manifests/manifests', true],
    ['/v2/**/uploads/', '/v2/a/uploads/', true],
    ['/v2/**/uploads/', '/v2/a/uploads', false],
    ['/v1/models/*:predict', '/v1/models/m:predict', true],
    ['/v1/models/*:predict', '/v1/models/m:n:predict', true],
    ['/v1/models/*:predict', '/v1/models/:predict', false],
    ['/v1/models/*:predict', '/v1/models/m:predict/x', false],
    ['/v1/m-*-x', '/v1/m-1-x', true],
    ['/v1/m-*-x', '/v1/m-x', false],
    ['/a/**', '/a/b/c', true],
    ['/a/**', '/a/b/', false],
    ['/a/**', '/a/', false],
    ['/a/**', '/a', false],
    ['/a/**/', '/a/b/', true],
    ['/', '/', true],
    ['/', '/a', false],
    ['/{a,b/c}/{,x}', '/b/c/x', true],
    ['/{a,b/c}/{,x}', '/a/', true],
    ['/{a,b/c}/{,x}', '/a', false],
    ['/100%25', '/100%25', true],
  ])('%s and %s: %s', (path, asked, isKnown) => {
    const policy = withRoutes(`{ path: "${path}", methods: [GET], verb: read }`);
    expect(answer(policy, `GET ${asked}`)).toBe(isKnown ? 'read' : 'unknown-route');
  });

  it('are found in time that grows with neither the length of the path nor the number of wildcards', () => {
    const routes = Array.from(
      { length: 200 },
      (_, index) => `{ path: "/**/${'a/'.repeat(index % 20)}x${index}", methods: [GET], verb: read }`,
    );
    const policy = withRoutes(...routes);
    const start = performance.now();
    for (let count = 0; count < 200; count += 1) answer(policy, `GET /${'a/'.repeat(4_000)}y`);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe('queries', () => {
  const policy = loadAccess('allow: [{ service: [read, write] }]');
  const modeOf = (query: string): string => {
    const { verb, reason } = ask(policy, 'peer/x', 'service', `GET /mode${query}`);
    return verb ?? reason;
  };

  it.each([
    ['', 'read'],
    ['?', 'read'],
    ['?kind=full', 'write'],
    ['?kind=half', 'read'],
    ['?kind=', 'read'],
    ['?kind', 'read'],
    ['?Kind=full', 'read'],
    ['?x=1&kind=full&y=2', 'write'],
    ['?k%69nd=f%75ll', 'write'],
    ['?kind=full&kind=half', 'ambiguous-query'],
    ['?kind=full&k%69nd=full', 'ambiguous-query'],
    ['?x=1&x=2', 'read'],
    ['?x=%ff', 'read'],
    ['?kind=%ff', 'ambiguous-query'],
    ['?%ff=1', 'ambiguous-query'],
    ['?kind=f+ull', 'ambiguous-query'],
    ['?ki+nd=full', 'ambiguous-query'],
    ['?x=a+b', 'read'],
    ['?x=1;kind=full', 'ambiguous-query'],
    ['?&&kind=full&', 'write'],
    ['?kind=full=x', 'read'],
  ])('/mode%s is %s', (query, expected) => {
    expect(modeOf(query)).toBe(expected);
  });

  it('are not looked at where no route reads them', () => {
    expect(ask(policy, 'peer/x', 'service', 'GET /read/x?a=1;b=%ff&a=+').verb).toBe('read');
  });
});

describe('further permissions', () => {
  const policy = loadAccess(`
allow:
  - service: [write]
  - { target: service, verbs: [read], paths: [/read/a/**, /read/b], methods: [GET] }
  - { target: service, verbs: [read], paths: [/read/w], shadow: true }`);

  it.each([
    ['/mount', 'allow allowed-by-rule'],
    ['/mount?from=b', 'allow allowed-by-rule'],
    ['/mount?from=a/x/y', 'allow allowed-by-rule'],
    ['/mount?from=a%2Fx', 'allow allowed-by-rule'],
    ['/mount?from=c', 'deny conditions-not-met'],
    ['/mount?from=w', 'would-deny grant-in-shadow'],
    ['/mount?from=', 'deny unsafe-parameter'],
    ['/mount?from=/b', 'deny unsafe-parameter'],
    ['/mount?from=b/', 'deny unsafe-parameter'],
    ['/mount?from=a//x', 'deny unsafe-parameter'],
    ['/mount?from=a/../b', 'deny unsafe-parameter'],
    ['/mount?from=.', 'deny unsafe-parameter'],
    ['/mount?from=b%3Fx', 'deny unsafe-parameter'],
    ['/mount?from=b%23x', 'deny unsafe-parameter'],
    ['/mount?from=b%00', 'deny unsafe-parameter'],
    ['/mount?from=b%0a', 'deny unsafe-parameter'],
    ['/mount?from=a%2525', 'deny unsafe-parameter'],
    ['/mount?from=a%5Cx', 'deny unsafe-parameter'],
    ['/mount?from=b&from=b', 'deny ambiguous-query'],
    ['/copy', 'deny missing-parameter'],
    ['/copy?from=b', 'allow allowed-by-rule'],
    ['/copy?from=c', 'deny conditions-not-met'],
  ])('POST %s: %s', (target, expected) => {
    expect(askService(policy, `POST ${target}`)).toBe(expected);
  });

  it('are asked with the method the file says, GET where it says none', () => {
    const own = withRoutes(
      '{ path: /x, methods: [POST], verb: write, also: [{ verb: admin, path: /y, method: DELETE }] }',
    );
    expect(answer(own, 'POST /x')).toBe('write');
    expect(
      askService(
        loadAccess('allow: [{ service: [write] }, { target: service, verbs: [read], methods: [POST] }]'),
        'POST /mount?from=b',
      ),
    ).toBe('deny conditions-not-met');
  });

  it('do not help where the first one is denied', () => {
    expect(askService(loadAccess('allow: [{ service: [read] }]'), 'POST /mount?from=b')).toBe('deny not-granted');
  });
});

describe('a target without protocol', () => {
  it('takes the method for the verb', () => {
    const policy = load(`version: 1
trustDomain: ai.example
components: { peer: {}, files: {} }
access: { peer: { allow: [{ files: [read] }] } }
`);
    const effects = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'get'].map(
      (method) => ask(policy, 'peer/x', 'files', `${method} /a/b`).effect,
    );
    expect(effects).toEqual(['allow', 'allow', 'allow', 'deny', 'deny', 'deny', 'deny', 'deny', 'deny']);
  });
});
