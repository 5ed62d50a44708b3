// `revoke …` on a file, as an operator in a hurry meets it: what is revoked, what is refused, and what two of them do to one file.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { editFile } from '../../src/cli/revoke-file.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { spkiSha256 } from '../../src/pki/key-fingerprint.ts';
import { issueAuthority, issueSvid, pemOf, selfSigned } from '../support/certificate-builder.ts';
import { type Outcome, sallyport } from './revoke-run.ts';

const SHA256 = 'ab'.repeat(32);
const LIST = `# who is out
version: 1
revocations:
  - id: spiffe://ai.example/training/job-1   # stolen laptop
    reason: key leaked
    at: 2026-02-28T09:00:00Z
`;

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-revoke-'));
  file = write('revocations.yaml', LIST);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, contents: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

const text = (): string => readFileSync(file, 'utf8');
const revoke = (command: string, ...args: readonly string[]): Promise<Outcome> =>
  sallyport('revoke', command, '--file', file, ...args);
const add = (...args: readonly string[]): Promise<Outcome> => revoke('add', '--reason', 'key leaked', ...args);

describe('revoke add --file', () => {
  it('adds an entry and leaves everything else as people wrote it', async () => {
    const { output, errors, exitCode } = await add('--id', 'spiffe://ai.example/gateway/*');
    expect({ output, errors, exitCode }).toEqual({
      output: 'revoked spiffe://ai.example/gateway/*\n',
      errors: '',
      exitCode: 0,
    });
    expect(text().startsWith(LIST)).toBe(true);
    expect(text().slice(LIST.length)).toMatch(
      /^ {2}- id: spiffe:\/\/ai\.example\/gateway\/\*\n {4}reason: "key leaked"\n {4}at: "20\d\d-[^.]*Z"\n$/,
    );
    expect(readdirSync(directory)).toEqual(['revocations.yaml']);
  });

  it.each<[string, readonly string[], string]>([
    ['a SPIFFE ID', ['--id', 'spiffe://ai.example/a'], 'id:spiffe://ai.example/a'],
    [
      'an ID of the trust domain that is given',
      ['--id', '/a/**', '--trust-domain', 'ai.example'],
      'id:spiffe://ai.example/a/**',
    ],
    ['a certificate', ['--serial', '4F:2A', '--issuer', SHA256], `certificate:${SHA256}:4f2a`],
    ['a key', ['--spki', SHA256.toUpperCase()], `spki:${SHA256}`],
    ['a token', ['--jti', 'token 1'], 'jti:token 1'],
  ])('revokes %s, lists it and takes it back', async (_what, selectors, key) => {
    expect(await add(...selectors)).toMatchObject({ exitCode: 0, errors: '' });
    const { output } = await revoke('list', '--format', 'json');
    expect(JSON.parse(output)).toMatchObject({
      whole: true,
      problems: [],
      revocations: [{ key, reason: 'key leaked' }, {}],
    });
    expect(await revoke('remove', ...selectors)).toMatchObject({ exitCode: 0, errors: '' });
    expect(text()).toBe(LIST);
  });

  it.each([
    ['2999-01-01T00:00:00Z', '2999-01-01T00:00:00Z'],
    ['2999-01-01T01:00:00+01:00', '2999-01-01T00:00:00Z'],
  ])('takes %s as its expiry', async (written, expires) => {
    expect((await add('--jti', 'x', '--expires', written)).output).toBe(`revoked token \`x\` until ${expires}\n`);
    expect(text()).toContain(`expires: "${expires}"`);
  });

  it('takes a time from now as its expiry', async () => {
    await add('--jti', 'x', '--expires', '2h');
    const [entry] = JSON.parse((await revoke('list', '--format', 'json')).output).revocations;
    expect(Date.parse(entry.expires) - Date.parse(entry.at)).toBe(2 * 3_600_000);
  });

  it('says what is listed already, and replaces it when told to', async () => {
    const again = ['--id', 'spiffe://ai.example/training/job-1'] as const;
    const refused = await add(...again);
    expect(refused).toMatchObject({ exitCode: 1, output: '' });
    expect(refused.errors).toContain('already; --replace');
    expect(text()).toBe(LIST);
    expect(await add(...again, '--replace', '--expires', '2999-01-01T00:00:00Z')).toMatchObject({ exitCode: 0 });
    expect(JSON.parse((await revoke('list', '--format', 'json')).output).revocations).toMatchObject([
      { id: 'spiffe://ai.example/training/job-1', expires: '2999-01-01T00:00:00Z' },
    ]);
  });

  it.each(['/**', '/*', '/*/**', 'spiffe://ai.example/*/*'])(
    'does not revoke everybody by %s unless forced',
    async (id) => {
      const refused = await add('--id', id, '--trust-domain', 'ai.example');
      expect(refused).toMatchObject({ exitCode: 2, output: '' });
      expect(refused.errors).toContain('everybody in the trust domain ai.example; add --force');
      expect(text()).toBe(LIST);
      expect(await add('--id', id, '--trust-domain', 'ai.example', '--force')).toMatchObject({ exitCode: 0 });
    },
  );

  it.each<[string, readonly string[], string]>([
    ['nothing named', [], 'name what is meant'],
    ['two things', ['--jti', 'x', '--spki', SHA256], '--spki and --jti name two things'],
    ['no ID', ['--id', 'training'], '--id: '],
    ['an ID without trust domain', ['--id', '/training'], '--trust-domain'],
    ['a trust domain alone', ['--id', 'spiffe://ai.example'], '--id: '],
    ['no trust domain', ['--id', '/a', '--trust-domain', 'AI'], '--trust-domain: '],
    ['a serial number without its CA', ['--serial', '4f:2a'], 'add --issuer'],
    ['a serial number of two readings', ['--serial', '1234', '--issuer', SHA256], '--serial: '],
    ['no fingerprint', ['--spki', 'ab'], '--spki: '],
    ['an issuer for a token', ['--jti', 'x', '--issuer', SHA256], '--issuer: belongs to'],
    ['two issuers', ['--serial', '4f:2a', '--issuer', SHA256, '--issuer-certificate', 'x'], 'give one'],
    ['a key of no certificate', ['--jti', 'x', '--by-key'], '--by-key: belongs to'],
    ['an expiry that is over', ['--jti', 'x', '--expires', '2020-01-01T00:00:00Z'], 'is over'],
    ['an expiry of two readings', ['--jti', 'x', '--expires', '2020-01-01'], '--expires: '],
    ['an expiry of no unit', ['--jti', 'x', '--expires', '3w'], '--expires: '],
    ['an empty reason', ['--jti', 'x', '--reason', ' '], '--reason: '],
    ['a reason over two lines', ['--jti', 'x', '--reason', 'a\nb'], '--reason: '],
    ['two lists', ['--jti', 'x', '--redis', 'redis://localhost'], 'two lists'],
    ['a key of Redis', ['--jti', 'x', '--key', 'list'], '--key: belongs to --redis'],
  ])('is a wrong call: %s', async (_what, args, said) => {
    const { exitCode, errors, output } = await add(...args);
    expect({ exitCode, output }).toEqual({ exitCode: 2, output: '' });
    expect(errors).toContain(said);
    expect(text()).toBe(LIST);
  });

  it('is a wrong call without a reason, or without a list', async () => {
    expect(await revoke('add', '--jti', 'x')).toMatchObject({ exitCode: 2, output: '' });
    expect(await sallyport('revoke', 'add', '--jti', 'x', '--reason', 'y')).toMatchObject({ exitCode: 2, output: '' });
  });

  it('refuses a file that it cannot read as a whole, with every problem and its place', async () => {
    write('revocations.yaml', 'version: 1\nrevocations:\n  - id: nonsense\n  - { jti: x, reason: y }\n');
    const { exitCode, errors } = await add('--jti', 'z');
    expect(exitCode).toBe(1);
    expect(errors).toContain(`${file}:3:`);
    expect(errors).toContain(`${file}:4:`);
  });

  it('wants to know of which trust domain the IDs in the file are', async () => {
    write('revocations.yaml', 'version: 1\nrevocations:\n  - { id: /a, reason: why, at: "2026-02-28T09:00:00Z" }\n');
    expect(await add('--jti', 'z')).toMatchObject({ exitCode: 2, errors: expect.stringContaining('--trust-domain') });
    expect(await add('--jti', 'z', '--trust-domain', 'ai.example')).toMatchObject({ exitCode: 0 });
    expect(await add('--id', 'spiffe://ai.example/a', '--trust-domain', 'ai.example')).toMatchObject({ exitCode: 1 });
  });

  it('does not make a file, which a typing error could have named', async () => {
    rmSync(file);
    const { exitCode, errors } = await add('--jti', 'z');
    expect(exitCode).toBe(1);
    expect(errors).toContain('revoke init');
    expect(existsSync(file)).toBe(false);
  });
});

describe('revoke add --certificate', () => {
  const root = selfSigned();
  const intermediate = issueAuthority(root);
  const svid = issueSvid(intermediate, 'spiffe://ai.example/a');
  const serial = parseCertificate(svid.der).serialNumber;
  const keyOf = (der: Uint8Array): string => spkiSha256(parseCertificate(der).publicKey);
  const listed = async (): Promise<string> =>
    JSON.parse((await revoke('list', '--format', 'json')).output).revocations[0].key;

  it.each<[string, string | Uint8Array, readonly string[]]>([
    ['a chain', pemOf(svid, intermediate), []],
    ['a chain with its key in the same file', svid.privateKeyPem + pemOf(svid, intermediate), []],
    ['a leaf, and its CA in another file', pemOf(svid), ['--issuer-certificate', 'ca.pem']],
    ['a leaf as DER, and its CA in another file', svid.der, ['--issuer-certificate', 'ca.pem']],
    ['a leaf, and the key of its CA', pemOf(svid), ['--issuer', keyOf(intermediate.der)]],
  ])('takes serial number and issuer from %s', async (_what, contents, args) => {
    write('ca.pem', pemOf(root, intermediate));
    const paths = args.map((arg) => (arg === 'ca.pem' ? join(directory, arg) : arg));
    expect(await add('--certificate', write('svid.pem', contents), ...paths)).toMatchObject({
      exitCode: 0,
      errors: '',
    });
    expect(await listed()).toBe(`certificate:${keyOf(intermediate.der)}:${serial}`);
  });

  it('takes its key', async () => {
    await add('--certificate', write('svid.pem', pemOf(svid)), '--by-key');
    expect(await listed()).toBe(`spki:${keyOf(svid.der)}`);
  });

  it('takes the CA of a serial number from a file', async () => {
    await add('--serial', `0x${serial}`, '--issuer-certificate', write('ca.pem', pemOf(intermediate)));
    expect(await listed()).toBe(`certificate:${keyOf(intermediate.der)}:${serial}`);
  });

  it.each<[string, string, readonly string[], string, number]>([
    ['a leaf alone', pemOf(svid), [], '--issuer-certificate', 2],
    ['a chain of which none signed it', pemOf(svid, root), [], 'signed the first one', 2],
    [
      'a leaf, and another CA of the same name',
      pemOf(svid),
      ['--issuer-certificate', 'impostor.pem'],
      'signed the first one',
      2,
    ],
    ['no certificate', svid.privateKeyPem, [], 'holds no certificate', 1],
    ['no PEM', 'x', [], 'holds no certificate', 1],
    ['a broken certificate', pemOf({ ...svid, pem: svid.pem.replace('MI', 'MJ') }), [], 'svid.pem', 1],
    ['a CA', pemOf(intermediate, root), [], '--force', 2],
    ['its key and an issuer', pemOf(svid), ['--by-key', '--issuer', SHA256], 'leave it out', 2],
  ])('refuses %s', async (_what, contents, args, said, code) => {
    write('impostor.pem', pemOf(issueAuthority(root, { subject: intermediate.subject })));
    const paths = args.map((arg) => (arg === 'impostor.pem' ? join(directory, arg) : arg));
    const { exitCode, errors } = await add('--certificate', write('svid.pem', contents), ...paths);
    expect(errors).toContain(said);
    expect(exitCode).toBe(code);
    expect(text()).toBe(LIST);
  });

  it('revokes a CA when that is meant', async () => {
    expect(await add('--certificate', write('ca.pem', pemOf(root)), '--force')).toMatchObject({ exitCode: 0 });
    expect(await listed()).toBe(`certificate:${keyOf(root.der)}:${parseCertificate(root.der).serialNumber}`);
  });

  it('says which file it cannot read', async () => {
    const { exitCode, errors } = await add('--certificate', join(directory, 'none.pem'));
    expect(exitCode).toBe(1);
    expect(errors).toContain('none.pem`: ENOENT');
  });
});

describe('revoke list --file', () => {
  const entry = (jti: string, rest: string): string => `  - { jti: ${JSON.stringify(jti)}, reason: r, ${rest} }\n`;

  beforeEach(() => {
    const expired = entry('old', 'at: 2026-01-01T00:00:00Z, expires: 2026-01-02T00:00:00Z');
    write('revocations.yaml', LIST + expired + entry('new', 'at: 2026-03-01T00:00:00Z'));
  });

  it('shows a line an entry, aligned, the latest first, and says what it leaves out', async () => {
    const { output, exitCode } = await revoke('list');
    expect(output.split('\n')).toEqual([
      'token `new`                         `r`           since 2026-03-01T00:00:00Z  for ever',
      'spiffe://ai.example/training/job-1  `key leaked`  since 2026-02-28T09:00:00Z  for ever',
      '1 expired, which --all shows',
      '',
    ]);
    expect(exitCode).toBe(0);
  });

  it('shows what has expired when asked to', async () => {
    const { output } = await revoke('list', '--all');
    expect(output.split('\n')).toHaveLength(4);
    expect(output).toContain('until 2026-01-02T00:00:00Z, expired');
    const json = JSON.parse((await revoke('list', '--all', '--format', 'json')).output);
    expect(json.revocations.map(({ expired }: { expired: boolean }) => expired)).toEqual([false, false, true]);
  });

  it('says so when nothing is revoked', async () => {
    write('revocations.yaml', 'version: 1\nrevocations: []\n');
    expect(await revoke('list')).toEqual({ output: 'nothing is revoked\n', errors: '', exitCode: 0 });
  });

  it('drives no terminal with what stands in the file', async () => {
    write('revocations.yaml', `version: 1\nrevocations:\n${entry('\u202Egnihton\u00E9', 'at: 2026-03-01T00:00:00Z')}`);
    for (const format of ['table', 'json']) {
      const { output } = await revoke('list', '--format', format);
      expect(output).toMatch(/^[\n -~]+$/);
      expect(output).toMatch(/202e/);
    }
  });

  it('is coloured on a terminal only', async () => {
    const coloured = await sallyport({ colour: true }, 'revoke', 'list', '--all', '--file', file);
    expect(coloured.output).toContain('\u001B[2m');
    expect((await revoke('list', '--all')).output).not.toContain('\u001B');
  });

  it('knows two formats', async () => {
    expect(await revoke('list', '--format', 'xml')).toMatchObject({ exitCode: 2, output: '' });
  });
});

describe('revoke remove --file', () => {
  it('finds an entry however it is written', async () => {
    write('revocations.yaml', `version: 1\nrevocations:\n  - { id: /a/*, reason: r, at: 2026-03-01T00:00:00Z }\n`);
    const { output, exitCode } = await revoke(
      'remove',
      '--id',
      'spiffe://ai.example/a/*',
      '--trust-domain',
      'ai.example',
    );
    expect({ output, exitCode }).toEqual({ output: 'removed spiffe://ai.example/a/*\n', exitCode: 0 });
    expect(text()).toBe('version: 1\nrevocations: []\n');
  });

  it('says what is not listed, and takes no pattern apart', async () => {
    const { errors, exitCode } = await revoke('remove', '--id', 'spiffe://ai.example/training/*');
    expect(exitCode).toBe(1);
    expect(errors).toContain('does not list spiffe://ai.example/training/*');
    expect(text()).toBe(LIST);
  });

  it.each([[['--field', 'x']], [[]]])('is a wrong call with %j', async (args) => {
    expect(await revoke('remove', ...args)).toMatchObject({ exitCode: 2, output: '' });
  });
});

describe('revoke init --file', () => {
  it('makes an empty list, and never over another file', async () => {
    const path = join(directory, 'new.yaml');
    expect(await sallyport('revoke', 'init', '--file', path)).toEqual({
      output: `wrote ${path}\n`,
      errors: '',
      exitCode: 0,
    });
    expect(await sallyport('revoke', 'list', '--file', path)).toMatchObject({ output: 'nothing is revoked\n' });
    expect(await sallyport('revoke', 'init', '--file', file)).toMatchObject({ exitCode: 1, output: '' });
    expect(text()).toBe(LIST);
  });

  it('says when it cannot', async () => {
    const path = join(directory, 'none', 'new.yaml');
    expect(await sallyport('revoke', 'init', '--file', path)).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining('ENOENT'),
    });
    expect(await sallyport('revoke', 'init', '--file', path, '--force')).toMatchObject({ exitCode: 2 });
    expect(await sallyport('revoke', 'purge', '--file', file)).toMatchObject({ exitCode: 2 });
  });
});

describe('the file that is edited', () => {
  it('keeps its mode and its owner, and a link to it stays a link', async () => {
    chmodSync(file, 0o640);
    const link = join(directory, 'link.yaml');
    symlinkSync('revocations.yaml', link);
    const { uid, gid, ino } = statSync(file);
    expect(await sallyport('revoke', 'add', '--file', link, '--jti', 'x', '--reason', 'y')).toMatchObject({
      exitCode: 0,
    });
    const after = statSync(file);
    expect(after).toMatchObject({ uid, gid });
    expect(after.mode & 0o7777).toBe(0o640);
    expect(after.ino).not.toBe(ino);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(text()).toContain('jti: "x"');
  });

  it('loses no entry of commands that run at the same time', async () => {
    const names = Array.from({ length: 12 }, (_, at) => `token-${at}`);
    const outcomes = await Promise.all(names.map((name) => add('--jti', name)));
    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual(names.map(() => 0));
    for (const name of names) expect(text()).toContain(`jti: "${name}"`);
    expect(readdirSync(directory)).toEqual(['revocations.yaml']);
  });

  it('loses no entry of processes that run at the same time', async () => {
    const names = ['one', 'two', 'three'];
    const processes = names.map((name) => {
      const args = ['src/main.ts', 'revoke', 'add', '--file', file, '--jti', name, '--reason', 'r'];
      return spawn(process.execPath, args, { stdio: 'ignore' });
    });
    const exits = await Promise.all(processes.map((each) => once(each, 'exit')));
    expect(exits).toEqual(names.map(() => [0, null]));
    for (const name of names) expect(text()).toContain(`jti: "${name}"`);
  });

  it('is edited anew when somebody without this command changed it meanwhile', async () => {
    let edits = 0;
    await editFile(file, (bytes) => {
      edits += 1;
      if (edits === 1) write('revocations.yaml', `${LIST}# by hand\n`);
      return { outcome: null, text: `${bytes.toString('utf8')}# edited\n` };
    });
    expect(edits).toBe(2);
    expect(text()).toBe(`${LIST}# by hand\n# edited\n`);
  });

  it('is left alone when somebody changes it each time', async () => {
    let edits = 0;
    const editing = editFile(file, () => {
      write('revocations.yaml', `${LIST}# ${(edits += 1)}\n`);
      return { outcome: null, text: 'lost' };
    });
    await expect(editing).rejects.toMatchObject({ code: 'locked' });
    expect(text()).toBe(`${LIST}# ${edits}\n`);
    expect(readdirSync(directory)).toEqual(['revocations.yaml']);
  });

  it('is left alone, and nothing left behind, when the edit fails', async () => {
    await expect(
      editFile(file, () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(readdirSync(directory)).toEqual(['revocations.yaml']);
  });

  it('is left alone while it is locked by a process that left in the middle, and it is said what to do', async () => {
    const { pid } = spawnSync('true');
    const lock = write('.revocations.yaml.lock', `process ${pid} on ${hostname()}\n`);
    const { exitCode, errors } = await add('--jti', 'x');
    expect(exitCode).toBe(1);
    expect(errors).toContain(`\`process ${pid} on ${hostname()}\`, which has ended; remove \`${lock}\``);
    expect(text()).toBe(LIST);
    expect(existsSync(lock)).toBe(true);
  });
});
