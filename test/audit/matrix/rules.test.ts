import { describe, expect, it } from 'vitest';
import { describeAccess } from '../../../src/audit/matrix/component-graph.ts';
import { namespace, networkPolicy, pod, clusterFrom, type Body } from '../network/scene.ts';
import { objectsOf } from '../inventory.ts';
import { accessFor, linesOf, policyOf, verdictsOf } from './setting.ts';

const POLICY = policyOf(['training', 'registry', 'inference'], '  training: { allow: [registry] }');
const NAMESPACES = ['training', 'registry', 'inference'].map((name) => namespace(name));
const TRAINER = pod('training/job', { labels: { app: 'job' }, ports: [['http', 9000]] });
const REGISTRY = pod('registry/api', { labels: { app: 'api' }, ports: [['http', 8080]] });
const SERVER = pod('inference/llm', { labels: { app: 'llm' }, ports: [['http', 8000]] });

function closed(place: string, from: readonly string[] = []): Body {
  const peers = from.map((name) => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } }));
  const ingress = peers.length === 0 ? [] : [{ from: peers }];
  return networkPolicy(`${place}/closed`, { podSelector: {}, policyTypes: ['Ingress'], ingress });
}

function lines(
  rule: string,
  bodies: readonly Body[],
  terms: Partial<Parameters<typeof linesOf>[2]> = {},
): readonly string[] {
  return linesOf(rule, clusterFrom([...NAMESPACES, ...bodies]), { policy: POLICY, ...terms });
}

const ISTIO = { 'istio-injection': 'enabled' };
const MESHED = ['training', 'registry', 'inference'].map((name) => namespace(name, ISTIO));
const STRICT: Body = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { namespace: 'istio-system', name: 'default' },
  spec: { mtls: { mode: 'STRICT' } },
};

function authorization(place: string, namespaces: readonly string[]): Body {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { namespace: place, name: 'callers' },
    spec: { action: 'ALLOW', rules: [{ from: [{ source: { namespaces } }] }] },
  };
}

/** A registry behind Sallyport; `host` is where the service itself listens. */
function guarded({ host = '127.0.0.1', mode = 'enforce' } = {}): readonly Body[] {
  const config = `trustDomain: ai.example\npolicy: { path: p, mode: ${mode} }\nlisteners:\n  - { name: api, bind: "0.0.0.0:8443", component: registry, upstream: "http://127.0.0.1:5000" }\n`;
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'registry', name: 'sallyport' },
      data: { 'sallyport.yaml': config },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'registry', name: 'api', labels: { app: 'api' } },
      spec: {
        containers: [
          {
            name: 'sallyport',
            image: 'registry.example/sallyport:1',
            args: ['run', '--config', '/etc/sallyport/config/sallyport.yaml'],
            ports: [{ containerPort: 8443 }],
            volumeMounts: [{ name: 'config', mountPath: '/etc/sallyport/config' }],
          },
          { name: 'api', image: 'api:1', args: [`--host=${host}`, '--port=5000'] },
        ],
        volumes: [{ name: 'config', configMap: { name: 'sallyport' } }],
      },
    },
  ];
}

describe('matrix-hole', () => {
  it('names who gets in, through which rule of which policy', () => {
    const cluster = clusterFrom([...NAMESPACES, TRAINER, SERVER, closed('inference', ['training'])]);
    const [verdict] = verdictsOf('matrix-hole', cluster, { policy: POLICY });
    expect(verdict?.detail).toContain('training/job[Pod] → inference/llm[Pod] : TCP 8000');
    expect(verdict?.detail).toContain('ingress: inference/closed[NetworkPolicy] spec.ingress[0] allows TCP 8000');
    expect(verdict?.detail).toContain('egress: no policy isolates training/job[Pod]');
  });

  it.each<[string, readonly Body[], readonly string[]]>([
    [
      'an open target',
      [TRAINER, SERVER],
      [
        'fail inference/llm[Pod] training',
        'fail training/job[Pod] inference',
        'unknown inference/llm[Pod] port-undeclared',
        'unknown training/job[Pod] port-undeclared',
      ],
    ],
    [
      'a closed one',
      [TRAINER, SERVER, closed('inference'), closed('training')],
      ['pass inference/llm[Pod]', 'pass training/job[Pod]'],
    ],
    [
      'what the matrix grants',
      [TRAINER, REGISTRY, closed('training')],
      ['pass registry/api[Pod]', 'pass training/job[Pod]'],
    ],
    ['nobody who could ask', [SERVER], []],
    [
      'a pod without ports, which may listen on any',
      [TRAINER, pod('inference/llm', { labels: { app: 'llm' } }), closed('training')],
      ['fail inference/llm[Pod] training', 'pass training/job[Pod]'],
    ],
  ])('judges %s', (_what, bodies, expected) => {
    expect(lines('matrix-hole', bodies)).toEqual(expected);
  });

  const SSH = networkPolicy('inference/ssh', { podSelector: {}, ingress: [{ ports: [{ port: 22 }] }] });
  it('does not pass where the network lets through to ports that nobody declares', () => {
    const bodies = [TRAINER, SERVER, closed('inference'), closed('training'), SSH];
    expect(lines('matrix-hole', bodies)).toEqual([
      'pass training/job[Pod]',
      'unknown inference/llm[Pod] port-undeclared',
    ]);
    const graph = describeAccess(accessFor(clusterFrom([...NAMESPACES, ...bodies]), POLICY));
    expect(graph.edges.find(({ from, to }) => from === 'training' && to === 'inference')).toMatchObject({
      state: 'unknown',
      ports: ['undeclared TCP 22'],
      why: ['whether anybody listens on ports that no container declares is not known'],
    });
  });

  it('counts undeclared ports of other protocols, but where more than the network guards', () => {
    const udp = { ...SSH, spec: { podSelector: {}, ingress: [{ ports: [{ port: 53, protocol: 'UDP' }] }] } };
    const bodies = [TRAINER, SERVER, closed('inference'), closed('training'), udp];
    expect(lines('matrix-hole', bodies)).toContain('unknown inference/llm[Pod] port-undeclared');
    const meshed = [...MESHED, SERVER, STRICT, authorization('inference', ['registry']), udp, TRAINER];
    expect(linesOf('matrix-hole', clusterFrom(meshed), { policy: POLICY })).toContain('pass inference/llm[Pod]');
  });

  it('asks the mesh about undeclared ports too', () => {
    const bodies = [...MESHED, TRAINER, SERVER, closed('inference'), SSH];
    const judged = (more: readonly Body[]): readonly string[] =>
      linesOf('matrix-hole', clusterFrom([...bodies, ...more]), { policy: POLICY });
    expect(judged([])).toContain('unknown inference/llm[Pod] port-undeclared');
    expect(judged([STRICT, authorization('inference', ['registry'])])).toContain('pass inference/llm[Pod]');
  });

  it('is of medium severity between workloads of one component', () => {
    const twin = pod('inference/twin', { labels: { app: 'twin' } });
    expect(lines('matrix-hole', [SERVER, twin])).toEqual([
      'fail medium inference/llm[Pod] inference',
      'fail medium inference/twin[Pod] inference',
      'unknown inference/llm[Pod] port-undeclared',
    ]);
  });

  it('does not know what is denied where no CNI shows, and knows what is open', () => {
    const bodies = [TRAINER, SERVER, closed('inference')];
    expect(lines('matrix-hole', bodies, { cni: null })).toEqual([
      'fail training/job[Pod] inference',
      'unknown inference/llm[Pod] cni-unknown',
      'unknown training/job[Pod] port-undeclared',
    ]);
  });

  it('finds what nothing enforces', () => {
    const bodies = [TRAINER, SERVER, closed('inference')];
    expect(lines('matrix-hole', bodies, { cni: 'flannel' })).toContain('fail inference/llm[Pod] training');
  });

  it('takes a deny for stronger than an allow', () => {
    const policy = policyOf(['training', 'registry'], '  training: { allow: [registry], deny: [registry] }');
    expect(lines('matrix-hole', [TRAINER, REGISTRY, closed('training')], { policy })).toContain(
      'fail registry/api[Pod] training',
    );
  });

  it('takes a granted connection for a grant, and a denied one for none', () => {
    const names = ['training', 'registry'];
    const granting = policyOf(names, '  training: { allow: [{ registry: [connect] }] }');
    const bodies = [TRAINER, REGISTRY, closed('training')];
    expect(lines('matrix-hole', bodies, { policy: granting })).not.toContain('fail registry/api[Pod] training');
    const { edges } = describeAccess(accessFor(clusterFrom([...NAMESPACES, ...bodies]), granting));
    expect(edges.find(({ from, to }) => from === 'training' && to === 'registry')?.verbs).toEqual(['connect']);
    const denying = policyOf(names, '  training: { allow: [{ registry: [connect] }], deny: [registry] }');
    expect(lines('matrix-hole', bodies, { policy: denying })).toContain('fail registry/api[Pod] training');
  });

  it('proposes a policy that lets nobody in who was not let in before, also whom the matrix grants it', () => {
    const peer = {
      namespaceSelector: {},
      podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
    };
    const bodies = [
      REGISTRY,
      TRAINER,
      pod('training/notebook'),
      pod('inference/batch'),
      networkPolicy('registry/some', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [peer] }] }),
    ];
    const verdicts = verdictsOf('matrix-hole', clusterFrom([...NAMESPACES, ...bodies]), { policy: POLICY });
    const manifest = verdicts.find(({ resource }) => resource.ref === 'registry/api[Pod]')?.remediation.manifest ?? '';
    const proposed = objectsOf(manifest).find(({ body }) => (body as Body).metadata.name?.startsWith('matrix-'));
    const body = proposed?.body as Body | undefined;
    expect(body?.['spec']).toMatchObject({
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'training' } },
              podSelector: peer.podSelector,
            },
          ],
        },
      ],
    });
  });

  it('says nothing without a matrix', () => {
    expect(lines('matrix-hole', [TRAINER, SERVER], { policy: null })).toEqual([]);
  });
});

describe('matrix-breakage', () => {
  it.each<[string, readonly Body[], readonly string[]]>([
    ['what is granted and arrives', [TRAINER, REGISTRY], ['pass registry/api[Pod]']],
    ['what is granted and blocked', [TRAINER, REGISTRY, closed('registry')], ['fail registry/api[Pod] training']],
    ['what nobody is granted', [TRAINER, SERVER, closed('inference')], []],
    [
      'one port of two',
      [
        TRAINER,
        pod('registry/api', {
          labels: { app: 'api' },
          ports: [
            ['http', 8080],
            ['metrics', 9090],
          ],
        }),
        networkPolicy('registry/http', { podSelector: {}, ingress: [{ ports: [{ port: 8080 }] }] }),
      ],
      ['fail low registry/api[Pod] training'],
    ],
  ])('judges %s', (_what, bodies, expected) => {
    expect(lines('matrix-breakage', bodies)).toEqual(expected);
  });

  it('proposes a policy that opens the way and nothing else', () => {
    const cluster = clusterFrom([...NAMESPACES, TRAINER, REGISTRY, closed('registry')]);
    const [verdict] = verdictsOf('matrix-breakage', cluster, { policy: POLICY });
    expect(verdict?.detail).toContain('registry/closed[NetworkPolicy] spec isolates the pod');
    expect(verdict?.remediation.manifest).toContain('port: 8080');
    expect(verdict?.remediation.manifest).toContain('app: job');
  });

  it('finds what the mesh blocks', () => {
    const bodies = [...MESHED, TRAINER, REGISTRY, STRICT, authorization('registry', ['inference'])];
    expect(lines('matrix-breakage', bodies)).toEqual(['fail registry/api[Pod] training']);
  });
});

describe('layers', () => {
  it('tells a hole that Sallyport alone holds from an open one', () => {
    const bodies = [...guarded(), SERVER, closed('inference')];
    expect(lines('matrix-hole', bodies)).toEqual(['pass inference/llm[Pod]', 'pass registry/api[Pod]']);
    expect(lines('matrix-single-layer', bodies)).toEqual([
      'fail low inference/llm[Pod] network',
      'fail medium registry/api[Pod] sallyport',
    ]);
  });

  it('finds the hole beside Sallyport, where the service can be reached around it', () => {
    const bodies = [...guarded({ host: '0.0.0.0' }), SERVER, closed('inference')];
    const found = verdictsOf('matrix-hole', clusterFrom([...NAMESPACES, ...bodies]), { policy: POLICY });
    expect(found.map(({ verdict, evidence }) => [verdict, evidence['ports']])).toContainEqual(['fail', ['TCP 5000']]);
  });

  it('finds the hole where Sallyport is in shadow', () => {
    const bodies = [...guarded({ mode: 'shadow' }), SERVER, closed('inference')];
    expect(lines('matrix-hole', bodies)).toContain('fail registry/api[Pod] inference');
  });

  it.each<[string, readonly Body[], readonly string[]]>([
    [
      'the network and Sallyport',
      [...NAMESPACES, ...guarded(), SERVER, closed('registry'), closed('inference')],
      ['fail low inference/llm[Pod] network', 'pass registry/api[Pod]'],
    ],
    [
      "the mesh's policies alone",
      [...MESHED, REGISTRY, SERVER, STRICT, authorization('registry', ['training']), closed('inference')],
      ['fail low inference/llm[Pod] network', 'fail medium registry/api[Pod] mesh-authorization'],
    ],
    [
      'mutual TLS alone, of a caller in no mesh',
      [namespace('registry', ISTIO), namespace('inference'), REGISTRY, SERVER, STRICT, closed('inference')],
      ['fail low inference/llm[Pod] network', 'fail medium registry/api[Pod] mtls'],
    ],
  ])('counts %s', (_what, bodies, expected) => {
    expect(linesOf('matrix-single-layer', clusterFrom(bodies), { policy: POLICY })).toEqual(expected);
  });

  it('finds a policy that lets in whom Sallyport keeps out, and none where the network says nothing', () => {
    const open = [...guarded(), SERVER, closed('inference')];
    expect(lines('matrix-layers-disagree', open)).toContain('pass registry/api[Pod]');
    expect(lines('matrix-layers-disagree', [...open, closed('registry', ['inference'])])).toContain(
      'fail registry/api[Pod] inference',
    );
  });

  it('is not misled by policies about identities where plaintext is taken', () => {
    const bodies = [...MESHED, REGISTRY, SERVER, closed('inference')];
    const denying = {
      ...authorization('registry', ['inference']),
      spec: { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['inference'] } }] }] },
    };
    expect(lines('matrix-hole', [...bodies, denying])).toContain('fail registry/api[Pod] inference');
    expect(lines('matrix-hole', [...bodies, denying, STRICT])).toContain('pass registry/api[Pod]');
  });
});

describe('matrix-reach', () => {
  const hop = [TRAINER, REGISTRY, SERVER, closed('inference', ['registry']), closed('training')];

  it('follows what is open over several hops, and names the change that saves most', () => {
    const [first] = verdictsOf('matrix-reach', clusterFrom([...NAMESPACES, ...hop]), { policy: POLICY });
    expect(first?.resource.ref).toBe('training[Component]');
    expect(first?.detail).toContain('inference by training/job[Pod] → registry/api[Pod] → inference/llm[Pod]');
    expect(first?.detail).toContain('keeping registry from inference saves 1 of 2 workloads');
    expect(first?.resource.locate([])?.line).toBe(4);
  });

  it('passes what leads no further than the matrix does, and does not know what is not known', () => {
    const bodies = [TRAINER, REGISTRY, closed('training')];
    expect(lines('matrix-reach', bodies)).toEqual(['pass registry[Component]', 'pass training[Component]']);
    expect(lines('matrix-reach', bodies, { cni: null })).toContain('unknown registry[Component]');
  });

  it('goes on with changes that promise less than the first, while they may save more than it does', () => {
    const names = ['a', 'b', 'c', 'd'];
    const bodies = [
      ...names.map((name) => namespace(name)),
      ...['a/one', 'b/one', 'c/one', 'd/one', 'd/two', 'd/three'].map((place) =>
        pod(place, { labels: { app: place.replace('/', '-') }, ports: [['http', 80]] }),
      ),
      closed('a'),
      closed('b', ['a']),
      closed('c', ['a']),
      // Found by way of b, and open by way of c as well: what keeps a from b saves b alone.
      closed('d', ['b', 'c']),
    ];
    const { spreads } = describeAccess(accessFor(clusterFrom(bodies), policyOf(names, '')));
    expect(spreads.find(({ component }) => component === 'a')?.cut).toEqual({
      kind: 'isolate',
      from: null,
      to: 'd',
      saved: 3,
      isBest: true,
    });
  });

  it('goes through workloads of no component', () => {
    const bodies = [
      TRAINER,
      SERVER,
      pod('ops/jump', { labels: { app: 'jump' } }),
      closed('training'),
      closed('inference', ['ops']),
    ];
    const [first] = verdictsOf('matrix-reach', clusterFrom([...NAMESPACES, namespace('ops'), ...bodies]), {
      policy: POLICY,
    });
    expect(first?.detail).toContain('training/job[Pod] → ops/jump[Pod] → inference/llm[Pod]');
  });
});

describe('a workload of two components', () => {
  const options = { componentLabel: 'component' };
  const both = pod('training/job', { labels: { component: 'inference' }, ports: [['http', 9000]] });

  it('is held to each', () => {
    expect(lines('matrix-hole', [both, REGISTRY], { options })).toEqual(
      expect.arrayContaining(['fail registry/api[Pod] inference', 'fail training/job[Pod] registry']),
    );
    const access = accessFor(clusterFrom([...NAMESPACES, both, REGISTRY]), POLICY, 'standard', options);
    const graph = describeAccess(access);
    expect(graph.nodes.filter(({ workloads }) => workloads.includes('training/job[Pod]'))).toHaveLength(2);
    expect(graph.edges.flatMap(({ why }) => why).join()).not.toContain('no workload of training');
    expect(graph.unmapped).toEqual(['training/job[Pod]']);
    // What falls as one falls as the other, and counts once.
    const first = graph.spreads.find(({ component }) => component === 'training');
    expect(first?.reached.map(({ component }) => component).sort()).toEqual(['inference', 'registry']);
  });
});

describe('matrix-component', () => {
  it('tells workloads of none or of two components, and components without a workload', () => {
    const bodies = [
      pod('training/job', { labels: { component: 'inference' } }),
      pod('inference/llm', { labels: { component: 'inference' } }),
      pod('ops/jump'),
      pod('kube-system/dns'),
    ];
    expect(lines('matrix-component', bodies, { options: { componentLabel: 'component' } })).toEqual([
      'pass inference/llm[Pod]',
      'unknown ops/jump[Pod]',
      'unknown registry[Component]',
      'unknown training/job[Pod]',
    ]);
  });

  it.each([
    ['/ns/{namespace}/sa/{serviceAccount}', 'pass'],
    ['/ns/{label:team}/sa/x', 'pass'],
    ['/ns/{label:absent}/sa/x', 'unknown'],
    ['/ns/{name}/sa/x', 'unknown'],
  ])('makes the SPIFFE ID by the template %s', (spiffeIdTemplate, verdict) => {
    const bodies = [pod('training/job', { labels: { team: 'training' } })];
    const first = lines('matrix-component', bodies, { options: { spiffeIdTemplate } }).find((line) =>
      line.includes('[Pod]'),
    );
    expect(first).toBe(`${verdict} training/job[Pod]`);
  });
});
