import { describe, expect, it } from 'vitest';
import { linesOf, verdictsOf } from './verdicts.ts';

const ADMIN = 'credential-rbac-admin';
const SECRETS = 'credential-rbac-secrets';
const PODS = 'credential-rbac-pods';
const ESCALATION = 'credential-rbac-escalation';
const DEFAULT = 'credential-default-account-power';
const ANYBODY = 'credential-rbac-anonymous';

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: ml }
spec: { serviceAccountName: api, containers: [{ name: main, image: a:1 }] }
`;

interface Binding {
  readonly role: string;
  readonly kind?: 'ClusterRoleBinding' | 'RoleBinding';
  readonly subject?: string;
}

const API = '{ kind: ServiceAccount, name: api, namespace: ml }';

function binding({ role, kind = 'ClusterRoleBinding', subject = API }: Binding, name = 'b'): string {
  const namespace = kind === 'RoleBinding' ? ', namespace: ml' : '';
  return `
apiVersion: rbac.authorization.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}${namespace} }
subjects: [${subject}]
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ${role.startsWith('Role ') ? 'Role' : 'ClusterRole'}, name: ${role.replace('Role ', '')} }
`;
}

function role(rules: string, more = ''): string {
  return `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: r${more} }
rules: [${rules}]
`;
}

const RULE_KINDS = ['ClusterRole', 'Role', 'ClusterRoleBinding', 'RoleBinding'];
const LISTED = {
  inventory: {
    completeKinds: new Set([...RULE_KINDS.map((kind) => `${kind}.rbac.authorization.k8s.io`), 'ServiceAccount']),
  },
};

function lines(rule: string, ...documents: readonly string[]): readonly string[] {
  return linesOf(rule, [POD, ...documents].join('---'), LISTED);
}

/** What a rule of a role gives, bound in the cluster and in a namespace. */
function gives(rule: string, rules: string): readonly string[] {
  return (['ClusterRoleBinding', 'RoleBinding'] as const).map((kind) => {
    const [line = ''] = lines(rule, role(rules), binding({ role: 'r', kind }));
    return line.replace(' ml/api[ServiceAccount]', '');
  });
}

describe('the power of a service account', () => {
  it.each<[string, string, readonly string[]]>([
    [ADMIN, '{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }', ['fail critical', 'fail high']],
    [ADMIN, '{ apiGroups: [""], resources: ["*"], verbs: [create] }', ['fail high', 'fail medium']],
    [ADMIN, '{ apiGroups: [ray.io], resources: [rayjobs], verbs: ["*"] }', ['pass', 'pass']],
    [ADMIN, '{ apiGroups: ["*"], resources: ["*"], verbs: [get, list] }', ['pass', 'pass']],
    [SECRETS, '{ apiGroups: [""], resources: [secrets], verbs: [get] }', ['fail critical', 'fail medium']],
    [SECRETS, '{ apiGroups: [""], resources: [secrets], verbs: [list] }', ['fail critical', 'fail medium']],
    [SECRETS, '{ apiGroups: ["*"], resources: ["*"], verbs: [get, list] }', ['fail critical', 'fail medium']],
    [SECRETS, '{ apiGroups: [""], resources: [secrets], verbs: ["*"] }', ['fail critical', 'fail medium']],
    [SECRETS, '{ apiGroups: [""], resources: [secrets], resourceNames: [hf], verbs: [get] }', ['pass', 'pass']],
    [SECRETS, '{ apiGroups: [""], resources: [secrets], verbs: [create, delete] }', ['pass', 'pass']],
    [SECRETS, '{ apiGroups: [apps], resources: [secrets], verbs: [get] }', ['pass', 'pass']],
    [SECRETS, '{ apiGroups: [""], resources: [secrets/status], verbs: [get] }', ['pass', 'pass']],
    [PODS, '{ apiGroups: [""], resources: [pods], verbs: [create] }', ['fail high', 'fail medium']],
    [PODS, '{ apiGroups: [batch], resources: [jobs], verbs: [patch] }', ['fail high', 'fail medium']],
    [PODS, '{ apiGroups: [apps], resources: [deployments], verbs: [update] }', ['fail high', 'fail medium']],
    [PODS, '{ apiGroups: [""], resources: [pods/exec], verbs: [create] }', ['fail high', 'fail medium']],
    [PODS, '{ apiGroups: [""], resources: [pods/exec], verbs: [get] }', ['fail high', 'fail medium']],
    [PODS, '{ apiGroups: [""], resources: ["*/exec"], verbs: [create] }', ['fail high', 'fail medium']],
    [PODS, '{ apiGroups: [""], resources: [pods/ephemeralcontainers], verbs: [patch] }', ['fail high', 'fail medium']],
    [PODS, '{ apiGroups: [""], resources: [nodes/proxy], verbs: [get] }', ['fail critical', 'pass']],
    [PODS, '{ apiGroups: [""], resources: [pods/portforward], verbs: [create] }', ['fail medium', 'fail low']],
    [PODS, '{ apiGroups: [""], resources: [pods, pods/log], verbs: [get, list, watch, delete] }', ['pass', 'pass']],
    [
      ESCALATION,
      '{ apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate] }',
      ['fail critical', 'fail high'],
    ],
    [
      ESCALATION,
      '{ apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [bind] }',
      ['fail critical', 'fail high'],
    ],
    [
      ESCALATION,
      '{ apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [view], verbs: [bind] }',
      ['fail low', 'fail low'],
    ],
    [
      ESCALATION,
      '{ apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [cluster-admin], verbs: [bind] }',
      ['fail critical', 'fail high'],
    ],
    [
      ESCALATION,
      '{ apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create] }',
      ['fail medium', 'fail medium'],
    ],
    [ESCALATION, '{ apiGroups: [""], resources: [users], verbs: [impersonate] }', ['fail critical', 'pass']],
    [
      ESCALATION,
      '{ apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate] }',
      ['fail critical', 'fail high'],
    ],
    [
      ESCALATION,
      '{ apiGroups: [""], resources: [serviceaccounts/token], verbs: [create] }',
      ['fail critical', 'fail high'],
    ],
    [
      ESCALATION,
      '{ apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests/approval], verbs: [update] }',
      ['fail high', 'pass'],
    ],
    [
      ESCALATION,
      '{ apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [patch] }',
      ['fail high', 'pass'],
    ],
    [ESCALATION, '{ apiGroups: [""], resources: [persistentvolumes], verbs: [create] }', ['fail medium', 'pass']],
    [ESCALATION, '{ nonResourceURLs: [/metrics], verbs: [get] }', ['pass', 'pass']],
  ])('S27 %s of %s', (rule, rules, expected) => {
    expect(gives(rule, rules)).toEqual(expected);
  });

  it.each<[string, string, string]>([
    ['itself', API, 'fail'],
    ['its user name', '{ kind: User, name: "system:serviceaccount:ml:api" }', 'fail'],
    ['the group of its namespace', '{ kind: Group, name: "system:serviceaccounts:ml" }', 'fail'],
    ['the group of all accounts', '{ kind: Group, name: "system:serviceaccounts" }', 'fail'],
    ['the group of all who are authenticated', '{ kind: Group, name: "system:authenticated" }', 'fail'],
    ['another account', '{ kind: ServiceAccount, name: api2, namespace: ml }', 'pass'],
    ['its namesake elsewhere', '{ kind: ServiceAccount, name: api, namespace: other }', 'pass'],
    ['the group of another namespace', '{ kind: Group, name: "system:serviceaccounts:other" }', 'pass'],
    ['a person', '{ kind: User, name: api }', 'pass'],
  ])('S27 counts what is bound to %s: %s', (_whom, subject, expected) => {
    const rules = '{ apiGroups: [""], resources: [secrets], verbs: [get] }';
    const [line] = lines(SECRETS, role(rules), binding({ role: 'r', subject }));
    expect(line?.split(' ')[0]).toBe(expected);
  });

  it('S27 takes a subject without a namespace for one of the binding', () => {
    const subject = '{ kind: ServiceAccount, name: api }';
    const rules = '{ apiGroups: [""], resources: [secrets], verbs: [get] }';
    expect(lines(SECRETS, role(rules), binding({ role: 'r', kind: 'RoleBinding', subject }))).toEqual([
      'fail medium ml/api[ServiceAccount]',
    ]);
  });

  it('S27 adds up what an aggregated role gathers, in however many steps', () => {
    const aggregated = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: all, labels: { into: itself } }
aggregationRule: { clusterRoleSelectors: [{ matchLabels: { into: all } }, { matchLabels: { into: itself } }] }
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: some, labels: { into: all } }
aggregationRule: { clusterRoleSelectors: [{ matchExpressions: [{ key: into, operator: In, values: [some] }] }] }
`;
    const leaf = role('{ apiGroups: [""], resources: [secrets], verbs: [get] }', ', labels: { into: some }');
    expect(lines(SECRETS, aggregated, leaf, binding({ role: 'all' }))).toEqual([
      'fail critical ml/api[ServiceAccount]',
    ]);
  });

  it.each<[string, string, string]>([
    ['cluster-admin', ADMIN, 'fail critical ml/api[ServiceAccount]'],
    ['admin', SECRETS, 'fail critical ml/api[ServiceAccount]'],
    ['edit', PODS, 'fail high ml/api[ServiceAccount]'],
    ['edit', ESCALATION, 'fail critical ml/api[ServiceAccount]'],
    ['view', SECRETS, 'pass ml/api[ServiceAccount]'],
    ['view', PODS, 'pass ml/api[ServiceAccount]'],
  ])('S27 knows %s, which every cluster has', (name, rule, expected) => {
    expect(lines(rule, binding({ role: name }))).toEqual([expected]);
  });

  it('S27 adds to a built-in role what is aggregated to it', () => {
    const more = role(
      '{ apiGroups: [""], resources: [secrets], verbs: [get] }',
      ', labels: { rbac.authorization.k8s.io/aggregate-to-view: "true" }',
    );
    expect(lines(SECRETS, more, binding({ role: 'view' }))).toEqual(['fail critical ml/api[ServiceAccount]']);
  });

  it('tells of an account that can do everything once', () => {
    const text = binding({ role: 'cluster-admin' });
    expect([ADMIN, SECRETS, PODS, ESCALATION].flatMap((rule) => lines(rule, text))).toEqual([
      'fail critical ml/api[ServiceAccount]',
    ]);
  });

  it('says through which binding and role', () => {
    const text = [POD, binding({ role: 'admin', kind: 'RoleBinding' })].join('---');
    const [verdict] = verdictsOf(SECRETS, text, LISTED);
    expect(verdict?.detail).toBe(
      'the account can read Secrets in namespace ml (ClusterRole admin by ml/b[RoleBinding])',
    );
    expect(verdict?.evidence).toEqual({
      powers: [{ power: 'read Secrets', scope: 'ml', role: 'ClusterRole admin', binding: 'ml/b[RoleBinding]' }],
      workloads: ['ml/p[Pod]'],
    });
  });

  it('S6 does not take roles and bindings that it could not read for none', () => {
    const forbidden = {
      what: 'rolebindings',
      kind: 'RoleBinding.rbac.authorization.k8s.io',
      namespace: null,
      reason: 'forbidden' as const,
      detail: '403',
      position: null,
    };
    const inventory = { ...LISTED.inventory, unreadable: [forbidden] };
    expect(linesOf(SECRETS, [POD, binding({ role: 'view' })].join('---'), { inventory })).toEqual([
      'unknown forbidden ml/api[ServiceAccount]',
    ]);
    // What is known to be granted stays granted.
    expect(linesOf(SECRETS, [POD, binding({ role: 'admin' })].join('---'), { inventory })).toEqual([
      'fail critical ml/api[ServiceAccount]',
    ]);
  });

  it('does not know what a role gives that was not given', () => {
    const text = [POD, binding({ role: 'their-role' }), binding({ role: 'view', kind: 'RoleBinding' }, 'c')].join(
      '---',
    );
    expect(linesOf(SECRETS, text)).toEqual(['unknown not-given ml/api[ServiceAccount]']);
    expect(linesOf(SECRETS, text, LISTED)).toEqual(['pass ml/api[ServiceAccount]']);
    expect(linesOf(SECRETS, POD)).toEqual(['unknown not-given cluster[Cluster]']);
  });

  it('reads broken bindings as unknown, and never breaks', () => {
    const broken = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: b }
subjects: [null, 7, { kind: ServiceAccount, name: api, namespace: ml }]
roleRef: admin
`;
    expect(lines(SECRETS, broken)).toEqual(['unknown malformed ml/api[ServiceAccount]']);
  });
});

describe('credential-default-account-power', () => {
  const pod = POD.replace('serviceAccountName: api, ', '');

  it('S25 finds what is bound to the default account, or to all accounts of its namespace', () => {
    const of = (subject: string): readonly string[] =>
      linesOf(DEFAULT, [pod, binding({ role: 'view', subject })].join('---'), LISTED);
    expect(of('{ kind: ServiceAccount, name: default, namespace: ml }')).toEqual([
      'fail high ml/default[ServiceAccount]',
    ]);
    expect(of('{ kind: Group, name: "system:serviceaccounts:ml" }')).toEqual(['fail high ml/default[ServiceAccount]']);
    expect(of('{ kind: ServiceAccount, name: default, namespace: other }')).toEqual([
      'pass ml/default[ServiceAccount]',
    ]);
  });

  it('does not count what everybody has by default', () => {
    const subject = '{ kind: Group, name: "system:authenticated" }';
    expect(linesOf(DEFAULT, [pod, binding({ role: 'system:discovery', subject })].join('---'), LISTED)).toEqual([
      'pass ml/default[ServiceAccount]',
    ]);
  });

  it('does not know without RBAC', () => {
    expect(linesOf(DEFAULT, pod)).toEqual(['unknown not-given cluster[Cluster]']);
  });
});

describe('credential-rbac-anonymous', () => {
  it('finds roles for whoever asks', () => {
    for (const subject of [
      '{ kind: Group, name: "system:unauthenticated" }',
      '{ kind: User, name: "system:anonymous" }',
    ]) {
      expect(linesOf(ANYBODY, binding({ role: 'view', subject }), LISTED)).toEqual([
        'fail critical b[ClusterRoleBinding]',
      ]);
    }
  });

  it('leaves what reads no resources', () => {
    const subject = '{ kind: Group, name: "system:unauthenticated" }';
    const version = role('{ nonResourceURLs: [/version], verbs: [get] }');
    expect(linesOf(ANYBODY, [binding({ role: 'r', subject }), version].join('---'), LISTED)).toEqual([
      'pass cluster[Cluster]',
    ]);
    expect(linesOf(ANYBODY, binding({ role: 'system:public-info-viewer', subject }), LISTED)).toEqual([
      'pass cluster[Cluster]',
    ]);
    expect(linesOf(ANYBODY, POD)).toEqual(['unknown not-given cluster[Cluster]']);
  });
});
