// How checks travel: deadlines, framing, callers over mTLS, the end of a service.

import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { credentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemSchedule } from '../../src/core/clock.ts';
import { GrpcService, type GrpcBind } from '../../src/extauthz/grpc-service.ts';
import { CHECK_PATH, CHECK_REQUEST } from '../../src/extauthz/messages.ts';
import { CODE, data, FLAG, frame, FRAME, headers, reset, settings, uint32 } from '../support/http2-frames.ts';
import { bundlesOf } from '../support/proxy-fixture.ts';
import { createTestAuthority, testAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import {
  checkOf,
  EnvoyClient,
  openSetting,
  type Setting,
  type SettingOptions,
  statusOf,
  temporaryDirectory,
} from './setting.ts';

const job = testAuthority().issue('/training/job');
const gateway = testAuthority().issue('/gateway/envoy');
const allowed = checkOf({ svid: job });

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function start(
  bind: GrpcBind,
  options: SettingOptions = {},
): Promise<{ setting: Setting; service: GrpcService; target: string }> {
  const setting = openSetting(options);
  const service = new GrpcService(setting.context, bind);
  closing.push(() => service.close());
  const address = await service.listen();
  return {
    setting,
    service,
    target: address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`,
  };
}

const unixBind = (): GrpcBind => ({ kind: 'unix', path: join(temporaryDirectory(), 'authz.sock'), mode: 0o600 });
const tcpBind: GrpcBind = {
  kind: 'tcp',
  host: '127.0.0.1',
  port: 0,
  mayAsk: (caller) => caller.startsWith('spiffe://ai.example/gateway/'),
};

function clientOf(target: string, svid: TestSvid | null = null): EnvoyClient {
  const channel =
    svid === null
      ? credentials.createInsecure()
      : credentials.createSsl(
          Buffer.from(testAuthority().certificatePem),
          Buffer.from(svid.privateKeyPem),
          Buffer.from(svid.certificatePem),
        );
  const client = new EnvoyClient(target, channel);
  closing.push(() => client.close());
  return client;
}

/** A time that a test turns; every decision takes `tookMs` of it. */
class TurnedClock implements Clock {
  monotonic = 1_000;
  tookMs = 0;
  wallMs = (): number => {
    this.monotonic += this.tookMs;
    return Date.now();
  };
  monotonicMs = (): number => this.monotonic;
}

interface RawAnswer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

function openRaw(target: string): ClientHttp2Session {
  const session = connectHttp2('http://localhost', {
    createConnection: () => createConnection(target.slice('unix:'.length)),
  });
  session.on('error', () => undefined);
  closing.push(() => session.destroy());
  return session;
}

/** Null: the message is never ended. */
function call(session: ClientHttp2Session, headers: OutgoingHttpHeaders, message: Buffer | null): Promise<RawAnswer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': CHECK_PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  const answer: { headers: object; trailers: object } = { headers: {}, trailers: {} };
  const chunks: Buffer[] = [];
  stream.on('error', () => undefined);
  stream.on('response', (fields) => (answer.headers = fields));
  stream.on('trailers', (fields) => (answer.trailers = fields));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (message !== null) stream.end(message);
  return new Promise((resolve) => {
    const done = (): void =>
      resolve({ headers: { ...answer.headers }, trailers: { ...answer.trailers }, body: Buffer.concat(chunks) });
    stream.on('end', done);
    stream.on('close', done);
  });
}

/** By then the service has what was sent before. */
async function roundTrip(session: ClientHttp2Session): Promise<void> {
  if (session.connecting) await once(session, 'connect');
  await new Promise<void>((resolve, reject) => {
    session.ping((error) => (error === null ? resolve() : reject(error)));
  });
}

function framed(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const message = CHECK_REQUEST.encode(allowed);

describe('EX-168 a deadline', () => {
  it('that is over by the time of the decision makes a denial of an allow', async () => {
    const clock = new TurnedClock();
    const { setting, target } = await start(unixBind(), { clock });
    const session = openRaw(target);
    expect((await call(session, { 'grpc-timeout': '60S' }, framed(message))).trailers).toMatchObject({
      'grpc-status': '0',
    });
    clock.tookMs = 61_000;
    const { headers, body } = await call(session, { 'grpc-timeout': '60S' }, framed(message));
    expect(headers).toMatchObject({ ':status': 200, 'grpc-status': String(status.DEADLINE_EXCEEDED) });
    expect(body).toHaveLength(0);
    expect(setting.recorder.requests.map(({ refusal }) => refusal)).toEqual([null, 'decision-late']);
  });

  it('that is over before the message has come ends the call undecided', async () => {
    const { setting, target } = await start(unixBind(), {
      // Time is over at once where it is short, and never where it is long.
      schedule: (delayMs, callback) => systemSchedule(delayMs > 5_000 ? 1_000_000 : 0, callback),
    });
    const { headers } = await call(openRaw(target), { 'grpc-timeout': '1S' }, null);
    expect(headers).toMatchObject({ 'grpc-status': String(status.DEADLINE_EXCEEDED) });
    expect(setting.recorder.requests).toEqual([]);
  });

  it.each(['', '1', 'S', '1s', '-1S', '1.5S', '123456789S', '１S'])('written as `%s` is refused', async (timeout) => {
    const { setting, target } = await start(unixBind());
    const { headers } = await call(
      openRaw(target),
      { 'grpc-timeout': Buffer.from(timeout).toString('latin1') },
      framed(message),
    );
    expect(headers).toMatchObject({ 'grpc-status': String(status.INVALID_ARGUMENT) });
    expect(setting.recorder.requests).toEqual([]);
  });
});

describe('a call', () => {
  it.each<[string, OutgoingHttpHeaders, Buffer, Readonly<Record<string, unknown>>]>([
    ['by GET', { ':method': 'GET' }, Buffer.alloc(0), { ':status': 405 }],
    ['of another content type', { 'content-type': 'application/json' }, framed(message), { ':status': 415 }],
    [
      'of another encoding of messages',
      { 'content-type': 'application/grpc+json' },
      framed(message),
      { ':status': 415 },
    ],
    [
      'of another method',
      { ':path': '/envoy.service.auth.v2.Authorization/Check' },
      framed(message),
      { 'grpc-status': '12' },
    ],
    ['with a compressed message', {}, framed(message, 1), { 'grpc-status': '12' }],
    ['with nothing', {}, Buffer.alloc(0), { 'grpc-status': '13' }],
    ['with half a prefix', {}, Buffer.alloc(3), { 'grpc-status': '13' }],
    ['with less than it announces', {}, framed(message).subarray(0, -1), { 'grpc-status': '13' }],
    ['with two messages', {}, Buffer.concat([framed(message), framed(message)]), { 'grpc-status': '13' }],
  ])('%s is refused, undecided', async (_name, headers, bytes, expected) => {
    const { setting, target } = await start(unixBind());
    const answer = await call(openRaw(target), headers, bytes);
    expect(answer.headers).toMatchObject(expected);
    expect(answer.body).toHaveLength(0);
    expect(setting.recorder.requests).toEqual([]);
  });
});

/** Octets by hand; resolves with what came back when the service has ended the connection. */
async function sendFrames(target: string, frames: readonly Buffer[]): Promise<Buffer> {
  const socket = createConnection(target.slice('unix:'.length));
  closing.push(() => socket.destroy());
  const pieces: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (bytes: Buffer) => pieces.push(bytes));
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings(), ...frames]));
  await once(socket, 'close');
  return Buffer.concat(pieces);
}

const ASKED: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'localhost'],
  [':path', CHECK_PATH],
  ['content-type', 'application/grpc'],
];

describe('a data plane that does what none has to', () => {
  const times = (count: number, make: (at: number) => Buffer): readonly Buffer[] =>
    Array.from({ length: count }, (_, at) => make(at));

  it.each<[string, readonly Buffer[]]>([
    ['floods with PING', times(3_000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)))],
    ['floods with SETTINGS', times(3_000, () => settings())],
    [
      'breaks off what it asks',
      times(3_000, (at) => Buffer.concat([headers(2 * at + 1, ASKED), reset(2 * at + 1, CODE.cancel)])),
    ],
  ])('is told to calm down when it %s, and left', async (_name, frames) => {
    const { setting, target } = await start(unixBind());
    const received = await sendFrames(target, frames);
    // GOAWAY ends with its code.
    expect(received.readUInt32BE(received.length - 4)).toBe(CODE.enhanceYourCalm);
    expect(setting.recorder.requests).toEqual([]);
  });

  it('may send as many PINGs as it has answers, as grpc-go does to measure the path', async () => {
    // Time stands still: nothing is forgiven for its passing.
    const { setting, target } = await start(unixBind(), { clock: new TurnedClock() });
    const body = frame(FRAME.data, FLAG.endStream, 1, framed(message));
    const asks = times(1_500, (at) => {
      body.writeUInt32BE(2 * at + 1, 5);
      return Buffer.concat([headers(2 * at + 1, ASKED), body, frame(FRAME.ping, 0, 0, Buffer.alloc(8))]);
    });
    // What ends it is none of that.
    const window = frame(FRAME.windowUpdate, 0, 0, uint32(1_000_000));
    const received = await sendFrames(target, [window, ...asks, data(9_999, 'of no stream')]);
    expect(received.readUInt32BE(received.length - 4)).toBe(CODE.protocolError);
    expect(setting.recorder.requests).toHaveLength(1_500);
  });

  it('is left when it connects and says nothing, and kept once it has said hello', async () => {
    const due = new Set<() => void>();
    const { target } = await start(unixBind(), {
      schedule: (_delayMs, callback) => {
        due.add(callback);
        return () => void due.delete(callback);
      },
    });
    const silent = createConnection(target.slice('unix:'.length)).resume();
    closing.push(() => silent.destroy());
    await once(silent, 'data');
    expect(due.size).toBe(1);
    const left = once(silent, 'close');
    for (const callback of due) callback();
    await left;

    const session = openRaw(target);
    await roundTrip(session);
    expect(due.size).toBe(0);
    expect((await call(session, {}, framed(message))).trailers).toMatchObject({ 'grpc-status': '0' });
  });

  it('is left when it breaks the protocol', async () => {
    const { setting, target } = await start(unixBind());
    await sendFrames(target, [data(1, 'of no stream')]);
    expect(setting.recorder.requests).toEqual([]);
  });

  it('is told that its head is too large, and its connection goes on', async () => {
    const { target } = await start(unixBind());
    const session = openRaw(target);
    const { headers: refused } = await call(session, { 'x-large': 'a'.repeat(20_000) }, framed(message));
    expect(refused).toMatchObject({ ':status': 431 });
    expect((await call(session, {}, framed(message))).trailers).toMatchObject({ 'grpc-status': '0' });
  });

  it('is answered when it sends its message octet by octet', async () => {
    const { target } = await start(unixBind());
    const session = openRaw(target);
    const stream = session.request({ ':method': 'POST', ':path': CHECK_PATH, 'content-type': 'application/grpc' });
    const trailers = new Promise((resolve) => stream.once('trailers', resolve));
    stream.resume();
    for (const octet of framed(message)) stream.write(Buffer.of(octet));
    stream.end();
    expect(await trailers).toMatchObject({ 'grpc-status': '0' });
  });

  it('is refused with two deadlines', async () => {
    const { setting, target } = await start(unixBind());
    const { headers: refused } = await call(openRaw(target), { 'grpc-timeout': ['5S', '6S'] }, framed(message));
    expect(refused).toMatchObject({ 'grpc-status': String(status.INVALID_ARGUMENT) });
    expect(setting.recorder.requests).toEqual([]);
  });
});

describe('a caller over TCP', () => {
  it('that is named may ask', async () => {
    const { target } = await start(tcpBind);
    expect(statusOf(await clientOf(target, gateway).check(allowed))).toBe(200);
  });

  it.each<[string, TestSvid | null, string]>([
    ['has another ID', testAuthority().issue('/training/job'), 'unknown-caller'],
    [
      'is of a trust domain that is not ours',
      testAuthority('other.example').issue('/gateway/envoy'),
      'unknown-trust-domain',
    ],
    [
      'has a certificate of an impostor',
      createTestAuthority('ai.example').issue('/gateway/envoy'),
      'unknown-authority',
    ],
  ])('that %s may not', async (_name, svid, reason) => {
    const { setting, target } = await start(tcpBind);
    await expect(clientOf(target, svid).check(allowed)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(setting.recorder.requests).toEqual([]);
    expect(setting.recorder.handshakes[0]).toBe(`refused: ${reason}`);
    expect(setting.unproven[0]).toBe(reason);
  });

  it('that has no certificate may not', async () => {
    const { setting, target } = await start(tcpBind);
    const anonymous = new EnvoyClient(target, credentials.createSsl(Buffer.from(testAuthority().certificatePem)));
    closing.push(() => anonymous.close());
    await expect(anonymous.check(allowed)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(setting.unproven[0]).toBe('no-certificate');
  });

  it('without TLS may not', async () => {
    const { setting, target } = await start(tcpBind);
    await expect(clientOf(target).check(allowed)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(setting.recorder.requests).toEqual([]);
  });

  it('may no longer once it is not trusted any more', async () => {
    const { setting, target } = await start(tcpBind);
    const envoy = clientOf(target, gateway);
    expect(statusOf(await envoy.check(allowed))).toBe(200);
    setting.trust.swap(bundlesOf([createTestAuthority('ai.example')]));
    await expect(envoy.check(allowed)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    setting.trust.swap(bundlesOf([testAuthority()]));
    expect(statusOf(await clientOf(target, gateway).check(allowed))).toBe(200);
  });

  it('may no longer once our own SVID is not ours to use', async () => {
    const { setting, target } = await start(tcpBind);
    const envoy = clientOf(target, gateway);
    expect(statusOf(await envoy.check(allowed))).toBe(200);
    setting.identity.swap(null);
    await expect(envoy.check(allowed)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });
});

describe('the end of a service', () => {
  it('lets the check under way be answered, and says that it goes', async () => {
    const { service, target } = await start(unixBind());
    const session = openRaw(target);
    const stream = session.request({ ':method': 'POST', ':path': CHECK_PATH, 'content-type': 'application/grpc' });
    const bytes = framed(message);
    stream.write(bytes.subarray(0, 10));
    const [goaway, trailers] = [
      new Promise<void>((resolve) => session.once('goaway', () => resolve())),
      new Promise<object>((resolve) => stream.once('trailers', resolve)),
    ];
    await roundTrip(session);
    const drained = service.drain(60_000);
    await goaway;
    stream.resume();
    stream.end(bytes.subarray(10));
    expect(await trailers).toMatchObject({ 'grpc-status': '0' });
    await drained;
  });

  it('cuts what does not end in time', async () => {
    const { service, target } = await start(unixBind());
    const session = openRaw(target);
    const unanswered = call(session, {}, null);
    await roundTrip(session);
    await service.drain(0);
    expect((await unanswered).trailers).toEqual({});
  });
});
