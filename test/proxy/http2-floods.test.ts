import { describe, expect, it, onTestFinished } from 'vitest';
import { H2cUpstream } from '../support/h2c-upstream.ts';
import { connectFrames, type FramePeer } from '../support/http2-frame-peer.ts';
import { CODE, FLAG, FRAME, frame, GET, headerBlock, POST, uint32 } from '../support/http2-frames.ts';
import { ARTICLE_POLICY, OK, startProxy } from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';

const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');
const READ_ONLY = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [{ registry: [read] }]');
const A_ROUND = 20;
const ENDED = FLAG.endHeaders | FLAG.endStream;

/** Of the stream that is opened as the `index`th. */
type Frames = (index: number, streamId: number) => readonly Buffer[];

const get = (streamId: number): Buffer => frame(FRAME.headers, ENDED, streamId, headerBlock(GET));
const post = (streamId: number): Buffer => frame(FRAME.headers, FLAG.endHeaders, streamId, headerBlock(POST));
const cancel = (streamId: number): Buffer => frame(FRAME.rstStream, 0, streamId, uint32(CODE.cancel));
const MANY_FIELDS = Array.from({ length: 500 }, (): readonly [string, string] => ['x', 'y']);
const CONTINUED = Array.from({ length: 40 }, () => frame(FRAME.continuation, 0, 1, headerBlock([['x', 'y']])));
const CONTINUED_BY_NOTHING = Array.from({ length: 40 }, () => frame(FRAME.continuation, 0, 3));
const LARGE_FIELD = headerBlock([['x', 'y'.repeat(16_000)]]);

/** Round after round, each read before the next is sent, so that the last word of whoever ends it is not lost; at most `rounds`. */
async function flood(peer: FramePeer, frames: Frames, rounds: number): Promise<void> {
  const isLast = (): boolean => peer.ended || peer.frames.some(({ type }) => type === FRAME.goaway);
  for (let round = 0; round < rounds && !isLast(); round += 1) {
    const mark = uint32(round);
    const indexes = Array.from({ length: A_ROUND }, (_, at) => round * A_ROUND + at);
    peer.send(
      ...indexes.flatMap((index) => frames(index, 2 * index + 1)),
      frame(FRAME.ping, 0, 0, Buffer.concat([mark, mark])),
    );
    await peer.until(
      ({ type, flags, payload }) =>
        type === FRAME.goaway || (type === FRAME.ping && flags === FLAG.ack && payload.readUInt32BE(0) === round),
    );
  }
}

const SELF = (streamId: number): Buffer => Buffer.concat([uint32(streamId), Buffer.from([1])]);

describe('H2-90 a flood', () => {
  it.each<readonly [name: string, frames: Frames, code: number, termination: string]>([
    ['of requests reset at once (rapid reset)', (_, id) => [get(id), cancel(id)], CODE.enhanceYourCalm, 'limit'],
    ['of uploads reset at once', (_, id) => [post(id), cancel(id)], CODE.enhanceYourCalm, 'limit'],
    [
      'of heads that are too large',
      (_, id) => [
        frame(FRAME.headers, FLAG.endStream, id, headerBlock(GET)),
        ...[0, 0, 0].map(() => frame(FRAME.continuation, 0, id, LARGE_FIELD)),
        frame(FRAME.continuation, FLAG.endHeaders, id, LARGE_FIELD),
      ],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of heads with too many fields',
      (_, id) => [frame(FRAME.headers, ENDED, id, headerBlock([...GET, ...MANY_FIELDS]))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of PINGs',
      () => Array.from({ length: 10 }, () => frame(FRAME.ping, 0, 0, 'whatever')),
      CODE.enhanceYourCalm,
      'limit',
    ],
    ['of SETTINGS', () => Array.from({ length: 10 }, () => frame(FRAME.settings, 0, 0)), CODE.enhanceYourCalm, 'limit'],
    [
      'of malformed heads',
      (_, id) => [frame(FRAME.headers, ENDED, id, headerBlock([...GET, ['connection', 'x']]))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of CONTINUATION',
      (index) => (index === 0 ? [frame(FRAME.headers, FLAG.endStream, 1, headerBlock(GET)), ...CONTINUED] : []),
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of empty CONTINUATION',
      (index) => (index === 0 ? [post(1), frame(FRAME.headers, 0, 3), ...CONTINUED_BY_NOTHING] : []),
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of empty DATA',
      (index) => [...(index === 0 ? [post(1)] : []), ...Array.from({ length: 10 }, () => frame(FRAME.data, 0, 1))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of DATA that is padding',
      (index) => [
        ...(index === 0 ? [post(1)] : []),
        ...Array.from({ length: 10 }, () => frame(FRAME.data, FLAG.padded, 1, '\x02ab')),
      ],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of PRIORITY',
      (_, id) => Array.from({ length: 10 }, () => frame(FRAME.priority, 0, id, SELF(id + 2))),
      CODE.enhanceYourCalm,
      'limit',
    ],
    ['of unknown frames', () => Array.from({ length: 10 }, () => frame(0x77, 0, 0)), CODE.enhanceYourCalm, 'limit'],
    [
      'of WINDOW_UPDATE by nothing (MadeYouReset)',
      (_, id) => [post(id), frame(FRAME.windowUpdate, 0, id, uint32(0))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of WINDOW_UPDATE beyond the maximum (MadeYouReset)',
      (_, id) => [post(id), frame(FRAME.windowUpdate, 0, id, uint32(0x7fffffff))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of DATA after the end of the request (MadeYouReset)',
      (_, id) => [get(id), frame(FRAME.data, 0, id, 'x')],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of HEADERS after the end of the request (MadeYouReset)',
      (_, id) => [get(id), frame(FRAME.headers, ENDED, id, headerBlock([['x', 'y']]))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of DATA beyond content-length (MadeYouReset)',
      (_, id) => [
        frame(FRAME.headers, FLAG.endHeaders, id, headerBlock([...POST, ['content-length', '1']])),
        frame(FRAME.data, 0, id, 'xx'),
      ],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of PRIORITY of a wrong length (MadeYouReset)',
      (_, id) => [post(id), frame(FRAME.priority, 0, id, 'abc')],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of streams that depend on themselves (MadeYouReset)',
      (_, id) => [post(id), frame(FRAME.priority, 0, id, SELF(id))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    [
      'of trailers that are none (MadeYouReset)',
      (_, id) => [post(id), frame(FRAME.headers, ENDED, id, headerBlock([[':x', 'y']]))],
      CODE.enhanceYourCalm,
      'limit',
    ],
    ['of streams', (_, id) => [post(id)], CODE.enhanceYourCalm, 'limit'],
  ])('%s ends the connection, and others are served', async (_name, frames, code, termination) => {
    const { proxy, peer: other } = await openSetting((head, socket) => {
      if (head.startsWith('GET /other')) socket.write(OK);
    });
    const peer = await connectFrames(proxy);
    await peer.greet();
    await flood(peer, frames, 60);
    await peer.closed();
    expect(await peer.goaway()).toBe(code);
    expect(proxy.recorder.terminations).toEqual([termination]);
    await proxy.untilClosed(1);
    other.request('GET', '/other');
    expect((await other.response()).status).toBe(200);
  });

  it('of WINDOW_UPDATE by nothing on the connection is one too many', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const peer = await connectFrames(proxy);
    await peer.greet();
    peer.send(frame(FRAME.windowUpdate, 0, 0, uint32(0)));
    expect(await peer.goaway()).toBe(CODE.protocolError);
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['protocol-error']);
  });
});

describe('a peer that means no harm', () => {
  // Time stands still: nothing is forgiven for its passing.
  const clock = { wallMs: () => Date.now(), monotonicMs: () => 0 };

  it('may answer each DATA with a PING, as grpc-go does, and more of them than are a flood', async () => {
    const upstream = await H2cUpstream.start((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { clock, speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const peer = await connectFrames(proxy);
    await peer.greet();
    peer.send(post(1));
    for (let round = 0; round < 1_500 && !peer.ended; round += 1) {
      peer.frames.length = 0;
      peer.send(frame(FRAME.data, 0, 1, 'x'));
      await peer.until(({ type }) => type === FRAME.data);
      peer.send(frame(FRAME.ping, 0, 0, 'abcdefgh'));
    }
    peer.send(frame(FRAME.data, FLAG.endStream, 1));
    expect(await peer.until(({ flags, streamId }) => streamId === 1 && flags === FLAG.endStream)).toBeDefined();
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('may have thousands of messages on the way when its call is refused, and no other call pays for it', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { policy: READ_ONLY, clock });
    const peer = await connectFrames(proxy);
    await peer.greet();
    const messages = Array.from({ length: 20_000 }, () => frame(FRAME.data, 0, 1, 'mess'));
    peer.send(post(1), ...messages, get(3));
    await peer.until(({ flags, streamId }) => streamId === 3 && (flags & FLAG.endStream) !== 0);
    expect(await peer.reset(1)).toBe(CODE.noError);
    expect(proxy.recorder.requests.map(({ status }) => status)).toEqual([403, 200]);
    expect(proxy.recorder.terminations).toEqual([]);
  });
});

describe('H2-90 a peer that does not read what it is answered', () => {
  it('has no more answers kept for it than it may have streams, however many it asks for', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { policy: NO_TRAINING });
    const peer = await connectFrames(proxy);
    await peer.greet();
    peer.socket.pause();
    // Of gRPC, whose denial is a head alone, which no window holds back.
    const call = headerBlock([...POST, ['content-type', 'application/grpc']]);
    const ask = (index: number): Buffer => frame(FRAME.headers, ENDED, 2 * index + 1, call);
    for (let asked = 0; proxy.recorder.terminations.length === 0 && asked < 500_000; asked += 500) {
      peer.send(...Array.from({ length: 500 }, (_, at) => ask(asked + at)));
      if (peer.socket.writableNeedDrain) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(proxy.recorder.terminations).toEqual(['limit']);
    await proxy.untilClosed(1);
  });

  it.each([
    ['denied', NO_TRAINING, POST],
    ['answered by the upstream', ARTICLE_POLICY, POST],
    ['not understood', ARTICLE_POLICY, [...POST, ['host', 'other'] as const]],
  ])('has nothing kept for it of a request that was %s', async (_name, policy, fields) => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { policy });
    const peer = await connectFrames(proxy);
    // SETTINGS_INITIAL_WINDOW_SIZE 0: not an octet of any body may be sent.
    await peer.greet(Buffer.from([0, 4, 0, 0, 0, 0]));
    peer.headers(1, fields, 0);
    await peer.until(({ type, streamId }) => type === FRAME.headers && streamId === 1);
    const given = (streamId: number): number =>
      peer.frames
        .filter((each) => each.type === FRAME.windowUpdate && each.streamId === streamId)
        .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
    // Half of the window of a stream and more, as fast as that of the connection is given back.
    for (let sent = 0; sent < 192 * 1024; sent += 32 * 1024) {
      peer.send(frame(FRAME.data, 0, 1, Buffer.alloc(16 * 1024)), frame(FRAME.data, 0, 1, Buffer.alloc(16 * 1024)));
      await peer.until(() => given(0) >= sent);
    }
    await peer.until(() => given(1) > 0);
    expect(given(1)).toBeGreaterThan(0);
  });

  it('has nothing kept for it of a body that was too large', async () => {
    const { proxy } = await openSetting(() => undefined, { limits: { maxBodyBytes: 100 } });
    const peer = await connectFrames(proxy);
    await peer.greet(Buffer.from([0, 4, 0, 0, 0, 0]));
    peer.headers(1, POST, 0);
    await proxy.untilDecided(1);
    const piece = frame(FRAME.data, 0, 1, Buffer.alloc(16 * 1024));
    peer.send(piece);
    await peer.until(({ type, streamId }) => type === FRAME.headers && streamId === 1);
    // As much as its window takes.
    peer.send(...Array.from({ length: 15 }, () => piece));
    const given = await peer.until(({ type, streamId }) => type === FRAME.windowUpdate && streamId === 1);
    expect(given?.payload.readUInt32BE(0)).toBeGreaterThanOrEqual(128 * 1024);
  });
});
