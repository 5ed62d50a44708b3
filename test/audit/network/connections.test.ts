import { describe, expect, it } from 'vitest';
import { keyOfBounds } from '../../../src/audit/network/bounds.ts';
import { formatConnections } from '../../../src/audit/network/connections.ts';
import { connectivity } from '../../../src/audit/network/connectivity.ts';
import { clusterOf, inventoryOf } from '../inventory.ts';
import { buildCluster } from '../../../src/audit/cluster.ts';
import { listConnections } from './connection-rows.ts';
import { agent, type Body, clusterFrom, namespace, networkPolicy, pod, sceneOf } from './scene.ts';

const TEXT = `
apiVersion: v1
kind: Namespace
metadata: { name: ml }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: registry, namespace: ml }
spec:
  template:
    metadata: { labels: { app: registry } }
    spec: { containers: [{ name: main, image: main:1, ports: [{ name: http, containerPort: 5000 }] }] }
---
apiVersion: batch/v1
kind: Job
metadata: { name: train, namespace: ml }
spec: { template: { metadata: { labels: { app: train } }, spec: { containers: [{ name: main, image: main:1 }] } } }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny, namespace: ml }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: registry, namespace: ml }
spec:
  podSelector: { matchLabels: { app: registry } }
  ingress:
  - from: [{ podSelector: { matchLabels: { app: train } } }]
    ports: [{ port: http }, { port: 443 }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: train, namespace: ml }
spec:
  podSelector: { matchLabels: { app: train } }
  policyTypes: [Egress]
  egress:
  - to: [{ podSelector: {} }]
  - to: [{ ipBlock: { cidr: 0.0.0.0/0, except: [169.254.169.254/32, 10.0.0.0/8] } }]
    ports: [{ port: 443 }]
`;

function rowsOf(bodies: readonly Body[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...listConnections(clusterFrom(bodies))].map(({ src, dst, connections }) => [`${src} > ${dst}`, connections]),
  );
}

describe('the list of connections', () => {
  it('has every ordered pair of workloads, and of workloads and the outside', () => {
    const rows = [...listConnections(clusterOf(TEXT))];
    expect(rows.map(({ src, dst, connections }) => `${src} > ${dst}: ${connections}`)).toEqual([
      'ml/registry[Deployment] > ml/train[Job]: None',
      'ml/registry[Deployment] > outside: None',
      'ml/train[Job] > ml/registry[Deployment]: TCP 443,5000',
      'ml/train[Job] > outside: TCP 443',
      'ml/train[Job] > outside[10.0.0.0/8, 169.254.169.254/32, ::/0]: None',
      'outside > ml/registry[Deployment]: None',
      'outside > ml/train[Job]: None',
    ]);
  });

  it('says why, by policy and rule, and that policies are taken to be enforced', () => {
    const row = [...listConnections(clusterOf(TEXT))].find(
      ({ src, dst }) => src === 'ml/train[Job]' && dst === 'ml/registry[Deployment]',
    );
    expect(row?.why).toEqual([
      'egress: ml/train[NetworkPolicy] spec.egress[0] allows All',
      'ingress: ml/registry[NetworkPolicy] spec.ingress[0] allows TCP 443,5000',
      'ingress: ml/deny[NetworkPolicy] spec isolates the pod from what no rule allows',
      'ingress: ml/registry[NetworkPolicy] spec isolates the pod from what no rule allows',
      'policies count as enforced: nothing among what was read shows which CNI enforces policies',
    ]);
  });

  it('has a row a line, with the same fields in each', () => {
    const text = [...formatConnections(clusterOf(TEXT), { cni: null, isKept: () => true })].join('');
    const lines = text.split('\n');
    expect([lines[0], lines.at(-2), lines.at(-1)]).toEqual(['[', ']', '']);
    expect(lines).toHaveLength(7 + 3);
    for (const row of listConnections(clusterOf(TEXT))) {
      expect(Object.keys(row)).toEqual(['src', 'dst', 'connections', 'why']);
    }
  });

  it('is only of the workloads that are wanted, and of their peers', () => {
    const rows = listConnections(
      clusterFrom([pod('ml/a'), pod('ml/b'), pod('ml/c')]),
      null,
      (ref) => ref === 'ml/b[Pod]',
    );
    expect(rows.map(({ src, dst }) => `${src} > ${dst}`)).toEqual([
      'ml/a[Pod] > ml/b[Pod]',
      'ml/b[Pod] > ml/a[Pod]',
      'ml/b[Pod] > ml/c[Pod]',
      'ml/b[Pod] > outside',
      'ml/c[Pod] > ml/b[Pod]',
      'outside > ml/b[Pod]',
    ]);
    expect(listConnections(clusterFrom([pod('ml/a')]), null, () => false)).toEqual([]);
  });

  it('says of each pair what holds of it, however many pairs are alike', () => {
    const apps = Array.from({ length: 12 }, (_, index) => `p${index}`);
    const bodies = [
      ...apps.map((app) => pod(`ml/${app}`, { labels: { app, side: app === 'p3' ? 'left' : 'right' } })),
      ...apps.map((app, index) =>
        networkPolicy(`ml/${app}`, {
          podSelector: { matchLabels: { app } },
          policyTypes: ['Ingress', 'Egress'],
          ingress: [
            { from: [{ podSelector: { matchLabels: { side: 'left' } } }], ports: [{ port: 1000 + (index % 4) }] },
          ],
          egress: [{ to: [{ podSelector: { matchLabels: { app: 'p5' } } }] }],
        }),
      ),
    ];
    const { found, cluster } = sceneOf(bodies);
    const byRef = new Map(cluster.workloads.map((workload) => [workload.ref, workload]));
    for (const { src, dst, connections, why } of listConnections(cluster)) {
      const [from, to] = [byRef.get(src), byRef.get(dst)];
      if (from === undefined || to === undefined) continue;
      expect(why.filter((line) => line.startsWith('egress')).every((line) => line.includes(`${from.name}[`))).toBe(
        true,
      );
      expect(why.filter((line) => line.startsWith('ingress')).every((line) => line.includes(`${to.name}[`))).toBe(true);
      expect(connections).toBe(from.name === 'p3' && to.name === 'p5' ? 'TCP 1001' : 'None');
      const facts = [found.classOf(from), found.classOf(to)].map((one) => one?.pod);
      if (facts[0] !== undefined && facts[1] !== undefined) {
        const probed = found.probe({ kind: 'pod', pod: facts[0] }, { kind: 'pod', pod: facts[1] });
        expect(keyOfBounds(found.between(from, to).bounds)).toBe(keyOfBounds(probed.bounds));
      }
    }
  });

  it('is open where there are no policies', () => {
    expect(rowsOf([pod('ml/a'), pod('ml/b')])).toEqual({
      'ml/a[Pod] > ml/b[Pod]': 'All',
      'ml/a[Pod] > outside': 'All',
      'ml/b[Pod] > ml/a[Pod]': 'All',
      'ml/b[Pod] > outside': 'All',
      'outside > ml/a[Pod]': 'All',
      'outside > ml/b[Pod]': 'All',
    });
  });

  it('is open where the CNI enforces nothing', () => {
    const bodies = [
      pod('ml/a'),
      pod('ml/b'),
      agent('kube-flannel-ds', 'flannel/flannel:v1'),
      networkPolicy('ml/deny', { podSelector: {} }),
    ];
    expect(rowsOf(bodies)['ml/a[Pod] > ml/b[Pod]']).toBe('All');
    const row = [...listConnections(clusterFrom(bodies))].find(({ dst }) => dst === 'ml/b[Pod]');
    expect(row?.why.at(-1)).toContain('policies have no effect');
  });

  it('is unknown where a live cluster shows no CNI', () => {
    const kinds = [
      'NetworkPolicy.networking.k8s.io',
      'AdminNetworkPolicy.policy.networking.k8s.io',
      'BaselineAdminNetworkPolicy.policy.networking.k8s.io',
      'ClusterNetworkPolicy.policy.networking.k8s.io',
    ];
    const given = clusterFrom([pod('ml/a'), pod('ml/b'), networkPolicy('ml/deny', { podSelector: {} })]);
    const live = buildCluster(inventoryOf(given.inventory.objects, { completeKinds: new Set(kinds) }));
    const [row] = [...listConnections(live)];
    expect(row).toMatchObject({ src: 'ml/a[Pod]', dst: 'ml/b[Pod]', connections: 'Unknown' });
    expect([...listConnections(live, 'weave')][0]?.connections).toBe('None');
  });

  it('groups the outside, and names the largest group by nothing else', () => {
    const policy = (cidr: string): Body =>
      networkPolicy('ml/p', { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: [{ ipBlock: { cidr } }] }] });
    expect(rowsOf([pod('ml/a'), policy('203.0.113.0/24')])).toMatchObject({
      'ml/a[Pod] > outside': 'None',
      'ml/a[Pod] > outside[203.0.113.0/24]': 'All',
    });
    expect(rowsOf([pod('ml/a'), policy('0.0.0.0/2')])).toMatchObject({
      'ml/a[Pod] > outside': 'None',
      'ml/a[Pod] > outside[0.0.0.0/2]': 'All',
    });
    expect(rowsOf([pod('ml/a'), policy('0.0.0.0/0')])).toMatchObject({
      'ml/a[Pod] > outside': 'All',
      'ml/a[Pod] > outside[::/0]': 'None',
    });
  });

  it('is empty of nothing', () => {
    expect([...listConnections(clusterFrom([]))]).toEqual([]);
  });
});

describe('classes', () => {
  const bodies = (count: number): readonly Body[] => [
    namespace('ml'),
    ...Array.from({ length: count }, (_, index) =>
      pod(`ml/p${index}`, {
        labels: { app: index % 2 === 0 ? 'even' : 'odd', index: String(index) },
        ports: [['http', 8000 + (index % 3)]],
        serviceAccount: `s${index}`,
      }),
    ),
  ];
  const even = networkPolicy('ml/even', {
    podSelector: { matchLabels: { app: 'even' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'odd' } } }] }],
  });

  it('hold pods that no policy tells apart', () => {
    expect(sceneOf(bodies(60)).found.classes).toHaveLength(1);
    expect(sceneOf([...bodies(60), even]).found.classes).toHaveLength(2);
    const named = networkPolicy('ml/named', { podSelector: {}, ingress: [{ ports: [{ port: 'http' }] }] });
    expect(sceneOf([...bodies(60), even, named]).found.classes).toHaveLength(6);
  });

  it('are as many with ten times as many pods', () => {
    expect(sceneOf([...bodies(300), even]).found.classes).toHaveLength(2);
  });

  it('have the same answer pair by pair as all pairs together', () => {
    const { found } = sceneOf([
      ...bodies(9),
      namespace('other'),
      pod('other/x', { labels: { app: 'odd' } }),
      even,
      networkPolicy('ml/named', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [
          { to: [{ podSelector: {} }], ports: [{ port: 'http' }] },
          { to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] },
        ],
      }),
      networkPolicy('other/open', {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 1 }] }],
      }),
    ]);
    let pairs = 0;
    found.eachPair((from, to, bounds) => {
      pairs += 1;
      expect(keyOfBounds(bounds)).toBe(keyOfBounds(found.betweenClasses(from, to)));
      const [source] = from.workloads;
      const target = to.workloads.at(-1);
      if (source !== undefined && target !== undefined && source !== target) {
        expect(keyOfBounds(bounds)).toBe(keyOfBounds(found.between(source, target).bounds));
        expect(keyOfBounds(found.probe({ kind: 'pod', pod: from.pod }, { kind: 'pod', pod: to.pod }).bounds)).toBe(
          keyOfBounds(bounds),
        );
      }
    });
    expect(pairs).toBe(found.classes.length ** 2);
  });

  it('cost by their number and not by that of pods', () => {
    const many = connectivity(clusterFrom([...bodies(2000), even]), { cni: 'standard', undetected: 'unknown' });
    let visits = 0;
    many.eachPair(() => {
      visits += 1;
    });
    expect(visits).toBe(4);
  });
});
