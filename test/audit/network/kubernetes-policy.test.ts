import { describe, expect, it } from 'vitest';
import { type Body, namespace, networkPolicy, pod, sceneOf } from './scene.ts';

// ml: web, db, train. other: web, visitor. The outside: public addresses.
const WORLD: readonly Body[] = [
  namespace('ml', { team: 'ml' }),
  namespace('other', { team: 'other', zone: 'a' }),
  pod('ml/web', {
    labels: { app: 'web', tier: 'front' },
    ports: [
      ['http', 8080],
      ['dns', 53, 'UDP'],
    ],
  }),
  pod('ml/db', { labels: { app: 'db' }, ports: [['sql', 5432]] }),
  pod('ml/train', { labels: { app: 'train', job: 'a' } }),
  pod('other/web', { labels: { app: 'web' }, ports: [['http', 9090]] }),
  pod('other/visitor', { labels: {} }),
  pod('other/host', { labels: { app: 'host' }, hostNetwork: true }),
];
const OUT = '203.0.113.1';

type Case = readonly [name: string, spec: unknown, expected: Readonly<Record<string, string>>];

/** Each policy is in `ml`. */
function check(cases: readonly Case[]): void {
  it.each(cases)('%s', (_, spec, expected) => {
    const scene = sceneOf([...WORLD, networkPolicy('ml/policy', spec)]);
    const actual = Object.fromEntries(
      Object.keys(expected).map((pair) => {
        const [from = '', to = ''] = pair.split(' > ');
        return [pair, scene.connections(from, to)];
      }),
    );
    expect(actual).toEqual(expected);
  });
}

describe('isolation', () => {
  check([
    [
      'does not touch pods that no policy selects',
      { podSelector: { matchLabels: { app: 'none' } }, ingress: [] },
      { 'other/web > ml/web': 'All', [`${OUT} > ml/web`]: 'All', [`ml/web > ${OUT}`]: 'All' },
    ],
    [
      'without policyTypes isolates ingress',
      { podSelector: {} },
      { 'ml/web > ml/db': 'None', 'other/web > ml/db': 'None', [`${OUT} > ml/db`]: 'None', 'ml/db > other/web': 'All' },
    ],
    [
      'with an empty egress and no policyTypes is no egress deny',
      { podSelector: {}, egress: [] },
      { 'ml/db > other/web': 'All', [`ml/db > ${OUT}`]: 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'with egress rules and no policyTypes isolates both',
      { podSelector: {}, egress: [{ ports: [{ port: 443 }] }] },
      { 'ml/db > other/web': 'TCP 443', 'other/web > ml/db': 'None' },
    ],
    [
      'with empty policyTypes is as without',
      { podSelector: {}, policyTypes: [], egress: [{}] },
      { 'ml/db > other/web': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'with null for policyTypes is as without',
      { podSelector: {}, policyTypes: null, ingress: null },
      { 'other/web > ml/db': 'None', 'ml/db > other/web': 'All' },
    ],
    [
      'for egress alone leaves ingress open',
      { podSelector: {}, policyTypes: ['Egress'] },
      { 'ml/db > other/web': 'None', [`ml/db > ${OUT}`]: 'None', 'other/web > ml/db': 'All' },
    ],
    [
      'for egress alone takes no notice of ingress rules',
      { podSelector: {}, policyTypes: ['Egress'], ingress: [{ ports: [{ port: 1 }] }] },
      { 'other/web > ml/db': 'All' },
    ],
    [
      'for ingress alone takes no notice of egress rules',
      { podSelector: {}, policyTypes: ['Ingress'], egress: [{ ports: [{ port: 1 }] }] },
      { 'ml/db > other/web': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'for both closes both',
      { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      { 'ml/web > ml/db': 'None', 'ml/db > ml/web': 'None', 'ml/db > other/web': 'None', 'other/web > ml/db': 'None' },
    ],
    [
      'is of the pods it selects',
      { podSelector: { matchLabels: { app: 'db' } } },
      { 'ml/web > ml/db': 'None', 'ml/db > ml/web': 'All' },
    ],
    [
      'is of the namespace it is in',
      { podSelector: {} },
      { 'ml/web > other/web': 'All', 'other/visitor > other/web': 'All' },
    ],
    [
      'without a spec at all isolates every pod for ingress',
      undefined,
      { 'other/web > ml/db': 'None', 'ml/db > other/web': 'All' },
    ],
  ]);
});

describe('pod selectors of a policy', () => {
  const closes = (podSelector: unknown): unknown => ({ podSelector });
  check([
    [
      'match by label',
      closes({ matchLabels: { app: 'db' } }),
      { 'other/web > ml/db': 'None', 'other/web > ml/web': 'All' },
    ],
    [
      'match all labels together',
      closes({ matchLabels: { app: 'web', tier: 'back' } }),
      { 'other/web > ml/web': 'All' },
    ],
    [
      'match In',
      closes({ matchExpressions: [{ key: 'app', operator: 'In', values: ['db', 'web'] }] }),
      { 'other/web > ml/db': 'None', 'other/web > ml/web': 'None', 'other/web > ml/train': 'All' },
    ],
    [
      'match NotIn, and so what has no such label',
      closes({ matchExpressions: [{ key: 'job', operator: 'NotIn', values: ['a'] }] }),
      { 'other/web > ml/train': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'match Exists',
      closes({ matchExpressions: [{ key: 'job', operator: 'Exists' }] }),
      { 'other/web > ml/train': 'None', 'other/web > ml/db': 'All' },
    ],
    [
      'match DoesNotExist',
      closes({ matchExpressions: [{ key: 'job', operator: 'DoesNotExist' }] }),
      { 'other/web > ml/train': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'match labels and expressions together',
      closes({
        matchLabels: { app: 'web' },
        matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['front'] }],
      }),
      { 'other/web > ml/web': 'All' },
    ],
    ['match everything when null', closes(null), { 'other/web > ml/db': 'None' }],
  ]);
});

describe('peers', () => {
  const from = (...peers: unknown[]): unknown => ({
    podSelector: { matchLabels: { app: 'db' } },
    ingress: [{ from: peers }],
  });
  check([
    [
      'a pod selector alone means the own namespace',
      from({ podSelector: { matchLabels: { app: 'web' } } }),
      { 'ml/web > ml/db': 'All', 'other/web > ml/db': 'None', 'ml/train > ml/db': 'None' },
    ],
    [
      'an empty pod selector means all of the own namespace',
      from({ podSelector: {} }),
      { 'ml/web > ml/db': 'All', 'ml/train > ml/db': 'All', 'other/web > ml/db': 'None', [`${OUT} > ml/db`]: 'None' },
    ],
    [
      'a namespace selector alone means all its pods',
      from({ namespaceSelector: { matchLabels: { team: 'other' } } }),
      { 'other/web > ml/db': 'All', 'other/visitor > ml/db': 'All', 'ml/web > ml/db': 'None' },
    ],
    [
      'both in one entry mean both at once',
      from({ namespaceSelector: { matchLabels: { team: 'other' } }, podSelector: { matchLabels: { app: 'web' } } }),
      { 'other/web > ml/db': 'All', 'other/visitor > ml/db': 'None', 'ml/web > ml/db': 'None' },
    ],
    [
      'in two entries they mean either',
      from({ namespaceSelector: { matchLabels: { team: 'other' } } }, { podSelector: { matchLabels: { app: 'web' } } }),
      {
        'other/web > ml/db': 'All',
        'other/visitor > ml/db': 'All',
        'ml/web > ml/db': 'All',
        'ml/train > ml/db': 'None',
      },
    ],
    [
      'every namespace has its name as a label',
      from({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } }),
      { 'other/visitor > ml/db': 'All', 'ml/web > ml/db': 'None' },
    ],
    [
      'a namespace selector with expressions',
      from({ namespaceSelector: { matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] } }),
      { 'ml/web > ml/db': 'All', 'other/web > ml/db': 'None' },
    ],
    [
      'an empty namespace selector means all pods and not the outside',
      from({ namespaceSelector: {} }),
      { 'other/web > ml/db': 'All', 'ml/train > ml/db': 'All', [`${OUT} > ml/db`]: 'None' },
    ],
    [
      'no peers mean everything',
      { podSelector: {}, ingress: [{ from: [], ports: [{ port: 80 }] }] },
      { 'other/web > ml/db': 'TCP 80', [`${OUT} > ml/db`]: 'TCP 80' },
    ],
    [
      'null for peers means everything',
      { podSelector: {}, ingress: [{ from: null }] },
      { 'other/web > ml/db': 'All', [`${OUT} > ml/db`]: 'All' },
    ],
    [
      'an empty rule means everything',
      { podSelector: {}, ingress: [{}] },
      { 'other/web > ml/db': 'All', [`${OUT} > ml/db`]: 'All' },
    ],
    [
      'no rules mean nothing',
      { podSelector: {}, ingress: [] },
      { 'other/web > ml/db': 'None', [`${OUT} > ml/db`]: 'None' },
    ],
  ]);
});

describe('blocks', () => {
  const to = (...peers: unknown[]): unknown => ({
    podSelector: { matchLabels: { app: 'web' } },
    policyTypes: ['Egress'],
    egress: [{ to: peers }],
  });
  check([
    [
      'a block means its addresses',
      to({ ipBlock: { cidr: '203.0.113.0/24' } }),
      { 'ml/web > 203.0.113.7': 'All', 'ml/web > 203.0.114.1': 'None', 'ml/web > ::1': 'None' },
    ],
    [
      'exceptions are taken out',
      to({ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } }),
      { 'ml/web > 203.0.113.7': 'All', 'ml/web > 203.0.113.200': 'None' },
    ],
    [
      'exceptions are of their own block only',
      to(
        { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
        { ipBlock: { cidr: '203.0.113.192/26' } },
      ),
      { 'ml/web > 203.0.113.200': 'All', 'ml/web > 203.0.113.130': 'None' },
    ],
    [
      '0.0.0.0/0 reaches the instance metadata',
      to({ ipBlock: { cidr: '0.0.0.0/0' } }),
      { 'ml/web > 169.254.169.254': 'All', 'ml/web > fd00:ec2::254': 'None', [`ml/web > ${OUT}`]: 'All' },
    ],
    [
      '0.0.0.0/0 without it does not',
      to({ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] } }),
      { 'ml/web > 169.254.169.254': 'None', [`ml/web > ${OUT}`]: 'All' },
    ],
    [
      'a wider exception covers it too',
      to({ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] } }),
      { 'ml/web > 169.254.169.254': 'None' },
    ],
    [
      '::/0 is of the other family',
      to({ ipBlock: { cidr: '::/0' } }),
      { 'ml/web > fd00:ec2::254': 'All', [`ml/web > ${OUT}`]: 'None' },
    ],
    [
      'against pods nobody knows',
      to({ ipBlock: { cidr: '10.0.0.0/8' } }),
      { 'ml/web > ml/db': 'Unknown', 'ml/web > other/web': 'Unknown' },
    ],
    [
      'not even everything',
      to({ ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '::/0' } }),
      { 'ml/web > ml/db': 'Unknown' },
    ],
    [
      'against pods that a selector allows it does not matter',
      to({ ipBlock: { cidr: '10.0.0.0/8' } }, { podSelector: {} }),
      { 'ml/web > ml/db': 'All', 'ml/web > other/web': 'Unknown' },
    ],
    ['against nodes nobody knows', to({ ipBlock: { cidr: '10.0.0.0/8' } }), { 'ml/web > other/host': 'Unknown' }],
    ['bits of the host do not matter', to({ ipBlock: { cidr: '203.0.113.77/24' } }), { 'ml/web > 203.0.113.7': 'All' }],
  ]);
});

describe('ports', () => {
  const on = (...ports: unknown[]): unknown => ({ podSelector: {}, ingress: [{ ports }] });
  check([
    ['are TCP when nothing else is said', on({ port: 80 }), { 'other/web > ml/db': 'TCP 80' }],
    ['have a protocol', on({ port: 53, protocol: 'UDP' }, { port: 53 }), { 'other/web > ml/db': 'TCP 53, UDP 53' }],
    ['know SCTP', on({ port: 3868, protocol: 'SCTP' }), { 'other/web > ml/db': 'SCTP 3868' }],
    ['without a number mean the protocol', on({ protocol: 'UDP' }), { 'other/web > ml/db': 'UDP 1-65535' }],
    ['as an empty entry mean TCP', on({}), { 'other/web > ml/db': 'TCP 1-65535' }],
    ['have an end', on({ port: 8000, endPort: 9000 }), { 'other/web > ml/db': 'TCP 8000-9000' }],
    ['may end where they begin', on({ port: 80, endPort: 80 }), { 'other/web > ml/db': 'TCP 80' }],
    ['are united', on({ port: 80 }, { port: 443 }, { port: 81 }), { 'other/web > ml/db': 'TCP 80-81,443' }],
    ['of none mean all', on(), { 'other/web > ml/db': 'All' }],
    ['by name are those of the target', on({ port: 'http' }), { 'other/web > ml/web': 'TCP 8080' }],
    ['by name have a protocol', on({ port: 'dns', protocol: 'UDP' }), { 'other/web > ml/web': 'UDP 53' }],
    ['by a name that the target does not have are unknown', on({ port: 'http' }), { 'other/web > ml/db': 'Unknown' }],
    ['by a name of another protocol are unknown', on({ port: 'dns' }), { 'other/web > ml/web': 'Unknown' }],
    [
      'by unknown name and by number: the number is certain, the rest is not',
      on({ port: 'http' }, { port: 80 }),
      { 'other/web > ml/db': 'Unknown' },
    ],
  ]);

  it('by name are those of the target for egress too, each target its own', () => {
    const egress = {
      podSelector: { matchLabels: { app: 'train' } },
      policyTypes: ['Egress'],
      egress: [{ ports: [{ port: 'http' }] }],
    };
    const scene = sceneOf([...WORLD, networkPolicy('ml/policy', egress)]);
    expect(scene.connections('ml/train', 'ml/web')).toBe('TCP 8080');
    expect(scene.connections('ml/train', 'other/web')).toBe('TCP 9090');
    expect(scene.connections('ml/train', 'ml/db')).toBe('Unknown');
    expect(scene.connections('ml/train', OUT)).toBe('Unknown');
  });

  it('by name are looked for in every container that lasts, and only there', () => {
    const scene = sceneOf([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: 'ml', name: 'mixed' },
        spec: {
          initContainers: [
            { name: 'once', image: 'a:1', ports: [{ name: 'once', containerPort: 1 }] },
            { name: 'side', image: 'a:1', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 2 }] },
          ],
          containers: [
            { name: 'a', image: 'a:1', ports: [{ name: 'same', containerPort: 3 }] },
            { name: 'b', image: 'a:1', ports: [{ name: 'same', containerPort: 4 }] },
          ],
        },
      },
      pod('ml/web'),
      networkPolicy('ml/policy', { podSelector: {}, ingress: [{ ports: [{ port: 'side' }, { port: 'same' }] }] }),
    ]);
    expect(scene.connections('ml/web', 'ml/mixed')).toBe('TCP 2-4');
    const once = sceneOf([
      ...scene.cluster.inventory.objects.map(({ body }) => body as Body),
      networkPolicy('ml/more', { podSelector: {}, ingress: [{ ports: [{ port: 'once' }] }] }),
    ]);
    expect(once.connections('ml/web', 'ml/mixed')).toBe('Unknown');
  });
});

describe('several policies', () => {
  const scene = sceneOf([
    ...WORLD,
    networkPolicy('ml/deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    networkPolicy('ml/in', {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 5432 }, { port: 80 }] }],
    }),
    networkPolicy('ml/in2', {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 9000, endPort: 9100 }] }],
    }),
    networkPolicy('ml/out', {
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Egress'],
      egress: [
        { to: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ port: 5432 }, { port: 9050 }] },
        { to: [{ namespaceSelector: {} }], ports: [{ port: 53, protocol: 'UDP' }] },
      ],
    }),
  ]);

  it('allow what any of them allows, on both ends', () => {
    expect(scene.connections('ml/web', 'ml/db')).toBe('TCP 5432,9050');
    expect(scene.connections('ml/train', 'ml/db')).toBe('None');
    expect(scene.connections('other/web', 'ml/db')).toBe('None');
    expect(scene.connections('ml/web', 'other/web')).toBe('UDP 53');
    expect(scene.connections('ml/db', 'ml/web')).toBe('None');
  });

  it('are in no order', () => {
    const reversed = sceneOf([...scene.cluster.inventory.objects].toReversed().map(({ body }) => body as Body));
    for (const from of ['ml/web', 'ml/train', 'other/web', OUT]) {
      for (const to of ['ml/web', 'ml/db', 'other/web']) {
        expect(reversed.connections(from, to)).toBe(scene.connections(from, to));
      }
    }
  });
});

describe('pods on the network of their node', () => {
  const scene = sceneOf([
    ...WORLD,
    networkPolicy('other/deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    networkPolicy('ml/some', {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [{ from: [{ podSelector: {} }] }],
    }),
    networkPolicy('ml/all', {
      podSelector: { matchLabels: { app: 'train' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{}],
      egress: [{ to: [{ namespaceSelector: {} }] }],
    }),
  ]);

  it('are not isolated by any policy', () => {
    expect(scene.connections('ml/web', 'other/host')).toBe('All');
    expect(scene.connections('other/host', OUT)).toBe('All');
    expect(scene.connections('other/host', '169.254.169.254')).toBe('All');
    expect(scene.found.classOf(scene.place('other/host') as never)).toBeNull();
  });

  it('are always let in on their own node, and nobody knows which that is', () => {
    expect(scene.connections('other/host', 'ml/db')).toBe('Unknown');
    expect(scene.connections('other/host', 'ml/web')).toBe('All');
    expect(scene.connections('other/host', 'ml/train')).toBe('All');
  });

  it('are not meant by selectors', () => {
    expect(scene.connections('ml/train', 'other/host')).toBe('None');
    expect(scene.connections('ml/db', 'other/host')).toBe('All');
  });
});

describe('a pod and itself', () => {
  it('are always connected, and pods of one workload among themselves only as policies say', () => {
    const deployment = (name: string, replicas: number): Body => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace: 'ml', name },
      spec: {
        replicas,
        template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'a', image: 'a:1' }] } },
      },
    });
    const scene = sceneOf([deployment('one', 1), deployment('many', 3), networkPolicy('ml/deny', { podSelector: {} })]);
    expect(scene.connections('ml/one[Deployment]', 'ml/one[Deployment]')).toBe('All');
    expect(scene.connections('ml/many[Deployment]', 'ml/many[Deployment]')).toBe('None');
  });
});

describe('namespaces of which only the name is known', () => {
  const scene = sceneOf([
    pod('ml/db'),
    pod('other/web'),
    networkPolicy('ml/policy', {
      podSelector: {},
      ingress: [
        { from: [{ namespaceSelector: { matchLabels: { team: 'a' } } }], ports: [{ port: 1 }] },
        {
          from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } }],
          ports: [{ port: 2 }],
        },
      ],
    }),
  ]);

  it('are matched by name, and otherwise nobody knows', () => {
    expect(scene.connections('other/web', 'ml/db')).toBe('Unknown');
    expect(scene.found.between(scene.place('other/web'), scene.place('ml/db')).bounds).toMatchObject({
      certain: { TCP: [{ first: 2, last: 2 }] },
      possible: { TCP: [{ first: 1, last: 2 }] },
    });
  });
});

describe('what cannot be read', () => {
  const policies: readonly (readonly [string, unknown])[] = [
    ['rules that are no list', { podSelector: {}, ingress: 'all' }],
    ['a rule that is null', { podSelector: {}, ingress: [null] }],
    ['a rule with a key that it does not have', { podSelector: {}, ingress: [{ form: [{ podSelector: {} }] }] }],
    ['a peer that is empty', { podSelector: {}, ingress: [{ from: [{}] }] }],
    ['a peer that is null', { podSelector: {}, ingress: [{ from: [null] }] }],
    [
      'a peer that is a block and a selector',
      { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }] },
    ],
    ['peers that are no list', { podSelector: {}, ingress: [{ from: { podSelector: {} } }] }],
    ['a block that is none', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0' } }] }] }],
    [
      'an exception that is none',
      { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['x'] } }] }] },
    ],
    [
      'a selector with a key that it does not have',
      {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchlabels: { app: 'web' } } }] }],
      },
    ],
    [
      'a selector with an operator that it does not have',
      {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } }] }],
      },
    ],
    ['a policy selector of the wrong type', { podSelector: 'all' }],
    ['types that are no list', { podSelector: {}, policyTypes: 'Ingress' }],
    ['a type that is none', { podSelector: {}, policyTypes: ['ingress'] }],
    ['a port that is none', { podSelector: {}, ingress: [{ ports: [{ port: 0 }] }] }],
    ['a port that is too high', { podSelector: {}, ingress: [{ ports: [{ port: 65_536 }] }] }],
    ['a port name that is a number', { podSelector: {}, ingress: [{ ports: [{ port: '80' }] }] }],
    ['a port that is a fraction', { podSelector: {}, ingress: [{ ports: [{ port: 80.5 }] }] }],
    ['an end without a beginning', { podSelector: {}, ingress: [{ ports: [{ endPort: 80 }] }] }],
    ['an end before the beginning', { podSelector: {}, ingress: [{ ports: [{ port: 80, endPort: 79 }] }] }],
    ['an end of a name', { podSelector: {}, ingress: [{ ports: [{ port: 'http', endPort: 79 }] }] }],
    ['a protocol that is none', { podSelector: {}, ingress: [{ ports: [{ port: 80, protocol: 'tcp' }] }] }],
    ['a port that is null', { podSelector: {}, ingress: [{ ports: [null] }] }],
    ['ports that are no list', { podSelector: {}, ingress: [{ ports: { port: 80 } }] }],
    ['a key that a policy does not have', { podSelector: {}, ingres: [] }],
    ['a spec that is a text', 'deny'],
  ];

  it.each(policies)('is unknown, and noted: %s', (_, spec) => {
    const scene = sceneOf([...WORLD, networkPolicy('ml/policy', spec)]);
    expect(scene.connections('other/visitor', 'ml/train')).toBe('Unknown');
    expect(scene.cluster.malformed.length).toBeGreaterThan(0);
  });
});
