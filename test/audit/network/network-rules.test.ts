import { describe, expect, it } from 'vitest';
import { evaluateRules } from '../../../src/audit/audit.ts';
import type { Verdict } from '../../../src/audit/finding.ts';
import type { Inventory } from '../../../src/audit/inventory.ts';
import { networkRulesFor } from '../../../src/audit/network/network-rules.ts';
import { parseYaml, toPlain } from '../../../src/yaml/located.ts';
import { termsOf } from '../terms.ts';
import {
  adminPolicy,
  agent,
  type Body,
  calicoGlobal,
  calicoPolicy,
  ciliumClusterwide,
  ciliumPolicy,
  clusterFrom,
  namespace,
  networkPolicy,
  pod,
  sceneOf,
} from './scene.ts';

const networkRules = networkRulesFor(null);

const CALICO = agent('calico-node', 'calico/node:v3.30.0');
const CILIUM = agent('cilium', 'quay.io/cilium/cilium:v1.18.0');
const FLANNEL = agent('kube-flannel-ds', 'flannel/flannel:v0.27.0');
const WORLD: readonly Body[] = [
  namespace('ml'),
  namespace('web'),
  pod('ml/train', { labels: { app: 'train' } }),
  pod('ml/registry', { labels: { app: 'registry' } }),
  pod('web/shop', { labels: { app: 'shop' } }),
];

interface Told {
  readonly terms?: Partial<Inventory>;
  readonly rules?: typeof networkRules;
}

function verdictsOf(
  rule: string,
  bodies: readonly Body[],
  { terms = {}, rules = networkRules }: Told = {},
): readonly Verdict[] {
  const asked = rules.filter(({ info }) => info.id === rule);
  const [evaluation] = evaluateRules(clusterFrom(bodies, terms), { rules: asked, context: termsOf().context });
  expect(evaluation?.failure).toBeNull();
  return evaluation?.verdicts ?? [];
}

/** `ml/train[Pod]` and the like → its verdict; those of the agents of CNIs left out. */
function judge(rule: string, bodies: readonly Body[], told: Told = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(
    verdictsOf(rule, bodies, told)
      .filter(({ resource }) => resource.namespace !== 'kube-system' && resource.name !== 'kube-system')
      .map((verdict) => [
        verdict.resource.ref,
        verdict.verdict === 'unknown' ? `unknown ${verdict.reason}` : verdict.verdict,
      ]),
  );
}

const INGRESS = 'network-default-deny-ingress';
const EGRESS = 'network-default-deny-egress';
const deny = (place: string, ...policyTypes: string[]): Body => networkPolicy(place, { podSelector: {}, policyTypes });

describe('network-default-deny', () => {
  it('S1 asks what a policy does, not what it is called', () => {
    const named = networkPolicy('ml/default-deny-all', { podSelector: { matchLabels: { app: 'nobody' } } });
    expect(judge(INGRESS, [...WORLD, CALICO, named])).toMatchObject({
      'ml/train[Pod]': 'fail',
      'ml[Namespace]': 'fail',
    });
    expect(judge(INGRESS, [...WORLD, CALICO, deny('ml/unrelated-name', 'Ingress')])).toMatchObject({
      'ml/train[Pod]': 'pass',
      'ml/registry[Pod]': 'pass',
      'ml[Namespace]': 'pass',
      'web/shop[Pod]': 'fail',
      'web[Namespace]': 'fail',
    });
  });

  it('S1 does not take a policy of that name with an allow-all rule for one', () => {
    const open = networkPolicy('ml/default-deny', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] });
    expect(judge(INGRESS, [...WORLD, CALICO, open])).toMatchObject({
      'ml/train[Pod]': 'fail',
      'ml[Namespace]': 'fail',
    });
  });

  it('S2 judges ingress and egress apart', () => {
    const bodies = [...WORLD, CALICO, deny('ml/a', 'Ingress'), deny('web/b', 'Egress')];
    expect(judge(INGRESS, bodies)).toMatchObject({ 'ml/train[Pod]': 'pass', 'web/shop[Pod]': 'fail' });
    expect(judge(EGRESS, bodies)).toMatchObject({ 'ml/train[Pod]': 'fail', 'web/shop[Pod]': 'pass' });
  });

  it('S2 knows that an empty egress without policyTypes denies no egress', () => {
    const policy = networkPolicy('ml/a', { podSelector: {}, egress: [] });
    expect(judge(EGRESS, [...WORLD, CALICO, policy])).toMatchObject({ 'ml/train[Pod]': 'fail' });
    expect(judge(INGRESS, [...WORLD, CALICO, policy])).toMatchObject({ 'ml/train[Pod]': 'pass' });
  });

  it.each<[string, unknown]>([
    ['an empty rule', {}],
    ['no peers', { from: [] }],
    ['an empty namespace selector', { from: [{ namespaceSelector: {} }] }],
    [
      'a namespace selector that leaves out one',
      {
        from: [
          {
            namespaceSelector: {
              matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system'] }],
            },
          },
        ],
      },
    ],
    ['every address of both families', { from: [{ ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '::/0' } }] }],
    ['every address of one family', { from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }],
    ['every port by its number', { ports: [{ port: 1, endPort: 65_535 }] }],
    ['every port of a protocol', { ports: [{ protocol: 'TCP' }] }],
  ])('S3 sees that another policy allows everything: %s', (_, rule) => {
    const open = networkPolicy('ml/open', { podSelector: { matchLabels: { app: 'train' } }, ingress: [rule] });
    expect(judge(INGRESS, [...WORLD, CALICO, deny('ml/deny', 'Ingress'), open])).toMatchObject({
      'ml/train[Pod]': 'fail',
      'ml/registry[Pod]': 'pass',
      'ml[Namespace]': 'fail',
    });
  });

  it.each<[string, unknown]>([
    ['a port for everybody', { ports: [{ port: 8080 }] }],
    ['the own namespace', { from: [{ podSelector: {} }] }],
    [
      'a namespace by name',
      { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'web' } } }] },
    ],
    ['a block', { from: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }],
    ['a port by name', { ports: [{ port: 'http' }] }],
    ['a port by a name that the pod does not have', { ports: [{ port: 'other' }] }],
  ])('S3 does not take for that what is less: %s', (_, rule) => {
    const some = networkPolicy('ml/some', { podSelector: {}, policyTypes: ['Ingress'], ingress: [rule] });
    const ports: Body = pod('ml/named', { ports: [['http', 80]] });
    const judged = judge(INGRESS, [namespace('ml'), ports, CALICO, some]);
    expect(judged['ml/named[Pod]']).toBe('pass');
  });

  it('tells pods that are there from pods to come', () => {
    const each = ['train', 'registry'].map((app) =>
      networkPolicy(`ml/${app}`, { podSelector: { matchLabels: { app } } }),
    );
    const judged = judge(INGRESS, [...WORLD, CALICO, ...each]);
    expect(judged).toMatchObject({ 'ml/train[Pod]': 'pass', 'ml/registry[Pod]': 'pass', 'ml[Namespace]': 'fail' });
  });

  it('S4 passes nothing that no CNI is known to enforce', () => {
    const bodies = [...WORLD, deny('ml/deny', 'Ingress')];
    expect(judge(INGRESS, bodies)).toMatchObject({
      'ml/train[Pod]': 'unknown cni-unknown',
      'ml[Namespace]': 'unknown cni-unknown',
      'web/shop[Pod]': 'fail',
    });
    expect(judge(INGRESS, bodies, { rules: networkRulesFor('standard') })).toMatchObject({ 'ml/train[Pod]': 'pass' });
  });

  it('S4 fails under a CNI that enforces nothing', () => {
    const verdicts = verdictsOf(INGRESS, [...WORLD, FLANNEL, deny('ml/deny', 'Ingress')]);
    const train = verdicts.find(({ resource }) => resource.ref === 'ml/train[Pod]');
    expect(train?.verdict).toBe('fail');
    expect(train?.detail).toContain('nothing enforces policies');
  });

  it.each<[string, Body, readonly Body[]]>([
    ['Cilium', CILIUM, [ciliumClusterwide('deny', { endpointSelector: {}, ingress: [{}] })]],
    [
      'Cilium by configuration',
      CILIUM,
      [
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { namespace: 'kube-system', name: 'cilium-config' },
          data: { 'enable-policy': 'always' },
        },
      ],
    ],
    ['Calico', CALICO, [calicoGlobal('deny', { selector: 'all()', types: ['Ingress'] })]],
    [
      'an admin policy',
      CALICO,
      [
        adminPolicy('deny', {
          priority: 1,
          subject: { namespaces: {} },
          ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
        }),
        deny('ml/x', 'Ingress'),
        deny('web/x', 'Ingress'),
      ],
    ],
  ])('S4 knows policies of %s', (_, cni, policies) => {
    expect(judge(INGRESS, [...WORLD, cni, ...policies])).toEqual({
      'ml/train[Pod]': 'pass',
      'ml/registry[Pod]': 'pass',
      'web/shop[Pod]': 'pass',
      'ml[Namespace]': 'pass',
      'web[Namespace]': 'pass',
    });
  });

  it('S4 knows that an empty rule of Cilium denies', () => {
    expect(
      judge(INGRESS, [...WORLD, CILIUM, ciliumPolicy('ml/p', { endpointSelector: {}, ingress: [{}] })]),
    ).toMatchObject({ 'ml/train[Pod]': 'pass' });
    expect(
      judge(INGRESS, [
        ...WORLD,
        CILIUM,
        ciliumPolicy('ml/p', { endpointSelector: {}, ingress: [{ fromEntities: ['all'] }] }),
      ]),
    ).toMatchObject({ 'ml/train[Pod]': 'fail' });
  });

  it('S6 says unknown when policies could not be read', () => {
    const unreadable = [
      {
        what: 'networkpolicies',
        kind: 'NetworkPolicy.networking.k8s.io',
        namespace: 'ml',
        reason: 'forbidden' as const,
        detail: '403',
        position: null,
      },
    ];
    expect(judge(INGRESS, [...WORLD, CALICO, deny('web/deny', 'Ingress')], { terms: { unreadable } })).toEqual({
      'ml/train[Pod]': 'unknown unread',
      'ml/registry[Pod]': 'unknown unread',
      'web/shop[Pod]': 'pass',
      'ml[Namespace]': 'unknown unread',
      'web[Namespace]': 'pass',
    });
  });

  it('S6 passes nothing when input that could have been a policy could not be read', () => {
    const unreadable = [
      {
        what: 'policies.yaml',
        kind: null,
        namespace: null,
        reason: 'malformed' as const,
        detail: 'bad indentation',
        position: null,
      },
    ];
    expect(judge(INGRESS, [...WORLD, CALICO, deny('ml/deny', 'Ingress')], { terms: { unreadable } })).toMatchObject({
      'ml/train[Pod]': 'unknown malformed',
      'web/shop[Pod]': 'fail',
    });
  });

  it('marks pods on the network of their node', () => {
    const host = pod('ml/host', { hostNetwork: true });
    const [verdict] = verdictsOf(INGRESS, [namespace('ml'), host, deny('ml/deny', 'Ingress')], {
      rules: networkRulesFor('standard'),
    });
    expect(verdict).toMatchObject({
      verdict: 'fail',
      severity: 'medium',
      at: ['spec', 'hostNetwork'],
      evidence: { outsideNetworkPolicy: true },
    });
  });

  it('counts an empty namespace little, and one that nobody gave not at all', () => {
    const verdicts = verdictsOf(INGRESS, [namespace('empty'), networkPolicy('named/p', { podSelector: {} })], {
      rules: networkRulesFor('standard'),
    });
    expect(verdicts.map(({ resource, severity }) => [resource.ref, severity])).toEqual([['empty[Namespace]', 'low']]);
  });

  it('names the policy that opens, and gives one that closes', () => {
    const open = networkPolicy('ml/open', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] });
    const verdict = verdictsOf(EGRESS, [...WORLD, CALICO, open]).find(
      ({ resource }) => resource.ref === 'ml[Namespace]',
    );
    expect(verdict?.detail).toContain('ml/open[NetworkPolicy] spec.egress[0] allows All');
    const manifest = toPlain(parseYaml(Buffer.from(verdict?.remediation.manifest ?? ''), 'fix.yaml')) as Body;
    const fixed = sceneOf([...WORLD, manifest]);
    expect(fixed.connections('ml/train', 'web/shop')).toBe('None');
    expect(fixed.connections('ml/train', '203.0.113.1')).toBe('None');
    expect(judge(EGRESS, [...WORLD, CALICO, manifest])).toMatchObject({
      'ml/train[Pod]': 'pass',
      'ml[Namespace]': 'pass',
    });
  });
});

describe('network-allow-all', () => {
  const ID = 'network-allow-all';

  it.each<[string, Body, Body, string]>([
    [
      'of NetworkPolicy',
      CALICO,
      networkPolicy('ml/p', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }, {}] }),
      'spec.ingress[1]',
    ],
    [
      'of NetworkPolicy for egress',
      CALICO,
      networkPolicy('ml/p', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] } }] }],
      }),
      'spec.egress[0]',
    ],
    [
      'of Cilium',
      CILIUM,
      ciliumPolicy('ml/p', { endpointSelector: {}, egress: [{ toEntities: ['all'] }] }),
      'spec.egress[0]',
    ],
    ['of Calico', CALICO, calicoPolicy('ml/p', { ingress: [{ action: 'Allow' }] }), 'spec.ingress[0]'],
    [
      'of an admin policy',
      CALICO,
      adminPolicy('p', {
        priority: 1,
        subject: { namespaces: {} },
        ingress: [{ action: 'Allow', from: [{ namespaces: {} }] }],
      }),
      'spec.ingress[0]',
    ],
  ])('S3 finds rules %s', (_, cni, policy, rule) => {
    const [verdict] = verdictsOf(ID, [...WORLD, cni, policy]);
    expect(verdict).toMatchObject({ verdict: 'fail', evidence: { rule } });
  });

  it('S3 lets rules be that name peers or ports, and denials of everything', () => {
    const policies = [
      networkPolicy('ml/a', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }, { from: [{ podSelector: {} }] }] }),
      networkPolicy('ml/b', { podSelector: {}, policyTypes: ['Ingress'] }),
      calicoPolicy('ml/c', { ingress: [{ action: 'Deny' }] }),
    ];
    expect(judge(ID, [...WORLD, CALICO, ...policies])).toEqual({
      'ml/a[NetworkPolicy]': 'pass',
      'ml/b[NetworkPolicy]': 'pass',
      'ml/c[NetworkPolicy]': 'pass',
    });
  });

  it('S3 does not take an empty rule of Cilium for one', () => {
    expect(judge(ID, [...WORLD, CILIUM, ciliumPolicy('ml/p', { endpointSelector: {}, ingress: [{}] })])).toEqual({
      'ml/p[CiliumNetworkPolicy]': 'pass',
    });
  });

  it('says unknown of a rule that cannot be read', () => {
    expect(judge(ID, [...WORLD, CALICO, networkPolicy('ml/p', { podSelector: {}, ingress: [{ form: [] }] })])).toEqual({
      'ml/p[NetworkPolicy]': 'unknown malformed',
    });
  });
});

describe('network-metadata-egress', () => {
  const ID = 'network-metadata-egress';
  const egress = (...to: unknown[]): Body =>
    networkPolicy('ml/p', { podSelector: {}, policyTypes: ['Egress'], egress: [{ to }] });

  it.each<[string, readonly Body[], string]>([
    ['no policy', [], 'fail'],
    ['a policy for ingress only', [deny('ml/p', 'Ingress')], 'fail'],
    ['egress denied', [deny('ml/p', 'Egress')], 'pass'],
    ['every address', [egress({ ipBlock: { cidr: '0.0.0.0/0' } })], 'fail'],
    [
      'every address but the metadata',
      [egress({ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] } })],
      'pass',
    ],
    [
      'every address but link-local ones',
      [egress({ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] } })],
      'pass',
    ],
    [
      'an exception that misses it',
      [egress({ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.253/32'] } })],
      'fail',
    ],
    [
      'an exception that another block takes back',
      [
        egress(
          { ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] } },
          { ipBlock: { cidr: '169.254.0.0/16' } },
        ),
      ],
      'fail',
    ],
    ['a wide block that holds it', [egress({ ipBlock: { cidr: '128.0.0.0/1' } })], 'fail'],
    ['a block that does not', [egress({ ipBlock: { cidr: '10.0.0.0/8' } })], 'pass'],
    ['every IPv6 address', [egress({ ipBlock: { cidr: '::/0' } })], 'fail'],
    [
      'every IPv6 address but the metadata',
      [egress({ ipBlock: { cidr: '::/0', except: ['fd00:ec2::254/128'] } })],
      'pass',
    ],
    ['pods of every namespace', [egress({ namespaceSelector: {} })], 'pass'],
    [
      'port 443 of every address',
      [networkPolicy('ml/p', { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 443 }] }] })],
      'pass',
    ],
    [
      'port 80 of every address',
      [networkPolicy('ml/p', { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 80 }] }] })],
      'fail',
    ],
    [
      'a denial of Calico',
      [
        calicoGlobal('p', {
          types: ['Egress'],
          egress: [
            { action: 'Deny', destination: { nets: ['169.254.169.254/32', 'fd00:ec2::254/128'] } },
            { action: 'Allow' },
          ],
        }),
      ],
      'pass',
    ],
  ])('judges %s', (_, policies, expected) => {
    expect(judge(ID, [namespace('ml'), pod('ml/train'), CALICO, ...policies])).toEqual({ 'ml/train[Pod]': expected });
  });

  it('says unknown when no CNI shows', () => {
    expect(judge(ID, [pod('ml/train'), deny('ml/p', 'Egress')])).toEqual({ 'ml/train[Pod]': 'unknown cni-unknown' });
  });

  it('takes a named domain for what it says, and a pattern for everything for anything', () => {
    const fqdn = (entry: object): Body =>
      ciliumPolicy('ml/p', { endpointSelector: {}, egress: [{ toFQDNs: [entry] }] });
    expect(judge(ID, [pod('ml/train'), CILIUM, fqdn({ matchName: 'huggingface.co' })])).toEqual({
      'ml/train[Pod]': 'pass',
    });
    expect(judge(ID, [pod('ml/train'), CILIUM, fqdn({ matchPattern: '*' })])).toEqual({
      'ml/train[Pod]': 'unknown any-domain-name',
    });
  });

  it('finds pods on the network of their node', () => {
    const [verdict] = verdictsOf(ID, [pod('ml/host', { hostNetwork: true }), deny('ml/p', 'Egress')], {
      rules: networkRulesFor('calico'),
    });
    expect(verdict).toMatchObject({ verdict: 'fail', at: ['spec', 'hostNetwork'] });
  });

  it('counts less where every node says that it is in no cloud', () => {
    const node = (providerID: string | undefined): Body => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n' },
      spec: { providerID },
    });
    const severityOf = (...nodes: readonly Body[]): string | undefined =>
      verdictsOf(ID, [pod('ml/train'), ...nodes])[0]?.severity;
    expect(severityOf(node('kind://docker/kind/kind-control-plane'))).toBe('low');
    expect(severityOf(node('aws:///eu-west-1a/i-1'))).toBeUndefined();
    expect(severityOf(node(undefined))).toBeUndefined();
    expect(severityOf()).toBeUndefined();
  });

  it('gives a policy that keeps all else open', () => {
    const verdict = verdictsOf(ID, [namespace('ml'), pod('ml/train')])[0];
    const manifest = toPlain(parseYaml(Buffer.from(verdict?.remediation.manifest ?? ''), 'fix.yaml')) as Body;
    expect(judge(ID, [namespace('ml'), pod('ml/train'), CALICO, manifest])).toEqual({ 'ml/train[Pod]': 'pass' });
    const fixed = sceneOf([namespace('ml'), namespace('web'), pod('ml/train'), pod('web/shop'), manifest]);
    expect(fixed.connections('ml/train', '203.0.113.1')).toBe('All');
    expect(fixed.connections('ml/train', 'web/shop')).toBe('All');
    expect(fixed.connections('ml/train', '2001:db8::1')).toBe('All');
  });
});

describe('network-cni-enforcement', () => {
  const ID = 'network-cni-enforcement';

  it.each<[string, readonly Body[], string]>([
    ['a CNI that enforces', [CALICO], 'pass'],
    ['one that does not', [FLANNEL], 'fail'],
    ['none that shows', [], 'unknown cni-unknown'],
    ['one that perhaps does', [agent('kindnet', 'kindest/kindnetd:latest')], 'unknown cni-unknown'],
  ])('S4 judges %s', (_, bodies, expected) => {
    expect(judge(ID, [...WORLD, ...bodies])).toEqual({ 'cluster[Cluster]': expected });
  });

  it('S4 finds policies of a CNI that is not there, and staged ones', () => {
    const policies = [
      networkPolicy('ml/a', { podSelector: {} }),
      ciliumPolicy('ml/b', { endpointSelector: {} }),
      calicoPolicy('ml/c', {}),
      { ...calicoPolicy('ml/d', {}), kind: 'StagedNetworkPolicy' },
    ];
    expect(judge(ID, [CALICO, ...policies])).toEqual({
      'cluster[Cluster]': 'pass',
      'ml/a[NetworkPolicy]': 'pass',
      'ml/b[CiliumNetworkPolicy]': 'fail',
      'ml/c[NetworkPolicy]': 'pass',
      'ml/d[StagedNetworkPolicy]': 'fail',
    });
  });

  it('says unknown of admin policies under a CNI that knows them since a version', () => {
    expect(judge(ID, [CILIUM, adminPolicy('a', {})])).toMatchObject({ 'a[AdminNetworkPolicy]': 'unknown cni-unknown' });
  });
});

describe('network-internet-egress', () => {
  const ID = 'network-internet-egress';
  const withSecret = (place: string): Body => {
    const body = pod(place);
    return {
      ...body,
      spec: { ...(body['spec'] as object), volumes: [{ name: 's', secret: { secretName: 'hf-token' } }] },
    };
  };
  const egress = (...rules: unknown[]): Body =>
    networkPolicy('ml/p', { podSelector: {}, policyTypes: ['Egress'], egress: rules });

  it.each<[string, readonly Body[], string]>([
    ['no policy', [], 'fail'],
    ['egress denied', [deny('ml/p', 'Egress')], 'pass'],
    ['a block', [egress({ to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] })], 'pass'],
    [
      'every address on one port',
      [egress({ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 443 }] })],
      'fail',
    ],
    [
      'everything but private addresses',
      [egress({ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'] } }] })],
      'fail',
    ],
    ['pods only', [egress({ to: [{ namespaceSelector: {} }] })], 'pass'],
  ])('judges a workload with a secret under %s', (_, policies, expected) => {
    expect(judge(ID, [namespace('ml'), withSecret('ml/train'), CALICO, ...policies])).toEqual({
      'ml/train[Pod]': expected,
    });
  });

  it('counts one port less than all', () => {
    const bodies = [withSecret('ml/train'), CALICO];
    expect(verdictsOf(ID, bodies)[0]?.severity).toBeUndefined();
    expect(verdictsOf(ID, [...bodies, egress({ ports: [{ port: 443 }] })])[0]).toMatchObject({
      severity: 'medium',
      detail: expect.stringContaining('TCP 443'),
    });
  });

  it('takes named domains for what they say', () => {
    const fqdn = (entry: object): Body =>
      ciliumPolicy('ml/p', { endpointSelector: {}, egress: [{ toFQDNs: [entry] }] });
    expect(judge(ID, [withSecret('ml/train'), CILIUM, fqdn({ matchPattern: '*.huggingface.co' })])).toEqual({
      'ml/train[Pod]': 'pass',
    });
    expect(judge(ID, [withSecret('ml/train'), CILIUM, fqdn({ matchName: 'huggingface.co' })])).toEqual({
      'ml/train[Pod]': 'pass',
    });
    expect(judge(ID, [withSecret('ml/train'), CILIUM, fqdn({ matchPattern: '*' })])).toEqual({
      'ml/train[Pod]': 'unknown any-domain-name',
    });
  });

  it('is about workloads that hold something', () => {
    const holder = (spec: object, kind = 'Pod', apiVersion = 'v1'): Body => ({
      apiVersion,
      kind,
      metadata: { namespace: 'ml', name: 'x' },
      spec,
    });
    const container = (more: object): object => ({ containers: [{ name: 'a', image: 'a:1', ...more }] });
    const holds = (body: Body, ...more: readonly Body[]): boolean => verdictsOf(ID, [body, ...more]).length > 0;
    expect(holds(pod('ml/plain'))).toBe(false);
    expect(
      holds(holder(container({ env: [{ name: 'T', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }))),
    ).toBe(true);
    expect(holds(holder(container({ envFrom: [{ secretRef: { name: 's' } }] })))).toBe(true);
    expect(
      holds(
        holder({ ...container({}), volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 's' } }] } }] }),
      ),
    ).toBe(true);
    expect(holds(holder(container({ resources: { limits: { 'nvidia.com/gpu': 1 } } })))).toBe(true);
    expect(holds(holder(container({ resources: { limits: { 'nvidia.com/gpu': '0' } } })))).toBe(false);
    expect(holds(holder(container({ image: 'vllm/vllm-openai:v0.10' })))).toBe(true);
    const account: Body = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: {
        namespace: 'ml',
        name: 'default',
        annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/x' },
      },
    };
    expect(holds(pod('ml/plain'), account)).toBe(true);
  });
});

describe('network-cross-namespace', () => {
  const ID = 'network-cross-namespace';

  it('S5 finds who of other namespaces gets in without a rule that means them', () => {
    const verdicts = verdictsOf(ID, [...WORLD, CALICO, deny('web/deny', 'Ingress')]);
    const train = verdicts.find(({ resource }) => resource.ref === 'ml/train[Pod]');
    expect(train).toMatchObject({
      verdict: 'fail',
      evidence: { witnesses: [{ from: 'web/shop[Pod]', connections: 'All' }] },
    });
    expect(judge(ID, [...WORLD, CALICO, deny('web/deny', 'Ingress')])).toMatchObject({ 'web/shop[Pod]': 'pass' });
  });

  it('S5 lets in whom a rule means', () => {
    const meant = networkPolicy('ml/p', {
      podSelector: {},
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'web' } } }] }],
    });
    expect(judge(ID, [...WORLD, CALICO, meant])).toMatchObject({ 'ml/train[Pod]': 'pass', 'web/shop[Pod]': 'fail' });
  });

  it('S5 does not count those that cannot leave their own namespace', () => {
    expect(judge(ID, [...WORLD, CALICO, deny('web/deny', 'Egress')])).toMatchObject({ 'ml/train[Pod]': 'pass' });
  });

  it('S5 counts a rule for every namespace as one that means nobody', () => {
    const everybody = networkPolicy('ml/p', { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] });
    expect(judge(ID, [...WORLD, CALICO, everybody])).toMatchObject({ 'ml/train[Pod]': 'fail' });
  });

  it('S5 passes nothing without a CNI', () => {
    expect(judge(ID, [...WORLD, deny('ml/deny', 'Ingress')])).toMatchObject({
      'ml/train[Pod]': 'unknown cni-unknown',
      'web/shop[Pod]': 'fail',
    });
  });
});

describe('the rules about the network', () => {
  it('have ids, tenets and help', () => {
    for (const { info } of networkRules) {
      expect(info.id).toMatch(/^network-[a-z-]+$/);
      expect(info.tenets.length).toBeGreaterThan(0);
      expect(info.help).toContain('**Fix:**');
    }
    expect(new Set(networkRules.map(({ info }) => info.id)).size).toBe(networkRules.length);
  });

  it('S6 have nothing to say about nothing, and do not break', () => {
    const evaluations = evaluateRules(clusterFrom([]), { rules: networkRules, context: termsOf().context });
    expect(evaluations.map(({ failure }) => failure).filter((failure) => failure !== null)).toEqual([]);
    expect(evaluations.flatMap(({ verdicts }) => verdicts).map(({ verdict }) => verdict)).toEqual(['unknown']);
  });
});
