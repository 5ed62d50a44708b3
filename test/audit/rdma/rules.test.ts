import { describe, expect, it } from 'vitest';
import type { AuditContext, Verdict } from '../../../src/audit/finding.ts';
import { formatPath } from '../../../src/audit/path.ts';
import { rdmaRules } from '../../../src/audit/rdma/rdma-rules.ts';
import { clusterOf } from '../inventory.ts';
import { readLabelledSet } from './labelled-set.ts';

const CONTEXT: AuditContext = {
  policy: null,
  options: { spiffeIdTemplate: '', componentLabel: null, meshRootNamespace: 'istio-system' },
  nowMs: 0,
};

function verdictsOf(rule: string, text: string): readonly Verdict[] {
  const cluster = clusterOf(text);
  return [...(rdmaRules.find(({ info }) => info.id === rule)?.evaluate(cluster, CONTEXT) ?? [])];
}

const network = (name: string, config: string): string => `
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: { name: ${name}, namespace: fabric }
spec: { config: '${config}' }
---`;
const job = (place: string, { networks = '', labels = '', spec = '', container = '' }): string => `
apiVersion: batch/v1
kind: Job
metadata: { name: ${place.split('/')[1]}, namespace: ${place.split('/')[0]} }
spec:
  template:
    metadata: { labels: { app: a ${labels} }, annotations: { k8s.v1.cni.cncf.io/networks: "${networks}" } }
    spec: { ${spec} containers: [{ name: a, image: registry.example/a ${container} }] }
---`;
const PARTITION = network('six', '{"type":"ib-sriov","pkey":"0x8006"}');

describe('rdma-bypasses-network-policy', () => {
  const rule = 'rdma-bypasses-network-policy';

  it('S12 names zone, partition and the network it comes by', () => {
    const text = `${PARTITION}${job('training/fit', { networks: 'fabric/six', labels: ', example.com/zone: gold' })}`;
    expect(verdictsOf(rule, text)).toMatchObject([
      {
        verdict: 'fail',
        severity: 'info',
        resource: { ref: 'training/fit[Job]' },
        evidence: {
          zone: 'gold',
          zoneBy: 'label example.com/zone',
          partitions: ['partition 0x0006'],
          transports: ['infiniband'],
          signs: [{ source: 'network-attachment', name: 'six', partition: 'partition 0x0006' }],
        },
      },
    ]);
  });

  it('S12 is at the annotation, the resource, or the claim that brings the adapter', () => {
    const text = `${PARTITION}${job('training/one', { networks: 'fabric/six' })}${job('training/two', {
      container: ', resources: { limits: { rdma/ib: 1 } }',
    })}`;
    expect(verdictsOf(rule, text).map(({ at }) => formatPath(at))).toEqual([
      'spec.template.metadata.annotations["k8s.v1.cni.cncf.io/networks"]',
      'spec.template.spec.containers[0].resources.limits["rdma/ib"]',
    ]);
  });

  it('is graver where a network policy promises what it cannot keep', () => {
    const workload = job('training/fit', { container: ', resources: { limits: { vpc.amazonaws.com/efa: 4 } }' });
    expect(verdictsOf(rule, workload)).toMatchObject([{ severity: 'medium', evidence: { policiesWithoutEffect: [] } }]);
    const policy = (labels: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: only-own, namespace: training }
spec: { podSelector: { matchLabels: { ${labels} } }, policyTypes: [Ingress, Egress] }
---`;
    expect(verdictsOf(rule, workload + policy('app: a'))).toMatchObject([
      { severity: 'high', evidence: { policiesWithoutEffect: ['only-own'] } },
    ]);
    expect(verdictsOf(rule, workload + policy('app: other'))).toMatchObject([{ severity: 'medium' }]);
  });

  it('passes what reaches no adapter, and does not know of what it could not look at', () => {
    expect(verdictsOf(rule, job('web/shop', {}))).toMatchObject([{ verdict: 'pass' }]);
    expect(verdictsOf(rule, job('web/shop', { networks: 'fabric/gone' }))).toMatchObject([
      { verdict: 'unknown', reason: 'not-given', resource: { ref: 'web/shop[Job]' } },
    ]);
    expect(
      verdictsOf(rule, job('web/shop', { container: ', resources: { limits: { rdma/ib: many } }' })),
    ).toMatchObject([{ verdict: 'unknown', reason: 'malformed' }]);
  });

  it('reports a template once, however many adapters it has', () => {
    const container =
      ', resources: { limits: { networking.gke.io.networks/rdma-0: 1, networking.gke.io.networks/rdma-1: 1 } }';
    const verdicts = verdictsOf(rule, job('training/fit', { container }));
    expect(verdicts).toHaveLength(1);
    expect(verdicts[0]?.evidence['signs']).toHaveLength(2);
  });
});

describe('rdma-shared-partition', () => {
  const rule = 'rdma-shared-partition';

  it('S12 passes zones that have a partition each', () => {
    const text = `${PARTITION}${network('seven', '{"type":"ib-sriov","pkey":"0x7"}')}${job('training/fit', {
      networks: 'fabric/six',
    })}${job('serving/chat', { networks: 'fabric/seven' })}`;
    expect(verdictsOf(rule, text).map(({ verdict }) => verdict)).toEqual(['pass', 'pass']);
  });

  it('S12 fails zones that share one, whether as full or as limited members', () => {
    const text = `${PARTITION}${network('limited', '{"type":"ib-sriov","pkey":"0x0006"}')}${job('training/fit', {
      networks: 'fabric/six',
    })}${job('serving/chat', { networks: 'fabric/limited' })}`;
    expect(verdictsOf(rule, text)).toMatchObject([
      { verdict: 'fail', resource: { ref: 'serving/chat[Job]' }, evidence: { sharedWith: ['training/fit[Job]'] } },
      { verdict: 'fail', resource: { ref: 'training/fit[Job]' }, evidence: { sharedWith: ['serving/chat[Job]'] } },
    ]);
  });

  it('lets one zone of several namespaces share its own', () => {
    const labels = ', security-zone: gpu';
    const text = `${PARTITION}${job('training/fit', { networks: 'fabric/six', labels })}${job('serving/chat', { networks: 'fabric/six', labels })}`;
    expect(verdictsOf(rule, text).map(({ verdict }) => verdict)).toEqual(['pass', 'pass']);
  });

  it('does not take the place of a node for a zone', () => {
    const labels = ', topology.kubernetes.io/zone: eu-1a';
    const text = `${PARTITION}${job('training/fit', { networks: 'fabric/six', labels })}${job('serving/chat', { networks: 'fabric/six', labels })}`;
    expect(verdictsOf(rule, text).map(({ verdict }) => verdict)).toEqual(['fail', 'fail']);
  });

  it.each<[string, string, string]>([
    ['the default partition', '{"type":"ib-sriov","pkey":"0xffff"}', 'the default partition 0x7fff|partition 0x7fff'],
    ['no partition key at all', '{"type":"ib-sriov"}', 'default partition'],
    ['an untagged SR-IOV network', '{"type":"sriov","vlan":0}', 'the untagged network'],
    ['IPoIB on the parent interface', '{"type":"ipoib","master":"ib0"}', 'default partition'],
  ])('fails %s, even alone', (_name, config, title) => {
    const verdicts = verdictsOf(rule, `${network('net', config)}${job('training/fit', { networks: 'fabric/net' })}`);
    expect(verdicts).toMatchObject([{ verdict: 'fail' }]);
    expect(verdicts[0]?.detail).toMatch(new RegExp(title));
  });

  it.each<[string, string]>([
    ['a VLAN', '{"type":"sriov","vlan":210}'],
    ['IPoIB in a partition', '{"type":"ipoib","master":"ib0.8007"}'],
    ['RoCE on a VLAN interface', '{"plugins":[{"type":"macvlan","master":"ens2f0.310"},{"type":"rdma"}]}'],
  ])('passes %s of its own', (_name, config) => {
    const verdicts = verdictsOf(rule, `${network('net', config)}${job('training/fit', { networks: 'fabric/net' })}`);
    expect(verdicts).toMatchObject([{ verdict: 'pass' }]);
  });

  it('S12 knows the partition of a resource by the network that comes with it', () => {
    const text = `${PARTITION}${job('training/fit', {
      networks: 'fabric/six',
      container: ', resources: { limits: { nvidia.com/mlnxnics: 1 } }',
    })}`;
    expect(verdictsOf(rule, text)).toMatchObject([{ verdict: 'pass' }]);
  });

  it('does not know the partition of a device plugin, and says who has adapters of the same pool', () => {
    const container = ', resources: { limits: { rdma/ib: 1 } }';
    const text = `${job('training/fit', { container })}${job('serving/chat', { container })}`;
    expect(verdictsOf(rule, text)).toMatchObject([
      { verdict: 'unknown', reason: 'partition-unknown', evidence: { samePool: ['training/fit[Job]'] } },
      { verdict: 'unknown', reason: 'partition-unknown', evidence: { samePool: ['serving/chat[Job]'] } },
    ]);
  });

  it('does not know the partitions of a node, even beside one that it knows', () => {
    const text = `${PARTITION}${job('training/fit', {
      networks: 'fabric/six',
      spec: 'hostNetwork: true,',
      container: ', env: [{ name: NCCL_IB_HCA, value: mlx5 }]',
    })}`;
    expect(verdictsOf(rule, text)).toMatchObject([{ verdict: 'unknown', evidence: { samePool: [] } }]);
  });

  it('says nothing of workloads without RDMA', () => {
    expect(verdictsOf(rule, job('web/shop', {}))).toEqual([]);
  });
});

describe('rdma-privileged-access', () => {
  const rule = 'rdma-privileged-access';
  const rdma = 'resources: { limits: { rdma/ib: 1 } }';

  it.each<[string, Parameters<typeof job>[1], string]>([
    [
      'a privileged container',
      { container: `, ${rdma}, securityContext: { privileged: true }` },
      'spec.template.spec.containers[0].securityContext.privileged',
    ],
    [
      'the network of the node',
      { spec: 'hostNetwork: true,', container: `, ${rdma}` },
      'spec.template.spec.hostNetwork',
    ],
    [
      'all devices of the node',
      {
        spec: 'volumes: [{ name: v, hostPath: { path: /dev/infiniband } }],',
        container: ', volumeMounts: [{ name: v, mountPath: /dev/infiniband }]',
      },
      'spec.template.spec.volumes[0].hostPath.path',
    ],
    [
      'devices that the container toolkit adds',
      { container: ', env: [{ name: NVIDIA_MOFED, value: enabled }]' },
      'spec.template.spec.containers[0].env[0]',
    ],
  ])('fails %s', (_name, terms, path) => {
    const verdicts = verdictsOf(rule, job('training/fit', terms));
    expect(verdicts.map(({ verdict, at }) => [verdict, formatPath(at)])).toEqual([['fail', path]]);
  });

  it.each<[string, Parameters<typeof job>[1]]>([
    [
      'an adapter from a device plugin, and pinned memory',
      { container: `, ${rdma}, securityContext: { capabilities: { add: [IPC_LOCK] } }` },
    ],
    [
      'one verbs device by its path',
      {
        spec: 'volumes: [{ name: v, hostPath: { path: /dev/infiniband/uverbs3 } }],',
        container: ', volumeMounts: [{ name: v, mountPath: /dev/infiniband/uverbs3 }]',
      },
    ],
  ])('passes %s', (_name, terms) => {
    expect(verdictsOf(rule, job('training/fit', terms))).toMatchObject([{ verdict: 'pass' }]);
  });

  it('says nothing of a privileged workload without RDMA, which is what the rules about pods are for', () => {
    expect(verdictsOf(rule, job('web/shop', { container: ', securityContext: { privileged: true }' }))).toEqual([]);
  });
});

describe('rdmaRules', () => {
  it('never advise a network policy, which would not hold', () => {
    const verdicts = readLabelledSet().flatMap(({ cluster }) =>
      rdmaRules.flatMap((rule) => [...rule.evaluate(cluster, CONTEXT)]),
    );
    const texts = verdicts
      .filter(({ verdict }) => verdict === 'fail')
      .map(({ remediation }) => JSON.stringify(remediation));
    expect(texts.length).toBeGreaterThan(100);
    expect(texts.filter((text) => /network ?polic/i.test(text))).toEqual([]);
    expect(
      texts.every((text) =>
        /partition|VLAN|security group|VPC|VNI|fabric|switch|device plugin|Encrypt in the application/.test(text),
      ),
    ).toBe(true);
  });

  it('say how to fix what they find, under ids of the area', () => {
    for (const { info } of rdmaRules) {
      expect(info.id).toMatch(/^rdma-[a-z-]{3,45}$/);
      expect(info.help).toMatch(/\*\*Fix:\*\*/);
    }
  });
});
