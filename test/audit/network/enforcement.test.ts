import { describe, expect, it } from 'vitest';
import type { Inventory } from '../../../src/audit/inventory.ts';
import { formatBounds } from '../../../src/audit/network/bounds.ts';
import { CNI_NAMES, type CniName, isCniName } from '../../../src/audit/network/cni.ts';
import { connectivity } from '../../../src/audit/network/connectivity.ts';
import { detectEnforcement, isEnforced } from '../../../src/audit/network/enforcement.ts';
import { workloadNamed } from '../inventory.ts';
import { agent, type Body, calicoPolicy, ciliumPolicy, clusterFrom, namespace, networkPolicy, pod } from './scene.ts';

const NODE = (status: object): Body => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, status });
const CONFIG = (name: string, data: object = {}): Body => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'kube-system', name },
  data,
});
const DEFINITION = (name: string): Body => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name },
});

function detect(...bodies: readonly Body[]): string {
  const { basis, enforcers } = detectEnforcement(clusterFrom(bodies), { cni: null, undetected: 'unknown' });
  if (basis !== 'detected') return basis;
  return enforcers.map(({ cni, isEnforcing }) => (isEnforcing === true ? cni : `${cni}?`)).join('+');
}

describe('the CNI of a cluster', () => {
  it.each<[string, readonly Body[], string]>([
    [
      'Cilium by its agent',
      [
        agent(
          'cilium',
          'quay.io/cilium/cilium:v1.18.2@sha256:858f807ea4e20e85e3ea3240a762e1f4b29f1cb5bbd0463b8aa77e7b097c0667',
        ),
      ],
      'cilium',
    ],
    ['Cilium of GKE', [agent('anetd', 'gke.gcr.io/cilium/cilium:v1.14.9-gke.1')], 'cilium'],
    ['Cilium of RKE2', [agent('cilium', 'rancher/mirrored-cilium-cilium:v1.17.0')], 'cilium'],
    ['Calico', [agent('calico-node', 'docker.io/calico/node:v3.30.0')], 'calico'],
    ['Calico of RKE2', [agent('rke2-canal', 'rancher/hardened-calico:v3.29.0')], 'calico'],
    [
      'Calico by a mirror',
      [agent('calico-node', 'registry.example:5000/rancher/mirrored-calico-node:v3.29.0')],
      'calico',
    ],
    ['Antrea', [agent('antrea-agent', 'antrea/antrea-agent-ubuntu:v2.2.0')], 'antrea'],
    [
      'OVN-Kubernetes by a digest',
      [
        agent(
          'ovnkube-node',
          'quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:858f807ea4e20e85e3ea3240a762e1f4b29f1cb5bbd0463b8aa77e7b097c0667',
        ),
      ],
      'ovn-kubernetes',
    ],
    [
      'kube-router',
      [
        agent('kube-router', 'docker.io/cloudnativelabs/kube-router:v2.2.1', {
          args: ['--run-router=true', '--run-firewall=true'],
        }),
      ],
      'kube-router',
    ],
    [
      'kube-router without its firewall',
      [agent('kube-router', 'docker.io/cloudnativelabs/kube-router:v2.2.1', { args: ['--run-firewall=false'] })],
      '',
    ],
    ['Weave', [agent('weave-net', 'weaveworks/weave-npc:2.8.1')], 'weave'],
    [
      'the VPC CNI alone',
      [agent('aws-node', '602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.19.0')],
      '',
    ],
    [
      'the VPC CNI with its policy agent',
      [
        agent('aws-node', '602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon/aws-network-policy-agent:v1.1.5', {
          args: ['--enable-network-policy=true'],
        }),
      ],
      'aws-vpc-cni',
    ],
    [
      'the VPC CNI with its policy agent off',
      [
        agent('aws-node', '602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon/aws-network-policy-agent:v1.1.5', {
          args: ['--enable-network-policy=false'],
        }),
      ],
      '',
    ],
    [
      'the VPC CNI with a policy agent that does not say',
      [agent('aws-node', 'amazon/aws-network-policy-agent:v1.1.5')],
      'aws-vpc-cni?',
    ],
    ['Azure', [agent('azure-npm', 'mcr.microsoft.com/containernetworking/azure-npm:v1.5.0')], 'azure-npm'],
    ['kindnet that is new', [agent('kindnet', 'docker.io/kindest/kindnetd:v20250512-df8de77b')], 'kindnet'],
    ['kindnet that is old', [agent('kindnet', 'docker.io/kindest/kindnetd:v20230511-dc714da8')], ''],
    ['kindnet of no age', [agent('kindnet', 'kindest/kindnetd:latest')], 'kindnet?'],
    ['Flannel', [agent('kube-flannel-ds', 'ghcr.io/flannel-io/flannel:v0.27.0')], ''],
    [
      'Flannel with Calico for policies',
      [agent('kube-flannel-ds', 'ghcr.io/flannel-io/flannel:v0.27.0'), agent('calico-node', 'calico/node:v3.30.0')],
      'calico',
    ],
    [
      'Flannel with policies beside it',
      [
        agent('kube-flannel-ds', 'flannel/flannel:v0.27.0'),
        agent('kube-network-policies', 'registry.k8s.io/networking/kube-network-policies:v0.9.0'),
      ],
      'kube-network-policies',
    ],
    [
      'two that both enforce',
      [agent('cilium', 'cilium/cilium:v1.18.0'), agent('calico-node', 'calico/node:v3.30.0')],
      'calico+cilium',
    ],
    ['K3s, perhaps', [NODE({ nodeInfo: { kubeletVersion: 'v1.33.1+k3s1' } })], 'k3s?'],
    ['another kubelet', [NODE({ nodeInfo: { kubeletVersion: 'v1.33.1' } })], 'unknown'],
    ['Cilium by its configuration', [CONFIG('cilium-config')], 'cilium'],
    ['Antrea by its configuration', [CONFIG('antrea-config-7f5t2m8g')], 'antrea'],
    ['Flannel by its configuration', [CONFIG('kube-flannel-cfg')], ''],
    [
      'OVN by the network of OpenShift',
      [
        {
          apiVersion: 'config.openshift.io/v1',
          kind: 'Network',
          metadata: { name: 'cluster' },
          status: { networkType: 'OVNKubernetes' },
        },
      ],
      'ovn-kubernetes',
    ],
    [
      'Calico by its operator',
      [{ apiVersion: 'operator.tigera.io/v1', kind: 'Installation', metadata: { name: 'default' }, spec: {} }],
      'calico',
    ],
    ['Cilium by its kinds', [DEFINITION('ciliumnetworkpolicies.cilium.io')], 'cilium'],
    ['Calico by its kinds', [DEFINITION('globalnetworkpolicies.crd.projectcalico.org')], 'calico'],
    [
      'an agent over the kinds that another left behind',
      [DEFINITION('ciliumnetworkpolicies.cilium.io'), agent('kube-flannel-ds', 'flannel/flannel:v0.27.0')],
      '',
    ],
    ['nothing at all', [pod('ml/web')], 'unknown'],
    [
      'policies alone',
      [networkPolicy('ml/p', { podSelector: {} }), ciliumPolicy('ml/p', { endpointSelector: {} })],
      'unknown',
    ],
    [
      'an operator, which is no agent',
      [{ ...agent('cilium-operator', 'cilium/cilium:v1'), kind: 'Deployment' }],
      'unknown',
    ],
    ['a DaemonSet that is only called so', [agent('cilium', 'example/miner:v1')], 'unknown'],
    ['an image of its own operator', [agent('operator', 'quay.io/cilium/operator-generic:v1.18.0')], 'unknown'],
    ['Envoy of Cilium', [agent('cilium-envoy', 'quay.io/cilium/cilium-envoy:v1.34.0')], 'unknown'],
  ])('is told: %s', (_, bodies, expected) => {
    expect(detect(...bodies)).toBe(expected);
  });

  it('can be named, and then nothing is looked for', () => {
    const named = detectEnforcement(clusterFrom([agent('kube-flannel-ds', 'flannel/flannel:v1')]), {
      cni: 'cilium',
      undetected: 'unknown',
    });
    expect(named).toMatchObject({ basis: 'named', enforcers: [{ cni: 'cilium', isEnforcing: true }] });
    expect(detectEnforcement(clusterFrom([]), { cni: 'none', undetected: 'assumed' }).enforcers).toEqual([]);
    expect(CNI_NAMES.every(isCniName)).toBe(true);
    expect(isCniName('constructor')).toBe(false);
  });
});

describe('policies that nobody is known to enforce', () => {
  const bodies = [
    namespace('ml'),
    pod('ml/a', { labels: { app: 'a' } }),
    pod('ml/b', { labels: { app: 'b' } }),
    pod('ml/c', { labels: { app: 'c' } }),
    networkPolicy('ml/closed', { podSelector: { matchLabels: { app: 'b' } }, ingress: [{ ports: [{ port: 80 }] }] }),
  ];
  const ask = (
    cni: CniName | null,
    undetected: 'assumed' | 'unknown',
    extra: readonly Body[] = [],
  ): readonly string[] => {
    const cluster = clusterFrom([...bodies, ...extra]);
    const found = connectivity(cluster, { cni, undetected });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => workloadNamed(cluster, `ml/${name}[Pod]`));
    if (a === undefined || b === undefined || c === undefined) throw new Error('all are there');
    return [formatBounds(found.between(a, b).bounds), formatBounds(found.between(a, c).bounds)];
  };

  it('leave open what they deny, and change nothing of what they allow', () => {
    expect(ask(null, 'unknown')).toEqual(['Unknown', 'All']);
    expect(ask(null, 'assumed')).toEqual(['TCP 80', 'All']);
    expect(ask('standard', 'unknown')).toEqual(['TCP 80', 'All']);
  });

  it('have no effect where nothing enforces any', () => {
    expect(ask('flannel', 'unknown')).toEqual(['All', 'All']);
    expect(ask(null, 'unknown', [agent('kube-flannel-ds', 'flannel/flannel:v1')])).toEqual(['All', 'All']);
  });

  it('are unknown under an agent that perhaps enforces them', () => {
    expect(ask(null, 'assumed', [agent('kindnet', 'kindest/kindnetd:latest')])).toEqual(['Unknown', 'All']);
  });

  it('are certain under an agent that does', () => {
    expect(ask(null, 'unknown', [agent('calico-node', 'calico/node:v3.30.0')])).toEqual(['TCP 80', 'All']);
  });

  it('say so in their reasons', () => {
    const cluster = clusterFrom(bodies);
    const found = connectivity(cluster);
    const [a, b] = [workloadNamed(cluster, 'ml/a[Pod]'), workloadNamed(cluster, 'ml/b[Pod]')];
    expect(found.between(a, b).why.map(({ doubt }) => doubt?.code)).toContain('enforcement');
    expect(found.enforcementDoubt?.code).toBe('enforcement');
  });
});

describe('kinds of policies', () => {
  const ask = (cni: CniName, kind: Parameters<typeof isEnforced>[1]) =>
    isEnforced(detectEnforcement(clusterFrom([]), { cni, undetected: 'unknown' }), kind);

  it('are enforced by the CNI they are of, and no other', () => {
    expect(ask('cilium', 'cilium')).toBe(true);
    expect(ask('cilium', 'calico')).toBe(false);
    expect(ask('calico', 'cilium')).toBe(false);
    expect(ask('calico', 'cluster')).toBe(true);
    expect(ask('weave', 'kubernetes')).toBe(true);
    expect(ask('weave', 'admin')).toBe(false);
    expect(ask('flannel', 'kubernetes')).toBe(false);
    expect(ask('cilium', 'admin')).toMatchObject({ code: 'enforcement' });
  });

  it('of another CNI are not applied', () => {
    const bodies = [
      pod('ml/a'),
      pod('ml/b'),
      ciliumPolicy('ml/deny', { endpointSelector: {}, ingress: [{}] }),
      calicoPolicy('ml/deny', {}),
    ];
    const cluster = clusterFrom(bodies);
    const [a, b] = [workloadNamed(cluster, 'ml/a[Pod]'), workloadNamed(cluster, 'ml/b[Pod]')];
    const of = (cni: CniName): string =>
      formatBounds(connectivity(cluster, { cni, undetected: 'unknown' }).between(a, b).bounds);
    expect(of('weave')).toBe('All');
    expect(of('cilium')).toBe('None');
    expect(of('calico')).toBe('None');
  });

  it('of two CNIs that both enforce must both allow', () => {
    const bodies = [
      namespace('ml'),
      pod('ml/a'),
      pod('ml/b'),
      agent('cilium', 'cilium/cilium:v1.18.0'),
      agent('calico-node', 'calico/node:v3.30.0'),
      ciliumPolicy('ml/c', {
        endpointSelector: {},
        ingress: [
          {
            toPorts: [
              {
                ports: [
                  { port: '80', protocol: 'TCP' },
                  { port: '81', protocol: 'TCP' },
                ],
              },
            ],
          },
        ],
      }),
      calicoPolicy('ml/c', { ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: ['81:90'] } }] }),
    ];
    const cluster = clusterFrom(bodies);
    const found = connectivity(cluster);
    const [a, b] = [workloadNamed(cluster, 'ml/a[Pod]'), workloadNamed(cluster, 'ml/b[Pod]')];
    expect(formatBounds(found.between(a, b).bounds)).toBe('TCP 81');
  });

  it('that are not modelled make unknown what they are about', () => {
    const bodies = [
      namespace('ml'),
      namespace('other'),
      pod('ml/a'),
      pod('other/b'),
      {
        apiVersion: 'k8s.ovn.org/v1',
        kind: 'EgressFirewall',
        metadata: { namespace: 'ml', name: 'default' },
        spec: {},
      },
      {
        apiVersion: 'crd.antrea.io/v1beta1',
        kind: 'NetworkPolicy',
        metadata: { namespace: 'ml', name: 'p' },
        spec: {},
      },
    ];
    const cluster = clusterFrom(bodies);
    const [a, b] = [workloadNamed(cluster, 'ml/a[Pod]'), workloadNamed(cluster, 'other/b[Pod]')];
    const of = (cni: CniName): readonly string[] => {
      const found = connectivity(cluster, { cni, undetected: 'unknown' });
      const outside = found.outsideAt('203.0.113.1');
      if (outside === null) throw new Error('an address');
      return [found.between(a, b), found.between(b, a), found.between(a, outside), found.between(b, outside)].map(
        ({ bounds }) => formatBounds(bounds),
      );
    };
    expect(of('ovn-kubernetes')).toEqual(['All', 'All', 'Unknown', 'All']);
    expect(of('antrea')).toEqual(['Unknown', 'Unknown', 'Unknown', 'All']);
    expect(of('calico')).toEqual(['All', 'All', 'All', 'All']);
  });
});

describe('policies that were not read', () => {
  const bodies = [namespace('ml'), namespace('other'), pod('ml/a'), pod('ml/b'), pod('other/c'), pod('other/d')];
  const of = (terms: Partial<Inventory>, cni: CniName = 'standard'): readonly string[] => {
    const cluster = clusterFrom(bodies, terms);
    const found = connectivity(cluster, { cni, undetected: 'unknown' });
    const [a, b, c, d] = ['ml/a', 'ml/b', 'other/c', 'other/d'].map((name) => workloadNamed(cluster, `${name}[Pod]`));
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('all are there');
    return [found.between(a, b), found.between(c, d), found.between(a, c)].map(({ bounds }) => formatBounds(bounds));
  };
  const forbidden = (namespace: string | null): Partial<Inventory> => ({
    unreadable: [
      {
        what: 'networkpolicies.networking.k8s.io',
        kind: 'NetworkPolicy.networking.k8s.io',
        namespace,
        reason: 'forbidden',
        detail: '403',
        position: null,
      },
    ],
  });
  const KINDS = [
    'NetworkPolicy.networking.k8s.io',
    'AdminNetworkPolicy.policy.networking.k8s.io',
    'BaselineAdminNetworkPolicy.policy.networking.k8s.io',
    'ClusterNetworkPolicy.policy.networking.k8s.io',
  ];

  it('S6 leave everything unknown that they could be about, and never open', () => {
    expect(of(forbidden(null))).toEqual(['Unknown', 'Unknown', 'Unknown']);
    expect(of(forbidden('ml'))).toEqual(['Unknown', 'All', 'Unknown']);
  });

  it('S6 are none when all were read and none is there', () => {
    expect(of({ completeKinds: new Set(KINDS) })).toEqual(['All', 'All', 'All']);
  });

  it('S6 are unknown when a live cluster was not asked for them', () => {
    expect(of({ completeKinds: new Set(KINDS.slice(1)) })).toEqual(['Unknown', 'Unknown', 'Unknown']);
    expect(of({ completeKinds: new Set([...KINDS.slice(1), 'other/NetworkPolicy.networking.k8s.io']) })).toEqual([
      'Unknown',
      'All',
      'Unknown',
    ]);
  });

  it('S6 are none of a kind that the server does not have', () => {
    const absent = KINDS.slice(1).map((kind) => ({
      what: kind,
      kind,
      namespace: null,
      reason: 'absent-kind' as const,
      detail: '404',
      position: null,
    }));
    expect(of({ completeKinds: new Set(KINDS.slice(0, 1)), unreadable: absent })).toEqual(['All', 'All', 'All']);
  });

  it('S6 do not matter when no CNI would enforce them', () => {
    expect(of(forbidden(null), 'flannel')).toEqual(['All', 'All', 'All']);
    expect(of({ completeKinds: new Set(KINDS.slice(0, 1)) }, 'weave')).toEqual(['All', 'All', 'All']);
  });
});
