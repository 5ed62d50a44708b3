// `revoke …` on a list in Redis, from the first declaration to a sidecar that applies what an operator wrote.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { RevocationStore, STORE_TIMING } from '../../src/store/revocation-store.ts';
import { ipName, issueSvid, selfSigned } from '../support/certificate-builder.ts';
import { hasRedis, RedisServer } from '../store/redis-server.ts';
import { type Outcome, sallyport } from './revoke-run.ts';

const KEY = 'sallyport:revocations';
const FILE = `version: 1
revocations:
  - { id: spiffe://ai.example/a, reason: key leaked, at: 2026-02-28T09:00:00Z }
  - { jti: old, reason: key leaked, at: 2026-01-01T09:00:00Z, expires: 2026-01-02T00:00:00Z }
`;

let directory: string;
let redis: RedisServer;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-revoke-'));
});
afterEach(async () => {
  await redis.remove();
  rmSync(directory, { recursive: true });
});

function write(name: string, contents: string): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

const url = (): string => `redis://127.0.0.1:${redis.port}`;
const revoke = (command: string, ...args: readonly string[]): Promise<Outcome> =>
  sallyport('revoke', command, '--redis', url(), ...args);
const keys = async (): Promise<readonly string[]> => {
  const { revocations } = JSON.parse((await revoke('list', '--all', '--format', 'json')).output);
  return revocations.map(({ key }: { key: string }) => key);
};

describe.skipIf(!hasRedis)('revoke --redis (needs redis-server)', () => {
  beforeEach(async () => {
    redis = await RedisServer.start();
  });

  it('declares, adds, lists and removes', async () => {
    expect(await revoke('init')).toMatchObject({
      errors: '',
      exitCode: 0,
      output: expect.stringContaining('0 entries'),
    });
    const added = await revoke(
      'add',
      '--id',
      'spiffe://ai.example/a/*',
      '--reason',
      'key leaked',
      '--expires',
      '2999-01-01T00:00:00Z',
    );
    expect(added).toEqual({
      output: 'revoked spiffe://ai.example/a/* until 2999-01-01T00:00:00Z\n',
      errors: '',
      exitCode: 0,
    });
    expect(await keys()).toEqual(['id:spiffe://ai.example/a/*']);
    expect(redis.cli('HKEYS', KEY).split('\n').sort()).toEqual(['.list', 'id:spiffe://ai.example/a/*']);
    const removed = await revoke('remove', '--id', 'spiffe://ai.example/a/*');
    expect(removed).toEqual({ output: 'removed spiffe://ai.example/a/*\n', errors: '', exitCode: 0 });
    expect(await revoke('list')).toEqual({ output: 'nothing is revoked\n', errors: '', exitCode: 0 });
  });

  it('warns where no list was declared, and revokes all the same', async () => {
    const { output, errors, exitCode } = await revoke('add', '--jti', 'x', '--reason', 'y');
    expect({ output, exitCode }).toEqual({ output: 'revoked token `x`\n', exitCode: 0 });
    expect(errors).toContain('sallyport revoke init');
    const listed = await revoke('list', '--format', 'json');
    expect(listed).toMatchObject({ exitCode: 1, errors: expect.stringContaining('sallyport revoke init') });
    expect(JSON.parse(listed.output)).toMatchObject({ whole: false, revocations: [{ key: 'jti:x' }] });
    expect((await revoke('init')).output).toContain('1 entry');
    expect(await revoke('list')).toMatchObject({ exitCode: 0, errors: '' });
  });

  it('declares what a file lists together with what is there, once, and again when forced', async () => {
    await revoke('add', '--jti', 'x', '--reason', 'y');
    const from = ['--from', write('revocations.yaml', FILE)] as const;
    expect((await revoke('init', ...from)).output).toContain('3 entries');
    expect(await keys()).toEqual(['jti:x', 'id:spiffe://ai.example/a', 'jti:old']);
    expect(await revoke('init')).toMatchObject({ exitCode: 1, errors: expect.stringContaining('--force') });
    expect(await revoke('init', '--force')).toMatchObject({ exitCode: 0 });
  });

  it('purges what expired', async () => {
    await revoke('init', '--from', write('revocations.yaml', FILE));
    await revoke('add', '--jti', 'x', '--reason', 'y', '--expires', '30s');
    expect(await revoke('purge')).toMatchObject({ output: 'removed 1 entry that expired more than a day ago\n' });
    expect(await keys()).toEqual(['jti:x', 'id:spiffe://ai.example/a']);
  });

  it('says what is there already, or is not', async () => {
    await revoke('init');
    const add = (...args: readonly string[]): Promise<Outcome> => revoke('add', '--jti', 'x', '--reason', 'y', ...args);
    await add();
    expect(await add()).toMatchObject({ exitCode: 1, output: '', errors: expect.stringContaining('--replace') });
    expect(await add('--replace', '--expires', '1h')).toMatchObject({ exitCode: 0 });
    expect(await revoke('remove', '--jti', 'z')).toMatchObject({ exitCode: 1, output: '' });
  });

  it('shows a broken entry, and takes it away by its field', async () => {
    await revoke('init');
    redis.cli('HSET', KEY, 'bro\u001Bken', '{', 'id:spiffe://ai.example/a', '{"id":"spiffe://ai.example/b"}');
    const listed = await revoke('list');
    expect(listed).toMatchObject({ exitCode: 1, output: 'nothing is revoked\n' });
    expect(listed.errors).toMatch(/^[\n -~]+$/);
    expect(listed.errors).toContain('`bro\\u{1b}ken`');
    expect(await revoke('remove', '--field', 'bro\u001Bken')).toMatchObject({ exitCode: 0 });
    expect(await revoke('remove', '--field', 'id:spiffe://ai.example/a')).toMatchObject({ exitCode: 0 });
    expect(await revoke('remove', '--field', 'x', '--jti', 'y')).toMatchObject({ exitCode: 2 });
    expect(await revoke('list')).toMatchObject({ exitCode: 0, errors: '' });
  });

  it('uses the database and the key that it is told', async () => {
    await sallyport('revoke', 'init', '--redis', `${url()}/4`, '--key', 'team:list');
    expect(redis.cli('-n', '4', 'KEYS', '*')).toBe('team:list');
  });

  it.each<[string, readonly string[], string]>([
    ['a URL with a password', ['--redis', 'redis://:secret@127.0.0.1'], 'password'],
    ['no URL of Redis', ['--redis', 'http://127.0.0.1'], '--redis: '],
    ['a user without a password', ['--redis', 'redis://127.0.0.1', '--redis-username', 'x'], '--password-file'],
    ['a CA without TLS', ['--redis', 'redis://127.0.0.1', '--ca', 'x'], 'rediss://'],
    ['no key', ['--redis', 'redis://127.0.0.1', '--key', ''], '--key: '],
    ['everybody', ['--redis', 'redis://127.0.0.1', '--id', 'spiffe://ai.example/**'], '--force'],
    ['an ID that is of no trust domain', ['--redis', 'redis://127.0.0.1', '--id', '/a'], '--trust-domain'],
  ])('is a wrong call: %s', async (_what, args, said) => {
    const target = args.includes('--id') ? [] : ['--jti', 'x'];
    const { exitCode, errors, output } = await sallyport('revoke', 'add', '--reason', 'y', ...target, ...args);
    expect({ exitCode, output }).toEqual({ exitCode: 2, output: '' });
    expect(errors).toContain(said);
    expect(errors).not.toContain('secret');
  });

  it('says that it cannot reach Redis', async () => {
    await redis.kill();
    const { exitCode, errors } = await revoke('list');
    expect(exitCode).toBe(1);
    expect(errors).toBe(`sallyport: redis 127.0.0.1:${redis.port}: \`connect ECONNREFUSED 127.0.0.1:${redis.port}\`\n`);
  });

  it('loses no entry of processes that run at the same time', async () => {
    await revoke('init');
    const names = ['one', 'two', 'three'];
    const processes = names.map((name) => {
      const args = ['src/main.ts', 'revoke', 'add', '--redis', url(), '--jti', name, '--reason', 'r'];
      return spawn(process.execPath, args, { stdio: 'ignore' });
    });
    expect(await Promise.all(processes.map((each) => once(each, 'exit')))).toEqual(names.map(() => [0, null]));
    expect(await keys()).toEqual(expect.arrayContaining(names.map((name) => `jti:${name}`)));
  });

  it('is applied by a sidecar as soon as the command has ended', async () => {
    await revoke('init');
    const store = new RevocationStore(
      {
        endpoint: { host: '127.0.0.1', port: redis.port, database: 0, isEncrypted: false },
        access: () => ({ credentials: null, ca: null }),
        key: KEY,
      },
      {
        clock: systemClock,
        schedule: (delayMs, callback) => {
          const timer = setTimeout(callback, delayMs);
          return () => clearTimeout(timer);
        },
        random: Math.random,
        timing: STORE_TIMING,
      },
    );
    const seen = new Promise<void>((resolve) => {
      store.subscribe(({ kind, entries }) => {
        if (kind === 'current' && entries.length === 1) resolve();
      });
    });
    store.start();
    await revoke('add', '--id', 'spiffe://ai.example/a', '--reason', 'key leaked');
    await seen;
    store.close();
  });
});

describe.skipIf(!hasRedis)('revoke --redis with credentials (needs redis-server)', () => {
  it('gives the password of a file, and never tells it', async () => {
    redis = await RedisServer.start('--requirepass', 'correct horse');
    const passwordFile = write('password', 'correct horse\nnotes\n');
    expect(await revoke('init', '--password-file', passwordFile)).toMatchObject({ exitCode: 0, errors: '' });
    expect(await revoke('list', '--password-file', passwordFile, '--redis-username', 'default')).toMatchObject({
      exitCode: 0,
    });
    const wrong = await revoke('list', '--password-file', write('wrong', 'incorrect donkey'));
    expect(wrong).toMatchObject({ exitCode: 1, output: '' });
    expect(wrong.errors).toContain('does not accept the user name and password');
    expect(wrong.errors).not.toContain('donkey');
    expect(await revoke('list')).toMatchObject({ exitCode: 1, errors: expect.stringContaining('wants a password') });
    expect(await revoke('list', '--password-file', write('empty', '\n'))).toMatchObject({ exitCode: 2 });
    expect(await revoke('list', '--password-file', join(directory, 'none'))).toMatchObject({ exitCode: 1 });
  });

  it('speaks TLS with a server of the CA that it is given', async () => {
    const authority = selfSigned();
    const server = issueSvid(authority, 'spiffe://ai.example/redis', { names: [ipName(127, 0, 0, 1)] });
    redis = await RedisServer.startWithTls(server.pem, server.privateKeyPem);
    const secure = `rediss://127.0.0.1:${redis.port}`;
    const ca = write('ca.pem', authority.pem);
    expect(await sallyport('revoke', 'init', '--redis', secure, '--ca', ca)).toMatchObject({ exitCode: 0, errors: '' });
    expect(await sallyport('revoke', 'list', '--redis', secure)).toMatchObject({ exitCode: 1, output: '' });
  });
});
