import { describe, expect, it } from 'vitest';
import type { Carrier } from '../../../src/audit/mesh/carrier.ts';
import {
  AMBIENT,
  configMap,
  custom,
  deployment,
  INJECTED,
  job,
  modesOf,
  namespace,
  peerAuthentication,
  PROXY,
  runningPod,
  settingOf,
  SIDECARS,
  type Body,
  type PodTerms,
  type Texts,
} from './setting.ts';

const API = 'ml/api[Deployment]';
const MAIN = { name: 'main', image: 'main:1', ports: [{ containerPort: 8080 }] };

function carrierOf(bodies: readonly Body[], ref = API): Carrier {
  const { mesh, workload } = settingOf(bodies);
  return mesh.carrierOf(workload(ref));
}

function kindOf(bodies: readonly Body[], ref = API): string {
  const carrier = carrierOf(bodies, ref);
  return carrier.kind === 'none' ? carrier.cause : carrier.kind;
}

describe('whether a sidecar is injected', () => {
  type Case = readonly [name: string, labels: Texts, pod: PodTerms, expected: string];
  const CASES: readonly Case[] = [
    ['nobody asks', {}, {}, 'not-enrolled'],
    ['the namespace asks', SIDECARS, {}, 'istio-sidecar'],
    ['the namespace refuses', { 'istio-injection': 'disabled' }, {}, 'not-enrolled'],
    ['the value in the namespace is none', { 'istio-injection': 'true' }, {}, 'not-enrolled'],
    ['the namespace names a revision', { 'istio.io/rev': 'canary' }, {}, 'istio-sidecar'],
    ['the pod names a revision', {}, { labels: { 'istio.io/rev': 'canary' } }, 'istio-sidecar'],
    ['the pod asks by its label', {}, { labels: { 'sidecar.istio.io/inject': 'true' } }, 'istio-sidecar'],
    [
      'the pod asks by its annotation, which no webhook sees',
      {},
      { annotations: { 'sidecar.istio.io/inject': 'true' } },
      'not-enrolled',
    ],
    ['the pod refuses by its label', SIDECARS, { labels: { 'sidecar.istio.io/inject': 'false' } }, 'opted-out'],
    [
      'the pod refuses by its annotation',
      SIDECARS,
      { annotations: { 'sidecar.istio.io/inject': 'false' } },
      'opted-out',
    ],
    ['the pod refuses with `no`', SIDECARS, { labels: { 'sidecar.istio.io/inject': 'no' } }, 'opted-out'],
    ['the pod refuses with nonsense', SIDECARS, { labels: { 'sidecar.istio.io/inject': 'maybe' } }, 'opted-out'],
    ['the pod asks with `on`', SIDECARS, { annotations: { 'sidecar.istio.io/inject': 'on' } }, 'istio-sidecar'],
    [
      'the pod says nothing with an empty label',
      SIDECARS,
      { labels: { 'sidecar.istio.io/inject': '' } },
      'istio-sidecar',
    ],
    [
      'the label counts for more than the annotation, when it asks',
      SIDECARS,
      { labels: { 'sidecar.istio.io/inject': 'true' }, annotations: { 'sidecar.istio.io/inject': 'false' } },
      'istio-sidecar',
    ],
    [
      'the label counts for more than the annotation, when it refuses',
      SIDECARS,
      { labels: { 'sidecar.istio.io/inject': 'false' }, annotations: { 'sidecar.istio.io/inject': 'true' } },
      'opted-out',
    ],
    [
      'the pod asks and the namespace refuses',
      { 'istio-injection': 'disabled' },
      { labels: { 'sidecar.istio.io/inject': 'true' } },
      'not-enrolled',
    ],
    [
      'the pod refuses and the namespace names a revision',
      { 'istio.io/rev': 'canary' },
      { labels: { 'sidecar.istio.io/inject': 'false' } },
      'opted-out',
    ],
    [
      'the namespace refuses and names a revision',
      { 'istio-injection': 'disabled', 'istio.io/rev': 'canary' },
      {},
      'not-enrolled',
    ],
    ['the namespace asks and names a revision', { ...SIDECARS, 'istio.io/rev': 'canary' }, {}, 'istio-sidecar'],
    ['the pod shares the network of its node', SIDECARS, { hostNetwork: true }, 'host-network'],
    [
      'the pod asks and shares the network of its node',
      SIDECARS,
      { hostNetwork: true, labels: { 'sidecar.istio.io/inject': 'true' } },
      'host-network',
    ],
    ['the pod is in ambient mode', AMBIENT, {}, 'istio-ambient'],
    ['the pod alone is in ambient mode', {}, { labels: AMBIENT }, 'istio-ambient'],
    ['the pod leaves ambient mode', AMBIENT, { labels: { 'istio.io/dataplane-mode': 'none' } }, 'opted-out'],
    ['ambient mode and the network of the node', AMBIENT, { hostNetwork: true }, 'host-network'],
    ['a sidecar comes before ambient mode', { ...AMBIENT, ...SIDECARS }, {}, 'istio-sidecar'],
    [
      'no sidecar, and ambient mode',
      { ...AMBIENT, ...SIDECARS },
      { labels: { 'sidecar.istio.io/inject': 'false' } },
      'istio-ambient',
    ],
    ['the mark of a sidecar without one keeps out of ambient mode', AMBIENT, { annotations: INJECTED }, 'opted-out'],
    ['an ambient mode that does not exist', { 'istio.io/dataplane-mode': 'sidecar' }, {}, 'not-enrolled'],
    [
      'the annotation of a captured pod in a template',
      {},
      { annotations: { 'ambient.istio.io/redirection': 'enabled' } },
      'not-enrolled',
    ],
    ['Linkerd asked by the pod', {}, { annotations: { 'linkerd.io/inject': 'enabled' } }, 'linkerd'],
    ['Linkerd as for an ingress', {}, { annotations: { 'linkerd.io/inject': 'ingress' } }, 'linkerd'],
    ['Linkerd refused', {}, { annotations: { 'linkerd.io/inject': 'disabled' } }, 'opted-out'],
    [
      'Linkerd in the network of the node',
      {},
      { hostNetwork: true, annotations: { 'linkerd.io/inject': 'enabled' } },
      'host-network',
    ],
  ];
  it.each(CASES)('%s', (_name, labels, pod, expected) => {
    expect(kindOf([namespace('ml', labels), deployment('api', pod)])).toBe(expected);
  });

  it.each(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage'])('not in %s', (name) => {
    const bodies = [namespace(name, SIDECARS), deployment('api', { namespace: name })];
    expect(kindOf(bodies, `${name}/api[Deployment]`)).toBe('ignored-namespace');
  });

  it('takes Linkerd from the namespace, and the pod before it', () => {
    const linkerd = namespace('ml', {}, { 'linkerd.io/inject': 'enabled' });
    expect(kindOf([linkerd, deployment('api')])).toBe('linkerd');
    expect(kindOf([linkerd, deployment('api', { annotations: { 'linkerd.io/inject': 'disabled' } })])).toBe(
      'opted-out',
    );
  });

  /** The rules of the documentation: any "disabled" wins, then any "enabled"; and with neither the default, which is no. */
  it('agrees with the truth table of the documentation for all labels', () => {
    for (const injection of [undefined, 'enabled', 'disabled']) {
      for (const revision of [undefined, 'canary']) {
        for (const label of [undefined, 'true', 'false']) {
          for (const ownRevision of [undefined, 'canary']) {
            const labels = texts({ 'istio-injection': injection, 'istio.io/rev': revision });
            const pod = texts({ 'sidecar.istio.io/inject': label, 'istio.io/rev': ownRevision });
            const isDisabled = injection === 'disabled' || label === 'false';
            const isEnabled =
              injection === 'enabled' || label === 'true' || revision !== undefined || ownRevision !== undefined;
            const kind = kindOf([namespace('ml', labels), deployment('api', { labels: pod })]);
            expect([labels, pod, kind === 'istio-sidecar']).toEqual([labels, pod, !isDisabled && isEnabled]);
          }
        }
      }
    }
  });

  function texts(entries: Readonly<Record<string, string | undefined>>): Texts {
    return Object.fromEntries(
      Object.entries(entries).flatMap(([key, text]) => (text === undefined ? [] : [[key, text]])),
    );
  }

  it('is not known where the labels of the namespace are not', () => {
    expect(kindOf([deployment('api')])).toBe('unknown');
    expect(kindOf([deployment('api', { labels: { 'sidecar.istio.io/inject': 'false' } })])).toBe('opted-out');
    expect(kindOf([deployment('api', { annotations: { 'sidecar.istio.io/inject': 'false' } })])).toBe('opted-out');
    expect(kindOf([deployment('api', { labels: { 'sidecar.istio.io/inject': 'true' } })])).toBe('istio-sidecar');
    expect(kindOf([deployment('api', { hostNetwork: true })])).toBe('host-network');
    expect(kindOf([deployment('api', { labels: AMBIENT })])).toBe('istio-ambient');
    expect(kindOf([deployment('api', { annotations: { 'linkerd.io/inject': 'enabled' } })])).toBe('linkerd');
  });

  describe('by an injector that is given', () => {
    const injector = (config: string): Body => configMap('istio-system/istio-sidecar-injector', { config });
    it.each([
      [
        'NeverInject refuses',
        'policy: enabled\nneverInjectSelector: [{ matchLabels: { app: api } }]\n',
        {},
        'not-enrolled',
      ],
      [
        'NeverInject of others does not',
        'policy: enabled\nneverInjectSelector: [{ matchLabels: { app: other } }]\n',
        {},
        'istio-sidecar',
      ],
      ['an empty NeverInject refuses nobody', 'policy: enabled\nneverInjectSelector: [{}]\n', {}, 'istio-sidecar'],
      [
        'the pod counts for more than NeverInject',
        'policy: enabled\nneverInjectSelector: [{ matchLabels: { app: api } }]\n',
        { 'sidecar.istio.io/inject': 'true' },
        'istio-sidecar',
      ],
      ['policy disabled injects nobody who does not ask', 'policy: disabled\n', {}, 'not-enrolled'],
      [
        'policy disabled injects who asks',
        'policy: disabled\n',
        { 'sidecar.istio.io/inject': 'true' },
        'istio-sidecar',
      ],
      [
        'AlwaysInject comes before the policy',
        'policy: disabled\nalwaysInjectSelector: [{ matchLabels: { app: api } }]\n',
        {},
        'istio-sidecar',
      ],
      [
        'NeverInject comes before AlwaysInject',
        'policy: disabled\nalwaysInjectSelector: [{ matchLabels: { app: api } }]\nneverInjectSelector: [{ matchExpressions: [{ key: app, operator: Exists }] }]\n',
        {},
        'not-enrolled',
      ],
    ])('%s', (_name, config, labels, expected) => {
      const bodies = [
        namespace('ml', SIDECARS),
        deployment('api', { labels: { app: 'api', ...labels } }),
        injector(config),
      ];
      expect(kindOf(bodies)).toBe(expected);
    });

    it('is known to refuse what its own selector cannot be read for', () => {
      const config = 'policy: enabled\nneverInjectSelector: [{ matchExpressions: [{ key: app, operator: Like }] }]\n';
      expect(kindOf([namespace('ml', SIDECARS), deployment('api'), injector(config)])).toBe('unknown');
    });
  });

  describe('by webhooks that are given', () => {
    const webhook = (namespaceSelector: Body, objectSelector: Body = {}): Body => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'istio-sidecar-injector' },
      webhooks: [{ name: 'rev.namespace.sidecar-injector.istio.io', namespaceSelector, objectSelector }],
    });
    const everywhere = webhook({
      matchExpressions: [{ key: 'istio-injection', operator: 'NotIn', values: ['disabled'] }],
    });
    const canary = webhook({ matchLabels: { 'istio.io/rev': 'canary' } });

    it.each([
      ['injects everywhere where it is set up to', everywhere, {}, 'istio-sidecar'],
      ['does not inject where that is refused', everywhere, { 'istio-injection': 'disabled' }, 'not-enrolled'],
      ['does not inject for a revision that nobody installed', canary, { 'istio.io/rev': 'stable' }, 'not-enrolled'],
      ['injects for a revision that is installed', canary, { 'istio.io/rev': 'canary' }, 'istio-sidecar'],
      ['does not inject by the usual label where no webhook looks at it', canary, SIDECARS, 'not-enrolled'],
    ])('%s', (_name, hook, labels, expected) => {
      expect(kindOf([namespace('ml', labels), deployment('api'), hook])).toBe(expected);
    });

    it('does not know of a namespace that is not given', () => {
      expect(kindOf([deployment('api'), canary])).toBe('unknown');
    });

    it('takes no notice of webhooks of others', () => {
      const other = custom('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', '/other', {});
      const hook = { ...other, metadata: { name: 'other' }, webhooks: [{ name: 'other.example.com' }] };
      expect(kindOf([namespace('ml', SIDECARS), deployment('api'), hook])).toBe('istio-sidecar');
    });
  });
});

describe('what running pods show', () => {
  const owner = { owner: 'api', labels: { app: 'api' } };
  const api = { ...deployment('api'), metadata: { name: 'api', namespace: 'ml', uid: 'uid-api' } };
  const withSidecar = { ...owner, annotations: INJECTED, containers: [MAIN, PROXY] };

  it('S13 sees a native sidecar among the init containers', () => {
    const native = { ...PROXY, restartPolicy: 'Always' };
    const pod = runningPod('api-1', { annotations: INJECTED, containers: [MAIN], initContainers: [native] });
    expect(carrierOf([namespace('ml', SIDECARS), pod], 'ml/api-1[Pod]')).toMatchObject({
      kind: 'istio-sidecar',
      isObserved: true,
    });
  });

  it('S13 does not take an init container that ends for a sidecar', () => {
    const pod = runningPod('api-1', { annotations: INJECTED, containers: [MAIN], initContainers: [PROXY] });
    expect(kindOf([namespace('ml', SIDECARS), pod], 'ml/api-1[Pod]')).toBe('not-injected');
  });

  it('S13 sees ambient mode by what the CNI left in the pod', () => {
    const annotations = { 'ambient.istio.io/redirection': 'enabled' };
    const pod = runningPod('api-1', { annotations });
    expect(carrierOf([namespace('ml', AMBIENT), pod], 'ml/api-1[Pod]')).toMatchObject({
      kind: 'istio-ambient',
      isObserved: true,
    });
    expect(kindOf([namespace('ml', AMBIENT), runningPod('api-1')], 'ml/api-1[Pod]')).toBe('not-injected');
  });

  it('S13 sees a native sidecar in the manifest of a pod', () => {
    const native = { ...PROXY, restartPolicy: 'Always' };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'ml', annotations: INJECTED },
      spec: { initContainers: [native], containers: [MAIN] },
    };
    expect(kindOf([pod], 'ml/p[Pod]')).toBe('istio-sidecar');
  });

  type Case = readonly [name: string, pods: readonly Body[], expected: string];
  const CASES: readonly Case[] = [
    ['no pods yet: what the labels say', [], 'istio-sidecar'],
    ['a sidecar in every pod', [runningPod('api-1', withSidecar), runningPod('api-2', withSidecar)], 'istio-sidecar'],
    ['a sidecar in no pod', [runningPod('api-1', owner), runningPod('api-2', owner)], 'not-injected'],
    ['a sidecar in some pods', [runningPod('api-1', withSidecar), runningPod('api-2', owner)], 'not-injected'],
    [
      'S14 the name without the mark of the injector',
      [runningPod('api-1', { ...owner, containers: [MAIN, PROXY] })],
      'not-injected',
    ],
    [
      'S14 the name and the mark with another image',
      [runningPod('api-1', { ...withSidecar, containers: [MAIN, { name: 'istio-proxy', image: 'busybox:1' }] })],
      'not-injected',
    ],
    ['S14 the mark without the container', [runningPod('api-1', { ...owner, annotations: INJECTED })], 'not-injected'],
    [
      'S14 an envoy-sidecar',
      [
        runningPod('api-1', {
          ...owner,
          containers: [MAIN, { name: 'envoy-sidecar', image: 'envoyproxy/envoy:v1.30' }],
        }),
      ],
      'not-injected',
    ],
    [
      'pods of two meshes',
      [
        runningPod('api-1', withSidecar),
        runningPod('api-2', { ...owner, annotations: { 'ambient.istio.io/redirection': 'enabled' } }),
      ],
      'unknown',
    ],
  ];
  it.each(CASES)('%s', (_name, pods, expected) => {
    expect(kindOf([namespace('ml', SIDECARS), api, ...pods])).toBe(expected);
  });

  it('says what differs from what the labels say', () => {
    const carrier = carrierOf([
      namespace('ml', SIDECARS),
      api,
      runningPod('api-1', owner),
      runningPod('api-2', withSidecar),
    ]);
    expect(carrier.reason).toBe('1 of its 2 pods runs without a proxy');
    const none = carrierOf([namespace('ml', SIDECARS), api, runningPod('api-1', owner)]);
    expect(none.reason).toBe('1 pod runs without a proxy, although label `istio-injection: enabled` of namespace ml');
  });

  it.each([
    ['its uid', { metadata: { name: 'api-1', namespace: 'ml', uid: 'u' } }, 'not-injected'],
    ['its phase', { status: { phase: 'Running' } }, 'not-injected'],
    ['its node', { spec: { nodeName: 'n1', containers: [MAIN] } }, 'not-injected'],
    ['nothing', {}, 'istio-sidecar'],
  ])('takes a pod for one that runs by %s', (_name, extra, expected) => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'api-1', namespace: 'ml' },
      spec: { containers: [MAIN] },
      ...extra,
    };
    expect(kindOf([namespace('ml', SIDECARS), pod], 'ml/api-1[Pod]')).toBe(expected);
  });

  it('believes pods before labels', () => {
    expect(kindOf([namespace('ml'), api, runningPod('api-1', withSidecar)])).toBe('istio-sidecar');
  });

  it.each([
    ['docker.io/istio/proxyv2:1.27.0', true],
    ['istio/proxyv2:1.27.0-distroless', true],
    ['registry.example:5000/mirror/proxyv2@sha256:0123', true],
    ['registry.redhat.io/openshift-service-mesh/proxyv2-rhel9:2.6', true],
    ['registry.redhat.io/openshift-service-mesh/istio-proxyv2-rhel9:3.0', true],
    ['istio/proxy:1.27', false],
    ['evil/notproxyv2:1', false],
    ['proxyv2/evil:1', false],
    ['busybox', false],
  ])('S14 takes %s for the image of a proxy: %s', (image, expected) => {
    const pod = runningPod('api-1', { annotations: INJECTED, containers: [MAIN, { name: 'istio-proxy', image }] });
    expect(kindOf([namespace('ml', SIDECARS), pod], 'ml/api-1[Pod]') === 'istio-sidecar').toBe(expected);
  });

  it.each([
    ['registry.example/istio/proxyv2:1.26.1', true],
    ['docker.io/istio/proxyv2:1.27.0', false],
    ['registry.example/evil/proxyv2:1.26.1', false],
  ])('S14 takes the image that the injector is set up with, %s: %s', (image, expected) => {
    const injector = configMap('istio-system/istio-sidecar-injector', {
      config: 'policy: enabled\n',
      values: '{"global":{"hub":"registry.example/istio","proxy":{"image":"proxyv2"}}}',
    });
    const pod = runningPod('api-1', { annotations: INJECTED, containers: [MAIN, { name: 'istio-proxy', image }] });
    expect(kindOf([namespace('ml', SIDECARS), injector, pod], 'ml/api-1[Pod]') === 'istio-sidecar').toBe(expected);
  });

  it.each([
    ['cr.l5d.io/linkerd/proxy:edge-25.1.1', { 'linkerd.io/proxy-version': 'edge-25.1.1' }, 'linkerd'],
    ['cr.l5d.io/linkerd/proxy:edge-25.1.1', {}, 'not-enrolled'],
    ['busybox', { 'linkerd.io/proxy-version': 'edge-25.1.1' }, 'not-enrolled'],
  ])("S14 wants Linkerd's image and mark: %s %j", (image, annotations, expected) => {
    const pod = runningPod('api-1', { annotations, containers: [MAIN, { name: 'linkerd-proxy', image }] });
    expect(kindOf([namespace('ml'), pod], 'ml/api-1[Pod]')).toBe(expected);
  });
});

describe('rows of audit mtls', () => {
  it('have every port once, in order, and name what decided', () => {
    const bodies = [
      namespace('ml', SIDECARS),
      namespace('other'),
      deployment('api', { ports: [9090, 8080, { containerPort: 53, protocol: 'UDP' }] }),
      deployment('bare', { namespace: 'other' }),
      job('train'),
      peerAuthentication('ml/default', { mode: 'STRICT' }),
    ];
    expect(modesOf(bodies)).toEqual({
      'ml/api[Deployment]:8080': 'STRICT',
      'ml/api[Deployment]:9090': 'STRICT',
      'ml/train[Job]:any': 'STRICT',
      'other/bare[Deployment]:8080': 'DISABLE',
    });
  });

  it('have no ports of proxies', () => {
    const proxy = { ...PROXY, ports: [{ containerPort: 15_090 }] };
    const pod = runningPod('api-1', { annotations: INJECTED, containers: [MAIN, proxy] });
    expect(Object.keys(modesOf([namespace('ml', SIDECARS), pod]))).toEqual(['ml/api-1[Pod]:8080']);
  });

  it('have ports to which only a Service leads', () => {
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'api', namespace: 'ml' },
      spec: {
        selector: { app: 'api' },
        ports: [{ port: 80, targetPort: 5000 }, { port: 81, targetPort: 'http' }, { port: 82 }],
      },
    };
    const named = { name: 'http', containerPort: 8000 };
    expect(Object.keys(modesOf([namespace('ml', SIDECARS), deployment('api', { ports: [named] }), service]))).toEqual([
      'ml/api[Deployment]:82',
      'ml/api[Deployment]:5000',
      'ml/api[Deployment]:8000',
    ]);
  });

  it('say DISABLE of what is in no mesh, and UNKNOWN where that is not known', () => {
    expect(modesOf([namespace('ml'), deployment('api')])).toEqual({ [`${API}:8080`]: 'DISABLE' });
    expect(modesOf([deployment('api')])).toEqual({ [`${API}:8080`]: 'UNKNOWN' });
  });

  it('follow policies for a namespace that is not given, and say what they take for granted', () => {
    const { mesh, workload } = settingOf([deployment('api'), peerAuthentication('ml/default', { mode: 'STRICT' })]);
    expect(mesh.mtlsMode(workload(API), 8080)).toMatchObject({
      mode: 'STRICT',
      assumption: 'provided that it is in the mesh: the labels of namespace ml are not known',
    });
  });

  it('have a port that a policy names although only UDP is declared there', () => {
    const policy = peerAuthentication('ml/api', { selector: { app: 'api' }, ports: { 53: 'STRICT', 8080: 'STRICT' } });
    const dns = deployment('api', { ports: [8080, { containerPort: 53, protocol: 'UDP' }] });
    expect(modesOf([namespace('ml', SIDECARS), dns, policy])).toEqual({
      [`${API}:53`]: 'STRICT',
      [`${API}:8080`]: 'STRICT',
    });
  });

  it('say UNKNOWN of gateways that were set up by hand', () => {
    const router = { ...PROXY, args: ['proxy', 'router', '--domain', 'x'], ports: [{ containerPort: 8443 }] };
    const gateway = deployment('gateway', { annotations: INJECTED, containers: [router] });
    expect(modesOf([namespace('ml', SIDECARS), gateway])).toEqual({ 'ml/gateway[Deployment]:any': 'UNKNOWN' });
    const sidecar = deployment('api', {
      annotations: INJECTED,
      containers: [MAIN, { ...PROXY, args: ['proxy', 'sidecar'] }],
    });
    expect(modesOf([namespace('ml', SIDECARS), sidecar])).toEqual({ [`${API}:8080`]: 'PERMISSIVE' });
  });

  it('say UNKNOWN of gateways', () => {
    const gateway = deployment('gateway', {
      annotations: { 'inject.istio.io/templates': 'gateway' },
      containers: [{ name: 'istio-proxy', image: 'auto', ports: [{ containerPort: 8443 }] }],
    });
    expect(modesOf([namespace('ml', SIDECARS), gateway])).toEqual({ 'ml/gateway[Deployment]:8443': 'UNKNOWN' });
  });

  it('take DISABLE in ambient mode for PERMISSIVE, which ztunnel cannot do without', () => {
    const bodies = [namespace('ml', AMBIENT), deployment('api'), peerAuthentication('ml/default', { mode: 'DISABLE' })];
    expect(modesOf(bodies)).toEqual({ [`${API}:8080`]: 'PERMISSIVE' });
  });
});
