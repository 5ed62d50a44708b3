import { describe, expect, it } from 'vitest';
import { type Body, ciliumClusterwide, ciliumPolicy, namespace, networkPolicy, pod, sceneOf } from './scene.ts';

const WORLD: readonly Body[] = [
  namespace('ml', { team: 'ml' }),
  namespace('other', { team: 'other' }),
  pod('ml/web', { labels: { app: 'web' }, ports: [['http', 8080]], serviceAccount: 'runner' }),
  pod('ml/db', { labels: { app: 'db' }, ports: [['sql', 5432]] }),
  pod('other/web', { labels: { app: 'web' } }),
  pod('other/visitor'),
  pod('other/host', { hostNetwork: true }),
];
const OUT = '203.0.113.1';

type Expected = Readonly<Record<string, string>>;

function connectionsOf(bodies: readonly Body[], expected: Expected): Expected {
  const scene = sceneOf([...WORLD, ...bodies], 'cilium');
  return Object.fromEntries(
    Object.keys(expected).map((pair) => {
      const [from = '', to = ''] = pair.split(' > ');
      return [pair, scene.connections(from, to)];
    }),
  );
}

/** Each policy is in `ml`. */
function check(cases: readonly (readonly [name: string, spec: unknown, expected: Expected])[]): void {
  it.each(cases)('%s', (_, spec, expected) => {
    expect(connectionsOf([ciliumPolicy('ml/policy', spec)], expected)).toEqual(expected);
  });
}

const ALL = { endpointSelector: {} };

describe('default deny', () => {
  check([
    [
      'comes with rules of a direction',
      { ...ALL, ingress: [{ fromEndpoints: [{}] }] },
      { 'other/web > ml/db': 'None', 'ml/db > other/web': 'All' },
    ],
    [
      'comes with an empty rule, which allows nothing',
      { ...ALL, ingress: [{}] },
      { 'ml/web > ml/db': 'None', [`${OUT} > ml/db`]: 'None', 'ml/db > other/web': 'All' },
    ],
    [
      'does not come with an empty list',
      { ...ALL, ingress: [], egress: [] },
      { 'other/web > ml/db': 'All', 'ml/db > other/web': 'All' },
    ],
    ['does not come without a section', ALL, { 'other/web > ml/db': 'All' }],
    ['does not come with null', { ...ALL, ingress: null }, { 'other/web > ml/db': 'All' }],
    ['comes with denials too', { ...ALL, ingressDeny: [{ fromEntities: ['world'] }] }, { 'other/web > ml/db': 'None' }],
    [
      'can be turned off',
      { ...ALL, ingressDeny: [{ fromEntities: ['world'] }], enableDefaultDeny: { ingress: false } },
      { 'other/web > ml/db': 'All', [`${OUT} > ml/db`]: 'None' },
    ],
    [
      'can be turned on',
      { ...ALL, enableDefaultDeny: { egress: true } },
      { 'ml/db > other/web': 'None', 'other/web > ml/db': 'All' },
    ],
    [
      'is of the endpoints that are selected',
      { endpointSelector: { matchLabels: { app: 'db' } }, ingress: [{}] },
      { 'ml/web > ml/db': 'None', 'ml/db > ml/web': 'All' },
    ],
    ['is of the namespace of the policy', { ...ALL, ingress: [{}] }, { 'ml/db > other/web': 'All' }],
    [
      'is of that namespace whatever the selector says',
      { endpointSelector: { matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'other' } }, ingress: [{}] },
      { 'ml/db > other/web': 'All', 'other/web > ml/db': 'None' },
    ],
  ]);

  it('is asked for by any policy, and not taken back by another', () => {
    const bodies = [
      ciliumPolicy('ml/off', { ...ALL, ingress: [{ fromEndpoints: [{}] }], enableDefaultDeny: { ingress: false } }),
      ciliumPolicy('ml/on', { ...ALL, ingress: [{}] }),
    ];
    expect(connectionsOf(bodies, { 'ml/web > ml/db': '', 'other/web > ml/db': '' })).toEqual({
      'ml/web > ml/db': 'All',
      'other/web > ml/db': 'None',
    });
  });
});

describe('peers of Cilium', () => {
  const from = (section: object): unknown => ({ endpointSelector: { matchLabels: { app: 'db' } }, ingress: [section] });
  const to = (section: object): unknown => ({ endpointSelector: { matchLabels: { app: 'web' } }, egress: [section] });
  check([
    [
      'endpoints are of the own namespace',
      from({ fromEndpoints: [{ matchLabels: { app: 'web' } }] }),
      { 'ml/web > ml/db': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'unless they name another',
      from({ fromEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'other' } }] }),
      { 'other/visitor > ml/db': 'All', 'ml/web > ml/db': 'None' },
    ],
    [
      'by any source',
      from({ fromEndpoints: [{ matchLabels: { 'io.kubernetes.pod.namespace': 'other' } }] }),
      { 'other/visitor > ml/db': 'All' },
    ],
    [
      'by an expression',
      from({
        fromEndpoints: [
          { matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'In', values: ['ml', 'other'] }] },
        ],
      }),
      { 'other/visitor > ml/db': 'All', 'ml/web > ml/db': 'All', [`${OUT} > ml/db`]: 'None' },
    ],
    [
      'or by the labels of the namespace',
      from({ fromEndpoints: [{ matchLabels: { 'io.cilium.k8s.namespace.labels.team': 'other' } }] }),
      { 'other/visitor > ml/db': 'All', 'ml/web > ml/db': 'None' },
    ],
    [
      'several mean any',
      from({ fromEndpoints: [{ matchLabels: { app: 'none' } }, { matchLabels: { app: 'web' } }] }),
      { 'ml/web > ml/db': 'All' },
    ],
    [
      'by service account',
      from({ fromEndpoints: [{ matchLabels: { 'io.cilium.k8s.policy.serviceaccount': 'runner' } }] }),
      { 'ml/web > ml/db': 'All' },
    ],
    [
      'by reserved label',
      from({ fromEndpoints: [{ matchLabels: { 'reserved:world': '' } }] }),
      { [`${OUT} > ml/db`]: 'All', 'ml/web > ml/db': 'None' },
    ],
    [
      'by a source that pods do not have',
      from({ fromEndpoints: [{ matchLabels: { 'container:app': 'web' } }] }),
      { 'ml/web > ml/db': 'None' },
    ],
    [
      'the world is outside',
      to({ toEntities: ['world'] }),
      {
        [`ml/web > ${OUT}`]: 'All',
        'ml/web > 169.254.169.254': 'All',
        'ml/web > other/web': 'None',
        'ml/web > other/host': 'None',
      },
    ],
    [
      'the cluster is inside',
      to({ toEntities: ['cluster'] }),
      { [`ml/web > ${OUT}`]: 'None', 'ml/web > other/web': 'All', 'ml/web > other/host': 'All' },
    ],
    [
      'all is all',
      to({ toEntities: ['all'] }),
      { [`ml/web > ${OUT}`]: 'All', 'ml/web > other/web': 'All', 'ml/web > other/host': 'All' },
    ],
    [
      'the own node and the others are two',
      to({ toEntities: ['host'] }),
      { 'ml/web > other/host': 'Unknown', 'ml/web > other/web': 'None' },
    ],
    [
      'both together are every node',
      to({ toEntities: ['host', 'remote-node'] }),
      { 'ml/web > other/host': 'All', 'ml/web > other/web': 'None' },
    ],
    [
      'the API server may be a node',
      to({ toEntities: ['kube-apiserver'] }),
      { 'ml/web > other/host': 'Unknown', [`ml/web > ${OUT}`]: 'None' },
    ],
    [
      'the world of one family',
      to({ toEntities: ['world-ipv4'] }),
      { [`ml/web > ${OUT}`]: 'All', 'ml/web > 2001:db8::1': 'None' },
    ],
    ['none is nobody', to({ toEntities: ['none'] }), { [`ml/web > ${OUT}`]: 'None', 'ml/web > other/web': 'None' }],
    [
      'blocks are outside, and never pods',
      to({ toCIDR: ['0.0.0.0/0', '::/0'] }),
      { [`ml/web > ${OUT}`]: 'All', 'ml/web > ml/db': 'None', 'ml/web > other/host': 'None' },
    ],
    ['an address is a block', to({ toCIDR: [OUT] }), { [`ml/web > ${OUT}`]: 'All', 'ml/web > 203.0.113.2': 'None' }],
    [
      'blocks have exceptions',
      to({ toCIDRSet: [{ cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] }] }),
      { 'ml/web > 169.254.169.254': 'None', [`ml/web > ${OUT}`]: 'All' },
    ],
    [
      'names are unknown addresses outside',
      to({ toFQDNs: [{ matchName: 'api.example.com' }] }),
      { [`ml/web > ${OUT}`]: 'Unknown', 'ml/web > 169.254.169.254': 'None', 'ml/web > ml/db': 'None' },
    ],
    [
      'a pattern for every name may be the metadata',
      to({ toFQDNs: [{ matchPattern: '*' }] }),
      { 'ml/web > 169.254.169.254': 'Unknown' },
    ],
    [
      'the name of the metadata is',
      to({ toFQDNs: [{ matchName: 'metadata.google.internal.' }] }),
      { 'ml/web > 169.254.169.254': 'Unknown' },
    ],
    [
      'groups are unknown',
      to({ toGroups: [{ aws: { securityGroupsIds: ['sg-1'] } }] }),
      { [`ml/web > ${OUT}`]: 'Unknown', 'ml/web > ml/db': 'None' },
    ],
    [
      'nodes by label are unknown',
      to({ toNodes: [{ matchLabels: { a: 'b' } }] }),
      { 'ml/web > other/host': 'Unknown', 'ml/web > ml/db': 'None' },
    ],
    [
      'no peers and ports mean everybody on those ports',
      to({ toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }] }),
      { [`ml/web > ${OUT}`]: 'TCP 443', 'ml/web > other/web': 'TCP 443' },
    ],
    ['an empty list of peers means nobody', to({ toEndpoints: [] }), { 'ml/web > ml/db': 'None' }],
    [
      'and with ports depends on the version',
      to({ toEndpoints: [], toPorts: [{ ports: [{ port: '80' }] }] }),
      { 'ml/web > ml/db': 'Unknown' },
    ],
    [
      'sections that Cilium does not combine are unknown',
      to({ toEndpoints: [{}], toEntities: ['world'] }),
      { 'ml/web > ml/db': 'Unknown', [`ml/web > ${OUT}`]: 'Unknown', 'ml/web > other/web': 'None' },
    ],
    [
      'ICMP is no connection',
      to({ icmps: [{ fields: [{ type: 8 }] }] }),
      { 'ml/web > ml/db': 'None', [`ml/web > ${OUT}`]: 'None' },
    ],
    [
      'requirements narrow everything',
      from({ fromEndpoints: [{}], fromRequires: [{ matchLabels: { team: 'a' } }] }),
      { 'ml/web > ml/db': 'Unknown' },
    ],
  ]);

  it('are groups of blocks where they are given', () => {
    const group: Body = {
      apiVersion: 'cilium.io/v2alpha1',
      kind: 'CiliumCIDRGroup',
      metadata: { name: 'office', labels: { kind: 'office' } },
      spec: { externalCIDRs: ['203.0.113.0/24'] },
    };
    const by = (set: object): Body => ciliumPolicy('ml/policy', { ...ALL, egress: [{ toCIDRSet: [set] }] });
    const expected = { [`ml/web > ${OUT}`]: 'All', 'ml/web > 203.0.114.1': 'None' };
    expect(connectionsOf([group, by({ cidrGroupRef: 'office' })], expected)).toEqual(expected);
    expect(connectionsOf([group, by({ cidrGroupSelector: { matchLabels: { kind: 'office' } } })], expected)).toEqual(
      expected,
    );
    expect(connectionsOf([by({ cidrGroupRef: 'office' })], expected)).toEqual({
      [`ml/web > ${OUT}`]: 'Unknown',
      'ml/web > 203.0.114.1': 'Unknown',
    });
  });

  it('are the pods behind a Service, as far as versions agree', () => {
    const service: Body = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'ml', name: 'db' },
      spec: { selector: { app: 'db' } },
    };
    const policy = ciliumPolicy('ml/policy', {
      endpointSelector: { matchLabels: { app: 'web' } },
      egress: [{ toServices: [{ k8sService: { serviceName: 'db', namespace: 'ml' } }] }],
    });
    const expected = { 'ml/web > ml/db': 'Unknown', 'ml/web > other/web': 'None', [`ml/web > ${OUT}`]: 'None' };
    expect(connectionsOf([service, policy], expected)).toEqual(expected);
    expect(connectionsOf([policy], { [`ml/web > ${OUT}`]: '', 'ml/web > 169.254.169.254': '' })).toEqual({
      [`ml/web > ${OUT}`]: 'Unknown',
      'ml/web > 169.254.169.254': 'None',
    });
  });
});

describe('ports of Cilium', () => {
  const on = (...ports: unknown[]): unknown => ({ ...ALL, ingress: [{ toPorts: [{ ports }] }] });
  check([
    ['are of any protocol when none is given', on({ port: '80' }), { 'ml/web > ml/db': 'TCP 80, UDP 80, SCTP 80' }],
    ['have a protocol in any case', on({ port: '80', protocol: 'tcp' }), { 'ml/web > ml/db': 'TCP 80' }],
    ['have an end', on({ port: '80', endPort: 90, protocol: 'TCP' }), { 'ml/web > ml/db': 'TCP 80-90' }],
    ['of zero mean all', on({ port: '0', protocol: 'UDP' }), { 'ml/web > ml/db': 'UDP 1-65535' }],
    ['of zero and any mean everything', on({ port: '0' }), { 'ml/web > ml/db': 'All' }],
    [
      'by name are those of the target',
      on({ port: 'http', protocol: 'TCP' }),
      { 'ml/db > ml/web': 'TCP 8080', 'ml/web > ml/db': 'Unknown' },
    ],
    ['of a protocol without ports are none', on({ port: '0', protocol: 'ICMP' }), { 'ml/web > ml/db': 'None' }],
    ['that are numbers are not taken', on({ port: 80 }), { 'ml/web > ml/db': 'Unknown' }],
    ['that are too high are not taken', on({ port: '65536', protocol: 'TCP' }), { 'ml/web > ml/db': 'Unknown' }],
    ['of an unknown protocol are not taken', on({ port: '80', protocol: 'QUIC' }), { 'ml/web > ml/db': 'Unknown' }],
    [
      'with rules above the transport are allowed',
      {
        ...ALL,
        ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ method: 'GET' }] } }] }],
      },
      { 'ml/web > ml/db': 'TCP 80' },
    ],
    [
      'without any port are unknown',
      { ...ALL, ingress: [{ toPorts: [{ rules: { http: [{}] } }] }] },
      { 'ml/web > ml/db': 'Unknown' },
    ],
  ]);

  it('say that they are narrowed above the transport', () => {
    const spec = {
      ...ALL,
      ingress: [
        {
          toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ method: 'GET' }] } }],
          authentication: { mode: 'required' },
        },
      ],
    };
    const scene = sceneOf([...WORLD, ciliumPolicy('ml/policy', spec)], 'cilium');
    const { why } = scene.found.between(scene.place('ml/web'), scene.place('ml/db'));
    expect(why.map(({ detail }) => detail)).toContain('narrowed by http rules, authentication mode required');
  });
});

describe('denials of Cilium', () => {
  it('beat every allow, that of a NetworkPolicy as well', () => {
    const bodies = [
      networkPolicy('ml/allow', { podSelector: {}, ingress: [{}] }),
      ciliumPolicy('ml/allow', { ...ALL, ingress: [{ fromEntities: ['all'] }] }),
      ciliumClusterwide('deny', {
        ...ALL,
        ingressDeny: [
          {
            fromEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'other' } }],
            toPorts: [{ ports: [{ port: '22', protocol: 'TCP' }] }],
          },
        ],
      }),
    ];
    const expected = { 'other/web > ml/db': 'TCP 1-21,23-65535, UDP 1-65535, SCTP 1-65535', 'ml/web > ml/db': 'All' };
    expect(connectionsOf(bodies, expected)).toEqual(expected);
  });

  it('of the whole cluster mean the whole cluster', () => {
    const deny = ciliumClusterwide('deny', {
      ...ALL,
      egressDeny: [{ toEntities: ['world'] }],
      enableDefaultDeny: { egress: false },
    });
    const expected = { [`ml/web > ${OUT}`]: 'None', [`other/web > ${OUT}`]: 'None', 'ml/web > other/web': 'All' };
    expect(connectionsOf([deny], expected)).toEqual(expected);
  });
});

describe('policies of Cilium together', () => {
  it('add up with NetworkPolicies, and blocks of those are never pods', () => {
    const bodies = [
      networkPolicy('ml/blocks', {
        podSelector: { matchLabels: { app: 'db' } },
        ingress: [
          { from: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 1 }] },
          { from: [{ podSelector: {} }], ports: [{ port: 2 }] },
        ],
      }),
      ciliumPolicy('ml/own', {
        endpointSelector: { matchLabels: { app: 'db' } },
        ingress: [{ fromEndpoints: [{}], toPorts: [{ ports: [{ port: '3', protocol: 'TCP' }] }] }],
      }),
    ];
    const expected = { 'ml/web > ml/db': 'TCP 2-3', [`${OUT} > ml/db`]: 'TCP 1', 'other/web > ml/db': 'None' };
    expect(connectionsOf(bodies, expected)).toEqual(expected);
  });

  it('are in spec and in specs at once', () => {
    const rule = (port: string): object => ({
      ...ALL,
      ingress: [{ fromEndpoints: [{}], toPorts: [{ ports: [{ port, protocol: 'TCP' }] }] }],
    });
    const policy = { ...ciliumPolicy('ml/policy', rule('1')), specs: [rule('2'), rule('3')] };
    expect(connectionsOf([policy], { 'ml/web > ml/db': '' })).toEqual({ 'ml/web > ml/db': 'TCP 1-3' });
    expect(connectionsOf([{ ...policy, spec: null }], { 'ml/web > ml/db': '' })).toEqual({
      'ml/web > ml/db': 'TCP 2-3',
    });
  });

  it('are switched by the configuration of the agent', () => {
    const config = (data: object): Body => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'kube-system', name: 'cilium-config' },
      data,
    });
    const deny = ciliumPolicy('ml/deny', { ...ALL, ingress: [{}] });
    const kubernetes = networkPolicy('other/deny', { podSelector: {} });
    const pairs = { 'ml/web > ml/db': '', 'ml/web > other/web': '', 'ml/db > other/host': '' };
    const of = (data: object): Expected => connectionsOf([deny, kubernetes, config(data)], pairs);
    expect(of({})).toEqual({ 'ml/web > ml/db': 'None', 'ml/web > other/web': 'None', 'ml/db > other/host': 'All' });
    expect(of({ 'enable-policy': 'never' })).toEqual({
      'ml/web > ml/db': 'All',
      'ml/web > other/web': 'All',
      'ml/db > other/host': 'All',
    });
    expect(of({ 'enable-policy': 'always' })).toEqual({
      'ml/web > ml/db': 'None',
      'ml/web > other/web': 'None',
      'ml/db > other/host': 'None',
    });
    expect(of({ 'enable-policy': 'sometimes' })).toEqual({
      'ml/web > ml/db': 'Unknown',
      'ml/web > other/web': 'Unknown',
      'ml/db > other/host': 'Unknown',
    });
    expect(of({ 'enable-k8s-networkpolicy': 'false' })).toMatchObject({
      'ml/web > other/web': 'All',
      'ml/web > ml/db': 'None',
    });
    expect(of({ 'enable-cilium-network-policy': 'false' })).toMatchObject({
      'ml/web > ml/db': 'All',
      'ml/web > other/web': 'None',
    });
  });

  it('compare blocks with nodes where that is configured', () => {
    const config: Body = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'kube-system', name: 'cilium-config' },
      data: { 'policy-cidr-match-mode': 'nodes' },
    };
    const policy = ciliumPolicy('ml/policy', { ...ALL, egress: [{ toCIDR: ['10.0.0.0/8'] }] });
    expect(connectionsOf([config, policy], { 'ml/web > other/host': '', 'ml/web > ml/db': '' })).toEqual({
      'ml/web > other/host': 'Unknown',
      'ml/web > ml/db': 'None',
    });
  });

  it('of nodes make what is on the network of nodes unknown', () => {
    const policy = ciliumClusterwide('nodes', { nodeSelector: {}, ingress: [{}] });
    expect(connectionsOf([policy], { 'ml/web > other/host': '', 'ml/web > ml/db': '' })).toEqual({
      'ml/web > other/host': 'Unknown',
      'ml/web > ml/db': 'All',
    });
  });
});

describe('what of Cilium cannot be read', () => {
  it.each<[string, unknown]>([
    ['a policy without a selector', { ingress: [{}] }],
    ['a policy with both selectors', { ...ALL, nodeSelector: {}, ingress: [{}] }],
    ['a key that a rule does not have', { ...ALL, ingress: [{ fromEndpoint: [{}] }] }],
    ['a key that a policy does not have', { ...ALL, tier: 'first', ingress: [{}] }],
    ['an entity that is none', { ...ALL, ingress: [{ fromEntities: ['everybody'] }] }],
    ['a block that is none', { ...ALL, ingress: [{ fromCIDR: ['x'] }] }],
    ['peers that are no list', { ...ALL, ingress: [{ fromEndpoints: {} }] }],
    ['a rule that is null', { ...ALL, ingress: [null] }],
    ['rules that are no list', { ...ALL, ingress: {} }],
    ['a default that is no boolean', { ...ALL, enableDefaultDeny: { ingress: 'yes' } }],
    ['a policy that is a text', 'deny'],
    ['no policy at all', undefined],
  ])('is unknown: %s', (_, spec) => {
    expect(connectionsOf([ciliumPolicy('ml/policy', spec)], { 'ml/web > ml/db': '' })).toEqual({
      'ml/web > ml/db': 'Unknown',
    });
  });
});
