import { describe, expect, it } from 'vitest';
import { formatReach, parseReachPort, reach, ReachError, reachToJson } from '../../../src/audit/network/reach.ts';
import { clusterOf } from '../inventory.ts';
import { clusterFrom, namespace, networkPolicy, pod } from './scene.ts';

const TEXT = `
apiVersion: v1
kind: Namespace
metadata: { name: ml }
---
apiVersion: v1
kind: Pod
metadata: { name: train, namespace: ml, labels: { app: train } }
spec: { containers: [{ name: main, image: main:1 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: registry, namespace: ml, labels: { app: registry } }
spec: { containers: [{ name: main, image: main:1 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: registry, namespace: ml }
spec:
  podSelector: { matchLabels: { app: registry } }
  ingress:
  - from: [{ podSelector: { matchLabels: { app: train } } }]
    ports: [{ port: 5000 }]
  - ports: [{ port: 443 }]
`;

function ask(from: string, to: string, port: string | null = null): string {
  const answers = reach(clusterOf(TEXT), {
    from,
    to,
    port: port === null ? null : parseReachPort(port),
    cni: 'standard',
  });
  return answers.map(formatReach).join('\n');
}

describe('reach', () => {
  it('explains a pair, with rules and where they stand', () => {
    expect(ask('ml/train', 'ml/registry', '5000')).toBe(
      [
        'ml/train[Pod] → ml/registry[Pod] TCP 5000: allowed',
        '  egress: no policy selects the pod',
        '  ingress: ml/registry[NetworkPolicy] spec.ingress[0] allows TCP 5000  cluster.yaml:22:5',
      ].join('\n'),
    );
  });

  it('explains a denial by what isolates', () => {
    expect(ask('ml/train', 'ml/registry', 'udp/53')).toBe(
      [
        'ml/train[Pod] → ml/registry[Pod] UDP 53: denied',
        '  egress: no policy selects the pod',
        '  ingress: ml/registry[NetworkPolicy] spec isolates the pod from what no rule allows  cluster.yaml:19:1',
      ].join('\n'),
    );
  });

  it('explains all ports at once', () => {
    expect(ask('ml/train', 'ml/registry')).toContain('ml/train[Pod] → ml/registry[Pod]: allowed (TCP 443,5000)');
  });

  it('knows the outside, addresses and the metadata', () => {
    expect(ask('outside', 'ml/registry', '443')).toContain('outside → ml/registry[Pod] TCP 443: allowed');
    expect(ask('outside', 'ml/registry', '5000')).toContain('denied');
    expect(ask('203.0.113.9', 'ml/registry')).toContain('203.0.113.9 → ml/registry[Pod]: allowed (TCP 443)');
    expect(ask('ml/train', 'metadata', '80')).toContain('ml/train[Pod] → metadata TCP 80: allowed');
    expect(ask('ml/train[Pod]', '2001:db8::1')).toContain('allowed (All)');
  });

  it('says what is not certain, and why', () => {
    const cluster = clusterFrom([
      namespace('ml'),
      pod('ml/a'),
      pod('ml/b'),
      networkPolicy('ml/p', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }],
      }),
    ]);
    const [answer] = reach(cluster, { from: 'ml/a', to: 'ml/b', port: null, cni: null });
    expect(answer?.verdict).toBe('unknown');
    const text = answer === undefined ? '' : formatReach(answer);
    expect(text).toContain('perhaps: whether an IP block covers addresses inside the cluster');
    expect(text).toContain('policies count as enforced');
  });

  it('is of JSON with codes for programs', () => {
    const [answer] = reach(clusterOf(TEXT), {
      from: 'ml/train',
      to: 'ml/registry',
      port: parseReachPort('443'),
      cni: 'standard',
    });
    if (answer === undefined) throw new Error('there is an answer');
    expect(reachToJson(answer)).toEqual({
      from: 'ml/train[Pod]',
      to: 'ml/registry[Pod]',
      port: 'TCP 443',
      verdict: 'allowed',
      connections: 'TCP 443,5000',
      why: [
        {
          direction: 'egress',
          effect: 'open',
          policy: null,
          rule: null,
          connections: null,
          certain: true,
          doubt: null,
          at: null,
          text: 'egress: no policy selects the pod',
        },
        {
          direction: 'ingress',
          effect: 'allows',
          policy: 'ml/registry[NetworkPolicy]',
          rule: 'spec.ingress[1]',
          connections: 'TCP 443',
          certain: true,
          doubt: null,
          at: 'cluster.yaml:24:5',
          text: 'ingress: ml/registry[NetworkPolicy] spec.ingress[1] allows TCP 443',
        },
      ],
      assumption: null,
    });
  });

  it('answers for every workload of the name', () => {
    const job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { namespace: 'ml', name: 'a' },
      spec: { template: { spec: { containers: [{ name: 'm', image: 'm:1' }] } } },
    };
    const cluster = clusterFrom([pod('ml/a'), job, pod('ml/b')]);
    const query = { port: null, cni: null } as const;
    expect(
      reach(cluster, { ...query, from: 'ml/a', to: 'ml/b' })
        .map(({ from }) => from)
        .sort(),
    ).toEqual(['ml/a[Job]', 'ml/a[Pod]']);
    expect(reach(cluster, { ...query, from: 'ml/a[Job]', to: 'ml/b' }).map(({ from }) => from)).toEqual(['ml/a[Job]']);
  });

  it.each([
    ['ml/trian', 'did you mean `ml/train`?'],
    ['nowhere/else/at/all', 'write namespace/name'],
    ['train', 'there is no workload `train`'],
    ['', 'there is no workload'],
  ])('does not know %j', (name, hint) => {
    expect(() => ask(name, 'ml/registry')).toThrow(ReachError);
    expect(() => ask(name, 'ml/registry')).toThrow(hint);
  });
});

describe('ports of a query', () => {
  it.each([
    ['80', 'TCP', 80],
    ['TCP/80', 'TCP', 80],
    ['80/tcp', 'TCP', 80],
    ['udp 53', 'UDP', 53],
    ['SCTP:3868', 'SCTP', 3868],
  ])('%j is %s %d', (text, protocol, number) => {
    expect(parseReachPort(text)).toEqual({ protocol, number });
  });

  it.each(['', '0', '65536', 'http', 'icmp/8', '80/81', 'TCP', '-80', '80.5', '8e1', 'TCP/UDP/'])(
    '%j is none',
    (text) => {
      expect(() => parseReachPort(text)).toThrow(ReachError);
    },
  );
});
