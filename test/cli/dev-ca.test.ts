// `dev-ca init` and `dev-ca issue` as a person at a terminal meets them: files, modes, messages, exit codes.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Command, CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registerDevCaCommand } from '../../src/cli/dev-ca.ts';
import { DEVELOPMENT_ORGANIZATION } from '../../src/spiffe/own-identity.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

interface Outcome {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

let directory: string;
let ca: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-dev-ca-'));
  ca = join(directory, 'ca');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function devCa(...args: readonly string[]): Promise<Outcome> {
  let output = '';
  let errors = '';
  let exitCode = 0;
  const program = new Command('sallyport').exitOverride();
  registerDevCaCommand(program, {
    tell(text) {
      this.write(text);
    },
    write: (text) => {
      output += text;
    },
    writeError: (text) => {
      errors += text;
    },
    stdin: (async function* empty() {})(),
    colour: false,
    setExitCode: (code) => {
      exitCode = code;
    },
  });
  await program.parseAsync(['dev-ca', ...args], { from: 'user' });
  return { exitCode, output, errors };
}

const init = (...more: readonly string[]) => devCa('init', '--trust-domain', 'ai.example', '--out', ca, ...more);
const ID = 'spiffe://ai.example/training/job-1';
const issue = (...more: readonly string[]) => devCa('issue', '--ca', ca, '--id', ID, ...more);
const read = (name: string) => readFileSync(join(ca, name), 'utf8');
const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('dev-ca init', () => {
  it('writes a CA whose key nobody else can read, and says what to do next', async () => {
    const outcome = await init();
    expect(outcome).toMatchObject({ exitCode: 0, errors: '' });
    expect(readdirSync(ca).sort()).toEqual(['bundle.pem', 'ca.key', 'ca.pem']);
    expect(modeOf(join(ca, 'ca.key'))).toBe(0o600);
    expect(modeOf(ca)).toBe(0o700);
    const root = new X509Certificate(read('ca.pem'));
    expect(root.checkPrivateKey(createPrivateKey(read('ca.key')))).toBe(true);
    expect(root.subjectAltName).toBe('URI:spiffe://ai.example');
    expect(root.subject).toContain(DEVELOPMENT_ORGANIZATION);
    expect(read('bundle.pem')).toBe(read('ca.pem'));
    expect(outcome.output).toContain(`wrote ${ca}/ca.key (secret, mode 0600)\n`);
    expect(outcome.output).toContain(
      `next: sallyport dev-ca issue --ca ${ca} --id spiffe://ai.example/training/job-1\n`,
    );
  });

  it('takes lifetime, key type and an intermediate', async () => {
    await init('--ttl', '10m', '--key-type', 'p384', '--intermediate');
    const signer = new X509Certificate(read('ca.pem'));
    const root = new X509Certificate(read('bundle.pem'));
    expect(signer.publicKey.asymmetricKeyDetails?.namedCurve).toBe('secp384r1');
    expect(Date.parse(signer.validTo) - Date.parse(signer.validFrom)).toBe(11 * 60_000);
    expect(signer.verify(root.publicKey)).toBe(true);
    expect(signer.fingerprint256).not.toBe(root.fingerprint256);
  });

  it('replaces a CA only with --force, and touches nothing without', async () => {
    await init();
    const before = read('ca.key');
    const refused = await init();
    expect(refused.exitCode).toBe(1);
    expect(refused.errors).toMatch(
      /^sallyport: `.*ca\.key`, `.*ca\.pem`, `.*bundle\.pem` exists already; .*--force\n$/,
    );
    expect(read('ca.key')).toBe(before);
    expect(await init('--force')).toMatchObject({ exitCode: 0 });
    expect(read('ca.key')).not.toBe(before);
    expect(modeOf(join(ca, 'ca.key'))).toBe(0o600);
    expect(readdirSync(ca).sort()).toEqual(['bundle.pem', 'ca.key', 'ca.pem']);
  });

  it('writes none of its files when one of them exists', async () => {
    mkdirSync(ca);
    writeFileSync(join(ca, 'bundle.pem'), 'mine');
    expect(await init()).toMatchObject({ exitCode: 1 });
    expect(readdirSync(ca)).toEqual(['bundle.pem']);
    expect(read('bundle.pem')).toBe('mine');
  });

  it('follows no link planted where a file belongs', async () => {
    mkdirSync(ca);
    const target = join(directory, 'target');
    writeFileSync(target, 'precious');
    symlinkSync(target, join(ca, 'ca.key'));
    expect(await init()).toMatchObject({ exitCode: 1 });
    expect(await init('--force')).toMatchObject({ exitCode: 0 });
    expect(readFileSync(target, 'utf8')).toBe('precious');
    expect(lstatSync(join(ca, 'ca.key')).isSymbolicLink()).toBe(false);
    expect(modeOf(join(ca, 'ca.key'))).toBe(0o600);
  });

  it('takes the secret mode also over a file that everybody could read', async () => {
    await init();
    chmodSync(join(ca, 'ca.key'), 0o666);
    await init('--force');
    expect(modeOf(join(ca, 'ca.key'))).toBe(0o600);
  });

  it.each([0o770, 0o707, 0o777])('warns of a directory that others can write to: %o', async (mode) => {
    mkdirSync(ca);
    chmodSync(ca, mode);
    const outcome = await init();
    expect(outcome.exitCode).toBe(0);
    expect(outcome.errors).toBe(
      `sallyport: warning: others can write to \`${ca}\`, which holds keys now; take that away with chmod go-w\n`,
    );
  });

  it.each([0o700, 0o755, 0o1777])('warns of no directory where others cannot replace our files: %o', async (mode) => {
    mkdirSync(ca);
    chmodSync(ca, mode);
    expect(await init()).toMatchObject({ exitCode: 0, errors: '' });
  });

  it.each([
    ['an ID for a trust domain', ['--trust-domain', 'spiffe://ai.example'], '--trust-domain: '],
    ['upper case in the trust domain', ['--trust-domain', 'AI.example'], '--trust-domain: '],
    ['an empty trust domain', ['--trust-domain', ''], '--trust-domain: '],
    ['ttl 0', ['--ttl', '0s'], '--ttl: `0s` is not a lifetime'],
    ['a ttl without unit', ['--ttl', '60'], '--ttl: `60` is not a lifetime'],
    [
      'an unknown key type',
      ['--key-type', 'rsa1024'],
      '--key-type: `rsa1024` is not a key type; use one of p256, p384, rsa2048',
    ],
  ])('refuses %s as wrong usage and writes nothing', async (_name, args, message) => {
    const outcome = await init(...args);
    expect(outcome).toMatchObject({ exitCode: 2, output: '' });
    expect(outcome.errors).toContain(`sallyport: ${message}`);
    expect(existsSync(ca)).toBe(false);
  });

  it.each([['init'], ['issue'], ['issue', '--ca', 'x'], ['init', '--trust-domain', 'a', '--no-such-option']])(
    'leaves it to the program to refuse %s %s %s %s',
    async (...args) => {
      const quiet = new Command('sallyport').exitOverride().configureOutput({ writeErr: () => {} });
      registerDevCaCommand(quiet, {
        write: () => {},
        tell: () => {},
        writeError: () => {},
        stdin: (async function* empty() {})(),
        colour: false,
        setExitCode: () => {},
      });
      await expect(quiet.parseAsync(['dev-ca', ...args], { from: 'user' })).rejects.toThrow(CommanderError);
    },
  );

  it('says which file it cannot write, and why', async () => {
    writeFileSync(ca, 'a file');
    const outcome = await init();
    expect(outcome).toMatchObject({ exitCode: 1, output: '' });
    expect(outcome.errors).toMatch(/^sallyport: cannot write `.*ca\.key`: (?:ENOTDIR|EEXIST)\n$/);
  });
});

describe('dev-ca issue', () => {
  it('writes chain and key under the name of the ID, and says how to verify them', async () => {
    await init('--intermediate');
    const outcome = await issue();
    expect(outcome).toMatchObject({ exitCode: 0, errors: '' });
    expect(readdirSync(ca).sort()).toEqual([
      'bundle.pem',
      'ca.key',
      'ca.pem',
      'training-job-1.key',
      'training-job-1.pem',
    ]);
    expect(modeOf(join(ca, 'training-job-1.key'))).toBe(0o600);
    const pem = read('training-job-1.pem');
    expect(pem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    const leaf = new X509Certificate(pem);
    expect(leaf.subjectAltName).toBe(`URI:${ID}`);
    expect(leaf.subject).toBe(`O=${DEVELOPMENT_ORGANIZATION}`);
    expect(leaf.verify(new X509Certificate(read('ca.pem')).publicKey)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(read('training-job-1.key')))).toBe(true);
    expect(Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)).toBe(3_660_000);
    expect(outcome.output).toContain(
      `next: sallyport svid verify --bundle ai.example=${ca}/bundle.pem ${ca}/training-job-1.pem\n`,
    );
  });

  it('takes lifetime, key type, names, addresses and where to write', async () => {
    await init();
    const out = join(directory, 'made/for/it/registry');
    const names = ['--dns', 'localhost', '--dns', '*.ai.example', '--ip', '127.0.0.1', '--ip', '::1'];
    const outcome = await issue('--ttl', '30s', '--key-type', 'rsa2048', ...names, '--out', out);
    expect(outcome).toMatchObject({ exitCode: 0, errors: '' });
    const leaf = new X509Certificate(readFileSync(`${out}.pem`));
    expect(leaf.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(leaf.checkHost('localhost')).toBe('localhost');
    expect(leaf.checkHost('registry.ai.example')).toBe('*.ai.example');
    expect(leaf.checkIP('::1')).toBe('::1');
    expect(modeOf(`${out}.key`)).toBe(0o600);
  });

  it('writes a key store for the JVM with the password of a file', async () => {
    await init();
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, 'changeit\n', { mode: 0o600 });
    const store = join(ca, 'training.p12');
    const outcome = await issue('--key-type', 'rsa2048', '--pkcs12', store, '--password-file', passwordFile);
    expect(outcome).toMatchObject({ exitCode: 0, errors: '' });
    expect(modeOf(store)).toBe(0o600);
    expect(() => createSecureContext({ pfx: readFileSync(store), passphrase: 'changeit' })).not.toThrow();
    expect(outcome.output).not.toContain('changeit');
  });

  it('replaces files only with --force', async () => {
    await init();
    await issue();
    const before = read('training-job-1.key');
    expect(await issue()).toMatchObject({ exitCode: 1, errors: expect.stringContaining('--force') });
    expect(read('training-job-1.key')).toBe(before);
    expect(await issue('--force')).toMatchObject({ exitCode: 0 });
    expect(read('training-job-1.key')).not.toBe(before);
    const leaf = new X509Certificate(read('training-job-1.pem'));
    expect(leaf.checkPrivateKey(createPrivateKey(read('training-job-1.key')))).toBe(true);
  });

  it.each([
    ['the ID is named so', ['--id', 'spiffe://ai.example/ca']],
    ['the ID is named so', ['--id', 'spiffe://ai.example/bundle']],
    ['--out says so', ['--out', 'CA_DIRECTORY/./ca']],
    ['the key store would', ['--pkcs12', 'CA_DIRECTORY/ca.key', '--password-file', 'PASSWORD_FILE']],
  ])('does not write over the CA itself, also with --force, when %s', async (_name, args) => {
    await init();
    const before = readdirSync(ca).map(read);
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, 'changeit');
    const located = args.map((arg) => arg.replace('CA_DIRECTORY', ca).replace('PASSWORD_FILE', passwordFile));
    const outcome = await issue('--force', ...located);
    expect(outcome).toMatchObject({ exitCode: 2, errors: expect.stringContaining('--out') });
    expect(readdirSync(ca).map(read)).toEqual(before);
  });

  it('quotes what a shell would take apart', async () => {
    ca = join(directory, "it's a dir; rm -rf");
    const { output } = await init();
    expect(output).toContain(`--ca '${directory}/it'\\''s a dir; rm -rf' --id`);
  });

  it.each([
    ['an ID that does not parse', ['--id', 'spiffe://ai.example/x/'], '--id: '],
    ['an ID in upper case', ['--id', 'SPIFFE://ai.example/x'], '--id: '],
    ['an ID without path', ['--id', 'spiffe://ai.example'], 'names a trust domain, not a workload'],
    ['ttl 0', ['--ttl', '0h'], '--ttl: '],
    ['an unknown key type', ['--key-type', 'ed25519'], '--key-type: '],
    ['a DNS name with a space', ['--dns', 'local host'], '--dns: `local host` is not a DNS name'],
    ['an empty DNS name', ['--dns', ''], '--dns: '],
    ['a DNS name of 254 bytes', ['--dns', `${'a.'.repeat(126)}aa`], '--dns: '],
    ['an address out of range', ['--ip', '256.0.0.1'], '--ip: `256.0.0.1` is not an IP address'],
    ['an address with a zone', ['--ip', 'fe80::1%eth0'], '--ip: '],
    ['a key store without password', ['--pkcs12', 'x.p12'], '--pkcs12: needs --password-file'],
    ['a password without key store', ['--password-file', 'x'], '--password-file: belongs to --pkcs12'],
    ['a directory for --out', ['--out', 'somewhere/'], '--out: '],
  ])('refuses %s as wrong usage and writes nothing', async (_name, args, message) => {
    await init();
    const outcome = await issue(...args);
    expect(outcome).toMatchObject({ exitCode: 2, output: '' });
    expect(outcome.errors).toMatch(/^sallyport: [^\n]+\n$/);
    expect(outcome.errors).toContain(message);
    expect(readdirSync(ca)).toHaveLength(3);
  });

  it('says how to make a CA when there is none', async () => {
    const outcome = await issue();
    expect(outcome).toMatchObject({ exitCode: 1, output: '' });
    expect(outcome.errors).toMatch(
      /^sallyport: cannot read `.*\/ca\.pem` \(ENOENT\); make .* `dev-ca init --trust-domain/,
    );
  });

  it.each([
    ['an ID of another trust domain', ['--id', 'spiffe://evil.example/x'], 'is not of the trust domain `ai.example`'],
    ['a lifetime beyond the CA', ['--ttl', '91d'], 'the CA itself expires at '],
    [
      'a password file that is not there',
      ['--pkcs12', 'x.p12', '--password-file', '/no/such/file'],
      'cannot read `/no/such/file` (ENOENT)',
    ],
    ['a name too long for a file', ['--id', `spiffe://ai.example/${'x'.repeat(300)}`], 'ENAMETOOLONG'],
  ])('fails with %s and writes nothing', async (_name, args, message) => {
    await init();
    const outcome = await issue(...args);
    expect(outcome).toMatchObject({ exitCode: 1, output: '' });
    expect(outcome.errors).toContain(message);
    expect(readdirSync(ca)).toHaveLength(3);
  });

  it('fails with a password the JVM would not take', async () => {
    await init();
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, 'hush\n');
    const outcome = await issue('--pkcs12', join(ca, 'x.p12'), '--password-file', passwordFile);
    expect(outcome).toMatchObject({ exitCode: 1, errors: expect.stringContaining('at least 6 characters') });
    expect(outcome.errors).not.toContain('hush');
    expect(readdirSync(ca)).toHaveLength(3);
  });

  it('does not sign with a CA that is not for development', async () => {
    mkdirSync(ca);
    const real = createTestAuthority('ai.example', { organization: 'Example Corp' });
    writeFileSync(join(ca, 'ca.pem'), real.certificatePem);
    writeFileSync(join(ca, 'ca.key'), real.privateKeyPem, { mode: 0o600 });
    const outcome = await issue();
    expect(outcome.exitCode).toBe(1);
    expect(outcome.errors).toMatch(/ca\.pem: .*is not a development CA/);
    expect(readdirSync(ca)).toHaveLength(2);
  });

  it('points at the line of a CA file that is broken', async () => {
    await init();
    writeFileSync(join(ca, 'ca.pem'), `\n${read('ca.pem').slice(0, 200)}`);
    const outcome = await issue();
    expect(outcome.exitCode).toBe(1);
    expect(outcome.errors).toMatch(/ca\.pem:\d+: /);
  });

  it('warns when others can read the key of the CA', async () => {
    await init();
    chmodSync(join(ca, 'ca.key'), 0o640);
    const outcome = await issue();
    expect(outcome.exitCode).toBe(0);
    expect(outcome.errors).toMatch(/^sallyport: warning: others can read `.*ca\.key`/);
  });
});
