// One connection to Redis: who is let in, who is not told a password, and servers that answer wrongly, too much or nothing.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ConnectionPort,
  MAX_REPLY_BYTES,
  type RedisAccess,
  RedisConnection,
  type RedisEndpoint,
} from '../../src/store/redis-connection.ts';
import { StoreError, type StoreErrorCode } from '../../src/store/store-error.ts';
import { dnsName, ipName, issueSvid, pemOf, selfSigned, type TestCertificate } from '../support/certificate-builder.ts';
import { FakeTimers } from './fake-timers.ts';
import { hasRedis, RedisServer } from './redis-server.ts';

const PASSWORD = 'correct horse battery staple';
const ANYBODY: RedisAccess = { credentials: null, ca: null };

let timers: FakeTimers;
let abandon: AbortController;
let redis: RedisServer | null;
const closing: { close(): unknown }[] = [];

beforeEach(() => {
  timers = new FakeTimers();
  abandon = new AbortController();
  redis = null;
});

afterEach(async () => {
  abandon.abort();
  for (const each of closing.splice(0)) each.close();
  await redis?.remove();
});

function open(endpoint: Partial<RedisEndpoint>, access: RedisAccess = ANYBODY): Promise<RedisConnection> {
  const whole = { host: '127.0.0.1', port: 0, database: 0, isEncrypted: false, ...endpoint };
  const port: ConnectionPort = timers;
  return RedisConnection.open({ endpoint: whole, access }, port, abandon.signal);
}

async function refusalOf(attempt: Promise<unknown>): Promise<StoreError> {
  const error: unknown = await attempt.then(
    () => new Error('accepted'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof StoreError)) throw error;
  return error;
}

describe.skipIf(!hasRedis)('a connection to Redis (needs redis-server)', () => {
  const password = (word: string, username: string | null = null): RedisAccess => ({
    credentials: { username, password: word },
    ca: null,
  });
  const acl = [
    '--user',
    'sidecar',
    'on',
    `>${PASSWORD.replaceAll(' ', '-')}`,
    '~sallyport:*',
    '&sallyport:*',
    '+hgetall',
    '+ping',
    '+subscribe',
  ];
  const withPassword = ['--requirepass', PASSWORD];

  it.each<[string, readonly string[], RedisAccess, Partial<RedisEndpoint>]>([
    ['nobody in particular', [], ANYBODY, {}],
    ['the default user with its password', withPassword, password(PASSWORD), {}],
    ['the default user by name', withPassword, password(PASSWORD, 'default'), {}],
    ['a user who may read the list and nothing else', acl, password(PASSWORD.replaceAll(' ', '-'), 'sidecar'), {}],
    ['another database', [], ANYBODY, { database: 15 }],
  ])('lets in %s', async (_who, options, access, endpoint) => {
    redis = await RedisServer.start(...options);
    const connection = await open({ port: redis.port, ...endpoint }, access);
    await expect(connection.call('HGETALL', 'sallyport:revocations')).resolves.toEqual([]);
    await connection.subscribe('sallyport:revocations', () => undefined);
    expect(String(await connection.call('PING'))).toBe('pong,');
    expect(timers.delaysMs).toEqual([]);
  });

  it('is in the database that was asked for', async () => {
    redis = await RedisServer.start();
    redis.cli('-n', '3', 'HSET', 'key', 'field', 'value');
    const connection = await open({ port: redis.port, database: 3 });
    expect(await connection.call('HGETALL', 'key')).toEqual([Buffer.from('field'), Buffer.from('value')]);
  });

  it.each<[string, readonly string[], RedisAccess, Partial<RedisEndpoint>, StoreErrorCode]>([
    ['a wrong password', withPassword, password('wrong'), {}, 'credentials-refused'],
    ['an unknown user', withPassword, password(PASSWORD, 'nobody'), {}, 'credentials-refused'],
    [
      'a server that needs no password, which cannot be the one that was meant',
      [],
      password(PASSWORD),
      {},
      'credentials-refused',
    ],
    ['a database that is not there', [], ANYBODY, { database: 16 }, 'command-refused'],
  ])('is refused: %s', async (_what, options, access, endpoint, code) => {
    redis = await RedisServer.start(...options);
    const error = await refusalOf(open({ port: redis.port, ...endpoint }, access));
    expect(error.code).toBe(code);
    expect(error.message).toContain(`redis 127.0.0.1:${redis.port}: `);
    expect(timers.delaysMs).toEqual([]);
  });

  it('says that a password is needed where none was given', async () => {
    redis = await RedisServer.start(...withPassword);
    const connection = await open({ port: redis.port });
    const error = await refusalOf(connection.call('HGETALL', 'key'));
    expect(error.code).toBe('credentials-refused');
    expect(await connection.ended).toBe(error);
  });

  it('goes on after a command that was refused', async () => {
    redis = await RedisServer.start();
    const connection = await open({ port: redis.port });
    const error = await refusalOf(connection.call('NOSUCHCOMMAND'));
    expect(error.code).toBe('command-refused');
    expect(String(await connection.call('PING'))).toBe('PONG');
  });

  it('takes bytes as they are, and fields with names of JavaScript', async () => {
    redis = await RedisServer.start();
    redis.cli('HSET', 'key', '__proto__', 'value');
    const connection = await open({ port: redis.port });
    expect(await connection.call('HGETALL', 'key')).toEqual([Buffer.from('__proto__'), Buffer.from('value')]);
  });

  describe('with TLS', () => {
    const authority = selfSigned();
    const loopback = [dnsName('localhost'), ipName(127, 0, 0, 1)];
    const trusting = (...authorities: readonly TestCertificate[]): RedisAccess => ({
      credentials: null,
      ca: Buffer.from(pemOf(...authorities)),
    });

    async function startWithNames(names: readonly Buffer[]): Promise<RedisServer> {
      const certificate = issueSvid(authority, 'spiffe://ai.example/redis', { names });
      redis = await RedisServer.startWithTls(certificate.pem, certificate.privateKeyPem);
      return redis;
    }

    it.each(['localhost', '127.0.0.1'])(
      'is let in at %s when its certificate is of that name and that CA',
      async (host) => {
        const { port } = await startWithNames(loopback);
        const connection = await open({ host, port, isEncrypted: true }, trusting(authority));
        expect(String(await connection.call('PING'))).toBe('PONG');
      },
    );

    it.each<[string, readonly Buffer[], RedisAccess, string]>([
      ['another CA', loopback, trusting(selfSigned()), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
      ['no CA of the system', loopback, ANYBODY, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
      ['another name', [dnsName('redis.example')], trusting(authority), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ])('is refused with a certificate of %s', async (_what, names, access, cause) => {
      const { port } = await startWithNames(names);
      const error = await refusalOf(open({ port, isEncrypted: true }, access));
      expect(error).toMatchObject({ code: 'unreachable' });
      expect(error.message).toContain(cause);
    });

    it('is refused by a server that wants TLS', async () => {
      const { port } = await startWithNames(loopback);
      const connection = await open({ port });
      expect(await refusalOf(connection.call('PING'))).toMatchObject({ code: 'disconnected' });
    });

    it('is refused with a CA file that holds no certificate', async () => {
      const { port } = await startWithNames(loopback);
      const nothing: RedisAccess = { credentials: null, ca: Buffer.from('not PEM') };
      expect((await refusalOf(open({ port, isEncrypted: true }, nothing))).code).toBe('unreachable');
    });
  });
});

describe('a connection to what is no Redis', () => {
  /** Answers every chunk it gets. */
  async function serve(answer: (chunk: string, socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => {
      closing.push({ close: () => socket.destroy() });
      socket.on('data', (chunk) => answer(String(chunk), socket));
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    closing.push(server);
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  it('never tells a password further, not even when the server repeats it', async () => {
    const port = await serve((chunk, socket) => {
      const password = chunk.split('\r\n')[4] ?? '';
      socket.write(`-ERR unknown command 'AUTH', with args beginning with: '${password}'\r\n`);
    });
    const access: RedisAccess = { credentials: { username: null, password: PASSWORD }, ca: null };
    const error = await refusalOf(open({ port }, access));
    expect(error.code).toBe('credentials-refused');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(PASSWORD);
  });

  it.each([
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['an answer to nothing', '+PONG\r\n'.repeat(3)],
    ['a length below zero', '$-7\r\n'],
  ])('ends with %s', async (_what, answer) => {
    const port = await serve((_chunk, socket) => socket.end(answer));
    const connection = await open({ port });
    const ended = connection.ended;
    await connection.call('PING').catch(() => null);
    expect((await ended).code).toBe('disconnected');
  });

  it('ends when nobody answers in time, and says which command that was', async () => {
    const port = await serve(() => undefined);
    const connection = await open({ port });
    const refusals = [refusalOf(connection.call('HGETALL', 'key')), refusalOf(connection.call('PING'))];
    await timers.pass(timers.timing.replyMs);
    const [first, second] = await Promise.all(refusals);
    expect(first).toMatchObject({ code: 'timed-out', message: expect.stringContaining('HGETALL within 4000 ms') });
    expect(second).toBe(first);
    expect(await refusalOf(connection.call('PING'))).toBe(first);
    expect(timers.delaysMs).toEqual([]);
  });

  it('ends when TLS is not answered in time', async () => {
    const port = await serve(() => undefined);
    const refusal = refusalOf(open({ port, isEncrypted: true }));
    await timers.pass(timers.timing.connectMs);
    expect(await refusal).toMatchObject({
      code: 'timed-out',
      message: expect.stringContaining('a TLS handshake within 5000 ms'),
    });
  });

  it('ends when it is abandoned while it is opened, at once', async () => {
    const port = await serve(() => undefined);
    const refusal = refusalOf(open({ port, isEncrypted: true }));
    await timers.planned(timers.timing.connectMs);
    abandon.abort();
    expect(await refusal).toMatchObject({ code: 'disconnected' });
    expect(await refusalOf(open({ port }))).toMatchObject({ code: 'disconnected' });
    expect(timers.delaysMs).toEqual([]);
  });

  it('ends at a reply that has no end', async () => {
    const port = await serve((_chunk, socket) => {
      socket.write(`$${2 ** 40}\r\n`);
      for (let sent = 0; sent <= MAX_REPLY_BYTES; sent += 1 << 20) socket.write(Buffer.alloc(1 << 20, 'x'));
    });
    const connection = await open({ port });
    expect(await refusalOf(connection.call('GET', 'key'))).toMatchObject({ code: 'list-too-large' });
  });

  it('has no limit for all replies and messages together', async () => {
    const large = `$${1 << 20}\r\n${'x'.repeat(1 << 20)}\r\n`;
    const port = await serve((chunk, socket) => {
      if (!chunk.includes('subscribe')) return void socket.write(large);
      socket.write('*3\r\n$9\r\nsubscribe\r\n$3\r\nkey\r\n:1\r\n');
      for (let sent = 0; sent < 40; sent += 1) socket.write(`*3\r\n$7\r\nmessage\r\n$3\r\nkey\r\n${large}`);
    });
    const reader = await open({ port });
    for (let read = 0; read < 40; read += 1) await reader.call('GET', 'key');
    const listener = await open({ port });
    let heard = 0;
    await new Promise<void>((resolve, reject) => {
      void listener.ended.then(reject);
      void listener.subscribe('key', () => {
        heard += 1;
        if (heard === 40) resolve();
      });
    });
  });
});
