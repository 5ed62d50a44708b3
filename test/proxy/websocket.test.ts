// WebSockets of a common client and server through the proxy.

import { createServer, type Server } from 'node:http';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { compileRevocations } from '../../src/revocation/revocations.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import {
  ARTICLE_POLICY,
  bundlesOf,
  compilePolicy,
  type ProxyFixture,
  type ProxyOptions,
  startProxy,
  WEBSOCKET_POLICY,
} from '../support/proxy-fixture.ts';

interface Received {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

interface WebSocketSetting {
  readonly proxy: ProxyFixture;
  readonly client: WebSocket;
  /** The other end of `client`. */
  readonly served: WebSocket;
}

/** A server behind the proxy, and a client that has connected through it. */
async function openWebSocket(
  options: ProxyOptions = {},
  serverOptions: { readonly perMessageDeflate?: boolean } = {},
): Promise<WebSocketSetting> {
  const http: Server = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false, ...serverOptions });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const each of server.clients) each.terminate();
    http.close();
  });
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const proxy = await startProxy(address.port, { policy: WEBSOCKET_POLICY, ...options });
  onTestFinished(() => proxy.close());
  const connected = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  const client = dial(proxy);
  await new Promise((resolve, reject) => {
    client.once('open', resolve);
    client.once('error', reject);
  });
  return { proxy, client, served: await connected };
}

function dial({ port, authority }: ProxyFixture, path = '/socket'): WebSocket {
  const { certificatePem, privateKeyPem } = authority.issue('/training/job');
  const client = new WebSocket(`wss://localhost:${port}${path}`, ['v1.kernel', 'v2.kernel'], {
    createConnection: () =>
      connectTls({
        host: '127.0.0.1',
        port,
        servername: 'localhost',
        ca: authority.certificatePem,
        cert: certificatePem,
        key: privateKeyPem,
      }),
  });
  onTestFinished(() => client.terminate());
  return client;
}

function nextMessage(socket: WebSocket): Promise<Received> {
  return new Promise((resolve) => {
    socket.once('message', (data: Buffer, isBinary: boolean) => resolve({ data, isBinary }));
  });
}

function closeOf(socket: WebSocket): Promise<{ readonly code: number; readonly reason: string }> {
  return new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
}

describe('a WebSocket through the proxy', () => {
  it('agrees on a subprotocol, and carries text and binary both ways', async () => {
    const { client, served } = await openWebSocket();
    expect(client.protocol).toBe('v1.kernel');
    for (const [from, to] of [
      [client, served],
      [served, client],
    ] as const) {
      const text = nextMessage(to);
      from.send('grüße');
      expect(await text).toEqual({ data: Buffer.from('grüße'), isBinary: false });
      const binary = nextMessage(to);
      from.send(Buffer.from([0, 255, 13, 10, 13, 10]));
      expect(await binary).toEqual({ data: Buffer.from([0, 255, 13, 10, 13, 10]), isBinary: true });
    }
  });

  it.each([
    ['plain', false],
    ['compressed', true],
  ] as const)('carries large %s messages whole', async (_, perMessageDeflate) => {
    const { client, served } = await openWebSocket({}, { perMessageDeflate });
    expect(client.extensions.includes('permessage-deflate')).toBe(perMessageDeflate);
    const large = Buffer.alloc(20 * 1024 * 1024, 'model weights, ');
    const there = nextMessage(served);
    client.send(large);
    expect((await there).data.equals(large)).toBe(true);
    const back = nextMessage(client);
    served.send(large);
    expect((await back).data.equals(large)).toBe(true);
  });

  it('carries both directions at once', async () => {
    const { client, served } = await openWebSocket();
    const count = 2_000;
    const gather = (socket: WebSocket): Promise<string[]> =>
      new Promise((resolve) => {
        const all: string[] = [];
        socket.on('message', (data: Buffer) => {
          all.push(data.toString());
          if (all.length === count) resolve(all);
        });
      });
    const gathered = Promise.all([gather(client), gather(served)]);
    for (let index = 0; index < count; index += 1) {
      client.send(`up ${index}`);
      served.send(`down ${index}`);
    }
    const [down, up] = await gathered;
    expect(down).toEqual(Array.from({ length: count }, (_, index) => `down ${index}`));
    expect(up).toEqual(Array.from({ length: count }, (_, index) => `up ${index}`));
  });

  it('carries pings and pongs of either side', async () => {
    const { client, served } = await openWebSocket();
    for (const socket of [client, served]) {
      const pong = new Promise<Buffer>((resolve) => socket.once('pong', resolve));
      socket.ping('alive?');
      expect((await pong).toString()).toBe('alive?');
    }
  });

  it.each([
    ['client', 4_001],
    ['server', 1_012],
  ])('carries the close code of the %s, and is recorded as ended in good order', async (side, code) => {
    const { proxy, client, served } = await openWebSocket();
    const [from, to] = side === 'client' ? [client, served] : [served, client];
    const closed = closeOf(to);
    from.close(code, 'done');
    expect(await closed).toEqual({ code, reason: 'done' });
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: null })]);
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('keeps little of what a slow reader does not take', async () => {
    const { client, served } = await openWebSocket();
    client.pause();
    const piece = Buffer.alloc(1024 * 1024);
    const total = 256;
    const before = process.memoryUsage().external;
    // What waits in here waits at the sender, in one buffer that all pieces share.
    for (let index = 0; index < total; index += 1) served.send(piece, { compress: false });
    for (let waiting = -1; waiting !== served.bufferedAmount; ) {
      waiting = served.bufferedAmount;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(served.bufferedAmount).toBeGreaterThan((total / 2) * piece.length);
    expect(process.memoryUsage().external - before).toBeLessThan(64 * 1024 * 1024);
    let received = 0;
    const all = new Promise<void>((resolve) => {
      client.on('message', (data: Buffer) => {
        received += data.length;
        if (received === total * piece.length) resolve();
      });
    });
    client.resume();
    await all;
  });

  it('is refused with 403 where no rule allows it', async () => {
    const { proxy } = await openWebSocket();
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    const refused = dial(proxy);
    const error = await new Promise<Error>((resolve) => refused.once('error', resolve));
    expect(error.message).toBe('Unexpected server response: 403');
  });
});

describe('a WebSocket under change', () => {
  it.each<[string, (proxy: ProxyFixture) => void]>([
    ['policy-changed', ({ policy }) => policy.swap(compilePolicy(ARTICLE_POLICY))],
    [
      'revoked',
      ({ revocations }) =>
        revocations.swap(
          compileRevocations({
            entries: [
              {
                target: { kind: 'id', pattern: parseIdPattern('/training/**', parseTrustDomain('ai.example')) },
                reason: 'key leaked',
                atMs: 0,
                expiresMs: null,
              },
            ],
            crls: [],
          }),
        ),
    ],
    ['trust-changed', ({ trust }) => trust.swap(bundlesOf([]))],
  ])('is cut at both ends within a second: %s', async (reason, lose) => {
    const { proxy, client, served } = await openWebSocket();
    const closed = Promise.all([closeOf(client), closeOf(served)]);
    const start = performance.now();
    lose(proxy);
    // RFC 6455 §7.1.5: neither was told anything in its own protocol.
    expect((await closed).map(({ code }) => code)).toEqual([1006, 1006]);
    expect(performance.now() - start).toBeLessThan(1_000);
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: reason })]);
  });

  it('goes on when policy changes for others', async () => {
    const { proxy, client, served } = await openWebSocket();
    proxy.policy.swap(compilePolicy(WEBSOCKET_POLICY.replace('registry: [read]', 'registry: [read, write]')));
    const echo = nextMessage(client);
    const there = nextMessage(served);
    client.send('still there?');
    expect((await there).data.toString()).toBe('still there?');
    served.send('yes');
    expect((await echo).data.toString()).toBe('yes');
    expect(proxy.recorder.requests).toEqual([]);
  });
});
