// WebSockets towards an upstream of HTTP/2 (RFC 8441), from peers of either version.

import { createHash } from 'node:crypto';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type H2cAnswer, H2cUpstream } from '../support/h2c-upstream.ts';
import { answerOf, connectHttp2 } from '../support/http2-peer.ts';
import {
  ARTICLE_POLICY,
  compilePolicy,
  type ProxyFixture,
  type ProxyOptions,
  type RawPeer,
  startProxy,
  WEBSOCKET_POLICY,
} from '../support/proxy-fixture.ts';
import { connectTraining } from '../support/proxy-setting.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const UPGRADE = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n`;
const FRAME = '\x81\x05\0\xffhello';
const SWITCHED = /^HTTP\/1\.1 101 /;

interface Setting {
  readonly upstream: H2cUpstream;
  readonly proxy: ProxyFixture;
}

async function openH2c(answer: H2cAnswer, takesWebSockets = true, options: ProxyOptions = {}): Promise<Setting> {
  const upstream = await H2cUpstream.start(answer, {
    settings: { enableConnectProtocol: takesWebSockets },
    strictSingleValueFields: false,
  });
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, { policy: WEBSOCKET_POLICY, ...options, speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  return { upstream, proxy };
}

const echo: H2cAnswer = (stream) => {
  stream.respond({ ':status': 200 });
  stream.pipe(stream);
};

async function upgrade(proxy: ProxyFixture, fields = UPGRADE): Promise<RawPeer> {
  const peer = await connectTraining(proxy);
  peer.request('GET', '/socket', fields);
  return peer;
}

async function connected(proxy: ProxyFixture): Promise<ClientHttp2Session> {
  const session = await connectHttp2(proxy);
  if (session.remoteSettings?.enableConnectProtocol !== true)
    await new Promise((resolve) => session.once('remoteSettings', resolve));
  return session;
}

function open(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const asked = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/socket' };
  const stream = session.request(
    { ...asked, ':authority': 'registry', 'sec-websocket-version': '13', ...headers },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  return stream;
}

describe('a WebSocket to an upstream of HTTP/2', () => {
  it('is an extended CONNECT there, and what the handshake of HTTP/1.1 has besides is made here', async () => {
    let asked: readonly string[] = [];
    const { proxy } = await openH2c((stream, _headers, raw) => {
      asked = raw;
      stream.respond({ ':status': 200, 'sec-websocket-protocol': 'v1.kernel', 'sec-websocket-accept': 'forged' });
    });
    const peer = await upgrade(proxy, `${UPGRADE}sec-websocket-protocol: v1.kernel\r\n`);
    const head = await peer.until((text) => text.endsWith('\r\n\r\n'));
    expect(head).toMatch(SWITCHED);
    expect(head).toContain('\r\nconnection: upgrade\r\nupgrade: websocket\r\n');
    // RFC 6455 §1.3.
    expect(head.match(/\r\nsec-websocket-accept: (.*)\r\n/g)).toEqual([
      '\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n',
    ]);
    expect(head).toContain('\r\nsec-websocket-protocol: v1.kernel\r\n');
    expect(asked.slice(0, 10)).toEqual(
      [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':scheme', 'http'],
        [':authority', 'registry'],
        [':path', '/socket'],
      ].flat(),
    );
    expect(asked).not.toContain('sec-websocket-key');
    expect(asked).not.toContain('upgrade');
    expect(asked).not.toContain('connection');
    expect(asked.slice(asked.indexOf('sec-websocket-version'))[1]).toBe('13');
    expect(asked).toContain('x-spiffe-id');
  });

  it('carries octets both ways as they are, and is recorded once, as to one of HTTP/1.1', async () => {
    const { proxy } = await openH2c(echo);
    const peer = await upgrade(proxy);
    await peer.until((text) => SWITCHED.test(text) && text.endsWith('\r\n\r\n'));
    peer.received = '';
    peer.send(FRAME);
    expect(await peer.until((text) => text.length >= FRAME.length)).toBe(FRAME);
    expect(proxy.recorder.requests).toEqual([]);
    peer.socket.end();
    await peer.closed();
    expect(proxy.recorder.requests).toEqual([
      expect.objectContaining({
        method: 'GET',
        path: '/socket',
        upgrade: 'websocket',
        status: 101,
        refusal: null,
        requestBytes: FRAME.length,
        responseBytes: FRAME.length,
      }),
    ]);
  });

  it('is one for a peer of HTTP/2 too, by a key that neither of them sees', async () => {
    let asked: readonly string[] = [];
    const { proxy } = await openH2c((stream, headers, raw) => {
      asked = raw;
      echo(stream, headers, raw);
    });
    const stream = open(await connected(proxy));
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve));
    expect(headers).toMatchObject({ ':status': 200 });
    expect(headers).not.toHaveProperty('sec-websocket-accept');
    expect(asked).not.toContain('sec-websocket-key');
    stream.write(FRAME, 'latin1');
    const [bytes] = (await new Promise((resolve) => stream.once('data', (...all) => resolve(all)))) as Buffer[];
    expect(bytes?.toString('latin1')).toBe(FRAME);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.end();
    await closed;
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: null })]);
  });

  it('carries more than any window both ways, between a common client and server', async () => {
    const server = new WebSocketServer({ noServer: true });
    const { proxy } = await openH2c((stream) => serve(server, stream));
    server.on('connection', (socket: WebSocket) => socket.on('message', (data) => socket.send(data)));
    const { certificatePem, privateKeyPem } = proxy.authority.issue('/training/job');
    const client = new WebSocket(`wss://registry:${proxy.port}/socket`, {
      headers: { host: 'registry' },
      createConnection: () =>
        connectTls({
          host: '127.0.0.1',
          port: proxy.port,
          ca: proxy.authority.certificatePem,
          checkServerIdentity: () => undefined,
          cert: certificatePem,
          key: privateKeyPem,
        }),
    });
    onTestFinished(() => client.terminate());
    await new Promise((resolve, reject) => {
      client.once('open', resolve);
      client.once('error', reject);
    });
    const large = Buffer.alloc(3 * 1024 * 1024, 'model weights, ');
    const back = new Promise<Buffer>((resolve) => client.once('message', (data: Buffer) => resolve(data)));
    client.send(large);
    expect((await back).equals(large)).toBe(true);
  });

  it('ends with the upstream', async () => {
    const { upstream, proxy } = await openH2c((stream) => stream.respond({ ':status': 200 }));
    const peer = await upgrade(proxy);
    await peer.until((text) => SWITCHED.test(text));
    upstream.streams[0]?.end('last');
    expect(await peer.closed()).toMatch(/last$/);
    expect(proxy.recorder.requests).toMatchObject([{ status: 101, refusal: null }]);
  });

  it('is cut with the stream, and no other with it', async () => {
    const { upstream, proxy } = await openH2c((stream) => stream.respond({ ':status': 200 }));
    const [first, second] = [await upgrade(proxy), await upgrade(proxy)];
    for (const peer of [first, second]) await peer.until((text) => SWITCHED.test(text));
    upstream.streams[0]?.destroy(new Error('cut'));
    await first.closed();
    expect(proxy.recorder.requests).toMatchObject([{ status: 101, refusal: 'upstream-reset' }]);
    upstream.streams[1]?.write('still');
    expect(await second.until((text) => text.endsWith('still'))).toMatch(/still$/);
    expect(upstream.sessions).toHaveLength(1);
  });

  it('is cut when policy turns against it, and cancelled at the upstream', async () => {
    const { upstream, proxy } = await openH2c((stream) => stream.respond({ ':status': 200 }));
    const peer = await upgrade(proxy);
    await peer.until((text) => SWITCHED.test(text));
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    await peer.closed();
    await upstream.until(({ streams }) => streams[0]?.closed === true);
    expect(upstream.streams[0]?.rstCode).toBe(8);
    expect(proxy.recorder.requests).toMatchObject([{ status: 101, refusal: 'policy-changed' }]);
  });

  it('is told what the upstream answers instead', async () => {
    const { proxy } = await openH2c((stream) => {
      stream.respond({ ':status': 403, 'content-length': 2 });
      stream.end('no');
    });
    expect(await (await upgrade(proxy)).response()).toMatchObject({ status: 403, body: 'no' });
    expect(await answerOf(open(await connected(proxy)))).toMatchObject({ status: 403, body: 'no' });
  });

  it('has no length, whatever is announced', async () => {
    const { proxy } = await openH2c((stream) => {
      stream.respond({ ':status': 200, 'content-length': 3 });
      stream.write('abc');
    });
    const peer = await upgrade(proxy);
    const received = await peer.until((text) => text.endsWith('abc'));
    expect(received).toMatch(SWITCHED);
    expect(received).not.toContain('content-length');
    expect(peer.ended).toBe(false);
  });

  it('is refused with an answer that HTTP/1.1 would refuse', async () => {
    const { proxy } = await openH2c((stream) =>
      stream.respond([':status', '200', 'x-a', 'b', 'set-cookie', 'a=b', 'content-type', 'a/b', 'content-type', 'c/d']),
    );
    expect((await (await upgrade(proxy)).response()).status).toBe(502);
  });

  it.each<[string, string]>([
    ['no key', UPGRADE.replace(/sec-websocket-key.*\r\n/, '')],
    ['two keys', `${UPGRADE}sec-websocket-key: ${KEY}\r\n`],
    ['a key that is none', UPGRADE.replace(KEY, 'short')],
  ])('is none with %s, and the upstream is asked the plain GET', async (_name, fields) => {
    let method: unknown;
    const { proxy } = await openH2c((stream, headers) => {
      method = headers[':method'];
      stream.respond({ ':status': 400 }, { endStream: true });
    });
    expect((await (await upgrade(proxy, fields)).response()).status).toBe(400);
    expect(method).toBe('GET');
  });

  it('is none where the upstream does not take any, which is asked the plain GET', async () => {
    let method: unknown;
    const { proxy } = await openH2c((stream, headers) => {
      method = headers[':method'];
      stream.respond({ ':status': 200, 'content-length': 2 });
      stream.end('ok');
    }, false);
    expect(await (await upgrade(proxy)).response()).toMatchObject({ status: 200, body: 'ok' });
    expect(method).toBe('GET');
    // To a peer over HTTP/2 a 200 would say that it has switched.
    expect((await answerOf(open(await connected(proxy)))).status).toBe(502);
  });

  it('is none for another protocol', async () => {
    const policy = WEBSOCKET_POLICY.replace('upgrades: [websocket]', 'upgrades: [websocket, spdy/3.1]');
    let method: unknown;
    const { proxy } = await openH2c(
      (stream, headers) => {
        method = headers[':method'];
        stream.respond({ ':status': 200, 'content-length': 2 });
        stream.end('ok');
      },
      true,
      { policy },
    );
    const peer = await upgrade(proxy, UPGRADE.replace('upgrade: websocket', 'upgrade: spdy/3.1'));
    expect((await peer.response()).status).toBe(200);
    expect(method).toBe('GET');
  });
});

/** `ws` knows nothing of HTTP/2: it is handed the stream as if it were the socket of a connection that has asked to switch. */
function serve(server: WebSocketServer, stream: ServerHttp2Stream): void {
  const key = createHash('md5').update('any').digest('base64');
  const headers = { upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13' };
  stream.respond({ ':status': 200 });
  // It begins with the answer of HTTP/1.1, which the peer has had from elsewhere.
  let isAnswered = false;
  const socket = new Proxy(stream, {
    get: (target, name) => {
      if (name === 'setNoDelay' || name === 'setTimeout') return () => socket;
      if (name === 'write' && !isAnswered) {
        return () => {
          isAnswered = true;
          return true;
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const request = { method: 'GET', headers, url: '/socket' };
  Reflect.apply(Reflect.get(server, 'handleUpgrade'), server, [
    request,
    socket,
    Buffer.alloc(0),
    (each: WebSocket) => server.emit('connection', each, request),
  ]);
}
