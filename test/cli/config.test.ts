// `config check` on files, as a person or a pipeline calls it.

import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registerConfigCommand } from '../../src/cli/config.ts';
import { formatBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem } from '../../src/spiffe/trust-bundle.ts';
import { createTestAuthority, expired, testAuthority, writeSvidFiles } from '../support/svid-fixtures.ts';

const CONFIG = `trustDomain: ai.example
identity:
  files:
    certificate: registry.pem      # relative to this file
    privateKey: registry.key
    trustBundles: { ai.example: bundle.pem }
policy: { path: policies, mode: enforce }
listeners:
  - name: registry
    bind: 127.0.0.1:8443
    component: registry
    upstream: http://127.0.0.1:5000      # or unix:/run/registry.sock
admin: { bind: 127.0.0.1:9901 }
`;

const POLICY = `version: 1
trustDomain: ai.example
components:
  training: {}
  registry: { protocol: mlflow }
access:
  training:
    allow: [registry]
`;

let directory: string;
let file: string;

beforeEach(() => {
  ({ directory } = writeSvidFiles(testAuthority(), { registry: testAuthority().issue('/registry/main') }));
  mkdirSync(join(directory, 'policies'));
  write('policies/matrix.yaml', POLICY);
  file = write('sallyport.yaml', CONFIG);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, contents: string): string {
  const path = join(directory, name);
  writeFileSync(path, contents, { mode: 0o600 });
  return path;
}

interface Run {
  readonly out: string;
  /** Line by line, with the test's directory as `.`. */
  readonly errors: readonly string[];
  readonly exitCode: number | null;
}

async function check(path: string): Promise<Run> {
  let out = '';
  let errors = '';
  let exitCode: number | null = null;
  const program = new Command('sallyport').exitOverride().configureOutput({ writeErr: () => undefined });
  registerConfigCommand(program, {
    tell(text) {
      this.write(text);
    },
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      errors += text;
    },
    stdin: (async function* () {})(),
    colour: false,
    setExitCode: (code) => {
      exitCode = code;
    },
  });
  await program.parseAsync(['config', 'check', path], { from: 'user' });
  return { out, errors: errors.replaceAll(directory, '.').split('\n').slice(0, -1), exitCode };
}

describe('config check', () => {
  it('says in one line what a sound configuration comes to', async () => {
    const { out, errors, exitCode } = await check(file);
    expect(errors).toEqual([]);
    expect(exitCode).toBeNull();
    expect(out.replaceAll(directory, '.')).toMatch(
      /^\.\/sallyport\.yaml: valid, listeners: registry, 1 route, spiffe:\/\/ai\.example\/registry\/main until 20\S+Z, enforce policy sha256:[0-9a-f]{64}\n$/,
    );
  });

  it('reports every problem of the file with its place', async () => {
    write('sallyport.yaml', CONFIG.replace('trustDomain:', 'trustDoman:').replace(':8443', ':99999'));
    const { out, errors, exitCode } = await check(file);
    expect(out).toBe('');
    expect(exitCode).toBe(1);
    expect(errors).toEqual([
      './sallyport.yaml:1:1: `trustDomain` is missing; expected a trust domain such as `ai.example` [missing-key]',
      './sallyport.yaml:1:1: unknown key `trustDoman`; did you mean `trustDomain`? [unknown-key]',
      './sallyport.yaml:10:11: `127.0.0.1:99999` has no port between 0 and 65535 [invalid-bind]',
    ]);
  });

  it('shows places under the path that was typed', async () => {
    write('sallyport.yaml', '- a\n');
    const typed = relative(process.cwd(), file);
    const { errors } = await check(typed);
    expect(errors).toEqual([`${typed.replace(directory, '.')}:1:1: expected a mapping, found a list [wrong-type]`]);
  });

  it('reports a file that is not there, or is none', async () => {
    expect(await check(join(directory, 'other.yaml'))).toEqual({
      out: '',
      errors: ['sallyport: `./other.yaml`: no such file or directory [not-found]'],
      exitCode: 1,
    });
    expect(await check(directory)).toMatchObject({
      errors: ['sallyport: `.`: not a regular file [not-a-file]'],
      exitCode: 1,
    });
  });

  it('reports every file that is missing where the configuration names it', async () => {
    for (const name of ['registry.pem', 'registry.key', 'bundle.pem', 'policies']) {
      rmSync(join(directory, name), { recursive: true });
    }
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors.toSorted()).toEqual([
      './sallyport.yaml:4:18: `./registry.pem`: no such file or directory [not-found]',
      './sallyport.yaml:5:17: `./registry.key`: no such file or directory [not-found]',
      './sallyport.yaml:6:33: `./bundle.pem`: no such file or directory [not-found]',
      './sallyport.yaml:7:17: `./policies`: no such file or directory [not-found]',
    ]);
  });

  it('reports every problem of the policy', async () => {
    write('policies/matrix.yaml', POLICY.replace('[registry]', '[regstry, nobody]'));
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors).toEqual([
      expect.stringMatching(/^\.\/policies\/matrix\.yaml:8:13: .*`regstry`/),
      expect.stringMatching(/^\.\/policies\/matrix\.yaml:8:22: .*`nobody`/),
    ]);
  });

  it('reports rules about requests to what is served over TCP', async () => {
    write('sallyport.yaml', CONFIG.replace('component:', 'mode: tcp\n    component:').replace('http://', 'tcp://'));
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors).toEqual([
      expect.stringMatching(
        /^\.\/policies\/matrix\.yaml:8:13: `registry` is served over TCP, .* \[request-rule-on-tcp\]$/,
      ),
    ]);
    write('policies/matrix.yaml', POLICY.replace('[registry]', '[{ registry: [connect] }]'));
    expect((await check(file)).errors).toEqual([]);
  });

  it('reports a component that the policy does not have, and a policy about strangers', async () => {
    write('policies/matrix.yaml', POLICY.replace('ai.example', 'other.example').replaceAll('registry', 'store'));
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors).toEqual([
      './sallyport.yaml:11:16: the policy has no component `registry`, so every request to it would be denied [unknown-component]',
      './sallyport.yaml:6:5: there is no bundle for `other.example`, the trust domain of the policy: nobody whom it names could be verified [missing-trust-bundle]',
    ]);
  });

  it('reports a key of another certificate, and a broken bundle, both with their files', async () => {
    write('registry.key', testAuthority().issue('/registry/other').privateKeyPem);
    write('bundle.pem', readFileSync(join(directory, 'bundle.pem'), 'utf8').slice(0, 200));
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors).toEqual([
      expect.stringMatching(/^\.\/registry\.key: .* \[identity-key-mismatch\]$/),
      expect.stringMatching(/^\.\/bundle\.pem:1: .* \[pem-truncated\]$/),
    ]);
  });

  it('reports an own certificate that peers would refuse', async () => {
    const stranger = createTestAuthority('ai.example').issue('/registry/main');
    write('registry.pem', stranger.certificatePem);
    write('registry.key', stranger.privateKeyPem);
    const unknown = await check(file);
    expect(unknown.exitCode).toBe(1);
    expect(unknown.errors).toEqual([
      expect.stringMatching(/^\.\/sallyport\.yaml:4:18: peers would refuse `\.\/registry\.pem`: /),
    ]);
    const old = testAuthority().issue('/registry/main', expired());
    write('registry.pem', old.certificatePem);
    write('registry.key', old.privateKeyPem);
    expect((await check(file)).errors).toEqual([
      expect.stringMatching(/^\.\/sallyport\.yaml:4:18: peers would refuse `\.\/registry\.pem`: .*expired/),
    ]);
  });

  it('PF-130 refuses what everyone may write and warns of a key that others may read', async () => {
    chmodSync(join(directory, 'registry.key'), 0o644);
    const warned = await check(file);
    expect(warned.exitCode).toBeNull();
    expect(warned.out).not.toBe('');
    expect(warned.errors).toEqual([
      'warning: the private key `./registry.key` may be read by more than need to; its permissions are 0644, 0600 is enough [readable-private-key]',
    ]);
    chmodSync(join(directory, 'registry.key'), 0o602);
    chmodSync(join(directory, 'policies/matrix.yaml'), 0o666);
    const refused = await check(file);
    expect(refused.exitCode).toBe(1);
    expect(refused.errors).toEqual([
      './sallyport.yaml:7:17: `./policies/matrix.yaml`: everyone on this machine may write it; take that permission away (chmod o-w) [world-writable]',
      './sallyport.yaml:5:17: `./registry.key`: everyone on this machine may write it; take that permission away (chmod o-w) [world-writable]',
    ]);
  });

  it('never prints what stands in a key', async () => {
    const key = readFileSync(join(directory, 'registry.key'), 'utf8');
    write('registry.pem', key);
    write('bundle.pem', key);
    write('sallyport.yaml', CONFIG);
    const { out, errors } = await check(file);
    const body = key.split('\n')[1] ?? '';
    expect(body).toHaveLength(64);
    expect(errors).toHaveLength(2);
    expect(out + errors.join('\n')).not.toContain(body.slice(0, 16));
  });
});

describe('config check, of what a configuration names for trust, revocation and tokens', () => {
  const FULL = `${CONFIG.replace('    component: registry\n', '    component: registry\n    authenticate: [x509, jwt]\n    jwt: { audiences: [registry] }\n')}trust:
  bundles: { b.example: b.json }
  federation:
    c.example: { url: "https://c.example/bundle", profile: https_web, bundle: c.json, ca: ca.pem }
  endpoint: { bind: "127.0.0.1:8444", profile: https_web, certificate: web.pem, privateKey: web.key }
revocation:
  file: revocations.yaml
  redis: { url: "rediss://redis.ai.example/1", passwordFile: redis.password, ca: redis-ca.pem }
`;

  beforeEach(() => {
    const web = testAuthority('web.example').issue('/web', { uris: [], dns: ['bundles.ai.example'] });
    write('b.json', documentOf('b.example'));
    write('c.json', documentOf('c.example'));
    write('ca.pem', testAuthority('web.example').certificatePem);
    write('redis-ca.pem', testAuthority('web.example').certificatePem);
    write('web.pem', web.certificatePem);
    write('web.key', web.privateKeyPem);
    write(
      'revocations.yaml',
      'version: 1\nrevocations:\n  - { id: /training/*, reason: stolen, at: 2026-11-01T00:00:00Z }\n',
    );
    write('redis.password', 'hunter2\n');
    write('sallyport.yaml', FULL);
  });

  function documentOf(trustDomain: string): string {
    const { certificatePem } = testAuthority(trustDomain);
    return formatBundleDocument({
      bundle: parseTrustBundlePem(parseTrustDomain(trustDomain), Buffer.from(certificatePem), 'bundle.pem'),
      sequence: null,
      refreshHintMs: null,
    });
  }

  it('says what a sound one comes to, and what was not asked', async () => {
    const { out, errors, exitCode } = await check(file);
    expect(errors).toEqual([]);
    expect(exitCode).toBeNull();
    expect(out.split('\n')).toEqual([
      expect.stringMatching(
        /valid, listeners: registry, 1 route, spiffe:.*, enforce policy sha256:[0-9a-f]{64}, 1 revocation$/,
      ),
      'not asked: the bundle endpoint of c.example at https://c.example/bundle',
      'not asked: Redis at rediss://redis.ai.example/1',
      '',
    ]);
  });

  it('does not ask an agent for an identity, and says so', async () => {
    const fromAgent = (keys: string): string =>
      CONFIG.replace(/identity:[^]*?(?=policy:)/, `identity: { workloadApi: { ${keys} } }\n`);
    write('sallyport.yaml', fromAgent(''));
    const { out, errors, exitCode } = await check(file);
    expect(errors).toEqual([]);
    expect(exitCode).toBeNull();
    expect(out.replaceAll(directory, '.')).toMatch(
      /^\.\/sallyport\.yaml: valid, listeners: registry, 1 route, identity from a Workload API, enforce policy sha256:[0-9a-f]{64}\nnot asked: the Workload API at SPIFFE_ENDPOINT_SOCKET\n$/,
    );
    write('sallyport.yaml', fromAgent('socket: "unix:///run/no/agent.sock"'));
    expect((await check(file)).out).toMatch(/\nnot asked: the Workload API at unix:\/\/\/run\/no\/agent\.sock\n$/);
    write('sallyport.yaml', fromAgent('socket: "tcp://10.0.0.1:8081"'));
    const exposed = await check(file);
    expect(exposed.exitCode).toBeNull();
    expect(exposed.errors).toEqual([
      'warning: the Workload API at `tcp://10.0.0.1:8081` is not on this machine, and it sends private keys in the clear; use a unix socket or loopback [workload-api-in-the-clear]',
    ]);
    write('sallyport.yaml', fromAgent('socket: "tcp://127.0.0.1:8081"'));
    expect((await check(file)).errors).toEqual([]);
  });

  it('reports every one that is missing where the configuration names it', async () => {
    for (const name of ['b.json', 'c.json', 'ca.pem', 'web.pem', 'web.key', 'revocations.yaml', 'redis.password']) {
      rmSync(join(directory, name));
    }
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors.toSorted()).toEqual([
      './sallyport.yaml:17:25: `./b.json`: no such file or directory [not-found]',
      './sallyport.yaml:19:79: `./c.json`: no such file or directory [not-found]',
      './sallyport.yaml:19:91: `./ca.pem`: no such file or directory [not-found]',
      './sallyport.yaml:20:72: `./web.pem`: no such file or directory [not-found]',
      './sallyport.yaml:20:93: `./web.key`: no such file or directory [not-found]',
      './sallyport.yaml:22:9: `./revocations.yaml`: no such file or directory [not-found]',
      './sallyport.yaml:23:62: `./redis.password`: no such file or directory [not-found]',
    ]);
  });

  it('reports every one that is not what it should be', async () => {
    write('b.json', '{ "keys": ');
    write('c.json', 'no bundle');
    write('ca.pem', testAuthority().privateKeyPem);
    write('redis-ca.pem', 'corporate');
    write('web.key', testAuthority().privateKeyPem);
    write('revocations.yaml', 'version: 2\nrevocations: [{ id: training }]\n');
    write('redis.password', '');
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors).toEqual([
      expect.stringMatching(/^\.\/b\.json/),
      expect.stringMatching(/^\.\/c\.json/),
      './ca.pem:1: a block of kind `PRIVATE KEY`, expected certificates only [invalid-authority]',
      expect.stringMatching(/^\.\/web\.key: the private key is not that of the first certificate in \.\/web\.pem/),
      './redis-ca.pem: the file has no certificate [invalid-authority]',
      '`./redis.password`: the file has no password [invalid-password]',
      expect.stringMatching(/^\.\/revocations\.yaml:1:10: /),
      expect.stringMatching(/^\.\/revocations\.yaml:2:15: /),
      expect.stringMatching(/^\.\/revocations\.yaml:2:15: /),
      expect.stringMatching(/^\.\/revocations\.yaml:2:21: .*`training`/),
    ]);
  });

  it('PF-130 warns of secrets that others may read and refuses what everyone may write', async () => {
    chmodSync(join(directory, 'web.key'), 0o640);
    chmodSync(join(directory, 'redis.password'), 0o604);
    const warned = await check(file);
    expect(warned.exitCode).toBeNull();
    expect(warned.errors).toEqual([
      'warning: the private key `./web.key` may be read by more than need to; its permissions are 0640, 0600 is enough [readable-private-key]',
      'warning: the password `./redis.password` may be read by more than need to; its permissions are 0604, 0600 is enough [readable-password]',
    ]);
    chmodSync(join(directory, 'revocations.yaml'), 0o666);
    chmodSync(join(directory, 'ca.pem'), 0o666);
    const refused = await check(file);
    expect(refused.exitCode).toBe(1);
    expect(refused.errors.filter((line) => line.includes('[world-writable]'))).toHaveLength(2);
  });

  it('warns of a certificate of the endpoint that has expired', async () => {
    const web = testAuthority('web.example').issue('/web', { uris: [], dns: ['bundles.ai.example'], ...expired() });
    write('web.pem', web.certificatePem);
    write('web.key', web.privateKeyPem);
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBeNull();
    expect(errors).toEqual([
      'warning: the certificate `./web.pem` of the bundle endpoint has expired, so partners would refuse it [expired-certificate]',
    ]);
  });

  it('warns of a list that revokes our own SVID', async () => {
    write(
      'revocations.yaml',
      'version: 1\nrevocations:\n  - { id: /registry/**, reason: moved, at: 2026-11-01T00:00:00Z }\n',
    );
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBeNull();
    expect(errors).toEqual([
      'warning: our own SVID `spiffe://ai.example/registry/main` is in the revocation list: `moved` [own-svid-revoked]',
    ]);
  });

  it('warns of a listener whose tokens nobody can verify, unless keys may come over the network', async () => {
    const local = FULL.replace(/ {2}federation:[^]*?(?= {2}endpoint:)/, '');
    write('sallyport.yaml', local);
    const { errors, exitCode } = await check(file);
    expect(exitCode).toBeNull();
    expect(errors).toEqual([
      'warning: the listener `registry` takes tokens, and no bundle has a key to verify one with; PEM files have none, SPIFFE bundle documents may [no-token-keys]',
    ]);
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = { ...publicKey.export({ format: 'jwk' }), use: 'jwt-svid', kid: 'one' };
    write('b.json', JSON.stringify({ keys: [key] }));
    expect((await check(file)).errors).toEqual([]);
  });

  it('never prints a password', async () => {
    write('redis.password', 'hunter2\nhunter2\n');
    const { out, errors, exitCode } = await check(file);
    expect(exitCode).toBe(1);
    expect(errors).toEqual([
      '`./redis.password`: the file has more than one line, or control characters [invalid-password]',
    ]);
    expect(out + errors.join('\n')).not.toContain('hunter2');
  });
});
