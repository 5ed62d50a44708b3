import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { authorize } from '../../../src/audit/mesh/admission.ts';
import { ANONYMOUS, STRANGER, type CallerIdentity } from '../../../src/audit/mesh/caller.ts';
import { meshAuthorization } from '../../../src/audit/mesh/mesh.ts';
import type { Unreadable } from '../../../src/audit/inventory.ts';
import {
  AMBIENT,
  authorizationPolicy,
  configMap,
  custom,
  deployment,
  namespace,
  outcomesOf,
  peerAuthentication,
  saidOf,
  service,
  settingOf,
  SIDECARS,
  verdictsOf,
  type Body,
  type Texts,
} from './setting.ts';

const API = 'ml/api[Deployment]';
const WEB: CallerIdentity = { kind: 'proven', namespace: 'front', serviceAccount: 'web' };

function admissionOf(
  policies: readonly Body[],
  terms: {
    readonly caller?: CallerIdentity;
    readonly port?: number;
    readonly mode?: Texts;
    readonly extra?: readonly Body[];
  } = {},
): string {
  const { caller = WEB, port = 8080, mode = SIDECARS, extra = [] } = terms;
  const { mesh, workload } = settingOf([namespace('ml', mode), deployment('api'), ...policies, ...extra]);
  return authorize(mesh, caller, { to: workload(API), port }).admission;
}

function allow(...rules: readonly unknown[]): Body {
  return authorizationPolicy('ml/allow', { action: 'ALLOW', rules });
}

function deny(...rules: readonly unknown[]): Body {
  return authorizationPolicy('ml/deny', { action: 'DENY', rules });
}

const from = (...sources: readonly unknown[]): Body => ({ from: sources.map((source) => ({ source })) });
const to = (...operations: readonly unknown[]): Body => ({ to: operations.map((operation) => ({ operation })) });
const when = (...conditions: readonly unknown[]): Body => ({ when: conditions });

describe('AuthorizationPolicy', () => {
  type Case = readonly [name: string, policies: readonly Body[], expected: string];
  const CASES: readonly Case[] = [
    ['lets everybody through where there is none', [], 'allowed'],
    ['lets nobody through with ALLOW and no rules', [allow()], 'denied'],
    ['lets nobody through with an empty spec', [authorizationPolicy('ml/x', {})], 'denied'],
    ['lets nobody through with a spec that is null', [authorizationPolicy('ml/x', null)], 'denied'],
    ['lets everybody through with ALLOW and an empty rule', [allow({})], 'allowed'],
    ['denies nobody with DENY and no rules', [deny()], 'allowed'],
    ['denies everybody with DENY and an empty rule', [deny({})], 'denied'],
    ['denies before it allows', [allow({}), deny({})], 'denied'],
    [
      'takes a missing action for ALLOW',
      [authorizationPolicy('ml/x', { rules: [from({ namespaces: ['other'] })] })],
      'denied',
    ],
    ['allows a namespace', [allow(from({ namespaces: ['front'] }))], 'allowed'],
    ['does not allow another namespace', [allow(from({ namespaces: ['back'] }))], 'denied'],
    ['allows by the beginning of a namespace', [allow(from({ namespaces: ['fr*'] }))], 'allowed'],
    ['allows by the end of a namespace', [allow(from({ namespaces: ['*nt'] }))], 'allowed'],
    ['allows every namespace', [allow(from({ namespaces: ['*'] }))], 'allowed'],
    ['allows a principal', [allow(from({ principals: ['cluster.local/ns/front/sa/web'] }))], 'allowed'],
    [
      'does not allow another service account',
      [allow(from({ principals: ['cluster.local/ns/front/sa/db'] }))],
      'denied',
    ],
    ['allows by the beginning of a principal', [allow(from({ principals: ['cluster.local/ns/front/*'] }))], 'allowed'],
    ['allows by the end of a principal', [allow(from({ principals: ['*/sa/web'] }))], 'allowed'],
    ['allows every principal', [allow(from({ principals: ['*'] }))], 'allowed'],
    [
      'does not know whose trust domain another one is',
      [allow(from({ principals: ['ai.example/ns/front/sa/web'] }))],
      'unknown',
    ],
    [
      'knows that another path is another one in any trust domain',
      [allow(from({ principals: ['ai.example/ns/back/sa/web'] }))],
      'denied',
    ],
    ['allows a service account with its namespace', [allow(from({ serviceAccounts: ['front/web'] }))], 'allowed'],
    [
      'takes a bare service account for one of its own namespace',
      [allow(from({ serviceAccounts: ['web'] }))],
      'denied',
    ],
    ['allows one of several sources', [allow(from({ namespaces: ['back'] }, { namespaces: ['front'] }))], 'allowed'],
    ['wants all of one source', [allow(from({ namespaces: ['front'], principals: ['*/sa/db'] }))], 'denied'],
    ['allows all but some', [allow(from({ notNamespaces: ['back'] }))], 'allowed'],
    ['does not allow those but whom it allows', [allow(from({ notNamespaces: ['front'] }))], 'denied'],
    ['denies all but some', [deny(from({ notPrincipals: ['cluster.local/ns/back/sa/db'] }))], 'denied'],
    [
      'does not deny those but whom it denies',
      [deny(from({ notPrincipals: ['cluster.local/ns/front/sa/web'] }))],
      'allowed',
    ],
    ['allows a source that says nothing', [allow(from({}))], 'allowed'],
    ['allows at a port', [allow(to({ ports: ['8080'] }))], 'allowed'],
    ['does not allow at another port', [allow(to({ ports: ['9090'] }))], 'denied'],
    ['denies at a port', [deny(to({ ports: ['8080', '9090'] }))], 'denied'],
    ['allows at all ports but some', [allow(to({ notPorts: ['9090'] }))], 'allowed'],
    ['does not allow at the ports but which it allows', [allow(to({ notPorts: ['8080'] }))], 'denied'],
    [
      'wants source and operation',
      [allow({ ...from({ namespaces: ['front'] }), ...to({ ports: ['9090'] }) })],
      'denied',
    ],
    ['takes the rules one by one', [allow(from({ namespaces: ['back'] }), to({ ports: ['8080'] }))], 'allowed'],
    [
      'takes the policies together',
      [
        allow(from({ namespaces: ['back'] })),
        authorizationPolicy('ml/more', { rules: [from({ namespaces: ['front'] })] }),
      ],
      'allowed',
    ],
    ['depends on the method', [allow(to({ methods: ['GET'] }))], 'depends'],
    ['depends on the path', [allow(to({ paths: ['/v1/*'] }))], 'depends'],
    ['depends on the host', [allow(to({ hosts: ['api'] }))], 'depends'],
    ['depends on what the path is not', [allow(to({ notPaths: ['/admin'] }))], 'depends'],
    ['depends on the token of a request', [allow(from({ requestPrincipals: ['*'] }))], 'depends'],
    ['depends on a header', [allow(when({ key: 'request.headers[x]', values: ['y'] }))], 'depends'],
    [
      'does not depend on the path where the source is another',
      [allow({ ...from({ namespaces: ['back'] }), ...to({ paths: ['/'] }) })],
      'denied',
    ],
    [
      'does not depend on the path where another rule allows',
      [allow(to({ paths: ['/'] }), from({ namespaces: ['front'] }))],
      'allowed',
    ],
    ['depends on a denied path', [deny(to({ paths: ['/admin'] }))], 'depends'],
    ['does not depend on a denied path where nobody is allowed', [deny(to({ paths: ['/admin'] })), allow()], 'denied'],
    ['knows no addresses of pods', [allow(from({ ipBlocks: ['10.0.0.0/8'] }))], 'unknown'],
    ['knows no addresses of pods to deny either', [deny(from({ ipBlocks: ['10.0.0.0/8'] }))], 'unknown'],
    [
      'needs no address where the namespace is another',
      [allow(from({ ipBlocks: ['10.0.0.0/8'], namespaces: ['back'] }))],
      'denied',
    ],
    ['allows by source.namespace', [allow(when({ key: 'source.namespace', values: ['front'] }))], 'allowed'],
    [
      'allows by what source.namespace is not',
      [allow(when({ key: 'source.namespace', notValues: ['front'] }))],
      'denied',
    ],
    ['allows by source.principal', [allow(when({ key: 'source.principal', values: ['*/sa/web'] }))], 'allowed'],
    ['allows by destination.port', [allow(when({ key: 'destination.port', values: ['8080'] }))], 'allowed'],
    [
      'wants every condition',
      [allow(when({ key: 'source.namespace', values: ['front'] }, { key: 'destination.port', values: ['1'] }))],
      'denied',
    ],
    [
      'leaves a rule out whose condition does not exist',
      [allow(when({ key: 'source.colour', values: ['red'] }))],
      'denied',
    ],
    [
      'leaves a denial out whose condition does not exist',
      [deny(when({ key: 'source.colour', values: ['red'] }))],
      'allowed',
    ],
    ['takes no notice of AUDIT', [authorizationPolicy('ml/x', { action: 'AUDIT', rules: [{}] })], 'allowed'],
    [
      'depends on an authorizer outside',
      [authorizationPolicy('ml/x', { action: 'CUSTOM', provider: { name: 'opa' }, rules: [{}] })],
      'depends',
    ],
    [
      'does not depend on an authorizer for another port',
      [authorizationPolicy('ml/x', { action: 'CUSTOM', provider: { name: 'opa' }, rules: [to({ ports: ['1'] })] })],
      'allowed',
    ],
    [
      'denies although an authorizer might not',
      [authorizationPolicy('ml/x', { action: 'CUSTOM', rules: [{}] }), deny({})],
      'denied',
    ],
    ['knows nothing of another action', [authorizationPolicy('ml/x', { action: 'allow', rules: [{}] })], 'unknown'],
    [
      'takes no notice of a dry run',
      [authorizationPolicy('ml/x', { action: 'DENY', rules: [{}] }, { 'istio.io/dry-run': 'true' })],
      'allowed',
    ],
    [
      'takes a dry run of ALLOW for no policy',
      [authorizationPolicy('ml/x', { rules: [] }, { 'istio.io/dry-run': 'true' })],
      'allowed',
    ],
    [
      'enforces what is no dry run',
      [authorizationPolicy('ml/x', { action: 'DENY', rules: [{}] }, { 'istio.io/dry-run': 'false' })],
      'denied',
    ],
    [
      'is for whom it selects',
      [authorizationPolicy('ml/x', { selector: { matchLabels: { app: 'api' } }, rules: [] })],
      'denied',
    ],
    [
      'is not for others',
      [authorizationPolicy('ml/x', { selector: { matchLabels: { app: 'other' } }, rules: [] })],
      'allowed',
    ],
    ['is not for other namespaces', [authorizationPolicy('front/x', { rules: [] })], 'allowed'],
    ['is for all namespaces from the root namespace', [authorizationPolicy('istio-system/x', { rules: [] })], 'denied'],
    [
      'selects in all namespaces from the root namespace',
      [authorizationPolicy('istio-system/x', { selector: { matchLabels: { app: 'api' } }, rules: [] })],
      'denied',
    ],
    [
      'is not for workloads when it is for a gateway',
      [authorizationPolicy('ml/x', { targetRefs: [{ kind: 'Gateway', name: 'g' }], rules: [] })],
      'allowed',
    ],
    [
      'is not for workloads when it is for a service',
      [authorizationPolicy('ml/x', { targetRef: { kind: 'Service', name: 'api' }, rules: [] })],
      'allowed',
    ],
    ['does not know what is malformed: rules', [authorizationPolicy('ml/x', { rules: 'all' })], 'unknown'],
    ['does not know what is malformed: a rule', [authorizationPolicy('ml/x', { rules: [null] })], 'unknown'],
    ['does not know what is malformed: a source', [allow({ from: [{ source: 'front' }] })], 'unknown'],
    ['does not know what is malformed: principals', [allow(from({ principals: 'front' }))], 'unknown'],
    ['does not know what is malformed: a port that is a number', [allow(to({ ports: [8080] }))], 'unknown'],
    ['does not know what is malformed: a denied port that is a number', [deny(to({ ports: [9090] }))], 'unknown'],
    ['does not know what is malformed: a condition', [allow(when({ values: ['x'] }))], 'unknown'],
    [
      'does not know what is malformed: a selector',
      [authorizationPolicy('ml/x', { selector: { matchLabels: { app: 1 } }, rules: [] })],
      'unknown',
    ],
    [
      'does not mind what is malformed where another denies',
      [authorizationPolicy('ml/x', { rules: 'all' }), deny({})],
      'denied',
    ],
    [
      'does not know what is malformed: an action and a selector',
      [authorizationPolicy('ml/x', { action: 'NO', selector: { matchLabels: { app: 1 } }, rules: [] })],
      'unknown',
    ],
    ['does not know trust domains', [allow(from({ trustDomains: ['ai.example'] }))], 'unknown'],
  ];
  it.each(CASES)('%s', (_name, policies, expected) => {
    expect(admissionOf(policies)).toBe(expected);
  });

  it.each([
    ['of the own trust domain', 'ai.example/ns/front/sa/web', 'allowed'],
    ['of an alias', 'old.example/ns/front/sa/web', 'allowed'],
    ['of cluster.local, which stands for the own one', 'cluster.local/ns/front/sa/web', 'allowed'],
    ['of another trust domain', 'evil.example/ns/front/sa/web', 'denied'],
  ])('knows a principal %s when the mesh tells its own', (_name, principal, expected) => {
    const mesh = configMap('istio-system/istio', {
      mesh: 'trustDomain: ai.example\ntrustDomainAliases: [old.example]\n',
    });
    expect(admissionOf([allow(from({ principals: [principal] }))], { extra: [mesh] })).toBe(expected);
  });

  type Blind = readonly [name: string, policies: readonly Body[], expected: string];
  const BLIND: readonly Blind[] = [
    ['does not get through as a principal', [allow(from({ principals: ['*'] }))], 'denied'],
    ['does not get through as a namespace', [allow(from({ namespaces: ['*'] }))], 'denied'],
    ['gets through as one who is not in a namespace', [allow(from({ notNamespaces: ['front'] }))], 'allowed'],
    ['is not denied as a namespace', [deny(from({ namespaces: ['front'] }))], 'allowed'],
    ['is not denied as any principal', [deny(from({ principals: ['*'] }))], 'allowed'],
    ['is denied as one who is no principal', [deny(from({ notPrincipals: ['*'] }))], 'denied'],
    ['is denied where all but some are', [deny(from({ notNamespaces: ['front'] }))], 'denied'],
    ['gets through where everybody does', [allow({})], 'allowed'],
    ['gets through at a port that is open', [allow(to({ ports: ['8080'] }))], 'allowed'],
  ];
  it.each(BLIND)('plaintext %s', (_name, policies, expected) => {
    expect(admissionOf(policies, { caller: ANONYMOUS })).toBe(expected);
    expect(admissionOf(policies, { caller: ANONYMOUS, mode: AMBIENT })).toBe(expected);
  });

  it.each([
    [allow(from({ namespaces: ['front'] })), 'unknown'],
    [allow({}), 'allowed'],
    [allow(to({ ports: ['9'] })), 'denied'],
    [deny(from({ notPrincipals: ['*'] })), 'unknown'],
  ])('does not know who a caller is that could be two: %j', (policy, expected) => {
    expect(admissionOf([policy], { caller: { kind: 'unknown', reason: 'x' } })).toBe(expected);
  });

  it.each([
    ['allows nothing by a rule about requests', [allow(to({ methods: ['GET'] }))], 'denied'],
    ['allows by another rule', [allow(to({ methods: ['GET'] }), from({ namespaces: ['front'] }))], 'allowed'],
    [
      'denies more than it was told where a rule is about requests too',
      [deny({ ...from({ namespaces: ['front'] }), ...to({ ports: ['8080'], paths: ['/admin'] }) })],
      'denied',
    ],
    ['denies nothing by a rule that is about requests only', [deny(to({ paths: ['/admin'] }))], 'allowed'],
    [
      'denies nothing where one part is about requests only',
      [deny({ ...from({ namespaces: ['front'] }), ...to({ paths: ['/admin'] }) })],
      'allowed',
    ],
    [
      'takes no notice of authorizers outside',
      [authorizationPolicy('ml/x', { action: 'CUSTOM', rules: [{}] })],
      'allowed',
    ],
    ['allows a principal', [allow(from({ principals: ['cluster.local/ns/front/sa/web'] }))], 'allowed'],
    ['allows with an empty rule', [allow({})], 'allowed'],
    ['allows nobody by a source that says nothing', [allow(from({}))], 'denied'],
    ['denies a port', [deny(to({ ports: ['8080'] }))], 'denied'],
    ['denies by a condition', [deny(when({ key: 'source.namespace', values: ['front'] }))], 'denied'],
    [
      'denies nothing by a condition about requests',
      [deny(when({ key: 'request.headers[x]', values: ['y'] }))],
      'allowed',
    ],
  ] as readonly Case[])('ztunnel %s', (_name, policies, expected) => {
    expect(admissionOf(policies, { mode: AMBIENT })).toBe(expected);
  });

  it('does not know what a waypoint decides', () => {
    const waypoint = { ...AMBIENT, 'istio.io/use-waypoint': 'waypoint' };
    const targeted = authorizationPolicy('ml/x', { targetRefs: [{ kind: 'Gateway', name: 'waypoint' }], rules: [] });
    expect(admissionOf([targeted], { mode: waypoint })).toBe('unknown');
    expect(admissionOf([targeted], { mode: { ...AMBIENT, 'istio.io/use-waypoint': 'none' } })).toBe('allowed');
    expect(admissionOf([], { mode: waypoint })).toBe('allowed');
  });

  it('does not know policies that could not be read', () => {
    const unreadable: Unreadable = {
      what: 'authorizationpolicies',
      kind: 'AuthorizationPolicy.security.istio.io',
      namespace: null,
      reason: 'forbidden',
      detail: '403',
      position: null,
    };
    const { mesh, workload } = settingOf([namespace('ml', SIDECARS), deployment('api')], { unreadable: [unreadable] });
    expect(authorize(mesh, WEB, { to: workload(API), port: 8080 }).admission).toBe('unknown');
  });

  it('never lets more through with one more DENY, nor less with one more rule of ALLOW', () => {
    const SOURCE = fc.record(
      {
        namespaces: fc.subarray(['front', 'back', '*']),
        notNamespaces: fc.subarray(['front', 'back']),
        principals: fc.subarray(['*/sa/web', 'cluster.local/ns/back/sa/db', '*']),
      },
      { requiredKeys: [] },
    );
    const OPERATION = fc.record(
      { ports: fc.subarray(['8080', '9090']), paths: fc.subarray(['/a']), notPorts: fc.subarray(['8080']) },
      { requiredKeys: [] },
    );
    const RULE = fc
      .record({ sources: fc.array(SOURCE, { maxLength: 2 }), operations: fc.array(OPERATION, { maxLength: 2 }) })
      .map(({ sources, operations }) => ({ ...from(...sources), ...to(...operations) }));
    const RULES = fc.array(RULE, { minLength: 1, maxLength: 3 });
    const CALLER = fc.constantFrom(WEB, STRANGER, ANONYMOUS);
    const ORDER = ['denied', 'depends', 'allowed'];
    fc.assert(
      fc.property(RULES, RULES, RULE, CALLER, (allowed, denied, more, caller) => {
        const policies = [allow(...allowed), deny(...denied)];
        const before = ORDER.indexOf(admissionOf(policies, { caller }));
        const stricter = ORDER.indexOf(
          admissionOf([...policies, authorizationPolicy('ml/d', { action: 'DENY', rules: [more] })], { caller }),
        );
        const wider = ORDER.indexOf(
          admissionOf([...policies, authorizationPolicy('ml/a', { rules: [more] })], { caller }),
        );
        expect(before).toBeGreaterThanOrEqual(0);
        expect(stricter).toBeLessThanOrEqual(before);
        expect(wider).toBeGreaterThanOrEqual(before);
      }),
      { numRuns: 300 },
    );
  });
});

describe('who a caller is', () => {
  const front = [namespace('front', SIDECARS), deployment('web', { namespace: 'front', serviceAccountName: 'web' })];
  const ml = [namespace('ml', SIDECARS), deployment('api')];
  const WEB_REF = 'front/web[Deployment]';

  function callerKind(bodies: readonly Body[], port = 8080): string {
    const { mesh, workload } = settingOf(bodies);
    return meshAuthorization(mesh, workload(WEB_REF), { to: workload(API), port }).caller.kind;
  }

  it('is proven between sidecars', () => {
    const { mesh, workload } = settingOf([...front, ...ml]);
    const { caller } = meshAuthorization(mesh, workload(WEB_REF), { to: workload(API), port: 8080 });
    expect(caller).toEqual(WEB);
  });

  const destination = (place: string, spec: unknown): Body =>
    custom('networking.istio.io/v1', 'DestinationRule', place, spec);
  const disable = destination('front/plain', {
    host: 'api.ml.svc.cluster.local',
    trafficPolicy: { tls: { mode: 'DISABLE' } },
  });
  const CASES: readonly (readonly [string, readonly Body[], string])[] = [
    ['between sidecar and ambient mode', [...front, namespace('ml', AMBIENT), deployment('api')], 'proven'],
    ['of a caller outside of the mesh', [namespace('front'), deployment('web', { namespace: 'front' }), ...ml], 'none'],
    ['towards what is outside of the mesh', [...front, namespace('ml'), deployment('api')], 'none'],
    ['of a caller whose namespace is not known', [deployment('web', { namespace: 'front' }), ...ml], 'unknown'],
    ['towards a namespace that is not known', [...front, deployment('api')], 'unknown'],
    [
      'between meshes of two makers',
      [namespace('front', {}, { 'linkerd.io/inject': 'enabled' }), deployment('web', { namespace: 'front' }), ...ml],
      'none',
    ],
    [
      'past its own sidecar',
      [
        namespace('front', SIDECARS),
        deployment('web', {
          namespace: 'front',
          annotations: { 'traffic.sidecar.istio.io/excludeOutboundPorts': '8080' },
        }),
        ...ml,
      ],
      'none',
    ],
    [
      'past its own sidecar at another port',
      [
        namespace('front', SIDECARS),
        deployment('web', {
          namespace: 'front',
          annotations: { 'traffic.sidecar.istio.io/excludeOutboundPorts': '9' },
        }),
        ...ml,
      ],
      'proven',
    ],
    [
      'past its own sidecar towards some addresses',
      [
        namespace('front', SIDECARS),
        deployment('web', {
          namespace: 'front',
          annotations: { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': '10.0.0.0/8' },
        }),
        ...ml,
      ],
      'unknown',
    ],
    ['under a DestinationRule that disables TLS', [...front, ...ml, service('api'), disable], 'none'],
    [
      'under a DestinationRule of another namespace that is for that one only',
      [
        ...front,
        ...ml,
        service('api'),
        destination('ml/plain', { host: 'api', exportTo: ['.'], trafficPolicy: { tls: { mode: 'DISABLE' } } }),
      ],
      'proven',
    ],
    [
      'under a DestinationRule of another namespace that is for all',
      [
        ...front,
        ...ml,
        service('api'),
        destination('ml/plain', { host: 'api', exportTo: ['*'], trafficPolicy: { tls: { mode: 'DISABLE' } } }),
      ],
      'none',
    ],
    [
      'under a DestinationRule of another namespace with TLS of its own',
      [
        ...front,
        ...ml,
        service('api'),
        destination('ml/plain', { host: 'api', trafficPolicy: { tls: { mode: 'SIMPLE' } } }),
      ],
      'none',
    ],
    [
      'under a DestinationRule of another namespace that is for some',
      [
        ...front,
        ...ml,
        service('api'),
        destination('ml/plain', {
          host: 'api',
          exportTo: ['back', 'front'],
          trafficPolicy: { tls: { mode: 'DISABLE' } },
        }),
      ],
      'none',
    ],
    [
      'under a DestinationRule for one port',
      [
        ...front,
        ...ml,
        service('api'),
        destination('ml/plain', {
          host: 'api',
          trafficPolicy: {
            tls: { mode: 'ISTIO_MUTUAL' },
            portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'DISABLE' } }],
          },
        }),
      ],
      'none',
    ],
    [
      'under a DestinationRule for another port',
      [
        ...front,
        ...ml,
        service('api'),
        destination('ml/plain', {
          host: 'api',
          trafficPolicy: { portLevelSettings: [{ port: { number: 81 }, tls: { mode: 'DISABLE' } }] },
        }),
      ],
      'proven',
    ],
    [
      'under a DestinationRule for a subset',
      [
        ...front,
        ...ml,
        service('api'),
        destination('ml/plain', {
          host: 'api',
          subsets: [{ name: 'v1', trafficPolicy: { tls: { mode: 'DISABLE' } } }],
        }),
      ],
      'proven',
    ],
    [
      'under a DestinationRule for other clients',
      [
        ...front,
        ...ml,
        service('api'),
        destination('front/plain', {
          host: 'api.ml.svc.cluster.local',
          workloadSelector: { matchLabels: { app: 'other' } },
          trafficPolicy: { tls: { mode: 'DISABLE' } },
        }),
      ],
      'proven',
    ],
    [
      'under a DestinationRule of its own before that of the other',
      [
        ...front,
        ...ml,
        service('api'),
        disable,
        destination('ml/mutual', { host: 'api', trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }),
      ],
      'none',
    ],
    [
      'under the DestinationRule that names the host before one for all',
      [
        ...front,
        ...ml,
        service('api'),
        destination('front/all', { host: '*.local', trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }),
        disable,
      ],
      'none',
    ],
    ['under a DestinationRule without a Service', [...front, ...ml, disable], 'proven'],
    [
      'under a DestinationRule for one of two Services',
      [...front, ...ml, service('api'), service('other', { selector: { app: 'api' } }), disable],
      'unknown',
    ],
  ];
  it.each(CASES)('%s', (_name, bodies, expected) => {
    expect(callerKind(bodies)).toBe(expected);
  });

  it('outside of the cluster is nobody', () => {
    const { mesh, workload } = settingOf([...ml, allow(from({ principals: ['*'] }))]);
    expect(meshAuthorization(mesh, null, { to: workload(API), port: 8080 })).toMatchObject({
      caller: { kind: 'none' },
      admission: 'denied',
    });
  });

  it('may be hidden by a caller where the port takes plaintext', () => {
    const denying = deny(from({ namespaces: ['front'] }));
    const permissive = settingOf([...front, ...ml, denying]);
    const target = { to: permissive.workload(API), port: 8080 };
    expect(meshAuthorization(permissive.mesh, permissive.workload(WEB_REF), target)).toMatchObject({
      admission: 'denied',
      withoutIdentity: 'allowed',
      enforcer: 'istio-sidecar',
    });
    const strict = settingOf([...front, ...ml, denying, peerAuthentication('ml/default', { mode: 'STRICT' })]);
    const same = { to: strict.workload(API), port: 8080 };
    expect(meshAuthorization(strict.mesh, strict.workload(WEB_REF), same).withoutIdentity).toBeNull();
  });

  it('is asked by nobody at a port that the mesh does not see', () => {
    const open = deployment('api', { annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '8080' } });
    const { mesh, workload } = settingOf([...front, namespace('ml', SIDECARS), open, deny({})]);
    expect(meshAuthorization(mesh, workload(WEB_REF), { to: workload(API), port: 8080 })).toMatchObject({
      admission: 'allowed',
      enforcer: null,
    });
  });
});

describe('mesh-no-authorization', () => {
  const RULE = 'mesh-no-authorization';
  const strict = [namespace('ml', SIDECARS), deployment('api'), peerAuthentication('ml/default', { mode: 'STRICT' })];

  it('finds STRICT without a policy: every identity may ask', () => {
    const [verdict] = verdictsOf(RULE, strict);
    expect(verdict).toMatchObject({
      verdict: 'fail',
      detail: 'every identity of the mesh may ask at port 8080: no AuthorizationPolicy of action ALLOW is for it',
      evidence: { ports: [8080] },
    });
    expect(verdict?.remediation.manifest).toContain('kind: AuthorizationPolicy');
    expect(verdict?.remediation.manifest).toContain('ports: ["8080"]');
  });

  it.each([
    ['a policy that names the callers', allow(from({ principals: ['*/sa/web'] })), 'pass'],
    ['a policy that allows nobody', allow(), 'pass'],
    ['a policy that allows everybody', allow({}), 'fail'],
    ['a policy that allows every principal', allow(from({ principals: ['*'] })), 'fail'],
    ['a policy that allows all but one namespace', allow(from({ notNamespaces: ['x'] })), 'fail'],
    ['a policy about paths only', allow(to({ paths: ['/healthz'] })), 'pass'],
    ['a policy for another port', allow(to({ ports: ['9'] })), 'pass'],
    ['a DENY of all but some', deny(from({ notNamespaces: ['front'] })), 'pass'],
    ['a DENY of some', deny(from({ namespaces: ['front'] })), 'fail'],
    ['a dry run', authorizationPolicy('ml/x', { rules: [] }, { 'istio.io/dry-run': 'true' }), 'fail'],
    ['a policy by addresses', allow(from({ ipBlocks: ['10.0.0.0/8'] })), 'unknown'],
  ])('judges %s', (_name, policy, expected) => {
    expect(outcomesOf(RULE, [...strict, policy])).toEqual([`${expected} ${API}`]);
  });

  it('says nothing of what is in no mesh, or not known to be', () => {
    expect(outcomesOf(RULE, [namespace('ml'), deployment('api'), deny({})])).toEqual([]);
    expect(outcomesOf(RULE, [deployment('api'), deny({})])).toEqual([]);
  });
});

describe('mesh-plaintext-passes-policy', () => {
  const RULE = 'mesh-plaintext-passes-policy';
  const ml = [namespace('ml', SIDECARS), deployment('api')];
  const strict = peerAuthentication('ml/default', { mode: 'STRICT' });

  it('knows that ztunnel loses what a rule says of requests', () => {
    const ambient = [namespace('ml', AMBIENT), deployment('api')];
    const rule = deny({ ...from({ namespaces: ['front'] }), ...to({ paths: ['/admin'] }) });
    expect(verdictsOf(RULE, [...ambient, rule]).map(({ verdict }) => verdict)).toEqual(['pass']);
    expect(verdictsOf(RULE, [...ml, rule]).map(({ verdict }) => verdict)).toEqual(['fail']);
  });

  it('finds a DENY by namespace that plaintext does not match', () => {
    expect(saidOf(RULE, [...ml, deny(from({ namespaces: ['front'] }))])).toEqual([
      `fail ${API}: plaintext gets through at port 8080, past AuthorizationPolicy ml/deny, which goes by identities`,
    ]);
  });

  it.each([
    ['a DENY by namespace under STRICT', [strict, deny(from({ namespaces: ['front'] }))], ['pass']],
    ['an ALLOW of all but some', [allow(from({ notNamespaces: ['front'] }))], ['fail']],
    ['an ALLOW of some', [allow(from({ namespaces: ['front'] }))], []],
    ['a DENY of who is nobody', [deny(from({ notPrincipals: ['*'] }))], []],
    [
      'a DENY by namespace and one of who is nobody',
      [deny(from({ namespaces: ['front'] }), from({ notPrincipals: ['*'] }))],
      ['pass'],
    ],
    [
      'a DENY by namespace where only identities are allowed',
      [deny(from({ namespaces: ['front'] })), allow(from({ principals: ['*'] }))],
      ['pass'],
    ],
    [
      'a DENY by namespace at another port',
      [deny({ ...from({ namespaces: ['front'] }), ...to({ ports: ['9'] }) })],
      ['pass'],
    ],
    ['a policy that everybody may pass', [allow({})], []],
    [
      'a DENY by namespace, and no STRICT that can be read',
      [peerAuthentication('ml/default', { mode: 'strict' }), deny(from({ namespaces: ['front'] }))],
      ['unknown'],
    ],
  ] as readonly (readonly [string, readonly Body[], readonly string[]])[])('judges %s', (_name, policies, expected) => {
    expect(verdictsOf(RULE, [...ml, ...policies]).map(({ verdict }) => verdict)).toEqual(expected);
  });
});
