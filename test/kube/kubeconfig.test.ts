import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterTarget } from '../../src/kube/cluster-target.ts';
import { ConnectionError } from '../../src/kube/connection-error.ts';
import { loadInCluster } from '../../src/kube/in-cluster.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import { TemporaryDirectory } from '../files/temporary-directory.ts';
import { issueSvid, selfSigned } from '../support/certificate-builder.ts';

let directory: TemporaryDirectory;
beforeEach(() => {
  directory = new TemporaryDirectory();
});
afterEach(() => directory.remove());

const authority = selfSigned();
const identity = issueSvid(authority, 'spiffe://x.example/client', { subject: [['CN', 'alice']] });
const other = issueSvid(authority, 'spiffe://x.example/other');
const expired = issueSvid(authority, 'spiffe://x.example/old', {
  notBefore: new Date('2020-01-01T00:00:00Z'),
  notAfter: new Date('2020-02-01T00:00:00Z'),
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

const CLUSTER = { server: 'https://k8s.example:6443', 'certificate-authority-data': base64(authority.pem) };

interface Parts {
  readonly cluster?: unknown;
  readonly user?: unknown;
  readonly context?: unknown;
  readonly top?: Readonly<Record<string, unknown>>;
}

function config({
  cluster = CLUSTER,
  user = { token: 't' },
  context = { cluster: 'c', user: 'u' },
  top = {},
}: Parts): string {
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      contexts: [{ name: 'here', context }],
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user }],
      ...top,
    },
    null,
    1,
  );
}

interface Choice {
  readonly context?: string | null;
}

function load(text: string, choice: Choice = {}): ClusterTarget {
  return loadPaths([directory.write('config', text)], choice);
}

function loadPaths(paths: readonly string[], { context = null }: Choice = {}): ClusterTarget {
  return loadKubeconfig({ paths, context, nowMs: Date.now() });
}

/** `code: message`, without the name of the directory. */
function refusalOf(ask: () => unknown): string {
  try {
    ask();
  } catch (error) {
    if (error instanceof ConnectionError) return `${error.code}: ${error.message.replaceAll(`${directory.path}/`, '')}`;
    throw error;
  }
  return 'taken';
}

describe('loadKubeconfig', () => {
  it('takes what kubectl writes', () => {
    const target = load(`apiVersion: v1
kind: Config
preferences: {}
current-context: here
contexts:
- name: here
  context: {cluster: c, user: u, namespace: ml}
clusters:
- name: c
  cluster:
    certificate-authority-data: ${base64(authority.pem)}
    server: https://k8s.example:6443/k8s/clusters/c-1
    tls-server-name: kubernetes
users:
- name: u
  user:
    client-certificate-data: ${base64(identity.pem)}
    client-key-data: ${base64(identity.privateKeyPem)}
`);
    expect(target.server.href).toBe('https://k8s.example:6443/k8s/clusters/c-1');
    expect(target.serverProof).toEqual({ kind: 'verified', authorities: authority.pem, serverName: 'kubernetes' });
    expect(target.identity.kind).toBe('files');
    expect([target.namespace, target.bearer, target.impersonation, target.cautions]).toEqual([
      'ml',
      { kind: 'none' },
      null,
      [],
    ]);
  });

  it('finds files beside the kubeconfig that names them', () => {
    directory.write('deep/ca.crt', authority.pem);
    directory.write('deep/me.crt', identity.pem);
    directory.write('deep/me.key', identity.privateKeyPem);
    directory.write(
      'deep/config',
      config({
        cluster: { server: 'k8s.example', 'certificate-authority': 'ca.crt' },
        user: { 'client-certificate': 'me.crt', 'client-key': './me.key', tokenFile: '../token' },
      }),
    );
    const target = loadPaths([directory.at('deep/config')]);
    expect(target.server.href).toBe('https://k8s.example/');
    expect(target.serverProof).toMatchObject({ authorities: authority.pem });
    expect(target.bearer).toEqual({ kind: 'token-file', path: directory.at('token') });
  });

  it('puts several files together, the first that says something first', () => {
    const first = directory.write(
      'first',
      config({ user: { token: 'first' }, top: { 'current-context': '', contexts: [] } }),
    );
    const second = directory.write(
      'second',
      config({ user: { token: 'second' }, cluster: { server: 'https://second.example' } }),
    );
    const target = loadPaths([directory.at('missing'), first, second]);
    expect([target.server.host, target.bearer]).toEqual(['k8s.example:6443', { kind: 'token', token: 'first' }]);
  });

  it('takes the context that is asked for', () => {
    const contexts = ['here', 'there'].map((name) => ({ name, context: { cluster: 'c', user: 'u', namespace: name } }));
    expect(load(config({ top: { contexts } }), { context: 'there' }).namespace).toBe('there');
  });

  it('takes a user to impersonate', () => {
    const user = {
      token: 't',
      as: 'bob',
      'as-uid': '7',
      'as-groups': ['dev'],
      'as-user-extra': { 'x.example/scope': ['a'] },
    };
    expect(load(config({ user })).impersonation).toEqual({
      user: 'bob',
      uid: '7',
      groups: ['dev'],
      extra: [['x.example/scope', ['a']]],
    });
  });

  it('takes an exec plugin, and looks for it beside the kubeconfig when it is a path', () => {
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'bin/plugin',
      args: ['a'],
      env: [{ name: 'A', value: 'b' }],
      interactiveMode: 'Never',
      installHint: 'get it',
      provideClusterInfo: true,
    };
    const extensions = [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'x' } }];
    expect(load(config({ user: { exec }, cluster: { ...CLUSTER, extensions } })).bearer).toEqual({
      kind: 'exec',
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: directory.at('bin/plugin'),
        args: ['a'],
        env: [['A', 'b']],
        interactiveMode: 'Never',
        installHint: 'get it',
        providesClusterInfo: true,
        clusterConfig: { audience: 'x' },
      },
    });
    const beta = { apiVersion: 'client.authentication.k8s.io/v1beta1', command: 'plugin' };
    expect(load(config({ user: { exec: beta } })).bearer).toMatchObject({
      exec: { command: 'plugin', interactiveMode: 'IfAvailable' },
    });
  });

  it('goes without the certificate of the server where that is meant, and says so', () => {
    const text = config({ cluster: { server: 'https://k8s.example', 'insecure-skip-tls-verify': true } });
    expect(load(text)).toMatchObject({
      serverProof: { kind: 'none' },
      cautions: [expect.stringMatching(/^the certificate of k8s\.example was not verified/)],
    });
  });

  it.each<[string, string, string]>([
    ['an empty file', '', 'malformed: config:1:1: the file is empty'],
    ['broken YAML', 'a: [\n', 'malformed: config:2:1: '],
    ['a binary file', 'a\0b', 'malformed: config:1:2: a NUL byte'],
    ['two documents', `${config({})}\n---\n${config({})}`, 'malformed: config:'],
    ['a manifest', 'apiVersion: v1\nkind: Pod\n', 'malformed: config:2:7: this is no kubeconfig'],
    ['a list', '- a\n', 'malformed: config:1:1: this is no kubeconfig'],
    [
      'a key that is there twice',
      'kind: Config\nkind: Config\n',
      'malformed: config:2:1: key `kind` stands here a second time',
    ],
    [
      'contexts that are no list',
      config({ top: { contexts: { a: 1 } } }),
      'malformed: config:5:2: `contexts` must be a list',
    ],
    ['a cluster without a name', config({ top: { clusters: [{ cluster: {} }] } }), 'malformed: config:'],
    [
      'no context',
      config({ top: { 'current-context': '', contexts: [] } }),
      'not-configured: no context is current, and there is none to choose',
    ],
    [
      'no current context',
      config({ top: { 'current-context': null } }),
      'not-configured: no context is current, choose one with --context: `here`',
    ],
    [
      'a context that is not there',
      config({ top: { 'current-context': 'heree' } }),
      'unknown-name: there is no context `heree`; did you mean `here`',
    ],
    [
      'a context without a cluster',
      config({ context: { user: 'u' } }),
      'malformed: config:8:4: context `here` names no cluster',
    ],
    [
      'a cluster that is not there',
      config({ context: { cluster: 'd', user: 'u' } }),
      'unknown-name: config:9:16: there is no cluster `d`; did you mean `c`',
    ],
    [
      'a user that is not there',
      config({ context: { cluster: 'c', user: 'nobody' } }),
      'unknown-name: config:10:13: there is no user `nobody`',
    ],
  ])('says what is wrong with %s', (_name, text, expected) => {
    expect(refusalOf(() => load(text))).toContain(expected);
  });

  it.each<[string, unknown, string]>([
    ['no server', {}, 'malformed: config:17:4: cluster `c` has no `server`'],
    [
      'a server that is none',
      { server: 'https://a b' },
      'malformed: config:18:15: `https://a b` is not the URL of an API server',
    ],
    ['a server with a password', { server: 'https://a:b@c' }, 'is not the URL of an API server'],
    ['another protocol', { server: 'ftp://a' }, 'is not the URL of an API server'],
    ['a server of another type', { server: 5 }, 'malformed: config:18:15: `server` must be a string; put it in quotes'],
    [
      'a server without TLS',
      { server: 'http://k8s.example' },
      'insecure: config:18:15: without TLS only a server on this machine is asked',
    ],
    [
      'a proxy',
      { ...CLUSTER, 'proxy-url': 'http://p' },
      'unsupported: config:20:18: a proxy (`proxy-url`) is not supported',
    ],
    ['a flag of another type', { server: 'https://a', 'insecure-skip-tls-verify': 'yes' }, 'must be true or false'],
    [
      'a proof to skip',
      { ...CLUSTER, 'insecure-skip-tls-verify': true },
      'malformed: config:20:33: with a certificate-authority',
    ],
    [
      'an authority that is no base64',
      { server: 'https://a', 'certificate-authority-data': '-----' },
      'bad-certificate: config:19:35: `certificate-authority-data` must be PEM in base64',
    ],
    [
      'an authority that is no certificate',
      { server: 'https://a', 'certificate-authority-data': base64(identity.privateKeyPem) },
      'bad-certificate: config:19:35: there is no certificate in it',
    ],
    [
      'an authority that is not there',
      { server: 'https://a', 'certificate-authority': 'none' },
      'unreadable-file: `none`, the certificate-authority: no such file or directory',
    ],
  ])('says what is wrong with %s', (_name, cluster, expected) => {
    expect(refusalOf(() => load(config({ cluster })))).toContain(expected);
  });

  it.each<[string, unknown, string]>([
    [
      'a certificate without a key',
      { 'client-certificate-data': base64(identity.pem) },
      'malformed: config:27:32: a client certificate without its key',
    ],
    [
      'a key without a certificate',
      { 'client-key': 'x' },
      'malformed: config:27:19: a client key without a client certificate',
    ],
    [
      'a key of another certificate',
      { 'client-certificate-data': base64(identity.pem), 'client-key-data': base64(other.privateKeyPem) },
      'bad-certificate: the client key is not that of the client certificate of the kubeconfig',
    ],
    [
      'a certificate that is none',
      { 'client-certificate-data': base64('-----BEGIN X'), 'client-key-data': base64(identity.privateKeyPem) },
      'bad-certificate: the client certificate of the kubeconfig cannot be read',
    ],
    [
      'a key that is none',
      { 'client-certificate-data': base64(identity.pem), 'client-key-data': base64('-----BEGIN X') },
      'bad-certificate: the key of the client certificate of the kubeconfig cannot be read',
    ],
    [
      'a certificate that has expired',
      { 'client-certificate-data': base64(expired.pem), 'client-key-data': base64(expired.privateKeyPem) },
      'bad-certificate: the client certificate of the kubeconfig has expired on 2020-02-01T00:00:00.000Z',
    ],
    [
      'a certificate that is not there',
      { 'client-certificate': 'none.crt', 'client-key': 'none.key' },
      'unreadable-file: `none.crt`, the client certificate: no such file or directory',
    ],
    [
      'a password',
      { username: 'a', password: 'secret-word' },
      'unsupported: config:27:17: API servers take no passwords',
    ],
    [
      'an auth provider',
      { 'auth-provider': { name: 'gcp' } },
      'unsupported: config:27:5: kubectl has no auth providers since 1.26',
    ],
    ['a token of another type', { token: 12345 }, 'malformed: config:27:14: `token` must be a string'],
    [
      'groups without a user',
      { token: 't', 'as-groups': ['a'] },
      'malformed: config:26:4: to be impersonated there must be a user',
    ],
    ['a group of another type', { token: 't', as: 'a', 'as-groups': [5] }, 'a group must be a string'],
    ['extras of another type', { token: 't', as: 'a', 'as-user-extra': { a: 'b' } }, 'must be a list of strings'],
    [
      'an old exec plugin',
      { exec: { apiVersion: 'client.authentication.k8s.io/v1alpha1', command: 'x' } },
      'unsupported: config:28:20: the exec plugin must speak client.authentication.k8s.io/v1',
    ],
    [
      'an exec plugin without a command',
      { exec: { apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never' } },
      'the exec plugin has no `command`',
    ],
    [
      'an exec plugin without a mode',
      { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'x' } },
      'has no `interactiveMode`',
    ],
    [
      'an exec plugin of another mode',
      { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'x', interactiveMode: 'Maybe' } },
      '`Maybe` is not Never, IfAvailable or Always',
    ],
    [
      'an argument of another type',
      { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'x', args: [1], interactiveMode: 'Never' } },
      'an argument must be a string',
    ],
    [
      'a variable without a value',
      {
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          command: 'x',
          env: [{ name: 'a' }],
          interactiveMode: 'Never',
        },
      },
      'a variable must have a `name` and a `value`',
    ],
  ])('says what is wrong with %s, and keeps its secrets', (_name, user, expected) => {
    const refusal = refusalOf(() => load(config({ user })));
    expect(refusal).toContain(expected);
    expect(refusal).not.toContain('secret-word');
  });

  it('says where it has looked', () => {
    expect(refusalOf(() => loadPaths([directory.at('a'), directory.at('b')]))).toBe(
      'not-configured: no kubeconfig: there is no file `a`, `b`; name one with --kubeconfig or KUBECONFIG',
    );
    expect(refusalOf(() => loadPaths([]))).toBe(
      'not-configured: no kubeconfig: none was given; name one with --kubeconfig or KUBECONFIG',
    );
    expect(refusalOf(() => loadPaths([directory.path]))).toMatch(
      /^unreadable-file: .*, the kubeconfig: it could not be read \(EISDIR\)$/,
    );
  });

  it.skipIf(process.getuid?.() === 0)('says that it may not be read', () => {
    const path = directory.write('config', config({}));
    chmodSync(path, 0);
    expect(refusalOf(() => loadPaths([path]))).toBe(
      'unreadable-file: `config`, the kubeconfig: this process may not read it',
    );
  });
});

describe('loadInCluster', () => {
  const environment = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };

  it('takes what every pod is given', () => {
    directory.write('token', 'let-me-in\n');
    directory.write('ca.crt', authority.pem);
    directory.write('namespace', 'audit');
    expect(loadInCluster({ environment, directory: directory.path })).toMatchObject({
      server: new URL('https://10.0.0.1:443'),
      serverProof: { kind: 'verified', authorities: authority.pem, serverName: null },
      bearer: { kind: 'token-file', path: directory.at('token') },
      namespace: 'audit',
    });
    const ipv6 = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    expect(loadInCluster({ environment: ipv6, directory: directory.path }).server.hostname).toBe('[fd00::1]');
  });

  it('says what is missing', () => {
    expect(refusalOf(() => loadInCluster({ environment: {}, directory: directory.path }))).toMatch(
      /^not-configured: this is no pod/,
    );
    expect(refusalOf(() => loadInCluster({ environment, directory: directory.path }))).toMatch(
      /^not-configured: this pod has no service account token/,
    );
    directory.write('token', 'x');
    expect(refusalOf(() => loadInCluster({ environment, directory: directory.path }))).toMatch(
      /^unreadable-file: `ca\.crt`/,
    );
    directory.write('ca.crt', 'nothing');
    expect(refusalOf(() => loadInCluster({ environment, directory: directory.path }))).toBe(
      'bad-certificate: ca.crt: there is no certificate in it',
    );
  });
});
