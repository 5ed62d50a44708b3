import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCluster } from '../../../src/audit/cluster.ts';
import { findAllRdmaAccess, type RdmaAccess } from '../../../src/audit/rdma/access.ts';
import { inventoryOf, objectOf } from '../inventory.ts';
import { deployment } from '../pods/pod-templates.ts';

function accessOf(template: unknown, ...others: readonly unknown[]): RdmaAccess {
  const cluster = buildCluster(inventoryOf([deployment(template), ...others].map((body) => objectOf(body))));
  const [access] = cluster.once(findAllRdmaAccess).values();
  if (access === undefined) throw new Error('no workload was found');
  return access;
}

const pod = (container: object, more: object = {}): object => ({
  spec: { containers: [{ name: 'a', image: 'a', ...container }], ...more },
});
const onHost = (container: object): object => pod(container, { hostNetwork: true });
const env = (variables: Readonly<Record<string, string>>): object => ({
  env: Object.entries(variables).map(([name, value]) => ({ name, value })),
});
const sourcesOf = (access: RdmaAccess): readonly string[] =>
  access.kind === 'access' ? access.evidence.map(({ source }) => source) : [];

describe('findAllRdmaAccess', () => {
  it.each<[string, Readonly<Record<string, string>>, boolean]>([
    ['adapters named', { NCCL_IB_HCA: 'mlx5' }, true],
    ['InfiniBand not disabled', { NCCL_IB_DISABLE: '0' }, true],
    ['InfiniBand disabled', { NCCL_IB_DISABLE: '1', NCCL_IB_HCA: 'mlx5' }, false],
    ['InfiniBand disabled in words', { NCCL_IB_DISABLE: 'True', NCCL_IB_HCA: 'mlx5' }, false],
    ['sockets forced', { NCCL_NET: 'Socket', NCCL_IB_HCA: 'mlx5' }, false],
    ['a plugin of a cloud', { NCCL_NET: 'AWS Libfabric' }, true],
    ['an adapter that is empty', { NCCL_IB_HCA: '' }, false],
    ['sockets over InfiniBand', { NCCL_SOCKET_IFNAME: 'ib0,ib1' }, true],
    ['sockets over one interface exactly', { GLOO_SOCKET_IFNAME: '=ib0' }, true],
    ['sockets over all but InfiniBand', { NCCL_SOCKET_IFNAME: '^ib0' }, false],
    ['sockets over all but several', { NCCL_SOCKET_IFNAME: '^lo,ib0' }, false],
    ['sockets over Ethernet', { NCCL_SOCKET_IFNAME: 'eth0' }, false],
    ['UCX over verbs', { UCX_TLS: 'rc_x,cuda_copy,self' }, true],
    ['UCX without verbs', { UCX_TLS: 'tcp,cuda_copy' }, false],
    ['UCX with all but verbs', { UCX_TLS: '^rc,ud' }, false],
    ['UCX on an adapter', { UCX_NET_DEVICES: 'mlx5_2:1' }, true],
    ['libfabric over EFA', { FI_PROVIDER: 'efa' }, true],
    ['libfabric over TCP', { FI_PROVIDER: 'tcp' }, false],
    ['NVSHMEM', { NVSHMEM_REMOTE_TRANSPORT: 'ibrc' }, true],
    ['a transfer engine', { MOONCAKE_PROTOCOL: 'rdma' }, true],
    ['a title', { TITLE: 'rdma' }, false],
  ])('S11 on the network of the node: %s', (_name, variables, isAccess) => {
    expect(sourcesOf(accessOf(onHost(env(variables))))).toEqual(isAccess ? ['host-network'] : []);
    expect(accessOf(pod(env(variables))).kind).toBe('none');
  });

  it('lets the last of several settings of one name hold', () => {
    const both = (first: string, second: string): object => ({
      env: [
        { name: 'NCCL_IB_DISABLE', value: first },
        { name: 'NCCL_IB_HCA', value: 'mlx5' },
        { name: 'NCCL_IB_DISABLE', value: second },
      ],
    });
    expect(accessOf(onHost(both('1', '0'))).kind).toBe('access');
    expect(accessOf(onHost(both('0', '1'))).kind).toBe('none');
  });

  it('takes a variable for a sign although its value comes from elsewhere, except one that forbids', () => {
    const from = (name: string): object => ({ env: [{ name, valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] });
    expect(accessOf(onHost(from('NCCL_IB_HCA'))).kind).toBe('access');
    expect(accessOf(onHost(from('NCCL_IB_DISABLE'))).kind).toBe('none');
    expect(accessOf(onHost(from('UCX_TLS'))).kind).toBe('none');
  });

  it('reads variables from ConfigMaps, and is in doubt about those that were not given', () => {
    const map = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm', namespace: 'ml' },
      data: { IB_HCA: 'mlx5' },
    };
    const all = { envFrom: [{ prefix: 'NCCL_', configMapRef: { name: 'm' } }] };
    const one = { env: [{ name: 'NCCL_SOCKET_IFNAME', valueFrom: { configMapKeyRef: { name: 'm', key: 'IB_HCA' } } }] };
    expect(accessOf(onHost(all), map).kind).toBe('access');
    expect(accessOf(onHost(one), map).kind).toBe('access');
    expect(accessOf(onHost(all))).toMatchObject({ kind: 'unknown', doubts: [{ reason: 'not-given' }] });
    expect(accessOf(onHost({ envFrom: [{ configMapRef: { name: 'm', optional: true } }] })).kind).toBe('none');
    expect(accessOf(pod(all)).kind).toBe('none');
  });

  it.each<[string, unknown, RdmaAccess['kind']]>([
    ['1', 1, 'access'],
    ['"1"', '1', 'access'],
    ['"1k"', '1k', 'access'],
    ['"1e3"', '1e3', 'access'],
    ['0', 0, 'none'],
    ['"0"', '0', 'none'],
    ['"0.0"', '0.0', 'none'],
    ['"0Ki"', '0Ki', 'none'],
    ['null', null, 'none'],
    ['"many"', 'many', 'unknown'],
    ['"{{ .Values.nics }}"', '{{ .Values.nics }}', 'unknown'],
    ['a list', [1], 'unknown'],
    ['true', true, 'unknown'],
  ])('S11 a request of %s', (_name, amount, kind) => {
    expect(accessOf(pod({ resources: { limits: { 'rdma/ib': amount } } })).kind).toBe(kind);
    expect(accessOf(pod({ resources: { requests: { 'rdma/ib': amount } } })).kind).toBe(kind);
  });

  it.each<[string, object]>([
    ['S8 init container', { initContainers: [{ name: 'i', resources: { limits: { 'rdma/ib': 1 } } }] }],
    [
      'S8 native sidecar',
      { initContainers: [{ name: 'i', restartPolicy: 'Always', resources: { limits: { 'rdma/ib': 1 } } }] },
    ],
    ['S8 ephemeral container', { ephemeralContainers: [{ name: 'e', resources: { limits: { 'rdma/ib': 1 } } }] }],
  ])('finds the request of an %s', (_name, more) => {
    expect(accessOf(pod({}, more)).kind).toBe('access');
  });

  it('S9 survives resources of null, and does not know what to say of resources that are a string', () => {
    expect(accessOf(pod({ resources: null })).kind).toBe('none');
    expect(accessOf(pod({ resources: 'rdma/ib' })).kind).toBe('unknown');
  });

  it('sees the adapter that Multus gave to a pod that runs', () => {
    const status = JSON.stringify([
      { name: 'kube', interface: 'eth0' },
      {
        name: 'ml/net',
        interface: 'net1',
        'device-info': { type: 'pci', pci: { 'pci-address': '0000:5e:00.2', 'rdma-device': 'mlx5_4' } },
      },
    ]);
    const body = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'ml', annotations: { 'k8s.v1.cni.cncf.io/network-status': status } },
      spec: { containers: [{ name: 'a', image: 'a' }] },
    };
    const cluster = buildCluster(inventoryOf([objectOf(body)]));
    expect([...cluster.once(findAllRdmaAccess).values()]).toMatchObject([
      {
        kind: 'access',
        evidence: [{ source: 'running-pod', detail: 'runs with RDMA device `mlx5_4` of network `ml/net`' }],
      },
    ]);
  });

  const anything = fc.anything({ maxDepth: 4, withNullPrototype: true });
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.constantFrom('[{"name":"a"}]', 'a/b@c,d', '{"plugins":[null,{"type":7}]}'),
  );

  it('says something of any template', () => {
    fc.assert(
      fc.property(anything, anything, (spec, container) => {
        accessOf({ spec });
        accessOf(
          pod(
            { resources: container, env: container, envFrom: container, command: container },
            { volumes: container, resourceClaims: container, nodeSelector: container, affinity: container },
          ),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('says something of any annotation and of any object that it refers to', () => {
    fc.assert(
      fc.property(text, text, anything, (annotation, config, spec) => {
        const annotations = {
          'k8s.v1.cni.cncf.io/networks': annotation,
          'networking.gke.io/interfaces': annotation,
          'k8s.v1.cni.cncf.io/network-status': `rdma-device${annotation}`,
        };
        const named = { name: 'a', namespace: 'ml' };
        const objects = [
          { apiVersion: 'k8s.cni.cncf.io/v1', kind: 'NetworkAttachmentDefinition', metadata: named, spec: { config } },
          { apiVersion: 'v1', kind: 'ConfigMap', metadata: named, data: { c: `{"configList":${config}}`, d: config } },
          ...[
            ['sriovnetwork.openshift.io/v1', 'SriovNetworkNodePolicy'],
            ['sriovnetwork.openshift.io/v1', 'SriovIBNetwork'],
            ['sriovnetwork.openshift.io/v1', 'SriovNetwork'],
            ['mellanox.com/v1alpha1', 'NicClusterPolicy'],
            ['mellanox.com/v1alpha1', 'IPoIBNetwork'],
            ['spiderpool.spidernet.io/v2beta1', 'SpiderMultusConfig'],
            ['networking.gke.io/v1', 'Network'],
            ['networking.gke.io/v1', 'GKENetworkParamSet'],
            ['resource.k8s.io/v1', 'DeviceClass'],
            ['resource.k8s.io/v1', 'ResourceClaim'],
          ].map(([apiVersion, kind]) => ({ apiVersion, kind, metadata: named, spec })),
        ];
        const claims = { resourceClaims: [{ name: 'c', resourceClaimName: 'a' }] };
        expect(() => accessOf({ metadata: { annotations }, ...pod({}, claims) }, ...objects)).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });
});
