import { describe, expect, it } from 'vitest';
import type { Unreadable } from '../../../src/audit/inventory.ts';
import { NOW } from '../terms.ts';
import { linesOf, verdictsOf } from './verdicts.ts';

const LEGACY = 'credential-legacy-token';
const MOUNTED = 'credential-mounted-token';
const IN_ENV = 'credential-secret-in-env';
const AUTOMOUNT = 'credential-automount';
const PROJECTED = 'credential-projected-token';
const EXTENSION = 'credential-token-extension';

const LISTED = { inventory: { completeKinds: new Set(['Secret', 'ServiceAccount', 'Pod']) } };

function forbidden(kind: string): Unreadable {
  return { what: kind, kind, namespace: null, reason: 'forbidden', detail: '403', position: null };
}

function tokenSecret(name: string, labels = '{}'): string {
  return `
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: ${name}
  namespace: ml
  labels: ${labels}
  annotations: { kubernetes.io/service-account.name: trainer }
  creationTimestamp: "2026-06-05T00:00:00Z"
`;
}

function opaqueSecret(name: string): string {
  return `apiVersion: v1\nkind: Secret\nmetadata: { name: ${name}, namespace: ml }\n`;
}

function deployment(spec: string, name = 'api'): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ml }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers: [{ name: main, image: api:1 }]
${spec
  .split('\n')
  .map((line) => `      ${line}`)
  .join('\n')}
`;
}

function account(name: string, more = ''): string {
  return `apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: ${name}, namespace: ml }\n${more}\n`;
}

function volume(source: string): string {
  return deployment(`volumes: [{ name: v, ${source} }]`);
}

describe('credential-legacy-token', () => {
  it('S23 tells a token by the type of its Secret, and not by what a ServiceAccount lists', () => {
    expect(linesOf(LEGACY, tokenSecret('settings'))).toEqual(['fail high ml/settings[Secret]']);
    const listed = `${account('trainer', 'secrets: [{ name: trainer-token-abcde }, { name: trainer-dockercfg }]')}---\n${opaqueSecret('trainer-dockercfg')}`;
    expect(linesOf(LEGACY, listed)).toEqual(['pass cluster[Cluster]']);
  });

  it('S23 reads from its labels when it was last used, and since when it is not accepted', () => {
    const labels =
      '{ kubernetes.io/legacy-token-last-used: "2026-06-01", kubernetes.io/legacy-token-invalid-since: "2026-06-10" }';
    const [verdict] = verdictsOf(LEGACY, tokenSecret('old', labels), {});
    expect(verdict).toMatchObject({
      verdict: 'fail',
      severity: 'low',
      evidence: {
        account: 'trainer',
        lastUsed: '2026-06-01',
        invalidSince: '2026-06-10',
        ageDays: (NOW - Date.UTC(2026, 5, 5)) / 86_400_000,
      },
    });
    const [used] = verdictsOf(LEGACY, tokenSecret('old', '{ kubernetes.io/legacy-token-last-used: "2026-06-01" }'));
    expect(used?.detail).toContain('it was last used on 2026-06-01');
    expect(used).not.toHaveProperty('severity');
  });

  it('S6 does not take Secrets that it may not read for none', () => {
    expect(linesOf(LEGACY, account('a'), { inventory: { unreadable: [forbidden('Secret')] } })).toEqual([
      'unknown forbidden cluster[Cluster]',
    ]);
    expect(linesOf(LEGACY, account('a'))).toEqual(['unknown not-given cluster[Cluster]']);
    expect(linesOf(LEGACY, account('a'), LISTED)).toEqual(['pass cluster[Cluster]']);
  });
});

describe('credential-mounted-token', () => {
  it('S24 goes by the type of the mounted Secret: hf-token is none, settings may be', () => {
    const harmless = `${volume('secret: { secretName: hf-token }')}---\n${opaqueSecret('hf-token')}`;
    expect(linesOf(MOUNTED, harmless)).toEqual(['pass ml/api[Deployment]']);
    const renamed = `${volume('secret: { secretName: settings }')}---${tokenSecret('settings')}`;
    expect(linesOf(MOUNTED, renamed)).toEqual(['fail high ml/api[Deployment]']);
  });

  it.each<[string, string]>([
    ['a projected volume', 'volumes: [{ name: v, projected: { sources: [{ secret: { name: settings } }] } }]'],
    ['an environment', 'initContainers: [{ name: i, image: i:1, envFrom: [{ secretRef: { name: settings } }] }]'],
    [
      'a variable',
      'initContainers: [{ name: i, image: i:1, env: [{ name: T, valueFrom: { secretKeyRef: { name: settings, key: token } } }] }]',
    ],
  ])('S24 finds it in %s', (_what, spec) => {
    expect(linesOf(MOUNTED, `${deployment(spec)}---${tokenSecret('settings')}`)).toEqual([
      'fail high ml/api[Deployment]',
    ]);
  });

  it('does not count what never gets into a container', () => {
    const text = deployment('imagePullSecrets: [{ name: settings }]');
    expect(linesOf(MOUNTED, `${text}---${tokenSecret('settings')}`)).toEqual(['pass ml/api[Deployment]']);
  });

  it('S24 does not know the type of a Secret that was not given, and knows of one that was listed not to be there', () => {
    const text = volume('secret: { secretName: hf-token }');
    expect(linesOf(MOUNTED, text)).toEqual(['unknown not-given ml/api[Deployment]']);
    expect(linesOf(MOUNTED, `${text}---\n${opaqueSecret('other')}`)).toEqual(['unknown not-given ml/api[Deployment]']);
    expect(linesOf(MOUNTED, text, { inventory: { unreadable: [forbidden('Secret')] } })).toEqual([
      'unknown forbidden ml/api[Deployment]',
    ]);
    expect(linesOf(MOUNTED, text, LISTED)).toEqual(['pass ml/api[Deployment]']);
  });
});

describe('credential-secret-in-env', () => {
  it('tells by container which variables come from Secrets', () => {
    const text = deployment(
      'initContainers: [{ name: i, image: i:1, env: [{ name: T, valueFrom: { secretKeyRef: { name: s, key: k } } }] }]',
    );
    expect(linesOf(IN_ENV, text)).toEqual(['fail low ml/api[Deployment] i', 'pass ml/api[Deployment] main']);
    expect(verdictsOf(IN_ENV, text)[0]?.evidence).toEqual({ secrets: ['s'], variables: ['T'] });
  });
});

describe('credential-automount', () => {
  const BOUND = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: b, namespace: ml }
subjects: [{ kind: ServiceAccount, name: api }]
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: c }
subjects: [{ kind: User, name: alice }]
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
`;
  const of = (pod: string, ofAccount: string): readonly string[] =>
    linesOf(
      AUTOMOUNT,
      `${deployment(`serviceAccountName: api\n${pod}`)}---\n${account('api', ofAccount)}---${BOUND.replace('name: api', 'name: other')}`,
    );

  it.each<[string, string, string]>([
    ['', '', 'fail low'],
    ['', 'automountServiceAccountToken: true', 'fail low'],
    ['', 'automountServiceAccountToken: false', 'pass'],
    ['automountServiceAccountToken: false', '', 'pass'],
    ['automountServiceAccountToken: false', 'automountServiceAccountToken: true', 'pass'],
    ['automountServiceAccountToken: true', 'automountServiceAccountToken: false', 'fail low'],
    ['automountServiceAccountToken: true', '', 'fail low'],
    ['automountServiceAccountToken: null', 'automountServiceAccountToken: false', 'pass'],
  ])('S25 hears the pod before the service account: %j over %j', (pod, ofAccount, expected) => {
    expect(of(pod, ofAccount)).toEqual([`${expected} ml/api[Deployment]`]);
  });

  it('S25 takes a pod to need its token when a role is bound to its account', () => {
    const text = `${deployment('serviceAccountName: api')}---\n${account('api')}---${BOUND}`;
    expect(linesOf(AUTOMOUNT, text)).toEqual(['pass ml/api[Deployment]']);
  });

  it('S25 finds the token of the default account, whether or not that account was given', () => {
    expect(linesOf(AUTOMOUNT, deployment(''))).toEqual(['fail medium ml/api[Deployment]']);
    expect(
      linesOf(AUTOMOUNT, `${deployment('')}---\n${account('default', 'automountServiceAccountToken: false')}`),
    ).toEqual(['pass ml/api[Deployment]']);
    expect(linesOf(AUTOMOUNT, deployment(''), { inventory: { unreadable: [forbidden('ServiceAccount')] } })).toEqual([
      'unknown forbidden ml/api[Deployment]',
    ]);
  });

  it('S25 does not know of an account that was not given, or of roles that were not', () => {
    expect(linesOf(AUTOMOUNT, deployment('serviceAccountName: api'))).toEqual(['unknown not-given ml/api[Deployment]']);
    const noRbac = `${deployment('serviceAccountName: api')}---\n${account('api')}`;
    expect(linesOf(AUTOMOUNT, noRbac)).toEqual(['unknown not-given ml/api[Deployment]']);
  });

  it('offers a patch of the pod', () => {
    const [verdict] = verdictsOf(AUTOMOUNT, deployment(''));
    expect(verdict?.remediation.patch).toEqual([
      { op: 'add', path: '/spec/template/spec/automountServiceAccountToken', value: false },
    ]);
  });
});

describe('credential-projected-token', () => {
  const projected = (token: string, more = ''): string =>
    deployment(
      `volumes: [{ name: v, projected: { sources: [{ serviceAccountToken: { path: token${token} } }${more}] } }]`,
    );

  it.each<[string, string, readonly string[]]>([
    ['an hour for somebody', ', audience: registry', ['pass']],
    ['a day for somebody', ', audience: registry, expirationSeconds: 86400', ['pass']],
    ['more than a day', ', audience: registry, expirationSeconds: 86401', ['fail medium']],
    ['a year', ', audience: registry, expirationSeconds: 31536000', ['fail medium']],
    ['nobody in particular', '', ['fail low']],
    ['nobody, for long', ', audience: "", expirationSeconds: 604800', ['fail medium']],
  ])('S25 judges lifetime and audience: %s', (_what, token, expected) => {
    expect(linesOf(PROJECTED, projected(token))).toEqual(expected.map((verdict) => `${verdict} ml/api[Deployment]`));
  });

  it('S25 knows a token for the API server that was projected by hand', () => {
    expect(linesOf(PROJECTED, projected('', ', { configMap: { name: kube-root-ca.crt } }'))).toEqual([
      'pass ml/api[Deployment]',
    ]);
    const mounted = projected('').replace(
      'image: api:1',
      'image: api:1, volumeMounts: [{ name: v, mountPath: /var/run/secrets/kubernetes.io/serviceaccount }]',
    );
    expect(linesOf(PROJECTED, mounted)).toEqual(['pass ml/api[Deployment]']);
  });

  it('says nothing of what admission added, or where there is none', () => {
    expect(
      linesOf(PROJECTED, projected(', expirationSeconds: 999999').replace('name: v,', 'name: kube-api-access-x7k2p,')),
    ).toEqual([]);
    expect(linesOf(PROJECTED, deployment(''))).toEqual([]);
  });
});

describe('credential-token-extension', () => {
  const server = (flags: string): string => `---
apiVersion: v1
kind: Pod
metadata: { name: kube-apiserver-a, namespace: kube-system, labels: { component: kube-apiserver } }
spec:
  hostNetwork: true
  automountServiceAccountToken: false
  containers: [{ name: kube-apiserver, image: k:1, command: [kube-apiserver, --anonymous-auth=false${flags}] }]
`;
  it('S25 asks the API server whether it makes an hour a year', () => {
    expect(linesOf(EXTENSION, `${deployment('')}${server('')}`)).toEqual([
      'fail medium kube-system/kube-apiserver-a[Pod] kube-apiserver',
    ]);
    expect(
      linesOf(EXTENSION, `${deployment('')}${server(', --service-account-extend-token-expiration=true')}`),
    ).toEqual(['fail medium kube-system/kube-apiserver-a[Pod] kube-apiserver']);
    expect(
      linesOf(EXTENSION, `${deployment('')}${server(', --service-account-extend-token-expiration=false')}`),
    ).toEqual(['pass kube-system/kube-apiserver-a[Pod] kube-apiserver']);
  });

  it('S25 does not know it of an API server that is not shown, and need not where no token is mounted', () => {
    expect(linesOf(EXTENSION, deployment(''))).toEqual(['unknown control-plane-unseen cluster[Cluster]']);
    expect(linesOf(EXTENSION, deployment('automountServiceAccountToken: false'))).toEqual(['pass cluster[Cluster]']);
  });
});
