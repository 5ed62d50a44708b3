import { describe, expect, it } from 'vitest';
import {
  adminPolicy,
  baselinePolicy,
  type Body,
  clusterPolicy,
  namespace,
  networkPolicy,
  pod,
  sceneOf,
} from './scene.ts';

const WORLD: readonly Body[] = [
  namespace('ml', { team: 'ml' }),
  namespace('other', { team: 'other' }),
  pod('ml/web', {
    labels: { app: 'web' },
    ports: [
      ['http', 8080],
      ['dns', 53, 'UDP'],
    ],
  }),
  pod('ml/db', { labels: { app: 'db' } }),
  pod('other/web', { labels: { app: 'web' } }),
  pod('other/host', { hostNetwork: true }),
];
const OUT = '203.0.113.1';
const EVERYBODY = { namespaces: {} };
const ML = { namespaces: { matchLabels: { team: 'ml' } } };

type Expected = Readonly<Record<string, string>>;

function connectionsOf(bodies: readonly Body[], expected: Expected): Expected {
  const scene = sceneOf([...WORLD, ...bodies]);
  return Object.fromEntries(
    Object.keys(expected).map((pair) => {
      const [from = '', to = ''] = pair.split(' > ');
      return [pair, scene.connections(from, to)];
    }),
  );
}

const without = (port: number): string => `TCP 1-${port - 1},${port + 1}-65535, UDP 1-65535, SCTP 1-65535`;

describe('AdminNetworkPolicy', () => {
  const rule = (action: string, more: object = {}): object => ({ action, from: [EVERYBODY], ...more });
  const policy = (priority: number, ...ingress: object[]): object => ({ priority, subject: ML, ingress });

  it.each<[string, readonly Body[], Expected]>([
    [
      'denies what it denies and leaves the rest',
      [adminPolicy('a', policy(1, rule('Deny', { ports: [{ portNumber: { protocol: 'TCP', port: 22 } }] })))],
      { 'other/web > ml/db': without(22), 'ml/db > other/web': 'All', [`${OUT} > ml/db`]: 'All' },
    ],
    [
      'beats a NetworkPolicy by denying',
      [adminPolicy('a', policy(1, rule('Deny'))), networkPolicy('ml/p', { podSelector: {}, ingress: [{}] })],
      { 'other/web > ml/db': 'None', [`${OUT} > ml/db`]: 'All' },
    ],
    [
      'beats a NetworkPolicy by allowing',
      [adminPolicy('a', policy(1, rule('Allow'))), networkPolicy('ml/p', { podSelector: {} })],
      { 'other/web > ml/db': 'All', [`${OUT} > ml/db`]: 'None' },
    ],
    [
      'leaves it to NetworkPolicies by passing',
      [
        adminPolicy('a', policy(1, rule('Pass'), rule('Deny'))),
        networkPolicy('ml/p', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }),
      ],
      { 'other/web > ml/db': 'TCP 80' },
    ],
    [
      'ends at the first rule that matches',
      [adminPolicy('a', policy(1, rule('Allow', { ports: [{ portNumber: { port: 80 } }] }), rule('Deny')))],
      { 'other/web > ml/db': 'TCP 80' },
    ],
    [
      'is asked by priority, the lowest first',
      [adminPolicy('a', policy(10, rule('Deny'))), adminPolicy('b', policy(9, rule('Allow')))],
      { 'other/web > ml/db': 'All' },
    ],
    [
      'of equal priority is unknown where it matters',
      [
        adminPolicy('a', policy(5, rule('Deny', { ports: [{ portRange: { protocol: 'TCP', start: 1, end: 100 } }] }))),
        adminPolicy(
          'b',
          policy(5, rule('Allow', { ports: [{ portRange: { protocol: 'TCP', start: 50, end: 200 } }] })),
        ),
      ],
      { 'other/web > ml/db': 'Unknown' },
    ],
    [
      'of equal priority is known where it does not',
      [
        adminPolicy('a', policy(5, rule('Deny', { ports: [{ portNumber: { port: 80 } }] }))),
        adminPolicy('b', policy(5, rule('Deny'))),
      ],
      { 'other/web > ml/db': 'None' },
    ],
    [
      'selects pods of namespaces',
      [
        adminPolicy('a', {
          priority: 1,
          subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'db' } } } },
          ingress: [rule('Deny')],
        }),
      ],
      { 'ml/web > ml/db': 'None', 'ml/db > ml/web': 'All' },
    ],
    [
      'means pods of namespaces',
      [
        adminPolicy(
          'a',
          policy(1, {
            action: 'Deny',
            from: [
              {
                pods: {
                  namespaceSelector: { matchLabels: { team: 'other' } },
                  podSelector: { matchLabels: { app: 'web' } },
                },
              },
            ],
          }),
        ),
      ],
      { 'other/web > ml/db': 'None', 'ml/web > ml/db': 'All' },
    ],
    [
      'resolves names of ports in any protocol',
      [
        adminPolicy(
          'a',
          policy(1, rule('Allow', { ports: [{ namedPort: 'dns' }, { namedPort: 'http' }] }), rule('Deny')),
        ),
      ],
      { 'other/web > ml/web': 'TCP 8080, UDP 53', 'other/web > ml/db': 'Unknown' },
    ],
    [
      'is not applied to pods on the network of a node',
      [
        adminPolicy('a', {
          priority: 1,
          subject: EVERYBODY,
          egress: [{ action: 'Deny', to: [EVERYBODY, { networks: ['0.0.0.0/0', '::/0'] }] }],
          ingress: [rule('Deny')],
        }),
      ],
      { [`other/host > ${OUT}`]: 'All', 'other/web > ml/db': 'None', 'ml/db > other/host': 'None' },
    ],
  ])('%s', (_, bodies, expected) => {
    expect(connectionsOf(bodies, expected)).toEqual(expected);
  });

  it.each<[string, object, Expected]>([
    [
      'blocks cover what is outside',
      { networks: ['203.0.113.0/24'] },
      { [`ml/db > ${OUT}`]: 'None', 'ml/db > 203.0.114.1': 'All', 'ml/db > other/web': 'Unknown' },
    ],
    [
      'every block covers pods too',
      { networks: ['0.0.0.0/0', '::/0'] },
      { [`ml/db > ${OUT}`]: 'None', 'ml/db > other/web': 'None' },
    ],
    [
      'the address of instance metadata is that of no pod and no node',
      { networks: ['169.254.169.254/32', 'fd00:ec2::254/128'] },
      {
        'ml/db > 169.254.169.254': 'None',
        'ml/db > other/web': 'All',
        'ml/db > other/host': 'All',
        [`ml/db > ${OUT}`]: 'All',
      },
    ],
    [
      'nodes are not told apart',
      { nodes: { matchLabels: { a: 'b' } } },
      { 'ml/db > other/host': 'Unknown', 'ml/db > other/web': 'All', [`ml/db > ${OUT}`]: 'All' },
    ],
    [
      'names are unknown addresses',
      { domainNames: ['*.example.com'] },
      { [`ml/db > ${OUT}`]: 'Unknown', 'ml/db > 169.254.169.254': 'All', 'ml/db > other/web': 'All' },
    ],
  ])('for egress: %s', (_, peer, expected) => {
    const policy = adminPolicy('a', { priority: 1, subject: ML, egress: [{ action: 'Deny', to: [peer] }] });
    expect(connectionsOf([policy], expected)).toEqual(expected);
  });
});

describe('BaselineAdminNetworkPolicy', () => {
  const baseline = baselinePolicy({
    subject: EVERYBODY,
    ingress: [
      { action: 'Allow', from: [ML] },
      { action: 'Deny', from: [EVERYBODY] },
    ],
  });

  it('holds where no NetworkPolicy isolates', () => {
    const expected = { 'other/web > ml/db': 'None', 'ml/web > ml/db': 'All', 'ml/web > other/web': 'All' };
    expect(connectionsOf([baseline], expected)).toEqual(expected);
  });

  it('is not asked where one does', () => {
    const open = networkPolicy('ml/open', {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [{ ports: [{ port: 80 }] }],
    });
    const expected = { 'other/web > ml/db': 'TCP 80', 'ml/web > ml/db': 'TCP 80', 'other/web > ml/web': 'None' };
    expect(connectionsOf([baseline, open], expected)).toEqual(expected);
  });

  it('is reached by what an admin policy passes', () => {
    const pass = adminPolicy('a', {
      priority: 1,
      subject: EVERYBODY,
      ingress: [
        { action: 'Pass', from: [EVERYBODY] },
        { action: 'Allow', from: [EVERYBODY] },
      ],
    });
    const expected = { 'other/web > ml/db': 'None' };
    expect(connectionsOf([baseline, pass], expected)).toEqual(expected);
  });

  it('does not pass', () => {
    const passing = baselinePolicy({ subject: EVERYBODY, ingress: [{ action: 'Pass', from: [EVERYBODY] }] });
    expect(connectionsOf([passing], { 'other/web > ml/db': '' })).toEqual({ 'other/web > ml/db': 'Unknown' });
  });
});

describe('ClusterNetworkPolicy', () => {
  const policy = (tier: string, priority: number, ...ingress: object[]): object => ({
    tier,
    priority,
    subject: ML,
    ingress,
  });
  const rule = (action: string, protocols?: object[]): object => ({
    action,
    from: [EVERYBODY],
    ...(protocols === undefined ? {} : { protocols }),
  });

  it.each<[string, readonly Body[], Expected]>([
    [
      'accepts in its admin tier',
      [clusterPolicy('a', policy('Admin', 1, rule('Accept'))), networkPolicy('ml/p', { podSelector: {} })],
      { 'other/web > ml/db': 'All', [`${OUT} > ml/db`]: 'None' },
    ],
    [
      'denies in its admin tier',
      [clusterPolicy('a', policy('Admin', 1, rule('Deny'))), networkPolicy('ml/p', { podSelector: {}, ingress: [{}] })],
      { 'other/web > ml/db': 'None' },
    ],
    [
      'passes on',
      [
        clusterPolicy('a', policy('Admin', 1, rule('Pass'), rule('Deny'))),
        networkPolicy('ml/p', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }),
      ],
      { 'other/web > ml/db': 'TCP 80' },
    ],
    [
      'of the baseline holds where nothing else isolates',
      [clusterPolicy('a', policy('Baseline', 1, rule('Deny')))],
      { 'other/web > ml/db': 'None', [`${OUT} > ml/db`]: 'All' },
    ],
    [
      'of the baseline is not asked where something does',
      [
        clusterPolicy('a', policy('Baseline', 1, rule('Deny'))),
        networkPolicy('ml/p', { podSelector: {}, ingress: [{}] }),
      ],
      { 'other/web > ml/db': 'All' },
    ],
    [
      'is asked by priority',
      [clusterPolicy('a', policy('Admin', 2, rule('Deny'))), clusterPolicy('b', policy('Admin', 1, rule('Accept')))],
      { 'other/web > ml/db': 'All' },
    ],
    [
      'of equal priority is unknown',
      [clusterPolicy('a', policy('Admin', 1, rule('Deny'))), clusterPolicy('b', policy('Admin', 1, rule('Accept')))],
      { 'other/web > ml/db': 'Unknown' },
    ],
    [
      'of equal priority in another tier is known',
      [clusterPolicy('a', policy('Baseline', 1, rule('Deny'))), clusterPolicy('b', policy('Admin', 1, rule('Accept')))],
      { 'other/web > ml/db': 'All' },
    ],
    [
      'has ports by protocol',
      [
        clusterPolicy(
          'a',
          policy(
            'Admin',
            1,
            rule('Accept', [
              { tcp: { destinationPort: { number: 80 } } },
              { udp: { destinationPort: { range: { start: 50, end: 60 } } } },
            ]),
            rule('Deny'),
          ),
        ),
      ],
      { 'other/web > ml/db': 'TCP 80, UDP 50-60' },
    ],
    [
      'has protocols without ports',
      [clusterPolicy('a', policy('Admin', 1, rule('Accept', [{ sctp: {} }]), rule('Deny')))],
      { 'other/web > ml/db': 'SCTP 1-65535' },
    ],
    [
      'has names of ports',
      [clusterPolicy('a', policy('Admin', 1, rule('Accept', [{ destinationNamedPort: 'http' }]), rule('Deny')))],
      { 'other/web > ml/web': 'TCP 8080' },
    ],
  ])('%s', (_, bodies, expected) => {
    expect(connectionsOf(bodies, expected)).toEqual(expected);
  });
});

describe('what of admin policies cannot be read', () => {
  const spec = { priority: 1, subject: EVERYBODY };
  const from = [EVERYBODY];
  it.each<[string, Body]>([
    ['an action that is none', adminPolicy('a', { ...spec, ingress: [{ action: 'Accept', from }] })],
    [
      'an action of the older kind',
      clusterPolicy('a', { ...spec, tier: 'Admin', ingress: [{ action: 'Allow', from }] }),
    ],
    ['no peers', adminPolicy('a', { ...spec, ingress: [{ action: 'Deny', from: [] }] })],
    [
      'a peer of two kinds',
      adminPolicy('a', {
        ...spec,
        ingress: [{ action: 'Deny', from: [{ namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } }] }],
      }),
    ],
    [
      'a peer of egress in ingress',
      adminPolicy('a', { ...spec, ingress: [{ action: 'Deny', from: [{ networks: ['10.0.0.0/8'] }] }] }),
    ],
    [
      'a selector of an older version',
      adminPolicy('a', { ...spec, ingress: [{ action: 'Deny', from: [{ namespaces: { namespaceSelector: {} } }] }] }),
    ],
    [
      'a subject of two kinds',
      adminPolicy('a', { priority: 1, subject: { namespaces: {}, pods: {} }, ingress: [{ action: 'Deny', from }] }),
    ],
    ['no subject', adminPolicy('a', { priority: 1, ingress: [{ action: 'Deny', from }] })],
    ['a tier that is none', clusterPolicy('a', { ...spec, tier: 'Middle', ingress: [{ action: 'Deny', from }] })],
    [
      'a port of two kinds',
      adminPolicy('a', {
        ...spec,
        ingress: [{ action: 'Deny', from, ports: [{ namedPort: 'http', portNumber: { port: 80 } }] }],
      }),
    ],
    [
      'a range the wrong way round',
      adminPolicy('a', { ...spec, ingress: [{ action: 'Deny', from, ports: [{ portRange: { start: 9, end: 8 } }] }] }),
    ],
    [
      'a protocol that is none',
      clusterPolicy('a', { ...spec, tier: 'Admin', ingress: [{ action: 'Deny', from, protocols: [{ quic: {} }] }] }),
    ],
    ['rules that are no list', adminPolicy('a', { ...spec, ingress: {} })],
    ['a rule that is null', adminPolicy('a', { ...spec, ingress: [null] })],
    ['a policy that is a text', adminPolicy('a', 'deny')],
  ])('is unknown: %s', (_, body) => {
    expect(connectionsOf([body], { 'other/web > ml/db': '' })).toEqual({ 'other/web > ml/db': 'Unknown' });
  });

  it('is unknown: a priority that is none, beside another policy', () => {
    const bodies = [
      adminPolicy('a', { priority: -1, subject: EVERYBODY, ingress: [{ action: 'Deny', from }] }),
      adminPolicy('b', { ...spec, ingress: [{ action: 'Allow', from }] }),
    ];
    expect(connectionsOf(bodies, { 'other/web > ml/db': '' })).toEqual({ 'other/web > ml/db': 'Unknown' });
  });
});
