// `config check` on files, as a person or a pipeline calls it.

import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registerConfigCommand } from '../../src/cli/config.ts';
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
