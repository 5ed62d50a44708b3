import { createServer as createTcpServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { StreamTable } from '../../src/http2/stream-table.ts';
import { connectFrames } from '../support/http2-frame-peer.ts';
import { type FrameConnection, FrameUpstream } from '../support/http2-frame-upstream.ts';
import {
  CODE,
  data,
  FLAG,
  type Frame,
  FRAME,
  frame,
  goaway,
  headers,
  POST,
  reset,
  SETTING,
  settings,
  uint32,
} from '../support/http2-frames.ts';
import { connectHttp2, request } from '../support/http2-peer.ts';
import { type ProxyFixture, type ProxyOptions, type RawPeer, startProxy } from '../support/proxy-fixture.ts';
import { connectTraining } from '../support/proxy-setting.ts';

interface RawSetting {
  readonly upstream: FrameUpstream;
  readonly proxy: ProxyFixture;
  readonly peer: RawPeer;
}

/** `onRequest` is called with each HEADERS frame. */
async function openRaw(
  onRequest: (frame: Frame, connection: FrameConnection, upstream: FrameUpstream) => void,
  options: ProxyOptions = {},
  hello: Buffer = settings(),
): Promise<RawSetting> {
  const upstream = await FrameUpstream.start((each, connection) => {
    if (each.type === FRAME.headers) onRequest(each, connection, upstream);
  }, hello);
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, { ...options, speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  return { upstream, proxy, peer: await connectTraining(proxy) };
}

const STATUS_200: readonly [string, string] = [':status', '200'];

function answer({ streamId }: Frame, connection: FrameConnection): void {
  connection.send(headers(streamId, [STATUS_200, ['content-length', '2']]), data(streamId, 'ok', true));
}

async function get(peer: RawPeer): Promise<number> {
  peer.request('GET', '/x');
  return (await peer.response()).status;
}

describe('a stream that the upstream resets', () => {
  it.each([
    [CODE.noError, 502, 'upstream-invalid-response'],
    [CODE.protocolError, 502, 'upstream-invalid-response'],
    [CODE.internalError, 502, 'upstream-reset'],
    [CODE.cancel, 502, 'upstream-reset'],
    [CODE.enhanceYourCalm, 503, 'upstream-saturated'],
    [0xff, 502, 'upstream-reset'],
  ])('with code %i is answered %i and recorded as %s, and the connection goes on', async (code, status, refusal) => {
    const { upstream, proxy, peer } = await openRaw((each, connection) => {
      if (each.streamId === 1) connection.send(reset(each.streamId, code));
      else answer(each, connection);
    });
    expect([await get(peer), await get(peer)]).toEqual([status, 200]);
    expect(proxy.recorder.requests.map((record) => record.refusal)).toEqual([refusal, null]);
    expect(upstream.connections).toHaveLength(1);
  });

  it('without having looked at it is tried once more, whatever the method', async () => {
    const { upstream, proxy, peer } = await openRaw((each, connection) => {
      if (each.streamId === 1) connection.send(reset(each.streamId, CODE.refusedStream));
      else answer(each, connection);
    });
    peer.request('POST', '/x', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(200);
    expect(upstream.connections[0]?.of(FRAME.headers)).toHaveLength(2);
    expect(proxy.recorder.requests).toHaveLength(1);
  });

  it('without having looked at it twice is not tried a third time', async () => {
    const { upstream, proxy, peer } = await openRaw((each, connection) =>
      connection.send(reset(each.streamId, CODE.refusedStream)),
    );
    expect(await get(peer)).toBe(503);
    expect(upstream.connections[0]?.of(FRAME.headers)).toHaveLength(2);
    expect(proxy.recorder.requests.map((record) => record.refusal)).toEqual(['upstream-saturated']);
  });

  it('without having looked at it is not tried again when its body is gone', async () => {
    const upstream = await FrameUpstream.start((each, connection) => {
      if (each.type === FRAME.data) connection.send(reset(each.streamId, CODE.refusedStream));
    });
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const peer = await connectTraining(proxy);
    peer.request('POST', '/x', 'content-length: 4\r\n');
    peer.send('body');
    expect((await peer.response()).status).toBe(503);
    expect(upstream.connections[0]?.of(FRAME.headers)).toHaveLength(1);
  });

  it('after its answer has begun cuts the answer', async () => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200]), data(streamId, 'half'), reset(streamId, CODE.internalError)),
    );
    peer.request('GET', '/x');
    expect(await peer.closed()).not.toMatch(/0\r\n\r\n$/);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-reset');
  });

  it('without an error before its answer is whole has not answered', async () => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200]), data(streamId, 'half'), reset(streamId, CODE.noError)),
    );
    peer.request('GET', '/x');
    expect(await peer.closed()).not.toMatch(/0\r\n\r\n$/);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-invalid-response');
  });

  it('after an early answer without an error has answered', async () => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(
        headers(streamId, [
          [':status', '413'],
          ['content-length', '2'],
        ]),
        data(streamId, 'no', true),
        reset(streamId, CODE.noError),
      ),
    );
    peer.request('POST', '/x', 'content-length: 100\r\n');
    expect(await peer.response()).toMatchObject({ status: 413, body: 'no' });
    expect(proxy.recorder.requests.at(-1)?.refusal).toBeNull();
  });
});

describe('a request that is sent again', () => {
  it('is sent with all of its body, also what comes while there is no connection', async () => {
    const upstream = await FrameUpstream.start((each, connection, { connections }) => {
      if (each.type === FRAME.headers && connections.length === 1) connection.send(goaway(0, CODE.noError));
      if (each.type === FRAME.data && (each.flags & FLAG.endStream) !== 0) answer(each, connection);
    }, Buffer.alloc(0));
    onTestFinished(() => upstream.close());
    const hello = Buffer.concat([settings(), frame(FRAME.settings, FLAG.ack, 0)]);
    const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const peer = await connectFrames(proxy);
    await peer.greet();
    peer.headers(1, POST, 0);
    await upstream.until(({ connections }) => connections.length === 1);
    upstream.connections[0]?.send(hello);
    await upstream.until(({ connections }) => connections.length === 2);
    // The second says hello when all of it has come.
    peer.send(data(1, 'all '), data(1, 'of it', true), frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await peer.until(({ type }) => type === FRAME.ping);
    upstream.connections[1]?.send(hello);
    await peer.until(({ type, flags }) => type === FRAME.data && (flags & FLAG.endStream) !== 0);
    const received = upstream.connections[1]?.of(FRAME.data).map(({ payload }) => payload.toString());
    expect(received?.join('')).toBe('all of it');
    expect(proxy.recorder.requests).toMatchObject([{ status: 200, requestBytes: 9, refusal: null }]);
  });
});

describe('a request that an upstream has answered before it was whole', () => {
  it('is broken off', async () => {
    const { upstream, peer } = await openRaw(answer);
    peer.request('POST', '/x', 'content-length: 100\r\n');
    expect((await peer.response()).status).toBe(200);
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.rstStream, 1).length === 1);
    expect(upstream.connections[0]?.of(FRAME.rstStream)[0]?.payload).toEqual(uint32(CODE.cancel));
  });
});

describe('credentials in a request', () => {
  it('are in no table of HPACK, here or further on', async () => {
    const { upstream, peer } = await openRaw(answer);
    peer.request('GET', '/x', `authorization: Basic eA==\r\ncookie: a=${'b'.repeat(40)}\r\n`);
    expect((await peer.response()).status).toBe(200);
    const [asked] = upstream.connections[0]?.of(FRAME.headers) ?? [];
    // RFC 7541 §6.2.3, with their names from the static table.
    expect(asked?.payload.includes(Buffer.of(0x1f, 23 - 15))).toBe(true);
    expect(asked?.payload.includes(Buffer.of(0x1f, 32 - 15))).toBe(true);
  });
});

describe('an answer to HEAD over HTTP/2 that has no end', () => {
  it('is cut in time, and its stream left', async () => {
    const { upstream, proxy } = await openRaw(
      ({ streamId }, connection) => connection.send(headers(streamId, [STATUS_200])),
      {
        deadlines: { bodyIdleTimeoutMs: 300 },
      },
    );
    const { rstCode } = await request(await connectHttp2(proxy), { ':method': 'HEAD' });
    expect(rstCode).toBe(CODE.internalError);
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.rstStream).length === 1);
    expect(proxy.recorder.requests).toMatchObject([{ status: 200, refusal: 'upstream-timeout' }]);
  });

  it('ends with its head when that ends it', async () => {
    const { proxy } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200], true)),
    );
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, [[':method', 'HEAD'], ...POST.slice(1)]);
    const head = await frames.until(({ type, streamId }) => type === FRAME.headers && streamId === 1);
    expect(head?.flags).toBe(FLAG.endStream | FLAG.endHeaders);
  });
});

describe('an answer that makes no sense', () => {
  const HUGE = 'a'.repeat(1000);
  it.each<[string, readonly (readonly [string, string])[]]>([
    ['no status', [['x-a', 'b']]],
    ['a status that is none', [[':status', '99']]],
    ['a status of letters', [[':status', 'abc']]],
    ['a status of 101', [[':status', '101']]],
    ['two statuses', [STATUS_200, [':status', '204']]],
    ['a pseudo-header field of requests', [STATUS_200, [':path', '/']]],
    ['a name in upper case', [STATUS_200, ['X-A', 'b']]],
    ['a field of the connection', [STATUS_200, ['connection', 'close']]],
    ['a transfer coding', [STATUS_200, ['transfer-encoding', 'chunked']]],
    ['two lengths', [STATUS_200, ['content-length', '2'], ['content-length', '3']]],
    ['a length that is none', [STATUS_200, ['content-length', '+2']]],
    [
      'a length of a 204',
      [
        [':status', '204'],
        ['content-length', '2'],
      ],
    ],
    ['two media types', [STATUS_200, ['content-type', 'a/b'], ['content-type', 'c/d']]],
    ['too many fields', [STATUS_200, ...Array.from({ length: 300 }, (_, at) => [`x-${at}`, 'b'] as const)]],
    ['too large a head', [STATUS_200, ...Array.from({ length: 80 }, (_, at) => [`x-${at}`, HUGE] as const)]],
  ])('is refused with %s', async (_name, fields) => {
    const { upstream, peer } = await openRaw((each, connection) => {
      if (each.streamId === 1) connection.send(headers(each.streamId, fields), data(each.streamId, 'ok', true));
      else answer(each, connection);
    });
    peer.request('GET', '/x');
    const { status, head } = await peer.response();
    expect(status).toBeGreaterThanOrEqual(502);
    expect(head).toContain('application/problem+json');
    expect(await get(peer)).toBe(200);
    expect(upstream.connections).toHaveLength(1);
  });

  it.each<[string, string]>([
    ['a line break in a value', 'b\r\nx-forged: c'],
    ['a NUL in a value', 'b\0'],
    ['whitespace before a value', ' b'],
  ])('does not reach the peer with %s', async (_name, value) => {
    const { peer } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200, ['x-a', value], ['content-length', '0']], true)),
    );
    peer.request('GET', '/x');
    expect((await peer.response()).head).not.toMatch(/x-forged|\0|x-a/);
  });

  it('is cut when it has fewer octets than it announced', async () => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200, ['content-length', '9']]), data(streamId, 'short', true)),
    );
    peer.request('GET', '/x');
    expect(await peer.closed()).toContain('content-length: 9');
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-invalid-response');
  });

  it('is cut when it has more octets than it announced', async () => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200, ['content-length', '2']]), data(streamId, 'longer', true)),
    );
    peer.request('GET', '/x');
    await peer.closed();
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-invalid-response');
    expect(peer.received).not.toContain('longer');
  });

  it('is refused with a body where there is none', async () => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200]), data(streamId, 'body', true)),
    );
    peer.request('HEAD', '/x');
    await peer.closed();
    expect(peer.received).not.toContain('body');
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-invalid-response');
  });

  it('is refused with more interim answers than anybody needs', async () => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) => {
      for (let i = 0; i < 40; i += 1) connection.send(headers(streamId, [[':status', '103']]));
    });
    peer.request('GET', '/x');
    expect(await peer.until((text) => text.includes(' 502 '))).toContain('HTTP/1.1 502 ');
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-invalid-response');
  });

  it.each<[string, readonly (readonly [string, string])[]]>([
    ['a length', [['content-length', '4']]],
    ['a host', [['host', 'other']]],
    ['a status', [[':status', '200']]],
  ])('is cut with %s in its trailers', async (_name, trailers) => {
    const { proxy, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(headers(streamId, [STATUS_200]), data(streamId, 'body'), headers(streamId, trailers, true)),
    );
    peer.request('GET', '/x');
    expect(await peer.closed()).not.toMatch(/0\r\n\r\n$/);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-invalid-response');
  });
});

describe('an upstream that goes away', () => {
  it('gets no new exchanges after its GOAWAY, and finishes what it has', async () => {
    const { upstream, proxy, peer } = await openRaw((each, connection, { connections }) => {
      if (connections.length > 1) answer(each, connection);
      else
        connection.send(headers(each.streamId, [STATUS_200]), data(each.streamId, 'first '), goaway(1, CODE.noError));
    });
    peer.request('GET', '/x');
    await peer.until((text) => text.includes('first '));
    const second = await connectTraining(proxy);
    expect(await get(second)).toBe(200);
    expect(upstream.connections).toHaveLength(2);
    upstream.connections[0]?.send(data(1, 'last', true));
    expect(await peer.until((text) => text.endsWith('0\r\n\r\n'))).toContain('last');
    await upstream.until(({ connections }) => connections[0]?.ended === true);
  });

  it('has those exchanges tried elsewhere that it did not look at, whatever the method', async () => {
    const { upstream, proxy } = await openRaw((each, connection, { connections }) => {
      if (connections.length > 1) return answer(each, connection);
      if (each.streamId === 5) connection.send(goaway(1, CODE.noError));
    });
    const peers = await Promise.all([connectTraining(proxy), connectTraining(proxy), connectTraining(proxy)]);
    for (const [at, peer] of peers.entries()) {
      peer.request('POST', `/${at}`, 'content-length: 0\r\n');
      await upstream.until(({ connections }) => (connections[0]?.of(FRAME.headers).length ?? 0) > at);
    }
    expect((await peers[1]?.response())?.status).toBe(200);
    expect((await peers[2]?.response())?.status).toBe(200);
    upstream.connections[0]?.send(headers(1, [STATUS_200, ['content-length', '0']], true));
    expect((await peers[0]?.response())?.status).toBe(200);
  });

  it('with an error is not asked again for what it may have looked at', async () => {
    const { proxy, peer } = await openRaw((each, connection, { connections }) => {
      if (connections.length > 1) answer(each, connection);
      else connection.send(goaway(1, CODE.internalError));
    });
    peer.request('POST', '/x', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-reset');
  });

  it('with an error is asked again for what it did not look at', async () => {
    const { peer } = await openRaw((each, connection, { connections }) => {
      if (connections.length > 1) answer(each, connection);
      else connection.send(goaway(0, CODE.enhanceYourCalm));
    });
    peer.request('POST', '/x', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(200);
  });

  it.each([CODE.noError, CODE.internalError])(
    'with code %i has 503 told of what it did not look at and cannot be sent again',
    async (code) => {
      const upstream = await FrameUpstream.start((each, connection) => {
        if (each.type === FRAME.data) connection.send(goaway(0, code));
      });
      onTestFinished(() => upstream.close());
      const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
      onTestFinished(() => proxy.close());
      const peer = await connectTraining(proxy);
      peer.request('POST', '/x', 'content-length: 4\r\n');
      peer.send('body');
      expect((await peer.response()).status).toBe(503);
      expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['upstream-saturated']);
      expect(upstream.connections).toHaveLength(1);
    },
  );

  it('without a word fails each exchange once', async () => {
    const { upstream, proxy, peer } = await openRaw((each, connection, { connections }) => {
      if (connections.length > 1 || each.streamId === 1) answer(each, connection);
      else if (each.streamId === 7) connection.send(headers(7, [STATUS_200]), data(7, 'half'));
    });
    expect(await get(peer)).toBe(200);
    const peers = await Promise.all([connectTraining(proxy), connectTraining(proxy), connectTraining(proxy)]);
    for (const [at, each] of peers.entries()) {
      each.request(at === 0 ? 'GET' : 'POST', `/${at}`, at === 0 ? '' : 'content-length: 0\r\n');
      await upstream.until(({ connections }) => (connections[0]?.of(FRAME.headers).length ?? 0) > at + 1);
    }
    await peers[2]?.until((text) => text.includes('half'));
    upstream.connections[0]?.socket.resetAndDestroy();
    // What is safe to repeat is, since others had been answered on that connection.
    expect((await peers[0]?.response())?.status).toBe(200);
    expect((await peers[1]?.response())?.status).toBe(502);
    await peers[2]?.closed();
    expect(proxy.recorder.requests.map(({ path, refusal }) => `${path} ${refusal}`).toSorted()).toEqual([
      '/0 null',
      '/1 upstream-reset',
      '/2 upstream-reset',
      '/x null',
    ]);
  });

  it('half-closed fails what it has not answered', async () => {
    const { proxy, peer } = await openRaw((_each, { socket }) => socket.end());
    peer.request('POST', '/x', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-reset');
  });
});

describe('an upstream that is no upstream of HTTP/2', () => {
  it('is told apart: one of HTTP/1.1', async () => {
    const { proxy, peer } = await openRaw(() => undefined, {}, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await get(peer)).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-invalid-response');
  });

  it('one that says nothing', async () => {
    const { proxy, peer } = await openRaw(() => undefined, { pool: { connectTimeoutMs: 200 } }, Buffer.alloc(0));
    expect(await get(peer)).toBe(504);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-connect-timeout');
  });

  it('one that is not there, which is left alone for a while after some failures', async () => {
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    await new Promise((resolve) => server.close(resolve));
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const proxy = await startProxy(port, { speaks: 'http/2', pool: { failuresToEject: 2, ejectMs: 60_000 } });
    onTestFinished(() => proxy.close());
    const peer = await connectTraining(proxy);
    expect([await get(peer), await get(peer), await get(peer)]).toEqual([502, 502, 503]);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([
      'upstream-unreachable',
      'upstream-unreachable',
      'upstream-ejected',
    ]);
  });

  it('one that is not there, for all who wait', async () => {
    const { upstream, proxy } = await openRaw((_each, connection) => connection.socket.destroy(), {}, Buffer.alloc(0));
    const peers = await Promise.all([connectTraining(proxy), connectTraining(proxy)]);
    for (const peer of peers) peer.request('GET', '/x');
    await proxy.untilDecided(2);
    await upstream.until(({ connections }) => connections.length === 1);
    upstream.connections[0]?.socket.destroy();
    expect(await Promise.all(peers.map(async (peer) => (await peer.response()).status))).toEqual([502, 502]);
  });
});

describe('an upstream that floods', () => {
  it.each<[string, Buffer]>([
    ['PING', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', settings([SETTING.maxConcurrentStreams, 7])],
  ])('with %s is left', async (_name, flood) => {
    const { upstream, peer } = await openRaw((_each, connection) =>
      connection.send(Buffer.concat(Array.from({ length: 20_000 }, () => flood))),
    );
    expect(await get(peer)).toBe(502);
    await upstream.until(({ connections }) => connections[0]?.ended === true);
  });

  it('with CONTINUATION is left', async () => {
    const { upstream, peer } = await openRaw(({ streamId }, connection) => {
      connection.send(frame(FRAME.headers, 0, streamId));
      for (let i = 0; i < 100; i += 1) connection.send(frame(FRAME.continuation, 0, streamId));
    });
    expect(await get(peer)).toBe(502);
    await upstream.until(({ connections }) => connections[0]?.ended === true);
  });

  it('with a push is left', async () => {
    const { upstream, peer } = await openRaw(({ streamId }, connection) =>
      connection.send(frame(FRAME.pushPromise, FLAG.endHeaders, streamId, uint32(2))),
    );
    expect(await get(peer)).toBe(502);
    await upstream.until(({ connections }) => connections[0]?.ended === true);
  });
});

describe('more exchanges than the upstream takes', () => {
  const ONE = settings([SETTING.maxConcurrentStreams, 1]);

  it('wait for each other where no more connections are allowed', async () => {
    const { upstream, proxy } = await openRaw(() => undefined, { pool: { maxConnections: 1 } }, ONE);
    const peers = await Promise.all([connectTraining(proxy), connectTraining(proxy), connectTraining(proxy)]);
    for (const peer of peers) peer.request('GET', '/x');
    const statuses = Promise.all(peers.map(async (peer) => (await peer.response()).status));
    for (const streamId of [1, 3, 5]) {
      await upstream.until(({ connections }) => (connections[0]?.of(FRAME.headers, streamId).length ?? 0) === 1);
      expect(upstream.connections[0]?.of(FRAME.headers, streamId + 2)).toEqual([]);
      upstream.connections[0]?.send(headers(streamId, [STATUS_200, ['content-length', '0']], true));
    }
    expect(await statuses).toEqual([200, 200, 200]);
    expect(upstream.connections).toHaveLength(1);
  });

  it('go on as soon as it takes more', async () => {
    const { upstream, proxy } = await openRaw(() => undefined, { pool: { maxConnections: 1 } }, ONE);
    const peers = await Promise.all([connectTraining(proxy), connectTraining(proxy)]);
    for (const peer of peers) peer.request('GET', '/x');
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.headers).length === 1);
    upstream.connections[0]?.send(settings([SETTING.maxConcurrentStreams, 2]));
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.headers).length === 2);
  });

  it('have more connections opened, one at a time', async () => {
    const { upstream, proxy } = await openRaw(() => undefined, { pool: { maxConnections: 2, maxPending: 1 } }, ONE);
    const peers = await Promise.all(Array.from({ length: 4 }, async () => connectTraining(proxy)));
    for (const peer of peers) peer.request('GET', '/x');
    await upstream.until(
      ({ connections }) => connections.filter((each) => each.of(FRAME.headers).length > 0).length === 2,
    );
    const statuses = Promise.all(peers.map(async (peer) => (await peer.response()).status));
    const answered = new Set<Frame>();
    const waiting = (): readonly { readonly asked: Frame; readonly connection: FrameConnection }[] =>
      upstream.connections.flatMap((connection) =>
        connection.of(FRAME.headers).flatMap((asked) => (answered.has(asked) ? [] : [{ asked, connection }])),
      );
    while (answered.size < 4) {
      await upstream.until(() => waiting().length > 0);
      for (const { asked, connection } of waiting()) {
        answered.add(asked);
        answer(asked, connection);
      }
    }
    expect(await statuses).toEqual([200, 200, 200, 200]);
  });

  it('are refused when too many wait', async () => {
    const { upstream, proxy } = await openRaw(() => undefined, { pool: { maxConnections: 1, maxPending: 1 } }, ONE);
    const [first, second, third] = await Promise.all([
      connectTraining(proxy),
      connectTraining(proxy),
      connectTraining(proxy),
    ]);
    first.request('GET', '/x');
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.headers).length === 1);
    second.request('GET', '/x');
    await proxy.untilDecided(2);
    expect(await get(third)).toBe(503);
  });

  it('do not wait for one whose peer has left', async () => {
    const { upstream, proxy } = await openRaw(() => undefined, { pool: { maxConnections: 1 } }, ONE);
    const [first, second, third] = await Promise.all([
      connectTraining(proxy),
      connectTraining(proxy),
      connectTraining(proxy),
    ]);
    first.request('GET', '/first');
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.headers).length === 1);
    second.request('GET', '/second');
    await proxy.untilDecided(2);
    second.socket.destroy();
    await proxy.untilClosed(3);
    third.request('GET', '/third');
    await proxy.untilDecided(3);
    upstream.connections[0]?.send(headers(1, [STATUS_200, ['content-length', '0']], true));
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.headers, 3).length === 1);
    upstream.connections[0]?.send(headers(3, [STATUS_200, ['content-length', '0']], true));
    expect((await third.response()).status).toBe(200);
    expect(proxy.recorder.requests.map(({ path, refusal }) => [path, refusal])).toEqual([
      ['/second', 'peer-aborted'],
      ['/first', null],
      ['/third', null],
    ]);
  });

  it("have their streams cancelled when their peers leave, and nobody else's", async () => {
    const { upstream, proxy } = await openRaw(() => undefined);
    const [first, second] = await Promise.all([connectTraining(proxy), connectTraining(proxy)]);
    first.request('GET', '/first');
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.headers).length === 1);
    second.request('GET', '/second');
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.headers).length === 2);
    first.socket.destroy();
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.rstStream).length === 1);
    expect(upstream.connections[0]?.of(FRAME.rstStream)[0]).toMatchObject({
      streamId: 1,
      payload: uint32(CODE.cancel),
    });
    upstream.connections[0]?.send(headers(3, [STATUS_200, ['content-length', '0']], true));
    expect((await second.response()).status).toBe(200);
  });
});

describe('a connection to an upstream of HTTP/2 that has used up its numbers', () => {
  it('takes no more exchanges, and those that follow have one of their own', async () => {
    const upstream = await FrameUpstream.start((each, connection) => {
      if (each.type === FRAME.data) answer(each, connection);
    });
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const peer = await connectTraining(proxy);
    // Of 2^30 there are two left.
    vi.spyOn(StreamTable.prototype, 'next').mockReturnValueOnce(2 ** 31 - 3);
    onTestFinished(() => void vi.restoreAllMocks());
    // With bodies, so that none of them is sent again.
    for (let sent = 0; sent < 4; sent += 1) {
      peer.send('POST /x HTTP/1.1\r\nhost: registry\r\ncontent-length: 2\r\n\r\nok');
      expect((await peer.response()).status).toBe(200);
    }
    expect(upstream.connections).toHaveLength(2);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([null, null, null, null]);
  });

  it('has the exchange tried elsewhere that finds none left', async () => {
    const { proxy, upstream, peer } = await openRaw(answer);
    expect(await get(peer)).toBe(200);
    vi.spyOn(StreamTable.prototype, 'next').mockReturnValueOnce(null);
    onTestFinished(() => void vi.restoreAllMocks());
    peer.request('POST', '/x', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(200);
    expect(upstream.connections).toHaveLength(2);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([null, null]);
  });
});
