import { describe, expect, it } from 'vitest';
import {
  adminPolicy,
  baselinePolicy,
  type Body,
  calicoGlobal,
  calicoPolicy,
  calicoTier,
  clusterPolicy,
  namespace,
  networkPolicy,
  pod,
  sceneOf,
} from './scene.ts';

const WORLD: readonly Body[] = [
  namespace('ml', { team: 'ml' }),
  namespace('other', { team: 'other' }),
  pod('ml/web', { labels: { app: 'web' }, ports: [['http', 8080]], serviceAccount: 'runner' }),
  pod('ml/db', { labels: { app: 'db' } }),
  pod('other/web', { labels: { app: 'web' } }),
  pod('other/visitor'),
  pod('other/host', { hostNetwork: true }),
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace: 'ml', name: 'runner', labels: { kind: 'runner' } },
  },
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'ml', name: 'default' } },
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'other', name: 'default' } },
];
const OUT = '203.0.113.1';

type Expected = Readonly<Record<string, string>>;

function connectionsOf(bodies: readonly Body[], expected: Expected): Expected {
  const scene = sceneOf([...WORLD, ...bodies], 'calico');
  return Object.fromEntries(
    Object.keys(expected).map((pair) => {
      const [from = '', to = ''] = pair.split(' > ');
      return [pair, scene.connections(from, to)];
    }),
  );
}

type Case = readonly [name: string, spec: unknown, expected: Expected];

/** Each policy is in `ml`. */
function check(cases: readonly Case[]): void {
  it.each(cases)('%s', (_, spec, expected) => {
    expect(connectionsOf([calicoPolicy('ml/policy', spec)], expected)).toEqual(expected);
  });
}

function checkGlobal(cases: readonly Case[]): void {
  it.each(cases)('%s', (_, spec, expected) => {
    expect(connectionsOf([calicoGlobal('policy', spec)], expected)).toEqual(expected);
  });
}

const ALLOW = { action: 'Allow' };

describe('policies of Calico', () => {
  check([
    ['isolate ingress when they say nothing', {}, { 'other/web > ml/db': 'None', 'ml/db > other/web': 'All' }],
    [
      'isolate ingress when they have rules for it',
      { ingress: [ALLOW] },
      { 'other/web > ml/db': 'All', 'ml/db > other/web': 'All' },
    ],
    [
      'isolate egress alone when they have rules for it alone',
      { egress: [{ action: 'Deny' }] },
      { 'other/web > ml/db': 'All', 'ml/db > other/web': 'None' },
    ],
    [
      'isolate what their types say',
      { types: ['Ingress', 'Egress'], ingress: [ALLOW] },
      { 'other/web > ml/db': 'All', 'ml/db > other/web': 'None' },
    ],
    [
      'are asked rule by rule',
      { ingress: [{ action: 'Deny', protocol: 'TCP', destination: { ports: [22] } }, ALLOW] },
      { 'ml/web > ml/db': 'TCP 1-21,23-65535, UDP 1-65535, SCTP 1-65535' },
    ],
    ['end with the first rule that matches', { ingress: [ALLOW, { action: 'Deny' }] }, { 'ml/web > ml/db': 'All' }],
    ['do nothing by logging', { ingress: [{ action: 'Log' }, ALLOW] }, { 'ml/web > ml/db': 'All' }],
    [
      'select pods by an expression',
      { selector: "app == 'db'" },
      { 'ml/web > ml/db': 'None', 'ml/db > ml/web': 'All' },
    ],
    ['select pods of their own namespace only', { selector: 'all()' }, { 'ml/web > other/web': 'All' }],
    [
      'select pods by service account',
      { serviceAccountSelector: "kind == 'runner'" },
      { 'ml/db > ml/web': 'None', 'ml/web > ml/db': 'All' },
    ],
    ['leave the rest to what comes next by passing', { ingress: [{ action: 'Pass' }] }, { 'other/web > ml/db': 'All' }],
  ]);

  checkGlobal([
    [
      'of the whole cluster select the whole cluster',
      { selector: 'all()' },
      { 'ml/web > other/web': 'None', 'other/web > ml/db': 'None' },
    ],
    [
      'of the whole cluster select namespaces',
      { namespaceSelector: "team == 'other'" },
      { 'ml/web > other/web': 'None', 'other/web > ml/db': 'All' },
    ],
    [
      'of the whole cluster select a namespace by name',
      { namespaceSelector: "projectcalico.org/name == 'other'" },
      { 'ml/web > other/web': 'None', 'other/web > ml/db': 'All' },
    ],
    [
      'of the whole cluster select by the label of the namespace',
      { selector: "projectcalico.org/namespace == 'other'" },
      { 'ml/web > other/web': 'None', 'other/web > ml/db': 'All' },
    ],
    [
      'that are not tracked are about hosts',
      { doNotTrack: true, applyOnForward: true },
      { 'ml/web > other/web': 'All' },
    ],
    [
      'before address translation are about hosts',
      { preDNAT: true, applyOnForward: true },
      { 'ml/web > other/web': 'All' },
    ],
    ['do not reach pods on the network of a node', { selector: 'all()' }, { 'ml/web > other/host': 'All' }],
  ]);
});

describe('ends of rules of Calico', () => {
  const source = (entity: object): unknown => ({
    selector: "app == 'db'",
    ingress: [{ action: 'Allow', source: entity }],
  });
  const destination = (entity: object): unknown => ({
    selector: "app == 'web'",
    egress: [{ action: 'Allow', destination: entity }],
  });
  check([
    [
      'selectors mean the own namespace',
      source({ selector: "app == 'web'" }),
      { 'ml/web > ml/db': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'unless namespaces are selected',
      source({ selector: "app == 'web'", namespaceSelector: 'all()' }),
      {
        'ml/web > ml/db': 'All',
        'other/web > ml/db': 'All',
        'other/visitor > ml/db': 'None',
        [`${OUT} > ml/db`]: 'None',
      },
    ],
    [
      'namespaces alone mean all their pods',
      source({ namespaceSelector: "team == 'other'" }),
      { 'other/visitor > ml/db': 'All', 'ml/web > ml/db': 'None' },
    ],
    [
      'global() is no namespace',
      source({ namespaceSelector: 'global()' }),
      { 'other/visitor > ml/db': 'None', 'ml/web > ml/db': 'None' },
    ],
    [
      'what is not selected is in the own namespace',
      source({ notSelector: "app == 'web'" }),
      { 'ml/web > ml/db': 'None', 'other/visitor > ml/db': 'None' },
    ],
    [
      'service accounts by name',
      source({ serviceAccounts: { names: ['runner'] } }),
      { 'ml/web > ml/db': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'service accounts by label',
      source({ serviceAccounts: { selector: "kind == 'runner'" }, namespaceSelector: 'all()' }),
      { 'ml/web > ml/db': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'blocks are compared with pods that have unknown addresses',
      source({ nets: ['10.0.0.0/8'] }),
      { 'ml/web > ml/db': 'Unknown', [`${OUT} > ml/db`]: 'None', '10.1.1.1 > ml/db': 'All' },
    ],
    [
      'every address is that of every pod',
      source({ nets: ['0.0.0.0/0', '::/0'] }),
      { 'ml/web > ml/db': 'All', 'other/host > ml/db': 'All', [`${OUT} > ml/db`]: 'All' },
    ],
    [
      'an address is a block',
      destination({ nets: [OUT] }),
      { [`ml/web > ${OUT}`]: 'All', 'ml/web > 203.0.113.2': 'None' },
    ],
    [
      'blocks that are not meant',
      destination({ notNets: ['169.254.0.0/16'] }),
      { 'ml/web > 169.254.169.254': 'None', [`ml/web > ${OUT}`]: 'All', 'ml/web > ml/db': 'Unknown' },
    ],
    [
      'everything that is given must match',
      destination({ nets: ['203.0.113.0/24'], notNets: ['203.0.113.128/25'] }),
      { [`ml/web > ${OUT}`]: 'All', 'ml/web > 203.0.113.200': 'None' },
    ],
    [
      'the own side must match too',
      { selector: 'all()', ingress: [{ action: 'Allow', destination: { selector: "app == 'db'" } }] },
      { 'other/web > ml/db': 'All', 'ml/db > ml/web': 'None' },
    ],
    [
      'names are unknown addresses',
      destination({ domains: ['api.example.com'] }),
      { [`ml/web > ${OUT}`]: 'Unknown', 'ml/web > 169.254.169.254': 'None', 'ml/web > ml/db': 'None' },
    ],
    [
      'a family is of addresses outside',
      { selector: "app == 'web'", egress: [{ action: 'Allow', ipVersion: 4 }] },
      { [`ml/web > ${OUT}`]: 'All', 'ml/web > 2001:db8::1': 'None', 'ml/web > ml/db': 'Unknown' },
    ],
    [
      'ports of the source are not known',
      { ingress: [{ action: 'Allow', protocol: 'TCP', source: { ports: [1234] } }] },
      { 'ml/web > ml/db': 'Unknown' },
    ],
    ['an empty end is any', source({}), { [`${OUT} > ml/db`]: 'All', 'other/web > ml/db': 'All' }],
  ]);

  it('are the pods behind a Service, as far as is known', () => {
    const service: Body = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'ml', name: 'db' },
      spec: { selector: { app: 'db' } },
    };
    const policy = calicoPolicy('ml/policy', {
      selector: "app == 'web'",
      egress: [{ action: 'Allow', destination: { services: { name: 'db' } } }],
    });
    expect(connectionsOf([service, policy], { 'ml/web > ml/db': '', 'ml/web > other/web': '' })).toEqual({
      'ml/web > ml/db': 'Unknown',
      'ml/web > other/web': 'None',
    });
    expect(connectionsOf([policy], { 'ml/web > other/web': '' })).toEqual({ 'ml/web > other/web': 'Unknown' });
  });

  it('are sets of networks by label', () => {
    const sets: readonly Body[] = [
      {
        apiVersion: 'projectcalico.org/v3',
        kind: 'GlobalNetworkSet',
        metadata: { name: 'partners', labels: { role: 'partner' } },
        spec: { nets: ['203.0.113.0/24'] },
      },
      {
        apiVersion: 'projectcalico.org/v3',
        kind: 'NetworkSet',
        metadata: { namespace: 'ml', name: 'own', labels: { role: 'own' } },
        spec: { nets: ['198.51.100.0/24'] },
      },
    ];
    const policy = (entity: object): Body =>
      calicoPolicy('ml/policy', { selector: "app == 'web'", egress: [{ action: 'Allow', destination: entity }] });
    const asked = { [`ml/web > ${OUT}`]: '', 'ml/web > 198.51.100.1': '' };
    expect(connectionsOf([...sets, policy({ selector: 'has(role)' })], asked)).toEqual({
      [`ml/web > ${OUT}`]: 'None',
      'ml/web > 198.51.100.1': 'All',
    });
    expect(connectionsOf([...sets, policy({ selector: 'has(role)', namespaceSelector: 'global()' })], asked)).toEqual({
      [`ml/web > ${OUT}`]: 'All',
      'ml/web > 198.51.100.1': 'None',
    });
    const everywhere = calicoGlobal('policy', {
      selector: "app == 'web'",
      egress: [{ action: 'Deny', destination: { selector: "role == 'partner'" } }, ALLOW],
    });
    expect(connectionsOf([...sets, everywhere], asked)).toEqual({
      [`ml/web > ${OUT}`]: 'None',
      'ml/web > 198.51.100.1': 'All',
    });
  });

  it('may be host endpoints, which makes nodes unknown', () => {
    const endpoint: Body = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'HostEndpoint',
      metadata: { name: 'node-1' },
      spec: {},
    };
    expect(connectionsOf([endpoint], { 'ml/web > other/host': '', 'ml/web > ml/db': '' })).toEqual({
      'ml/web > other/host': 'Unknown',
      'ml/web > ml/db': 'All',
    });
  });
});

describe('ports of Calico', () => {
  const on = (rule: object): unknown => ({ ingress: [{ action: 'Allow', ...rule }] });
  check([
    [
      'are numbers, texts and ranges',
      on({ protocol: 'TCP', destination: { ports: [80, '443', '8000:9000'] } }),
      { 'ml/web > ml/db': 'TCP 80,443,8000-9000' },
    ],
    [
      'are names of the target',
      on({ protocol: 'TCP', destination: { ports: ['http'] } }),
      { 'ml/db > ml/web': 'TCP 8080', 'ml/web > ml/db': 'Unknown' },
    ],
    ['can be left out', on({ protocol: 'UDP' }), { 'ml/web > ml/db': 'UDP 1-65535' }],
    [
      'can be excluded',
      on({ protocol: 'TCP', destination: { notPorts: ['22:65535'] } }),
      { 'ml/web > ml/db': 'TCP 1-21' },
    ],
    [
      'can be excluded by name',
      on({ protocol: 'TCP', destination: { notPorts: ['http'] } }),
      { 'ml/db > ml/web': 'TCP 1-8079,8081-65535', 'ml/web > ml/db': 'Unknown' },
    ],
    ['of a protocol by number', on({ protocol: 17, destination: { ports: [53] } }), { 'ml/web > ml/db': 'UDP 53' }],
    ['of a protocol that is excluded', on({ notProtocol: 'TCP' }), { 'ml/web > ml/db': 'UDP 1-65535, SCTP 1-65535' }],
    ['are none for ICMP', on({ protocol: 'ICMP' }), { 'ml/web > ml/db': 'None' }],
    ['are none for a protocol without ports', on({ protocol: 4 }), { 'ml/web > ml/db': 'None' }],
    ['mean nothing without a protocol', on({ destination: { ports: [80] } }), { 'ml/web > ml/db': 'Unknown' }],
    [
      'are no ports above 65535',
      on({ protocol: 'TCP', destination: { ports: [65_536] } }),
      { 'ml/web > ml/db': 'Unknown' },
    ],
    [
      'have HTTP rules above them',
      on({ protocol: 'TCP', destination: { ports: [80] }, http: { methods: ['GET'] } }),
      { 'ml/web > ml/db': 'TCP 80' },
    ],
  ]);
});

describe('the order of Calico', () => {
  const deny = (order: number | undefined, tier?: string): object => ({
    ...(order === undefined ? {} : { order }),
    ...(tier === undefined ? {} : { tier }),
    selector: "app == 'db'",
    ingress: [{ action: 'Deny' }],
  });
  const allow = (order: number | undefined, tier?: string): object => ({ ...deny(order, tier), ingress: [ALLOW] });
  const pass = (order: number, tier: string): object => ({ ...deny(order, tier), ingress: [{ action: 'Pass' }] });
  const of = (...bodies: readonly Body[]): string | undefined =>
    connectionsOf(bodies, { 'ml/web > ml/db': '' })['ml/web > ml/db'];

  it('is that of numbers, and none is last', () => {
    expect(of(calicoPolicy('ml/a', allow(1)), calicoPolicy('ml/b', deny(2)))).toBe('All');
    expect(of(calicoPolicy('ml/a', allow(2)), calicoPolicy('ml/b', deny(1)))).toBe('None');
    expect(of(calicoPolicy('ml/a', allow(undefined)), calicoPolicy('ml/b', deny(1e9)))).toBe('None');
    expect(of(calicoPolicy('ml/a', allow(1)), calicoGlobal('b', deny(2)))).toBe('All');
  });

  it('is that of names where numbers are equal', () => {
    expect(of(calicoPolicy('ml/a', allow(1)), calicoPolicy('ml/b', deny(1)))).toBe('All');
    expect(of(calicoPolicy('ml/b', allow(1)), calicoPolicy('ml/a', deny(1)))).toBe('None');
  });

  it('is unknown between kinds of equal numbers, where it matters', () => {
    expect(of(calicoPolicy('ml/a', allow(1)), calicoGlobal('b', deny(1)))).toBe('Unknown');
    expect(of(calicoPolicy('ml/a', allow(1)), calicoGlobal('b', allow(1)))).toBe('All');
  });

  it('is unknown of a number that is none', () => {
    expect(of(calicoPolicy('ml/a', { ...allow(1), order: 'first' }), calicoPolicy('ml/b', deny(2)))).toBe('Unknown');
  });

  it('is that of tiers before that of policies', () => {
    const tiers = [calicoTier('early', { order: 10 }), calicoTier('late', { order: 2e6 })];
    expect(of(...tiers, calicoPolicy('ml/a', deny(5, 'early')), calicoPolicy('ml/b', allow(1)))).toBe('None');
    expect(of(...tiers, calicoPolicy('ml/a', deny(1, 'late')), calicoPolicy('ml/b', allow(1)))).toBe('All');
    expect(of(...tiers, calicoPolicy('ml/a', pass(1, 'early')), calicoPolicy('ml/b', allow(1)))).toBe('All');
    expect(of(...tiers, calicoPolicy('ml/a', pass(1, 'early')), calicoPolicy('ml/b', deny(1)))).toBe('None');
    expect(of(...tiers, calicoPolicy('ml/a', pass(1, 'early')))).toBe('All');
  });

  it('ends a tier with a denial, unless the tier passes', () => {
    const nobody = {
      order: 1,
      tier: 'early',
      selector: "app == 'db'",
      ingress: [{ action: 'Allow', protocol: 'UDP' }],
    };
    const rest = calicoPolicy('ml/b', allow(1));
    expect(of(calicoTier('early', { order: 10 }), calicoPolicy('ml/a', nobody), rest)).toBe('UDP 1-65535');
    expect(of(calicoTier('early', { order: 10, defaultAction: 'Deny' }), calicoPolicy('ml/a', nobody), rest)).toBe(
      'UDP 1-65535',
    );
    expect(of(calicoTier('early', { order: 10, defaultAction: 'Pass' }), calicoPolicy('ml/a', nobody), rest)).toBe(
      'All',
    );
    expect(of(calicoTier('early', { order: 10, defaultAction: 'Skip' }), calicoPolicy('ml/a', nobody), rest)).toBe(
      'Unknown',
    );
  });

  it('skips a tier that has nothing for the pod', () => {
    const others = calicoPolicy('ml/a', { ...deny(1, 'early'), selector: "app == 'none'" });
    expect(of(calicoTier('early', { order: 10 }), others, calicoPolicy('ml/b', allow(1)))).toBe('All');
  });

  it('is unknown of a tier that nobody has seen', () => {
    expect(of(calicoPolicy('ml/a', deny(1, 'unseen')), calicoPolicy('ml/b', allow(1)))).toBe('Unknown');
    expect(of(calicoPolicy('ml/a', allow(1, 'unseen')), calicoPolicy('ml/b', allow(1)))).toBe('Unknown');
  });

  it('has policies of Kubernetes at 1000 in the default tier', () => {
    const closed = networkPolicy('ml/closed', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] });
    expect(of(closed, calicoPolicy('ml/a', allow(999)))).toBe('All');
    expect(of(closed, calicoPolicy('ml/a', deny(999)))).toBe('None');
    expect(of(closed, calicoPolicy('ml/a', deny(1001)))).toBe('TCP 80');
    expect(of(closed, calicoPolicy('ml/a', allow(1001)))).toBe('All');
    expect(of(closed)).toBe('TCP 80');
  });

  it('has admin policies before the default tier, and baseline ones after it', () => {
    const subject = { namespaces: {} };
    const everybody = [{ namespaces: {} }];
    const admin = adminPolicy('a', {
      priority: 1,
      subject,
      ingress: [{ action: 'Deny', from: everybody, ports: [{ portNumber: { protocol: 'TCP', port: 80 } }] }],
    });
    const cluster = clusterPolicy('c', {
      tier: 'Admin',
      priority: 2,
      subject,
      ingress: [{ action: 'Deny', from: everybody, protocols: [{ udp: { destinationPort: { number: 53 } } }] }],
    });
    const baseline = baselinePolicy({ subject, ingress: [{ action: 'Deny', from: everybody }] });
    expect(of(admin, cluster, calicoPolicy('ml/a', allow(1)))).toBe(
      'TCP 1-79,81-65535, UDP 1-52,54-65535, SCTP 1-65535',
    );
    expect(of(baseline)).toBe('None');
    expect(of(baseline, calicoPolicy('ml/a', allow(1)))).toBe('All');
    expect(of(baseline, calicoPolicy('ml/a', pass(1, 'default')))).toBe('None');
    expect(of(calicoTier('early', { order: 10 }), admin, calicoPolicy('ml/a', allow(1, 'early')))).toBe('All');
  });

  it('takes an object that is in both API groups for one', () => {
    const stored: Body = { ...calicoPolicy('ml/default.a', deny(1)), apiVersion: 'crd.projectcalico.org/v1' };
    const scene = sceneOf([...WORLD, calicoPolicy('ml/a', deny(1)), stored], 'calico');
    expect(scene.found.policies).toHaveLength(1);
  });
});

describe('staged policies', () => {
  it('have no effect', () => {
    const staged: Body = { ...calicoPolicy('ml/policy', {}), kind: 'StagedNetworkPolicy' };
    expect(connectionsOf([staged], { 'other/web > ml/db': '' })).toEqual({ 'other/web > ml/db': 'All' });
  });
});

describe('what of Calico cannot be read', () => {
  it.each<[string, unknown]>([
    ['a selector that makes no sense', { selector: 'app =' }],
    ['a selector that is no text', { selector: { app: 'db' } }],
    ['a key that a policy does not have', { egres: [] }],
    ['a key that a rule does not have', { ingress: [{ action: 'Allow', form: {} }] }],
    ['a key that an end does not have', { ingress: [{ action: 'Allow', source: { net: [] } }] }],
    ['an action that is none', { ingress: [{ action: 'allow' }] }],
    ['no action', { ingress: [{}] }],
    ['a rule that is null', { ingress: [null] }],
    ['rules that are no list', { ingress: {} }],
    ['types that are no list', { types: 'Ingress' }],
    ['a block that is none', { ingress: [{ action: 'Allow', source: { nets: ['x'] } }] }],
    ['blocks that are no list', { ingress: [{ action: 'Allow', source: { nets: 'x' } }] }],
    ['an end that is a text', { ingress: [{ action: 'Allow', source: 'all' }] }],
    ['a protocol that is none', { ingress: [{ action: 'Allow', protocol: 'QUIC' }] }],
    ['a port that is none', { ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: ['9000:8000'] } }] }],
    ['a family that is none', { ingress: [{ action: 'Allow', ipVersion: 5 }] }],
    ['a policy that is a text', 'deny'],
  ])('is unknown: %s', (_, spec) => {
    expect(connectionsOf([calicoPolicy('ml/policy', spec)], { 'ml/web > ml/db': '' })).toEqual({
      'ml/web > ml/db': 'Unknown',
    });
  });
});
