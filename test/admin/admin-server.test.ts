import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AdminServerOptions,
  createAdminServer,
  createProbeServer,
  type ProbeServerOptions,
} from '../../src/admin/admin-server.ts';
import type { BindAddress } from '../../src/admin/bind-address.ts';
import type { PageServer } from '../../src/admin/page-server.ts';
import { ask, connect, sendRaw, untilClosed } from './http.ts';

const LOOPBACK: BindAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };
const PAGES = ['/metrics', '/healthz', '/readyz', '/config', '/identity', '/policy'];

let started: PageServer[] = [];

afterEach(async () => {
  for (const server of started) await server.close();
  started = [];
});

class KeptErrors {
  readonly messages: string[] = [];

  error(_fields: unknown, message?: string): void {
    this.messages.push(message ?? '');
  }
}

async function admin(options: Partial<AdminServerOptions> = {}): Promise<BindAddress> {
  const server = createAdminServer({
    bind: LOOPBACK,
    scrape: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'sallyport_policy_epoch 1\n' }),
    readiness: [],
    config: () => ({ trustDomain: 'ai.example' }),
    policy: () => ({
      epoch: 3,
      digest: 'abc',
      table: () => [{ source: 'training' }],
      text: () => 'training  registry  read',
    }),
    identity: () => ({ json: { svid: null }, text: 'no SVID\n' }),
    log: new KeptErrors(),
    ...options,
  });
  started.push(server);
  return server.listen();
}

async function probes(options: Partial<ProbeServerOptions> = {}): Promise<BindAddress> {
  const server = createProbeServer({
    bind: LOOPBACK,
    scrape: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'sallyport_policy_epoch 1\n' }),
    readiness: [],
    log: new KeptErrors(),
    clock: { wallMs: () => 0, monotonicMs: () => 0 },
    ...options,
  });
  started.push(server);
  return server.listen();
}

describe('pages', () => {
  it('answers /metrics as Prometheus reads it', async () => {
    const { status, headers, body } = await ask(await admin(), { path: '/metrics' });
    expect([status, headers['content-type'], body]).toEqual([
      200,
      'text/plain; version=0.0.4',
      'sallyport_policy_epoch 1\n',
    ]);
  });

  it('answers /healthz while the process serves', async () => {
    expect(await ask(await admin(), { path: '/healthz' })).toMatchObject({ status: 200, body: 'ok\n' });
  });

  it('answers /config with what it is given', async () => {
    const { status, headers, body } = await ask(await admin(), { path: '/config' });
    expect([status, headers['content-type'], JSON.parse(body)]).toEqual([
      200,
      'application/json',
      { trustDomain: 'ai.example' },
    ]);
  });

  it('answers /identity as text for a person, and in JSON when asked for that', async () => {
    const address = await admin();
    expect((await ask(address, { path: '/identity' })).body).toBe('no SVID\n');
    const { headers, body } = await ask(address, { path: '/identity', headers: { accept: 'application/json' } });
    expect(headers['content-type']).toContain('application/json');
    expect(JSON.parse(body)).toEqual({ svid: null });
  });

  it('answers /policy with epoch, digest and table in JSON', async () => {
    for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
      const { body } = await ask(await admin(), { path: '/policy', headers });
      expect(JSON.parse(body)).toEqual({ epoch: 3, digest: 'abc', table: [{ source: 'training' }] });
    }
  });

  it('answers /policy as a table for the terminal when asked for text', async () => {
    const { headers, body } = await ask(await admin(), { path: '/policy', headers: { accept: 'text/plain' } });
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(body).toBe('epoch 3\nsha256 abc\n\ntraining  registry  read\n');
  });

  it('lists its pages on /', async () => {
    expect((await ask(await admin(), { path: '/' })).body.trim().split('\n').toSorted()).toEqual(PAGES.toSorted());
  });

  it.each(PAGES)('answers HEAD %s with the length of the body and no body', async (path) => {
    const address = await admin();
    const { body } = await ask(address, { path });
    const head = await ask(address, { path, method: 'HEAD' });
    expect([head.status, head.headers['content-length'], head.body]).toEqual([200, `${Buffer.byteLength(body)}`, '']);
  });

  it('ignores a query', async () => {
    expect((await ask(await admin(), { path: '/healthz?verbose=1' })).status).toBe(200);
  });

  it('forbids storing and sniffing what it says', async () => {
    const { headers } = await ask(await admin(), { path: '/config' });
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });

  it('says nothing about the software', async () => {
    const { headers } = await ask(await admin(), { path: '/' });
    expect(Object.keys(headers)).not.toContain('server');
    expect(Object.keys(headers)).not.toContain('x-powered-by');
  });
});

describe('readiness', () => {
  const ok = { name: 'policy', run: () => ({ ok: true, detail: 'epoch 1' }) };
  const missing = { name: 'own-svid', run: () => ({ ok: false, detail: 'expired at 2026-01-01T00:00:00Z' }) };

  it('is 200 when every check holds', async () => {
    const { status, body } = await ask(await admin({ readiness: [ok] }), { path: '/readyz' });
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { ready: true, checks: [{ name: 'policy', ok: true, detail: 'epoch 1' }] },
    ]);
  });

  it('is 503 when one does not, and says which and why', async () => {
    const { status, body } = await ask(await admin({ readiness: [ok, missing] }), { path: '/readyz' });
    expect([status, JSON.parse(body)]).toEqual([
      503,
      {
        ready: false,
        checks: [
          { name: 'policy', ok: true, detail: 'epoch 1' },
          { name: 'own-svid', ok: false, detail: 'expired at 2026-01-01T00:00:00Z' },
        ],
      },
    ]);
  });

  it('is 503 when a check throws, and the log says so', async () => {
    const log = new KeptErrors();
    const broken = {
      name: 'policy',
      run: () => {
        throw new Error('secret');
      },
    };
    const { status, body } = await ask(await admin({ readiness: [broken, ok], log }), { path: '/readyz' });
    expect(status).toBe(503);
    expect(body).not.toContain('secret');
    expect(JSON.parse(body)).toMatchObject({ checks: [{ name: 'policy', ok: false }, { ok: true }] });
    expect(log.messages).toEqual(['readiness check failed']);
  });

  it('is asked anew each time', async () => {
    let isReady = false;
    const check = { name: 'drain', run: () => ({ ok: isReady, detail: '' }) };
    const address = await admin({ readiness: [check] });
    expect((await ask(address, { path: '/readyz' })).status).toBe(503);
    isReady = true;
    expect((await ask(address, { path: '/readyz' })).status).toBe(200);
  });
});

describe('refusals', () => {
  it.each([
    '/shutdown',
    '/quitquitquit',
    '/debug/pprof',
    '/metrics/',
    '/Metrics',
    '//metrics',
    '/%6detrics',
    '/config/../metrics',
  ])('EX-169 has no page %s', async (path) => {
    expect(await ask(await admin(), { path })).toMatchObject({ status: 404, body: 'not found\n' });
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'])(
    'EX-169 does nothing by %s',
    async (method) => {
      let calls = 0;
      const address = await admin({ config: () => (calls += 1) });
      const { status, headers } = await ask(address, { path: '/config', method, body: method === 'TRACE' ? '' : 'x' });
      expect([status, headers['allow'], calls]).toEqual([405, 'GET, HEAD', 0]);
    },
  );

  it('EX-169 shows a peer outside nothing but probes and metrics on the probe listener', async () => {
    const address = await probes();
    for (const path of ['/', '/config', '/policy', '/shutdown'])
      expect((await ask(address, { path })).status).toBe(404);
    for (const path of ['/metrics', '/healthz', '/readyz']) expect((await ask(address, { path })).status).toBe(200);
    expect((await ask(address, { path: '/metrics', method: 'POST' })).status).toBe(405);
  });

  it.each([
    'evil.example',
    'evil.example:9901',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '[::1',
    'a@127.0.0.1',
    'localhost:',
  ])('EX-169 answers no request that calls loopback `%s`, as a rebound name does', async (host) => {
    const { status, body } = await ask(await admin(), { path: '/config', headers: { host } });
    expect([status, body]).toEqual([421, 'this address has no such name\n']);
  });

  it.each(['127.0.0.1', '127.0.0.1:9901', 'localhost', 'LOCALHOST:9901', '[::1]:9901', '[::1]', '10.0.0.7:80'])(
    'answers a request that calls loopback `%s`',
    async (host) => {
      expect((await ask(await admin(), { path: '/healthz', headers: { host } })).status).toBe(200);
    },
  );

  it.each(['GET /config HTTP/1.1\r\nhost:\r\n', 'GET /config HTTP/1.0\r\n'])(
    'EX-169 answers no request to loopback that names nobody: %j',
    async (head) => {
      expect(await sendRaw(await admin(), `${head}connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 421 /);
    },
  );

  it('answers under any name where it does not listen on loopback', async () => {
    const address = await probes({ bind: { kind: 'tcp', host: '0.0.0.0', port: 0 } });
    if (address.kind !== 'tcp') throw new Error('not a port');
    const reachable: BindAddress = { kind: 'tcp', host: '127.0.0.1', port: address.port };
    const headers = { host: 'registry.ai.svc.cluster.local:9902' };
    expect((await ask(reachable, { path: '/readyz', headers })).status).toBe(200);
  });

  it('answers on a unix socket, whatever it is called', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-admin-'));
    const address = await admin({ bind: { kind: 'unix', path: join(directory, 'admin.sock') } });
    const answer = await ask(address, { path: '/healthz', headers: { host: 'evil.example' } });
    rmSync(directory, { recursive: true });
    expect(answer.status).toBe(200);
  });

  it('answers 500 and one log line when a page fails, and goes on', async () => {
    const log = new KeptErrors();
    const address = await admin({
      log,
      scrape: () => Promise.reject(new Error('secret')),
      config: () => {
        throw new Error('secret');
      },
    });
    for (const path of ['/metrics', '/config']) {
      expect(await ask(address, { path })).toMatchObject({ status: 500, body: 'internal error\n' });
    }
    expect(log.messages).toEqual(['admin page failed', 'admin page failed']);
    expect((await ask(address, { path: '/healthz' })).status).toBe(200);
  });
});

describe('bytes that are no request', () => {
  const garbage: readonly (readonly [name: string, bytes: string | Uint8Array])[] = [
    ['binary', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
    ['a request of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['two lengths', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx'],
    [
      'length and chunked',
      'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['CONNECT', 'CONNECT registry:443 HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['a head too large', `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(9_000)}\r\n\r\n`],
  ];
  it.each(garbage)('TL-63 closes cleanly on %s and serves the next', async (_, bytes) => {
    const address = await admin();
    const answer = await sendRaw(address, bytes);
    expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    expect((await ask(address, { path: '/healthz' })).status).toBe(200);
  });

  it('TL-63 closes cleanly on a TLS handshake and serves the next', async () => {
    const address = await admin();
    if (address.kind !== 'tcp') throw new Error('not a port');
    const failure = await new Promise((resolve) => {
      const socket = connectTls({ host: address.host, port: address.port, rejectUnauthorized: false });
      socket.on('secureConnect', () => resolve('handshake'));
      socket.on('error', resolve);
      socket.on('close', () => resolve('closed'));
    });
    expect(failure).not.toBe('handshake');
    expect((await ask(address, { path: '/healthz' })).status).toBe(200);
  });

  it('answers 431 to a head too large', async () => {
    const head = `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(9_000)}\r\n\r\n`;
    expect(await sendRaw(await admin(), head)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('answers pipelined requests in order', async () => {
    const one = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    const last = 'GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';
    const answer = await sendRaw(await admin(), one('/healthz') + one('/policy') + last);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404']);
  });

  it('takes in no body: it answers and closes', async () => {
    const head = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n\r\n';
    expect(await sendRaw(await admin(), head)).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close/i);
  });

  it('serves 64 connections at a time and no more', async () => {
    const address = await admin();
    const sockets = [];
    for (let index = 0; index < 64; index += 1) sockets.push(await connect(address));
    const refused = await connect(address);
    expect(await untilClosed(refused)).toBe('');
    for (const socket of sockets) socket.destroy();
  });
});

describe('the probe listener', () => {
  it('makes at most one scrape in 200 ms, however often it is asked', async () => {
    let scrapes = 0;
    let nowMs = 1_000;
    const address = await probes({
      scrape: () => Promise.resolve({ contentType: 'text/plain', text: `${(scrapes += 1)}` }),
      clock: { wallMs: () => 0, monotonicMs: () => nowMs },
    });
    const seen: string[] = [];
    for (const atMs of [1_000, 1_000, 1_199, 1_200, 1_399, 1_400]) {
      nowMs = atMs;
      seen.push((await ask(address, { path: '/metrics' })).body);
    }
    expect(seen).toEqual(['1', '1', '1', '2', '2', '3']);
  });

  it('takes up again after a scrape that failed', async () => {
    let nowMs = 0;
    let isBroken = true;
    const address = await probes({
      scrape: () =>
        isBroken ? Promise.reject(new Error('broken')) : Promise.resolve({ contentType: 'text/plain', text: '' }),
      clock: { wallMs: () => 0, monotonicMs: () => nowMs },
    });
    expect((await ask(address, { path: '/metrics' })).status).toBe(500);
    isBroken = false;
    nowMs = 200;
    expect((await ask(address, { path: '/metrics' })).status).toBe(200);
  });
});

describe('closing', () => {
  it('ends idle, silent and half-sent connections quickly', async () => {
    const server = createAdminServer({
      bind: LOOPBACK,
      scrape: () => new Promise(() => {}),
      readiness: [],
      config: () => ({}),
      policy: () => ({ epoch: 1, digest: '', table: () => [], text: () => '' }),
      identity: () => ({ json: null, text: '' }),
      log: new KeptErrors(),
    });
    const address = await server.listen();
    const silent = await connect(address);
    const halfSent = await connect(address);
    halfSent.write('GET /healthz HTTP/1.1\r\nhost:');
    const waiting = await connect(address);
    waiting.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const idle = await connect(address);
    idle.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await new Promise((resolve) => idle.once('data', resolve));
    const closed = Promise.all([silent, halfSent, waiting, idle].map((socket) => untilClosed(socket)));
    const start = performance.now();
    await server.close();
    await closed;
    expect(performance.now() - start).toBeLessThan(3_000);
    await expect(connect(address)).rejects.toThrow('ECONNREFUSED');
  });

  it('may happen before listening and twice', async () => {
    const address = await admin();
    expect(address.kind).toBe('tcp');
    const [server] = started;
    await server?.close();
    await server?.close();
    const never = createAdminServer({
      bind: LOOPBACK,
      scrape: () => Promise.reject(new Error('unused')),
      readiness: [],
      config: () => ({}),
      policy: () => ({ epoch: 1, digest: '', table: () => [], text: () => '' }),
      identity: () => ({ json: null, text: '' }),
      log: new KeptErrors(),
    });
    await never.close();
  });
});
