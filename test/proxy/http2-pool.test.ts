import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { NO_LINES } from '../../src/http1/field-lines.ts';
import type { BodyFraming } from '../../src/http1/request-head.ts';
import { NO_TRAILERS } from '../../src/http1/trailers.ts';
import { Http2Pool } from '../../src/proxy/http2-pool.ts';
import type { Loan } from '../../src/proxy/read-buffers.ts';
import type { Refusal } from '../../src/proxy/refusal.ts';
import { plainDial, type ServerLease } from '../../src/proxy/upstream-dial.ts';
import type { UpstreamStream, UpstreamUser } from '../../src/proxy/upstream.ts';
import { FrameUpstream } from '../support/http2-frame-upstream.ts';
import { CODE, data, FLAG, frame, FRAME, goaway, headers, reset, uint32 } from '../support/http2-frames.ts';

const OPTIONS = {
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 60_000,
  maxConnections: 4,
  maxIdleConnections: 4,
  maxPending: 4,
  failuresToEject: 5,
  ejectMs: 1_000,
};

/** An exchange that only notes how it ends. */
class Ended implements UpstreamUser {
  readonly refusals: Refusal[] = [];
  receivedBytes = 0;
  /** It takes no more after that many, for the time being. */
  pausesAt = Number.POSITIVE_INFINITY;
  holds = false;
  readonly held: { readonly bytes: Buffer; readonly letGo: () => void }[] = [];
  stream: UpstreamStream | null = null;
  readonly end = Promise.withResolvers<Refusal | 'end'>();

  readonly head = Promise.withResolvers<void>();
  readonly isPaused = Promise.withResolvers<void>();
  readonly isDrained = Promise.withResolvers<void>();

  upstreamHead(): void {
    this.head.resolve();
  }
  upstreamData(bytes: Buffer, loan: Loan): void {
    this.receivedBytes += bytes.length;
    if (this.holds) this.held.push({ bytes, letGo: loan.hold() });
  }
  upstreamFlush(): void {
    if (this.pausesAt > this.receivedBytes) return;
    this.stream?.pause();
    this.isPaused.resolve();
  }
  upstreamDrained(): void {
    this.isDrained.resolve();
  }
  upstreamEnd(): void {
    this.end.resolve('end');
  }
  upstreamFailed(refusal: Refusal): void {
    this.refusals.push(refusal);
    this.end.resolve(refusal);
  }
}

interface PoolSetting {
  readonly upstream: FrameUpstream;
  readonly pool: Http2Pool;
  readonly begin: () => Promise<{ readonly user: Ended; readonly stream: UpstreamStream }>;
}

type PoolSettingOptions = Partial<typeof OPTIONS> & {
  readonly pausesAt?: number;
  readonly body?: BodyFraming;
  readonly lease?: ServerLease;
  /** Each that is dialled is put there. */
  readonly sockets?: Socket[];
};

/** Time is what a test says it is. */
async function openPool(
  answer: Parameters<typeof FrameUpstream.start>[0] = () => undefined,
  options: PoolSettingOptions = {},
  hello?: Buffer,
): Promise<PoolSetting> {
  const upstream = await FrameUpstream.start(answer, hello);
  onTestFinished(() => upstream.close());
  const address = { kind: 'tcp', host: '127.0.0.1', port: upstream.port } as const;
  const pool = new Http2Pool(
    {
      dial: (user, onread) => {
        const dialled = (): void => user.dialled(options.lease ?? null);
        const socket = plainDial(address)({ dialled, dialRefused: (why) => user.dialRefused(why) }, onread);
        options.sockets?.push(socket);
        return socket;
      },
      scheme: 'http',
    },
    { ...OPTIONS, ...options },
    { wallMs: () => 0, monotonicMs: () => 0 },
  );
  onTestFinished(() => pool.close());
  const begin = async (): ReturnType<PoolSetting['begin']> => {
    const stream = await new Promise<UpstreamStream>((resolve, reject) =>
      pool.acquire({
        upstreamReady: (ready) => {
          resolve(ready);
          return true;
        },
        upstreamRefused: (refusal) => reject(new Error(refusal)),
      }),
    );
    const user = new Ended();
    user.stream = stream;
    user.pausesAt = options.pausesAt ?? user.pausesAt;
    stream.begin(user, {
      method: 'GET',
      target: '/',
      authority: 'registry',
      lines: NO_LINES,
      body: options.body ?? { kind: 'none' },
      expectsContinue: false,
      upgrade: null,
      neverIndexed: [],
    });
    await upstream.until(({ connections }) => connections.some((each) => each.of(FRAME.headers).length > 0));
    return { user, stream };
  };
  return { upstream, pool, begin };
}

const pinged = ({ connections }: FrameUpstream): boolean => connections[0]?.of(FRAME.ping).length === 1;

describe('a connection on which nothing is heard', () => {
  it('is asked whether it lives, not before five minutes, and left when it does not say so', async () => {
    const { upstream, pool, begin } = await openPool();
    const { user } = await begin();
    pool.sweep(0);
    pool.sweep(300_000);
    await upstream.until(({ connections }) => connections.length === 1);
    expect(pinged(upstream)).toBe(false);
    pool.sweep(331_000);
    await upstream.until(pinged);
    pool.sweep(350_000);
    expect(user.refusals).toEqual([]);
    pool.sweep(351_000);
    expect(await user.end.promise).toBe('upstream-timeout');
    expect(user.refusals).toEqual(['upstream-timeout']);
  });

  it('goes on when it says that it lives', async () => {
    const { upstream, pool, begin } = await openPool((each, connection) => {
      // The end of the second exchange tells that the answer to the question has come.
      if (each.type === FRAME.ping)
        connection.send(frame(FRAME.ping, FLAG.ack, 0, each.payload), reset(3, CODE.cancel));
    });
    const { user } = await begin();
    const { user: second } = await begin();
    pool.sweep(0);
    pool.sweep(331_000);
    await upstream.until(pinged);
    expect(await second.end.promise).toBe('upstream-reset');
    pool.sweep(351_000);
    expect(user.refusals).toEqual([]);
  });
});

describe('an answer that its peer takes slowly', () => {
  const PIECE = Buffer.alloc(16_000);
  const PING = frame(FRAME.ping, 0, 0, Buffer.alloc(8));

  /** All of it has come, and most of it has not been taken. */
  async function openPaused(
    last: readonly Buffer[],
    announced: readonly (readonly [string, string])[] = [],
  ): Promise<Ended> {
    const { upstream, begin } = await openPool(
      (each, connection) => {
        if (each.type !== FRAME.headers) return;
        connection.send(headers(1, [[':status', '200'], ...announced]), data(1, PIECE));
      },
      { pausesAt: 1 },
    );
    const { user } = await begin();
    await user.isPaused.promise;
    upstream.connections[0]?.send(data(1, PIECE), ...last, PING);
    await upstream.until(pinged);
    expect(user.refusals).toEqual([]);
    expect(user.receivedBytes).toBe(PIECE.length);
    user.pausesAt = Number.POSITIVE_INFINITY;
    user.stream?.resume();
    return user;
  }

  it('is whole when it has ended in the meantime', async () => {
    const user = await openPaused([data(1, PIECE, true)]);
    expect(await user.end.promise).toBe('end');
    expect(user.receivedBytes).toBe(3 * PIECE.length);
  });

  it('is whole when it has ended in the meantime, and was reset after that', async () => {
    const user = await openPaused([data(1, PIECE, true), reset(1, CODE.noError)]);
    expect(await user.end.promise).toBe('end');
    expect(user.receivedBytes).toBe(3 * PIECE.length);
  });

  it('is whole when trailers have ended it', async () => {
    const user = await openPaused([data(1, PIECE), headers(1, [['x-a', 'b']], true)]);
    expect(await user.end.promise).toBe('end');
    expect(user.receivedBytes).toBe(3 * PIECE.length);
  });

  it('is not whole when it was reset without an error in the meantime', async () => {
    const user = await openPaused([data(1, PIECE), reset(1, CODE.noError)]);
    expect(await user.end.promise).toBe('upstream-invalid-response');
  });

  it('is whole when it was reset without an error in the meantime, and all that it announced has come', async () => {
    const announced: readonly [string, string] = ['content-length', String(3 * PIECE.length)];
    const user = await openPaused([data(1, PIECE), reset(1, CODE.noError)], [announced]);
    expect(await user.end.promise).toBe('end');
    expect(user.receivedBytes).toBe(3 * PIECE.length);
  });

  it('is not whole when it was reset without an error, and less has come than it announced', async () => {
    const announced: readonly [string, string] = ['content-length', String(3 * PIECE.length + 1)];
    const user = await openPaused([data(1, PIECE), reset(1, CODE.noError)], [announced]);
    expect(await user.end.promise).toBe('upstream-invalid-response');
  });

  it('is whole when it has ended, and the connection behind it, in the meantime', async () => {
    const { upstream, begin } = await openPool(
      (each, connection) => {
        if (each.type !== FRAME.headers) return;
        connection.send(headers(1, [[':status', '200']]), data(1, PIECE));
      },
      { pausesAt: 1 },
    );
    const { user } = await begin();
    await user.isPaused.promise;
    upstream.connections[0]?.send(data(1, PIECE), data(1, PIECE, true), goaway(1, CODE.noError));
    upstream.connections[0]?.socket.end();
    await upstream.until(({ connections }) => connections[0]?.ended === true);
    // By then a connection is opened anew: the old one is known to be gone.
    await begin();
    expect(user.receivedBytes).toBe(PIECE.length);
    user.pausesAt = Number.POSITIVE_INFINITY;
    user.stream?.resume();
    expect(await user.end.promise).toBe('end');
    expect(user.receivedBytes).toBe(3 * PIECE.length);
    expect(user.refusals).toEqual([]);
  });

  it('is not whole when the connection was ended in the meantime', async () => {
    const { upstream, begin } = await openPool(
      (each, connection) => {
        if (each.type !== FRAME.headers) return;
        connection.send(headers(1, [[':status', '200']]), data(1, PIECE));
      },
      { pausesAt: 1 },
    );
    const { user } = await begin();
    await user.isPaused.promise;
    upstream.connections[0]?.send(data(1, PIECE));
    upstream.connections[0]?.socket.end();
    expect(await user.end.promise).toMatch(/^upstream-(?:reset|invalid-response)$/);
  });
});

describe('a stream that was left', () => {
  it('may have many small frames on their way, and nobody else pays for it', async () => {
    const { upstream, begin } = await openPool((each, connection) => {
      if (each.type === FRAME.headers && each.streamId === 1) connection.send(headers(1, [[':status', '200']]));
      if (each.type !== FRAME.rstStream) return;
      const small = data(1, 'tick');
      connection.send(Buffer.concat(Array.from({ length: 4_000 }, () => small)));
      connection.send(headers(3, [[':status', '200']], true));
    });
    const { user, stream } = await begin();
    const { user: second } = await begin();
    await user.head.promise;
    stream.destroy();
    expect(await second.end.promise).toBe('end');
    await begin();
    expect(upstream.connections).toHaveLength(1);
  });
});

describe('an upstream that answers each DATA with a PING', () => {
  it('measures the path, as grpc-go does, and is no flood', async () => {
    let pings = 0;
    const { upstream, begin } = await openPool(
      (each, connection) => {
        if (each.type !== FRAME.data) return;
        connection.send(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
        pings += 1;
        if (pings === 2_000) connection.send(headers(each.streamId, [[':status', '200']], true));
      },
      { body: { kind: 'chunked' } },
    );
    const { user, stream } = await begin();
    for (let sent = 0; sent < 2_000; sent += 1) stream.writeBody(Buffer.from('x'));
    expect(await user.end.promise).toBe('end');
    expect(upstream.connections[0]?.ended).toBe(false);
  });
});

describe('many streams that were left', () => {
  it('are answered late by an upstream that has fallen behind, and nobody else pays for it', async () => {
    const left: number[] = [];
    const { upstream, begin } = await openPool((each, connection) => {
      if (each.type === FRAME.rstStream) left.push(each.streamId);
      if (left.length < 1_000) return;
      const late = left
        .splice(0)
        .map((stream) => Buffer.concat([headers(stream, [[':status', '200']]), data(stream, 'late', true)]));
      connection.send(...late, headers(2_001, [[':status', '200']], true));
    });
    for (let asked = 0; asked < 999; asked += 1) (await begin()).stream.destroy();
    const last = await begin();
    const { user } = await begin();
    last.stream.destroy();
    expect(await user.end.promise).toBe('end');
    expect(upstream.connections).toHaveLength(1);
  });
});

describe('octets of an answer', () => {
  it('stay as they are as long as somebody holds them, and their memory is read into again after that', async () => {
    const sent = Buffer.alloc(200_000);
    for (let at = 0; at < sent.length; at += 1) sent[at] = at % 251;
    const { begin } = await openPool((each, connection) => {
      if (each.type !== FRAME.headers) return;
      connection.send(headers(each.streamId, [[':status', '200']]));
      for (let at = 0; at < sent.length; at += 10_000)
        connection.send(data(each.streamId, sent.subarray(at, at + 10_000), at + 10_000 >= sent.length));
    });
    const memories = new Set<ArrayBufferLike>();
    for (let asked = 0; asked < 8; asked += 1) {
      const { user } = await begin();
      user.holds = true;
      expect(await user.end.promise).toBe('end');
      expect(Buffer.concat(user.held.map(({ bytes }) => bytes)).equals(sent)).toBe(true);
      for (const { bytes, letGo } of user.held) {
        memories.add(bytes.buffer);
        letGo();
      }
      user.stream?.release(0);
    }
    expect(memories.size).toBeLessThan(20);
  });
});

it('H2-90 an upstream of frames by the thousand lets others have their turn between them', async () => {
  const octets = 200_000;
  const { upstream, begin } = await openPool();
  const { user } = await begin();
  const frames = Buffer.concat(Array.from({ length: octets }, () => data(1, 'x')));
  upstream.connections[0]?.send(headers(1, [[':status', '200']]), frames, data(1, '', true));
  let mostOctets = 0;
  for (let known = 0; known < octets; known = user.receivedBytes) {
    await new Promise(setImmediate);
    mostOctets = Math.max(mostOctets, user.receivedBytes - known);
  }
  // What one read brings, in frames of ten octets.
  expect(mostOctets).toBeLessThanOrEqual(26_215);
  expect(await user.end.promise).toBe('end');
});

describe('the memory of a request body', () => {
  const NO_WINDOW = Buffer.of(0, 4, 0, 0, 0, 0);

  it('is freed when it has been sent', async () => {
    const { upstream, begin } = await openPool(() => undefined, { body: { kind: 'chunked' } });
    const { stream } = await begin();
    const [small, large] = [Buffer.alloc(10, 'a'), Buffer.allocUnsafeSlow(32 * 1024).fill('b')];
    const kept = Buffer.alloc(64, 'c');
    const shared = kept.subarray(0, 10);
    for (const bytes of [small, large, shared]) expect(stream.writeBody(bytes)).toBe(true);
    stream.endBody(NO_TRAILERS);
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.data).some(({ flags }) => flags === 1) === true);
    expect([small, large, shared].map((bytes) => bytes.buffer.byteLength > 0)).toEqual([false, false, true]);
    const payloads = upstream.connections[0]?.of(FRAME.data).map(({ payload }) => payload) ?? [];
    expect(Buffer.concat(payloads).toString()).toBe(`${'a'.repeat(10)}${'b'.repeat(32 * 1024)}${'c'.repeat(10)}`);
    expect(kept.toString()).toBe('c'.repeat(64));
  });

  it('is kept as long as the upstream takes nothing', async () => {
    const { upstream, begin } = await openPool(
      () => undefined,
      { body: { kind: 'chunked' } },
      frame(FRAME.settings, 0, 0, NO_WINDOW),
    );
    const { user, stream } = await begin();
    const large = Buffer.allocUnsafeSlow(128 * 1024).fill('b');
    expect(stream.writeBody(large)).toBe(false);
    upstream.connections[0]?.send(headers(1, [[':status', '103']]));
    await user.head.promise;
    expect(large.toString()).toBe('b'.repeat(128 * 1024));
    const more = frame(FRAME.windowUpdate, 0, 1, uint32(128 * 1024));
    upstream.connections[0]?.send(more, frame(FRAME.windowUpdate, 0, 0, uint32(128 * 1024)));
    await user.isDrained.promise;
    const receivedBytes = (): number =>
      upstream.connections[0]?.of(FRAME.data).reduce((sum, { payload }) => sum + payload.length, 0) ?? 0;
    await upstream.until(() => receivedBytes() === 128 * 1024);
    expect(upstream.connections[0]?.of(FRAME.data).every(({ payload }) => !payload.includes(0))).toBe(true);
    expect(large.buffer.byteLength).toBe(0);
  });
});

describe('connections that are not used', () => {
  it('end after a while', async () => {
    const { upstream, pool, begin } = await openPool((each, connection) => {
      if (each.type === FRAME.headers) connection.send(headers(each.streamId, [[':status', '200']], true));
    });
    const { user, stream } = await begin();
    expect(await user.end.promise).toBe('end');
    stream.release(0);
    pool.sweep(59_000);
    expect(pool.takeIdle()).not.toBeNull();
    pool.sweep(60_000);
    expect(pool.takeIdle()).toBeNull();
    await upstream.until(({ connections }) => connections[0]?.ended === true);
    expect(upstream.connections[0]?.of(FRAME.goaway).map(({ payload }) => payload)).toEqual([
      Buffer.concat([uint32(0), uint32(CODE.noError)]),
    ]);
  });

  it('end at once where none are to be kept', async () => {
    const { upstream, pool, begin } = await openPool(
      (each, connection) => {
        if (each.type === FRAME.headers) connection.send(headers(each.streamId, [[':status', '200']], true));
      },
      { maxIdleConnections: 0 },
    );
    const { user, stream } = await begin();
    await user.end.promise;
    stream.release(0);
    pool.sweep(1);
    await upstream.until(({ connections }) => connections[0]?.ended === true);
  });

  it('end with the pool, and whoever waits is told', async () => {
    const { pool, begin } = await openPool();
    const { user } = await begin();
    pool.close();
    expect(await user.end.promise).toBe('upstream-reset');
    await expect(begin()).rejects.toThrow('upstream-ejected');
  });
});

describe('what several exchanges send at once', () => {
  it('is one write', async () => {
    const sockets: Socket[] = [];
    const { upstream, begin } = await openPool(() => undefined, { body: { kind: 'chunked' }, sockets });
    await begin();
    const [socket] = sockets;
    if (socket === undefined) throw new Error('nobody has dialled');
    const written = vi.spyOn(socket, 'write');
    const all = await Promise.all([begin(), begin(), begin()]);
    for (const { stream } of all) {
      stream.writeBody(Buffer.from('question'));
      stream.endBody(NO_TRAILERS);
    }
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.data).length === all.length);
    expect(written).toHaveBeenCalledTimes(1);
    expect(upstream.connections[0]?.of(FRAME.data).every(({ flags }) => flags === FLAG.endStream)).toBe(true);
  });
});

describe('an upstream of a pool', () => {
  it('that says it goes away when nobody is asking is left', async () => {
    const { upstream, begin } = await openPool((each, connection) => {
      if (each.type === FRAME.headers) connection.send(headers(each.streamId, [[':status', '200']], true));
    });
    const { user, stream } = await begin();
    await user.end.promise;
    stream.release(0);
    upstream.connections[0]?.send(goaway(1, CODE.noError));
    await upstream.until(({ connections }) => connections[0]?.ended === true);
  });

  it('is left when it asks faster than anybody needs to, even if it waits for each answer', async () => {
    const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
    const { upstream, begin } = await openPool((each, connection) => {
      if (each.type === FRAME.headers || (each.type === FRAME.ping && (each.flags & FLAG.ack) !== 0))
        connection.send(ping);
    });
    const { user } = await begin();
    expect(await user.end.promise).toBe('upstream-invalid-response');
    await upstream.until(({ connections }) => connections[0]?.ended === true);
    expect(upstream.connections[0]?.of(FRAME.goaway).map(({ payload }) => payload)).toEqual([
      Buffer.concat([uint32(0), uint32(CODE.enhanceYourCalm)]),
    ]);
  });

  it('may ask as often as that needs, again and again', async () => {
    const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
    const { upstream, pool, begin } = await openPool();
    const { user } = await begin();
    for (let asked = 1; asked <= 5; asked += 1) {
      upstream.connections[0]?.send(Buffer.concat(Array.from({ length: 500 }, () => ping)));
      await upstream.until(({ connections }) => connections[0]?.of(FRAME.ping).length === asked * 500);
      pool.sweep(0);
    }
    upstream.connections[0]?.send(headers(1, [[':status', '200']], true));
    expect(await user.end.promise).toBe('end');
  });

  it('that reads nothing is not waited for when its connection is to end', async () => {
    const anyWindow = Buffer.alloc(6);
    anyWindow.writeUInt16BE(4, 0);
    anyWindow.writeUInt32BE(2 ** 31 - 1, 2);
    const { upstream, pool, begin } = await openPool(
      (each, connection) => {
        if (each.type === FRAME.headers) connection.socket.pause();
      },
      { body: { kind: 'chunked' } },
      Buffer.concat([
        frame(FRAME.settings, 0, 0, anyWindow),
        frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 31 - 1 - 65_535)),
      ]),
    );
    const { stream } = await begin();
    // More than kernels keep of it.
    for (let at = 0; at < 64; at += 1) stream.writeBody(Buffer.alloc(1024 * 1024));
    // The first of it is written by the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    pool.close();
    upstream.connections[0]?.socket.resume();
    await upstream.until(({ connections }) => connections[0]?.ended === true);
    expect(upstream.connections[0]?.of(FRAME.goaway)).toEqual([]);
  });

  it('whose proof is about to end takes nothing more', async () => {
    const lease = { endsSoon: false, lapse: () => null };
    const { upstream, pool, begin } = await openPool(
      (each, connection) => {
        if (each.type === FRAME.headers) connection.send(headers(each.streamId, [[':status', '200']], true));
      },
      { lease },
    );
    const { user, stream } = await begin();
    await user.end.promise;
    stream.release(0);
    lease.endsSoon = true;
    expect(pool.takeIdle()).toBeNull();
    pool.sweep(0);
    await upstream.until(({ connections }) => connections[0]?.ended === true);
  });

  it('that went away is not waited for when it cannot be reached again', async () => {
    const { upstream, begin } = await openPool((each, connection) => {
      if (each.type === FRAME.headers) connection.send(goaway(1, CODE.noError), headers(1, [[':status', '200']]));
      if (each.type === FRAME.headers) upstream.stopListening();
    });
    const { user } = await begin();
    await user.head.promise;
    await expect(begin()).rejects.toThrow('upstream-unreachable');
    expect(user.refusals).toEqual([]);
  });
});
