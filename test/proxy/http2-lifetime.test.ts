import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { NO_REVOCATIONS } from '../../src/revocation/revocations.ts';
import { connectFrames } from '../support/http2-frame-peer.ts';
import { CODE, FLAG, FRAME, frame, GET, headerBlock } from '../support/http2-frames.ts';
import { answerOf, connectHttp2, request } from '../support/http2-peer.ts';
import { bundlesOf, compilePolicy, OK, type ProxyOptions, ARTICLE_POLICY } from '../support/proxy-fixture.ts';
import { openSetting, type ProxySetting } from '../support/proxy-setting.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

const CHUNKED_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';
const GRPC_HEAD = CHUNKED_HEAD.replace('\r\n', '\r\ncontent-type: application/grpc\r\n');
const LAST_CHUNKS = '4\r\nlast\r\n0\r\n\r\n';
const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');
const CALL = { ':method': 'POST', ':path': '/service/Method', 'content-type': 'application/grpc', te: 'trailers' };
const DRAIN = {
  'svid-expired': 'drain',
  'trust-changed': 'drain',
  'policy-changed': 'drain',
  'own-svid-withdrawn': 'drain',
} as const;

interface Streaming extends ProxySetting {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly finish: () => void;
}

/** A stream whose answer has begun, of `training/job`. */
async function openStream(options: ProxyOptions = {}, headers: Record<string, string> = {}): Promise<Streaming> {
  const setting = await openSetting((_head, socket) => {
    socket.write(headers['content-type'] === undefined ? CHUNKED_HEAD : GRPC_HEAD);
  }, options);
  // Only the one that is looked at is to be counted.
  setting.peer.socket.destroy();
  await setting.proxy.untilClosed();
  const session = await connectHttp2(setting.proxy);
  const stream = session.request({ ':path': '/stream', ':authority': 'registry', ...headers });
  await new Promise((resolve) => stream.once('response', resolve));
  const finish = (): void => {
    for (const socket of setting.upstream.sockets) socket.write(LAST_CHUNKS);
  };
  return { ...setting, session, stream, finish };
}

function ended(session: ClientHttp2Session): Promise<unknown> {
  return new Promise((resolve) => (session.closed ? resolve(null) : session.once('close', resolve)));
}

function told(session: ClientHttp2Session): Promise<number> {
  return new Promise((resolve) => session.once('goaway', (code: number) => resolve(code)));
}

describe('a stream over HTTP/2 whose ground is gone', () => {
  it('is reset when policy turns against it, and its connection serves on', async () => {
    const { proxy, session, stream } = await openStream();
    const start = performance.now();
    const answer = answerOf(stream);
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect(await answer).toMatchObject({ body: 'first', rstCode: CODE.cancel });
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'policy-changed', status: 200 }]);
    expect((await request(session, {})).status).toBe(403);
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('H2-92 of gRPC is told PERMISSION_DENIED and the decision, in trailers', async () => {
    const { proxy, stream } = await openStream({}, CALL);
    const start = performance.now();
    const answer = answerOf(stream);
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    const { trailers } = await answer;
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(trailers).toMatchObject({ 'grpc-status': '7', 'grpc-message': 'policy-changed' });
    expect(trailers['x-sallyport-decision-id']).toBe(proxy.recorder.requests[0]?.decisionId);
  });

  it('H2-92 of gRPC is reset when the peer does not read what it is told', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(GRPC_HEAD));
    const frames = await connectFrames(proxy);
    // SETTINGS_INITIAL_WINDOW_SIZE 0: not an octet of any body may be sent.
    await frames.greet(Buffer.from([0, 4, 0, 0, 0, 0]));
    frames.headers(
      1,
      Object.entries({ ':scheme': 'https', ':authority': 'registry', ...CALL }).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    await frames.until(({ type, streamId }) => type === FRAME.headers && streamId === 1);
    await upstream.until(({ sockets }) => sockets.length > 0);
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect(await frames.reset(1)).toBe(CODE.cancel);
  });

  it('survives a change that is none of its concern', async () => {
    const { proxy, stream, finish } = await openStream({}, CALL);
    const answer = answerOf(stream);
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY.replace('- registry: [read]', '- registry: [read, write]')));
    proxy.revocations.swap(NO_REVOCATIONS);
    finish();
    expect(await answer).toMatchObject({ body: 'firstlast', rstCode: 0 });
  });

  it('CE-47 is reset with its connection when the trust of its peer is gone, answered when it still waited', async () => {
    const { proxy, upstream, session, stream } = await openStream();
    const answer = answerOf(stream);
    const goaway = told(session);
    const gone = new Promise((resolve) => upstream.sockets[0]?.once('close', resolve));
    proxy.trust.swap(bundlesOf([createTestAuthority('other.example')]));
    expect((await answer).rstCode).toBe(CODE.cancel);
    expect(await goaway).toBe(CODE.noError);
    await ended(session);
    expect(proxy.recorder.terminations).toEqual(['trust-changed']);
    await gone;
  });

  it('has the grace its terms grant, and its connection takes nothing new', async () => {
    const { proxy, session, stream, finish } = await openStream({ leases: { onLapse: DRAIN } });
    const answer = answerOf(stream);
    const goaway = told(session);
    proxy.identity.swap(null);
    expect(await goaway).toBe(CODE.noError);
    finish();
    expect(await answer).toMatchObject({ body: 'firstlast', rstCode: 0 });
    await ended(session);
    expect(proxy.recorder.terminations).toEqual(['own-svid-withdrawn']);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null }]);
  });

  it('is answered 401 when it waits for the upstream, each by itself', async () => {
    const { proxy, peer, upstream } = await openSetting(() => undefined);
    peer.socket.destroy();
    await proxy.untilClosed();
    const session = await connectHttp2(proxy);
    const answers = [1, 2, 3].map(() => request(session, {}));
    await upstream.until(({ received }) => received.split('GET /').length === 4);
    proxy.trust.swap(bundlesOf([createTestAuthority('other.example')]));
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(401);
    await ended(session);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([
      'trust-changed',
      'trust-changed',
      'trust-changed',
    ]);
    expect(proxy.recorder.terminations).toEqual(['trust-changed']);
  });
});

describe('an HTTP/2 connection', () => {
  it('ends when its preface does not come', async () => {
    const { proxy } = await openSetting(() => undefined, { limits: { headTimeoutMs: 200 } });
    const frames = await connectFrames(proxy);
    await frames.closed();
    expect(proxy.recorder.terminations).toEqual(['head-timeout']);
  });

  const HEAD = headerBlock(GET);
  it.each<[string, Buffer]>([
    ['between its frames', frame(FRAME.headers, FLAG.endStream, 3, HEAD.subarray(0, 10))],
    ['within a frame', frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 3, HEAD).subarray(0, 20)],
    ['within the header of a frame', frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 3, HEAD).subarray(0, 5)],
  ])('ends when a head stops %s, whatever else it carries', async (_where, half) => {
    const { proxy, upstream } = await openSetting(() => undefined, { limits: { headTimeoutMs: 1_000 } });
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, GET);
    await upstream.until(({ received }) => received.includes('GET /x'));
    frames.send(half);
    expect(await frames.goaway()).toBe(CODE.noError);
    await frames.closed();
    expect(proxy.recorder.terminations).toEqual(['head-timeout']);
  });

  it('ends when the head of another request stops while it is asked to leave', async () => {
    const limits = { headTimeoutMs: 1_000, maxConnectionAgeMs: 500 };
    const { proxy, upstream } = await openSetting(() => undefined, { limits });
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, GET);
    await upstream.until(({ received }) => received.includes('GET /x'));
    expect(await frames.goaway()).toBe(CODE.noError);
    frames.send(frame(FRAME.headers, FLAG.endStream, 3, HEAD.subarray(0, 10)));
    await frames.closed();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'head-timeout' }]);
  });

  it('stays when heads come slowly, one after the other', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { limits: { headTimeoutMs: 2_500 } });
    const frames = await connectFrames(proxy);
    await frames.greet();
    const half = HEAD.length / 2;
    for (let streamId = 1; streamId < 12; streamId += 2) {
      frames.send(frame(FRAME.headers, FLAG.endStream, streamId, HEAD.subarray(0, half)));
      await delay(400);
      frames.send(frame(FRAME.continuation, FLAG.endHeaders, streamId, HEAD.subarray(half)));
    }
    await frames.until(({ type, streamId }) => type === FRAME.headers && streamId === 11);
    expect(frames.frames.filter(({ type }) => type === FRAME.headers)).toHaveLength(6);
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('ends when it has no stream for long enough, and says so', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { limits: { idleTimeoutMs: 400 } });
    const session = await connectHttp2(proxy);
    const goaway = told(session);
    expect((await request(session, {})).status).toBe(200);
    expect(await goaway).toBe(CODE.noError);
    await ended(session);
    expect(proxy.recorder.terminations).toContain('idle-timeout');
  });

  it('is told to go elsewhere at its maximum age, and finishes what it has', async () => {
    const { proxy, session, stream, finish } = await openStream({ limits: { maxConnectionAgeMs: 300 } });
    const answer = answerOf(stream);
    expect(await told(session)).toBe(CODE.noError);
    finish();
    expect(await answer).toMatchObject({ body: 'firstlast', rstCode: 0 });
    await ended(session);
    expect(proxy.recorder.terminations).toEqual(['maximum-age']);
  });

  it('cuts at the end of the grace what is not finished at its maximum age', async () => {
    const { proxy, session, stream } = await openStream({
      limits: { maxConnectionAgeMs: 300 },
      leases: { graceMs: 200 },
    });
    expect((await answerOf(stream)).rstCode).toBe(CODE.cancel);
    await ended(session);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'maximum-age' }]);
  });

  it('drains: streams in flight finish, and the listener waits for them', async () => {
    const { proxy, session, stream, finish } = await openStream();
    const answer = answerOf(stream);
    const drained = proxy.listener.drain(10_000);
    expect(await told(session)).toBe(CODE.noError);
    finish();
    expect(await answer).toMatchObject({ body: 'firstlast', rstCode: 0 });
    await drained;
    expect(proxy.recorder.terminations).toEqual(['drain']);
  });

  it('is cut at the deadline of a drain', async () => {
    const { proxy, stream } = await openStream();
    const answer = answerOf(stream);
    await proxy.listener.drain(300);
    expect((await answer).body).toBe('first');
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'drain-deadline' }]);
  });

  it('counts once for its principal, however many streams it has', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), {
      limits: { maxConnectionsPerPrincipal: 2 },
    });
    const session = await connectHttp2(proxy);
    const answers = await Promise.all(Array.from({ length: 20 }, () => request(session, {})));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    const third = await connectHttp2(proxy);
    expect(await request(third, {})).toMatchObject({ status: 503 });
    expect(proxy.recorder.terminations).toEqual(['limit']);
    expect(proxy.recorder.requests.at(-1)).toMatchObject({ refusal: 'principal-connection-limit' });
  });

  it('has no more streams at a time than it may', async () => {
    const { proxy, upstream } = await openSetting(() => undefined, { limits: { maxConcurrentStreams: 3 } });
    const session = await connectHttp2(proxy);
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    expect(session.remoteSettings.maxConcurrentStreams).toBe(3);
    const streams = Array.from({ length: 5 }, () => session.request({ ':path': '/', ':authority': 'registry' }));
    for (const stream of streams) stream.on('error', () => undefined);
    await upstream.until(({ received }) => received.split('GET /').length === 4);
    streams[0]?.close(CODE.cancel);
    await upstream.until(({ received }) => received.split('GET /').length === 5);
  });

  it('is gone with its socket: streams end at the upstream too, and each is recorded once', async () => {
    const { proxy, upstream, session, stream } = await openStream();
    stream.on('error', () => undefined);
    const gone = new Promise((resolve) => upstream.sockets[0]?.once('close', resolve));
    session.destroy();
    await gone;
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'peer-aborted', status: 200 }]);
  });

  it('is told by a stream that the peer gives up: the upstream hears of it, the others go on', async () => {
    const { proxy, upstream, session, stream, finish } = await openStream();
    const other = session.request({ ':path': '/other', ':authority': 'registry' });
    await new Promise((resolve) => other.once('response', resolve));
    const gone = new Promise((resolve) => upstream.sockets[0]?.once('close', resolve));
    stream.close(CODE.cancel);
    await gone;
    const answer = answerOf(other);
    finish();
    expect(await answer).toMatchObject({ body: 'firstlast', rstCode: 0 });
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'peer-aborted' }, { refusal: null }]);
  });

  it('ends with its peer, when what that has asked for is answered', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(CHUNKED_HEAD));
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, GET);
    await frames.until(({ type, streamId }) => type === FRAME.data && streamId === 1);
    frames.send(frame(FRAME.goaway, 0, 0, Buffer.alloc(8)), frame(FRAME.ping, 0, 0, 'whatever'));
    // What comes behind it is heard.
    await frames.until(({ type }) => type === FRAME.ping);
    expect(frames.frames.some(({ type }) => type === FRAME.goaway)).toBe(false);
    upstream.sockets[0]?.write(LAST_CHUNKS);
    expect(await frames.goaway()).toBe(CODE.noError);
    await frames.closed();
    expect(frames.frames.at(-1)?.type).toBe(FRAME.goaway);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null }]);
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('ends at once with a peer that has asked for nothing', async () => {
    const { proxy } = await openSetting(() => undefined);
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.send(frame(FRAME.goaway, 0, 0, Buffer.alloc(8)));
    expect(await frames.goaway()).toBe(CODE.noError);
    await frames.closed();
  });

  it('ends with a word when it speaks no HTTP/2 at all', async () => {
    const { proxy } = await openSetting(() => undefined);
    const frames = await connectFrames(proxy);
    frames.send(Buffer.from('GET / HTTP/1.1\r\nhost: registry\r\n\r\n'));
    await frames.closed();
    expect(proxy.recorder.terminations).toEqual(['protocol-error']);
    expect(proxy.recorder.requests).toEqual([]);
  });
});
