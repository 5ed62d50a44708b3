// WebSockets over HTTP/2 (RFC 8441): the same question to policy as over HTTP/1.1, and an HTTP/1.1 upstream behind it.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { RequestDecoder } from '../../src/http1/request-decoder.ts';
import { RequestFieldsReader } from '../../src/http2/request-fields.ts';
import { answerOf, connectHttp2, request } from '../support/http2-peer.ts';
import {
  ARTICLE_POLICY,
  compilePolicy,
  OK,
  type ProxyFixture,
  startProxy,
  WEBSOCKET_POLICY,
} from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';

const CONNECT = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/socket' };
const FRAME = '\x81\x05\0\xffhello';
const POLICY = { policy: WEBSOCKET_POLICY } as const;

/** Once the proxy has said that it may. */
async function connected(proxy: ProxyFixture): Promise<ClientHttp2Session> {
  const session = await connectHttp2(proxy);
  if (session.remoteSettings?.enableConnectProtocol !== true) {
    await new Promise((resolve) => session.once('remoteSettings', resolve));
  }
  return session;
}

function open(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request(
    { ...CONNECT, ':authority': 'registry', 'sec-websocket-version': '13', ...headers },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  return stream;
}

function statusOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) => resolve(headers[':status']));
    stream.once('close', () => reject(new Error('closed')));
  });
}

async function received(stream: ClientHttp2Stream, end: string): Promise<string> {
  let text = '';
  for await (const bytes of stream.iterator({ destroyOnReturn: false })) {
    text += Buffer.from(bytes as Uint8Array).toString('latin1');
    if (text.endsWith(end)) break;
  }
  return text;
}

function acceptOf(head: string): string {
  const key = /\r\nsec-websocket-key: (.*)\r\n/.exec(head)?.[1] ?? '';
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

function switchFor(head: string): string {
  return `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${acceptOf(head)}\r\n\r\n`;
}

describe('H2-89 a WebSocket over HTTP/2', () => {
  it('is offered, and is a regular upgrade to the upstream', async () => {
    const { proxy, upstream } = await openSetting((head, socket) => socket.write(switchFor(head)), POLICY);
    const session = await connected(proxy);
    expect(session.remoteSettings?.enableConnectProtocol).toBe(true);
    const stream = open(session, { 'sec-websocket-key': 'of the peer', 'sec-websocket-protocol': 'v1.kernel' });
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve));
    expect(headers).toMatchObject({ ':status': 200 });
    expect(headers).not.toHaveProperty('sec-websocket-accept');
    expect(upstream.received).toMatch(/^GET \/socket HTTP\/1\.1\r\nhost: registry\r\n/);
    expect(upstream.received).toMatch(/\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n$/);
    expect(upstream.received.match(/\r\nsec-websocket-key: [A-Za-z0-9+/]{22}==\r\n/g)).toHaveLength(1);
    expect(upstream.received).not.toContain('of the peer');
    expect(upstream.received).toContain('\r\nsec-websocket-protocol: v1.kernel\r\n');
    expect(upstream.received).not.toContain('transfer-encoding');
  });

  it('carries octets both ways as they are, and is recorded once, as the upgrade over HTTP/1.1 is', async () => {
    const { proxy, upstream } = await openSetting((head, socket) => socket.write(switchFor(head)), POLICY);
    const stream = open(await connected(proxy));
    expect(await statusOf(stream)).toBe(200);
    stream.write(FRAME, 'latin1');
    await upstream.until((all) => all.received.endsWith(`\r\n\r\n${FRAME}`));
    upstream.sockets[0]?.write(FRAME, 'latin1');
    expect(await received(stream, FRAME)).toBe(FRAME);
    expect(proxy.recorder.requests).toEqual([]);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    upstream.sockets[0]?.end();
    stream.resume();
    stream.end();
    await closed;
    expect(stream.rstCode).toBe(0);
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

  it('speaks with a common server', async () => {
    const http = createServer();
    const server = new WebSocketServer({ server: http });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const each of server.clients) each.terminate();
      http.close();
    });
    const address = http.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const proxy = await startProxy(address.port, POLICY);
    onTestFinished(() => proxy.close());
    const served = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
    const stream = open(await connected(proxy));
    expect(await statusOf(stream)).toBe(200);
    const socket = await served;
    const message = new Promise<string>((resolve) =>
      socket.once('message', (data: Buffer) => resolve(data.toString())),
    );
    // RFC 6455 §5.3: what a client sends is masked, be it with nothing.
    stream.write('\x81\x85\0\0\0\0hello', 'latin1');
    expect(await message).toBe('hello');
    socket.send('and back');
    expect(await received(stream, 'and back')).toBe('\x81\x08and back');
    socket.close(4_001);
    stream.write('\x88\x82\0\0\0\0\x0f\xa1', 'latin1');
    stream.resume();
    await new Promise((resolve) => stream.once('end', resolve));
    stream.end();
    await new Promise((resolve) => stream.once('close', resolve));
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: null })]);
  });

  it('is 403 without a rule that names it, and the connection goes on', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK));
    const session = await connected(proxy);
    const answer = await answerOf(open(session));
    expect(answer.status).toBe(403);
    expect(upstream.sockets).toEqual([]);
    expect((await request(session, { ':path': '/socket' })).status).toBe(200);
    expect(proxy.recorder.requests[0]).toMatchObject({
      upgrade: 'websocket',
      method: 'GET',
      decision: { reason: 'conditions-not-met' },
    });
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['CONNECT alone', { ':protocol': '' }, 'method-not-supported'],
    ['another protocol', { ':protocol': 'connect-udp' }, 'method-not-supported'],
    ['another case', { ':protocol': 'WebSocket' }, 'method-not-supported'],
    ['H1-74 h2c', { ':protocol': 'h2c' }, 'method-not-supported'],
    ['several protocols', { ':protocol': 'websocket, tls/1.3' }, 'method-not-supported'],
    ['a protocol that ends its line', { ':protocol': 'websocket\r\nx: y' }, 'field-break'],
    ['another method', { ':method': 'GET' }, 'pseudo-field'],
    ['no authority', { ':authority': '' }, 'pseudo-field'],
    ['no path', { ':path': '' }, 'pseudo-field'],
    ['a plain scheme', { ':scheme': 'http' }, 'scheme-not-supported'],
    ['H1-75 a body', { 'content-length': '5' }, 'upgrade-with-body'],
    ['Upgrade beside it', { upgrade: 'websocket' }, 'connection-field'],
    ['Connection beside it', { connection: 'upgrade' }, 'connection-field'],
  ])('is refused with %s', (_, changed, code) => {
    const fields = { ...CONNECT, ':authority': 'registry', ...changed };
    const raw = Object.entries(fields).flatMap(([name, value]) => (value === '' ? [] : [name, value]));
    const reader = new RequestFieldsReader({ maxHeadBytes: 1024, maxFieldCount: 10 }, () => true, 'https');
    expect(() => reader.read(raw, 'goes-on')).toThrow(expect.objectContaining({ code }));
  });

  it('asks policy and upstream the same as over HTTP/1.1', () => {
    const fields = [...Object.entries({ ...CONNECT, ':authority': 'registry' }).flat(), 'x-mine', 'yes'];
    const limits = { maxHeadBytes: 1024, maxFieldCount: 10 };
    const decoder = new RequestDecoder(limits);
    decoder.push(
      Buffer.from(
        'GET /socket HTTP/1.1\r\nhost: registry\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-mine: yes\r\n\r\n',
      ),
    );
    decoder.next();
    const overHttp2 = new RequestFieldsReader(limits, () => true, 'https').read(fields, 'goes-on');
    expect(overHttp2).toEqual({ ...decoder.head, version: '2', persistent: true });
  });

  it('is refused when its half is over before it begins', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK), POLICY);
    const session = await connected(proxy);
    const answer = await answerOf(session.request({ ...CONNECT, ':authority': 'registry' }, { endStream: true }));
    expect(answer.status).toBe(400);
    expect(upstream.sockets).toEqual([]);
  });

  it.each<[string, (head: string) => string]>([
    // Over HTTP/2 a 200 would say that it has switched.
    ['answers with 200', () => OK],
    ['answers with 204', () => 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['accepts another key', (head) => switchFor(head).replace(/accept: ..../, 'accept: AAAA')],
    ['accepts none', (head) => switchFor(head).replace(/sec-websocket-accept.*\r\n/, '')],
    ['accepts twice', (head) => switchFor(head).replace(/(sec-websocket-accept.*\r\n)/, '$1$1')],
    ['switches to another protocol', (head) => switchFor(head).replace('websocket\r\n', 'tls/1.3\r\n')],
  ])('is 502 when the upstream %s', async (_, answer) => {
    const { proxy } = await openSetting((head, socket) => socket.write(answer(head) + FRAME, 'latin1'), POLICY);
    const { status, body } = await answerOf(open(await connected(proxy)));
    expect(status).toBe(502);
    expect(body).not.toContain('hello');
    expect(proxy.recorder.requests).toEqual([
      expect.objectContaining({ refusal: 'upstream-invalid-response', status: 502 }),
    ]);
  });

  it('is told what the upstream answers instead', async () => {
    const { proxy } = await openSetting(
      (_head, socket) => socket.write('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno'),
      POLICY,
    );
    expect(await answerOf(open(await connected(proxy)))).toMatchObject({ status: 426, body: 'no' });
  });

  it('is cut within a second when policy turns against it, and its connection goes on', async () => {
    const { proxy } = await openSetting(
      (head, socket) => socket.write(head.includes('websocket') ? switchFor(head) : OK),
      POLICY,
    );
    const session = await connected(proxy);
    const stream = open(session);
    await statusOf(stream);
    proxy.policy.swap(compilePolicy(WEBSOCKET_POLICY.replace('registry: [read]', 'registry: [read, write]')));
    const closed = new Promise((resolve) => stream.once('close', resolve));
    const start = performance.now();
    expect(stream.closed).toBe(false);
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    await closed;
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: 'policy-changed' })]);
    expect((await request(session, { ':path': '/x' })).status).toBe(200);
  });
});
