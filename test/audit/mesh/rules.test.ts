import { describe, expect, it } from 'vitest';
import type { Unreadable } from '../../../src/audit/inventory.ts';
import { meshRules } from '../../../src/audit/mesh/mesh-rules.ts';
import { readLenientYaml } from '../../../src/yaml/lenient.ts';
import {
  AMBIENT,
  authorizationPolicy,
  configMap,
  custom,
  deployment,
  INJECTED,
  job,
  namespace,
  outcomesOf,
  peerAuthentication,
  PROXY,
  runningPod,
  saidOf,
  service,
  SIDECARS,
  verdictsOf,
  type Body,
} from './setting.ts';

const API = 'ml/api[Deployment]';
const MAIN = { name: 'main', image: 'main:1', ports: [{ containerPort: 8080 }] };
const STRICT = peerAuthentication('ml/default', { mode: 'STRICT' });

describe('the rules', () => {
  it('have ids of their area, once each, and tell what to do', () => {
    const ids = meshRules.map(({ info }) => info.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { info } of meshRules) {
      expect(info.id).toMatch(/^mesh-[a-z-]+$/);
      expect(info.id.length).toBeLessThanOrEqual(50);
      expect(info.tenets.length).toBeGreaterThan(0);
      expect(info.help).toContain('**Fix:**');
    }
  });
});

describe('mesh-mtls-not-strict', () => {
  const RULE = 'mesh-mtls-not-strict';

  it('S15 finds the one port that STRICT of the namespace does not hold for', () => {
    const bodies = [
      namespace('ml', SIDECARS),
      STRICT,
      deployment('api', { ports: [8080, 9090] }),
      deployment('web'),
      peerAuthentication('ml/api', { selector: { app: 'api' }, ports: { 9090: 'PERMISSIVE' } }),
    ];
    expect(outcomesOf(RULE, bodies)).toEqual([`pass ${API}`, `fail ${API}`, 'pass ml/web[Deployment]']);
    expect(verdictsOf(RULE, bodies)[1]).toMatchObject({
      at: ['spec', 'template', 'spec', 'containers', 0, 'ports', 1],
      detail: 'port 9090 takes plaintext beside mutual TLS: PeerAuthentication ml/api, for this port',
      evidence: { port: 9090, mode: 'PERMISSIVE' },
      key: '9090',
    });
    expect(verdictsOf(RULE, bodies)[1]?.remediation.text).toContain('portLevelMtls for port 9090');
  });

  it('S16 finds nothing under STRICT of the mesh', () => {
    const bodies = [
      namespace('ml', SIDECARS),
      peerAuthentication('istio-system/default', { mode: 'STRICT' }),
      deployment('api'),
    ];
    expect(outcomesOf(RULE, bodies)).toEqual([`pass ${API}`]);
  });

  it('finds the default of Istio, and gives the policy that is missing', () => {
    const [verdict] = verdictsOf(RULE, [namespace('ml', SIDECARS), deployment('api')]);
    expect(verdict?.verdict).toBe('fail');
    const [document] = readLenientYaml(verdict?.remediation.manifest ?? '');
    expect(document).toMatchObject({
      value: { kind: 'PeerAuthentication', metadata: { namespace: 'ml' }, spec: { mtls: { mode: 'STRICT' } } },
    });
  });

  it('finds ports of what serves nothing less grave', () => {
    const [verdict] = verdictsOf(RULE, [namespace('ml', SIDECARS), job('train')]);
    expect(verdict).toMatchObject({ verdict: 'fail', severity: 'low' });
  });

  it.each([
    ['in no mesh', [namespace('ml'), deployment('api'), STRICT], []],
    ['in no mesh, and no mesh at all', [namespace('ml'), deployment('api')], []],
    [
      'of infrastructure',
      [namespace('istio-system', SIDECARS), deployment('istiod', { namespace: 'istio-system' })],
      [],
    ],
    ['where nobody knows of a mesh', [deployment('api')], []],
    ['where the namespace is not given, and STRICT is said', [deployment('api'), STRICT], [`unknown ${API}`]],
    [
      'where the namespace is not given, and PERMISSIVE is said',
      [deployment('api'), peerAuthentication('ml/default', { mode: 'PERMISSIVE' })],
      [`fail ${API}`],
    ],
    [
      'where the namespace is not given, and nothing is said',
      [deployment('api'), peerAuthentication('other/default', { mode: 'STRICT' })],
      [`unknown ${API}`],
    ],
    [
      'where a policy is malformed',
      [namespace('ml', SIDECARS), deployment('api'), peerAuthentication('ml/default', { mode: 'on' })],
      [`unknown ${API}`],
    ],
    [
      'of a gateway',
      [namespace('ml', SIDECARS), deployment('api', { annotations: { 'inject.istio.io/templates': 'gateway' } })],
      [],
    ],
  ] as readonly (readonly [string, readonly Body[], readonly string[]])[])(
    'judges ports %s',
    (_name, bodies, expected) => {
      expect(outcomesOf(RULE, bodies)).toEqual(expected);
    },
  );

  const forbidden = (kind: string | null): Unreadable => ({
    what: 'something',
    kind,
    namespace: null,
    reason: 'forbidden',
    detail: '403',
    position: null,
  });
  it.each([
    ['PeerAuthentications could not be read', 'PeerAuthentication.security.istio.io'],
    ['some file could not be read', null],
  ])('passes nothing where %s', (_name, kind) => {
    const bodies = [namespace('ml', SIDECARS), STRICT, deployment('api')];
    expect(outcomesOf(RULE, bodies, { unreadable: [forbidden(kind)] })).toEqual([`unknown ${API}`]);
  });

  it('still fails what is said to be PERMISSIVE where some file could not be read', () => {
    const bodies = [
      namespace('ml', SIDECARS),
      peerAuthentication('ml/default', { mode: 'PERMISSIVE' }),
      deployment('api'),
    ];
    expect(outcomesOf(RULE, bodies, { unreadable: [forbidden(null)] })).toEqual([`fail ${API}`]);
  });

  it('tells that the configuration of the mesh cannot be read', () => {
    const broken = configMap('istio-system/istio', { mesh: 'rootNamespace: [' });
    expect(outcomesOf(RULE, [namespace('ml', SIDECARS), deployment('api'), STRICT, broken])).toEqual([
      'unknown istio-system/istio[ConfigMap]',
      `pass ${API}`,
    ]);
  });

  it('does not know of policies of a live cluster that were not listed', () => {
    expect(
      outcomesOf(RULE, [namespace('ml', SIDECARS), deployment('api')], { completeKinds: new Set(['Namespace']) }),
    ).toEqual([`unknown ${API}`]);
  });
});

describe('mesh-sidecar-missing', () => {
  const RULE = 'mesh-sidecar-missing';

  it.each([
    ['with a sidecar', [namespace('ml', SIDECARS), deployment('api')], [`pass ${API}`]],
    [
      'S13 with a native sidecar',
      [
        namespace('ml', SIDECARS),
        runningPod('api', {
          annotations: INJECTED,
          containers: [MAIN],
          initContainers: [{ ...PROXY, restartPolicy: 'Always' }],
        }),
      ],
      ['pass ml/api[Pod]'],
    ],
    ['S13 in ambient mode', [namespace('ml', AMBIENT), deployment('api')], [`pass ${API}`]],
    ['with a sidecar that was not injected', [namespace('ml', SIDECARS), runningPod('api')], ['fail ml/api[Pod]']],
    [
      'in a namespace that is not enrolled, beside one that is',
      [namespace('ml'), deployment('api'), namespace('in', SIDECARS), deployment('x', { namespace: 'in' })],
      ['pass in/x[Deployment]', `fail ${API}`],
    ],
    [
      'that keeps out',
      [namespace('ml', SIDECARS), deployment('api', { labels: { 'sidecar.istio.io/inject': 'false' } }), STRICT],
      [`fail ${API}`],
    ],
    [
      'in the network of its node',
      [namespace('ml', SIDECARS), deployment('api', { hostNetwork: true }), STRICT],
      [`fail ${API}`],
    ],
    ['of an unknown namespace', [deployment('api'), STRICT], [`unknown ${API}`]],
    ['where there is no mesh', [namespace('ml'), deployment('api')], []],
    ['of infrastructure', [namespace('kube-system'), deployment('dns', { namespace: 'kube-system' }), STRICT], []],
  ] as readonly (readonly [string, readonly Body[], readonly string[]])[])(
    'judges a workload %s',
    (_name, bodies, expected) => {
      expect(outcomesOf(RULE, bodies)).toEqual(expected);
    },
  );

  it('advises training that keeps out for good reason about ambient mode and egress, not about a sidecar', () => {
    const out = { 'sidecar.istio.io/inject': 'false' };
    const [verdict] = verdictsOf(RULE, [namespace('ml', SIDECARS), job('train', { labels: out }), STRICT]);
    expect(verdict).toMatchObject({
      verdict: 'fail',
      severity: 'low',
      evidence: { isTraining: true, cause: 'opted-out' },
    });
    expect(verdict?.remediation.text).toContain('istio.io/dataplane-mode: ambient');
    expect(verdict?.remediation.text).toContain('egress sidecar');
    expect(verdict?.remediation.text).toContain('RDMA');
    expect(verdict?.remediation.text).not.toContain('istio-injection');
  });

  it('does not advise ambient mode for training in the network of its node', () => {
    const [verdict] = verdictsOf(RULE, [namespace('ml', SIDECARS), job('train', { hostNetwork: true }), STRICT]);
    expect(verdict?.remediation.text).not.toContain('dataplane-mode');
    expect(verdict?.remediation.text).toContain('egress');
  });

  it('advises others to join', () => {
    const [verdict] = verdictsOf(RULE, [namespace('ml'), deployment('api'), STRICT]);
    expect(verdict?.remediation.text).toContain('istio-injection: enabled');
  });

  it('accepts Sallyport in the place of a mesh', () => {
    const yaml =
      'trustDomain: a.example\npolicy: { path: /p }\nlisteners:\n  - { name: a, bind: "0.0.0.0:8443", component: a, upstream: "http://127.0.0.1:1" }\n';
    const bodies = [
      namespace('ml'),
      STRICT,
      configMap('ml/config', { 'sallyport.yaml': yaml }),
      deployment('api', {
        containers: [
          {
            name: 's',
            image: 'sallyport:1',
            ports: [{ containerPort: 8443 }],
            volumeMounts: [{ name: 'c', mountPath: '/etc/sallyport/config' }],
          },
        ],
        volumes: [{ name: 'c', configMap: { name: 'config' } }],
      }),
    ];
    expect(outcomesOf(RULE, bodies)).toEqual([`pass ${API}`]);
  });
});

describe('mesh-spoofed-sidecar', () => {
  const RULE = 'mesh-spoofed-sidecar';
  const spoofed = (name: string, image: string): Body => deployment('api', { containers: [MAIN, { name, image }] });

  it.each([
    ['S14 an istio-proxy that is none', [namespace('ml'), spoofed('istio-proxy', 'busybox')], [`fail ${API}`]],
    ['S14 an envoy-sidecar', [namespace('ml'), spoofed('envoy-sidecar', 'envoyproxy/envoy:v1')], [`fail ${API}`]],
    ['S14 a linkerd-proxy that is none', [namespace('ml'), spoofed('linkerd-proxy', 'busybox')], [`fail ${API}`]],
    [
      'S14 the image of a proxy that nobody injected',
      [namespace('ml'), spoofed('istio-proxy', 'istio/proxyv2:1.27')],
      [`fail ${API}`],
    ],
    [
      'S14 an image in the place of the injected one',
      [namespace('ml', SIDECARS), spoofed('istio-proxy', 'busybox')],
      [`fail ${API}`],
    ],
    [
      'an istio-proxy whose image is left to the injector',
      [namespace('ml', SIDECARS), spoofed('istio-proxy', 'auto')],
      [`pass ${API}`],
    ],
    [
      'an istio-proxy that is set up in detail',
      [namespace('ml', SIDECARS), spoofed('istio-proxy', 'istio/proxyv2:1.27')],
      [`pass ${API}`],
    ],
    [
      'a proxy that runs',
      [namespace('ml', SIDECARS), runningPod('api', { annotations: INJECTED, containers: [MAIN, PROXY] })],
      ['pass ml/api[Pod]'],
    ],
    [
      'S14 a pod that runs with a proxy that is none',
      [namespace('ml', SIDECARS), runningPod('api', { containers: [MAIN, { name: 'istio-proxy', image: 'busybox' }] })],
      ['fail ml/api[Pod]'],
    ],
    [
      'an envoy-sidecar beside a real proxy',
      [namespace('ml', SIDECARS), spoofed('envoy-sidecar', 'envoyproxy/envoy:v1')],
      [],
    ],
    ['a proxy of a namespace that is not known', [spoofed('istio-proxy', 'auto')], [`unknown ${API}`]],
    ['S14 no proxy, whatever the namespace', [spoofed('istio-proxy', 'busybox')], [`fail ${API}`]],
    ['nothing of that name', [namespace('ml'), deployment('api')], []],
    [
      'S14 the mark without a proxy, which ambient mode believes',
      [namespace('ml', AMBIENT), deployment('api', { annotations: INJECTED })],
      [`fail ${API}`],
    ],
    [
      'a proxy put in by hand, with its mark',
      [namespace('ml'), deployment('api', { annotations: INJECTED, containers: [MAIN, PROXY] })],
      [`pass ${API}`],
    ],
  ] as readonly (readonly [string, readonly Body[], readonly string[]])[])('%s', (_name, bodies, expected) => {
    expect(outcomesOf(RULE, bodies)).toEqual(expected);
  });

  it('names the container, at its name', () => {
    const [verdict] = verdictsOf(RULE, [namespace('ml'), spoofed('istio-proxy', 'busybox')]);
    expect(verdict).toMatchObject({
      at: ['spec', 'template', 'spec', 'containers', 1, 'name'],
      resource: { container: 'istio-proxy' },
    });
  });
});

describe('mesh-destination-disable', () => {
  const RULE = 'mesh-destination-disable';
  const rule = (spec: unknown, place = 'ml/plain'): Body =>
    custom('networking.istio.io/v1', 'DestinationRule', place, spec);
  const disabled = (host: string, place?: string): Body =>
    rule({ host, trafficPolicy: { tls: { mode: 'DISABLE' } } }, place);
  const mesh = [namespace('ml', SIDECARS), deployment('api'), service('api')];
  const PLAIN = 'ml/plain[DestinationRule]';

  it.each([
    ['a short name of its own namespace', [...mesh, disabled('api')], [`fail ${PLAIN}`]],
    ['a full name', [...mesh, disabled('api.ml.svc.cluster.local')], [`fail ${PLAIN}`]],
    ['a full name with another domain', [...mesh, disabled('api.ml.svc.corp.example')], [`fail ${PLAIN}`]],
    ['all names', [...mesh, disabled('*.local')], [`fail ${PLAIN}`]],
    ['all names of a namespace', [...mesh, disabled('*.ml.svc.cluster.local')], [`fail ${PLAIN}`]],
    [
      'a short name from another namespace',
      [...mesh, disabled('api', 'front/plain')],
      ['unknown front/plain[DestinationRule]'],
    ],
    ['a name outside of the cluster', [...mesh, disabled('api.example.com')], []],
    ['a host in no mesh', [namespace('ml'), deployment('api'), service('api'), disabled('api')], [`pass ${PLAIN}`]],
    ['a host of which nobody knows', [deployment('api'), service('api'), disabled('api')], [`unknown ${PLAIN}`]],
    ['a host that is not there', [...mesh, disabled('gone')], [`unknown ${PLAIN}`]],
    [
      'mutual TLS',
      [...mesh, rule({ host: 'api', trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } })],
      [`pass ${PLAIN}`],
    ],
    ['nothing about TLS', [...mesh, rule({ host: 'api', trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } })], []],
    [
      'one port',
      [
        ...mesh,
        rule({
          host: 'api',
          trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'DISABLE' } }] },
        }),
      ],
      [`fail ${PLAIN}`],
    ],
    [
      'a host that one of two Services of a workload is',
      [...mesh, service('other', { selector: { app: 'api' } }), disabled('api')],
      [`fail ${PLAIN}`],
    ],
    [
      'a subset',
      [...mesh, rule({ host: 'api', subsets: [{ name: 'v1', trafficPolicy: { tls: { mode: 'DISABLE' } } }] })],
      [`fail ${PLAIN}`],
    ],
  ] as readonly (readonly [string, readonly Body[], readonly string[]])[])('judges %s', (_name, bodies, expected) => {
    expect(outcomesOf(RULE, bodies)).toEqual(expected);
  });

  it('is less grave where the host refuses plaintext, and says what to put there', () => {
    const [verdict] = verdictsOf(RULE, [...mesh, disabled('api'), STRICT]);
    expect(verdict).toMatchObject({
      verdict: 'fail',
      severity: 'medium',
      at: ['spec', 'trafficPolicy', 'tls', 'mode'],
      remediation: { patch: [{ op: 'replace', path: '/spec/trafficPolicy/tls/mode', value: 'ISTIO_MUTUAL' }] },
    });
    expect(verdictsOf(RULE, [...mesh, disabled('api')])[0]?.severity).toBeUndefined();
    const open = peerAuthentication('ml/api', { selector: { app: 'api' }, ports: { 9090: 'PERMISSIVE' } });
    expect(verdictsOf(RULE, [...mesh, disabled('api'), STRICT, open])[0]?.severity).toBe('medium');
    const other = service('metrics', { selector: { app: 'api' }, ports: [{ port: 9090 }] });
    expect(verdictsOf(RULE, [...mesh, other, disabled('metrics'), STRICT, open])[0]?.severity).toBeUndefined();
  });

  it('does not know DestinationRules that could not be read', () => {
    const unreadable: Unreadable = {
      what: 'destinationrules',
      kind: 'DestinationRule.networking.istio.io',
      namespace: null,
      reason: 'forbidden',
      detail: '403',
      position: null,
    };
    expect(outcomesOf(RULE, mesh, { unreadable: [unreadable] })).toEqual(['unknown cluster[Cluster]']);
  });
});

describe('mesh-injection-conflict', () => {
  const RULE = 'mesh-injection-conflict';

  it.each([
    ['both labels', { ...SIDECARS, 'istio.io/rev': 'canary' }, ['fail ml[Namespace]']],
    [
      'both labels, one of which refuses',
      { 'istio-injection': 'disabled', 'istio.io/rev': 'canary' },
      ['fail ml[Namespace]'],
    ],
    ['one label', SIDECARS, ['pass ml[Namespace]']],
    ['a revision', { 'istio.io/rev': 'canary' }, ['pass ml[Namespace]']],
    ['none', {}, []],
    ['a value that means nothing', { 'istio-injection': 'true' }, ['fail ml[Namespace]']],
    ['sidecars and ambient mode', { ...SIDECARS, ...AMBIENT }, ['fail ml[Namespace]']],
    ['ambient mode with a revision for its gateways', { ...AMBIENT, 'istio.io/rev': 'canary' }, ['pass ml[Namespace]']],
  ])('judges %s', (_name, labels, expected) => {
    expect(outcomesOf(RULE, [namespace('ml', labels)])).toEqual(expected);
  });

  it('finds a revision that nobody installed', () => {
    const webhook = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'istio' },
      webhooks: [
        {
          name: 'rev.namespace.sidecar-injector.istio.io',
          namespaceSelector: { matchLabels: { 'istio.io/rev': 'stable' } },
        },
        { name: 'namespace.sidecar-injector.istio.io', namespaceSelector: { matchLabels: SIDECARS } },
      ],
    };
    expect(outcomesOf(RULE, [namespace('ml', { 'istio.io/rev': 'canary' }), webhook])).toEqual(['fail ml[Namespace]']);
    expect(outcomesOf(RULE, [namespace('ml', { 'istio.io/rev': 'stable' }), webhook])).toEqual(['pass ml[Namespace]']);
  });

  it('finds a label and an annotation of one pod that differ', () => {
    const wish = 'sidecar.istio.io/inject';
    const both = (label: string, annotation: string): Body =>
      deployment('api', { labels: { [wish]: label }, annotations: { [wish]: annotation } });
    expect(outcomesOf(RULE, [both('false', 'true')])).toEqual([`fail ${API}`]);
    expect(outcomesOf(RULE, [both('true', 'true')])).toEqual([]);
    expect(outcomesOf(RULE, [deployment('api', { labels: { [wish]: 'true' } })])).toEqual([]);
    expect(outcomesOf(RULE, [deployment('api', { annotations: { [wish]: 'true' } })])).toEqual([]);
  });
});

describe('mesh-policy-ignored', () => {
  const RULE = 'mesh-policy-ignored';
  const OLD = '2024-01-01T00:00:00Z';
  const NEW = '2025-01-01T00:00:00Z';
  const selector = { app: 'api' };

  it.each([
    [
      'S17 a selector in the root namespace',
      [peerAuthentication('istio-system/x', { selector, mode: 'STRICT' })],
      ['fail istio-system/x'],
    ],
    [
      'S17 ports without a selector',
      [peerAuthentication('ml/x', { mode: 'STRICT', ports: { 80: 'DISABLE' } })],
      ['fail ml/x'],
    ],
    [
      'S17 the younger of two',
      [
        peerAuthentication('ml/a', { mode: 'STRICT', createdAt: NEW }),
        peerAuthentication('ml/b', { mode: 'STRICT', createdAt: OLD }),
      ],
      ['fail ml/a', 'pass ml/b'],
    ],
    [
      'two of which nobody knows the age',
      [peerAuthentication('ml/a', { mode: 'STRICT' }), peerAuthentication('ml/b', { mode: 'STRICT' })],
      ['pass ml/a', 'pass ml/b'],
    ],
    [
      'two in different scopes',
      [
        peerAuthentication('ml/a', { mode: 'STRICT', createdAt: OLD }),
        peerAuthentication('ml/b', { selector, mode: 'STRICT', createdAt: NEW }),
      ],
      ['pass ml/a', 'pass ml/b'],
    ],
    [
      'the younger of two for one workload',
      [
        deployment('api'),
        peerAuthentication('ml/a', { selector, mode: 'STRICT', createdAt: OLD }),
        peerAuthentication('ml/b', { selector, mode: 'DISABLE', createdAt: NEW }),
      ],
      ['pass ml/a', 'fail ml/b'],
    ],
    [
      'the younger of two that is for more workloads',
      [
        deployment('api'),
        deployment('web', { labels: { app: 'web', tier: 'x' } }),
        peerAuthentication('ml/a', { selector: { app: 'web' }, mode: 'STRICT', createdAt: OLD }),
        peerAuthentication('ml/b', { selector: { tier: 'x' }, mode: 'STRICT', createdAt: NEW }),
      ],
      ['pass ml/a', 'fail ml/b'],
    ],
    ['a dry run', [authorizationPolicy('ml/x', { rules: [] }, { 'istio.io/dry-run': 'true' })], ['fail ml/x']],
    ['a policy in force', [authorizationPolicy('ml/x', { rules: [] })], ['pass ml/x']],
  ])('judges %s', (_name, bodies, expected) => {
    expect(outcomesOf(RULE, bodies).map((line) => line.replace(/\[.*\]$/, ''))).toEqual(expected);
  });
});

describe('mesh-identity-absent', () => {
  const RULE = 'mesh-identity-absent';

  it('says once for a namespace that nothing carries identities there', () => {
    const bodies = [namespace('ml'), deployment('api', { ports: [1, 2, 3] }), deployment('web'), namespace('empty')];
    expect(saidOf(RULE, bodies)).toEqual([
      'fail ml[Namespace]: no mesh, and nothing makes callers of 2 workloads prove who they are, ml/api[Deployment] among them',
    ]);
    for (const rule of [
      'mesh-mtls-not-strict',
      'mesh-sidecar-missing',
      'mesh-port-excluded',
      'mesh-no-authorization',
    ]) {
      expect(outcomesOf(rule, bodies)).toEqual([]);
    }
  });

  it.each([
    ['where there is a mesh', [namespace('ml', SIDECARS), deployment('api')], []],
    ['where nothing serves a port', [namespace('ml'), job('train')], []],
    ['of infrastructure', [namespace('kube-system'), deployment('dns', { namespace: 'kube-system' })], []],
    ['of which only the name is known', [deployment('api')], ['unknown ml[Namespace]']],
  ] as readonly (readonly [string, readonly Body[], readonly string[]])[])(
    'judges a namespace %s',
    (_name, bodies, expected) => {
      expect(outcomesOf(RULE, bodies)).toEqual(expected);
    },
  );

  const unread = (reason: Unreadable['reason'], kind: string): Unreadable => ({
    what: kind,
    kind,
    namespace: null,
    reason,
    detail: 'x',
    position: null,
  });
  it.each([
    [
      'is not known where webhooks could not be read',
      unread('forbidden', 'MutatingWebhookConfiguration.admissionregistration.k8s.io'),
      'unknown',
    ],
    [
      'is not known where PeerAuthentications could not be read',
      unread('timeout', 'PeerAuthentication.security.istio.io'),
      'unknown',
    ],
    ['is known where Istio is not installed', unread('absent-kind', 'PeerAuthentication.security.istio.io'), 'fail'],
  ])('%s', (_name, unreadable, expected) => {
    const bodies = [namespace('ml'), deployment('api')];
    expect(outcomesOf(RULE, bodies, { unreadable: [unreadable] })).toEqual([`${expected} ml[Namespace]`]);
  });
});
