import type { Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { connectFrames, type FramePeer } from '../support/http2-frame-peer.ts';
import { FrameUpstream } from '../support/http2-frame-upstream.ts';
import {
  CODE,
  data,
  FLAG,
  FRAME,
  frame,
  goaway,
  headerBlock,
  headers,
  reset,
  uint32,
} from '../support/http2-frames.ts';
import { connectHttp2, request } from '../support/http2-peer.ts';
import {
  ARTICLE_POLICY,
  compilePolicy,
  type ProxyFixture,
  type ProxyOptions,
  ScriptedUpstream,
  startProxy,
} from '../support/proxy-fixture.ts';
import { pick, type Random, seeded } from '../support/unruly-upstream.ts';

const SEEDS = 8;
const PEERS = 4;
const STEPS = 120;
/** How the proxy's own answers begin. */
const REFUSAL = '{"type":"about:blank"';
const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');

/** What the upstream says in answer to `path`: octets that belong to no other. */
function bodyOf(path: string, random: Random): string {
  return `<${path}>`.repeat(1 + Math.floor(random() ** 4 * 9_000));
}

/** Only of repetitions of `<path>`, the last of which may be cut off. */
function isOf(path: string, body: string): boolean {
  const unit = `<${path}>`;
  return body === unit.repeat(Math.ceil(body.length / unit.length)).slice(0, body.length);
}

interface Upstream {
  readonly port: number;
  /** From now on it answers as it should. */
  settle: () => void;
  readonly close: () => void;
  /** Paths in the order in which they came. */
  readonly asked: string[];
}

async function startHttp1(random: Random): Promise<Upstream> {
  const asked: string[] = [];
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  const upstream = await ScriptedUpstream.start((head, socket) => {
    const path = / (\/\S*) /.exec(head)?.[1] ?? '';
    asked.push(path);
    answerHttp1(socket, settled ? 'whole' : pick(random, HTTP1_WAYS), bodyOf(path, random));
  });
  return { port: upstream.port, close: () => upstream.close(), settle, asked };
}

const HTTP1_WAYS = ['whole', 'chunked', 'half', 'reset', 'silent', 'garbage', 'interim', 'twice'] as const;

function answerHttp1(socket: Socket, way: (typeof HTTP1_WAYS)[number], body: string): void {
  const whole = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const chunk = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`;
  switch (way) {
    case 'whole':
      return void socket.write(whole, 'latin1');
    case 'chunked':
      return void socket.write(`${chunk}0\r\n\r\n`, 'latin1');
    case 'half':
      return void socket.write(chunk, 'latin1');
    case 'reset':
      socket.write(chunk, 'latin1');
      return void socket.resetAndDestroy();
    case 'silent':
      return;
    case 'garbage':
      return void socket.write('no HTTP at all');
    case 'interim':
      return void socket.write(`HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n${whole}`, 'latin1');
    case 'twice':
      return void socket.write(whole + whole, 'latin1');
  }
}

const HTTP2_WAYS = ['whole', 'trailers', 'half', 'reset', 'refused', 'silent', 'goaway', 'destroy', 'invalid'] as const;

async function startHttp2(random: Random): Promise<Upstream> {
  const asked: string[] = [];
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  const upstream = await FrameUpstream.start(({ type, streamId, payload }, connection) => {
    if (type !== FRAME.headers) return;
    // Read where it stands as it is; where it is coded by Huffman it remains unknown.
    const path = /<(\/[^>]*)>/.exec(payload.toString('latin1'))?.[1] ?? '';
    if (path !== '') asked.push(path);
    const head = headers(streamId, [[':status', '200']]);
    const body = data(streamId, path === '' ? '' : bodyOf(path, random).slice(0, 16_000));
    switch (settled ? 'whole' : pick(random, HTTP2_WAYS)) {
      case 'whole':
        return connection.send(head, body, data(streamId, '', true));
      case 'trailers':
        return connection.send(head, body, headers(streamId, [['grpc-status', '0']], true));
      case 'half':
        return connection.send(head, body);
      case 'reset':
        return connection.send(head, body, reset(streamId, pick(random, [0, 1, 2, 5, 7, 8, 11])));
      case 'refused':
        return connection.send(reset(streamId, CODE.refusedStream));
      case 'silent':
        return;
      case 'goaway':
        return connection.send(goaway(Math.max(0, streamId - 2 * Math.floor(random() * 3)), pick(random, [0, 0, 2])));
      case 'destroy':
        return void connection.socket.destroy();
      case 'invalid':
        return connection.send(
          pick(random, [headers(streamId, [['a', 'b']]), body, Buffer.from('garbage '.repeat(4))]),
        );
    }
  });
  return { port: upstream.port, close: () => upstream.close(), settle, asked };
}

/**
 * One peer that does STEPS things of which it looks at no consequence. By more DATA than Content-Length and by what follows a GOAWAY of its own
 * it ended the process as long as node:http2 of Node 24.20 read its frames.
 * @returns the paths it asked for, by stream.
 */
async function misbehave(peer: FramePeer, name: string, random: Random): Promise<Map<number, string>> {
  const paths = new Map<number, string>();
  const sending = new Set<number>();
  // One that may not be sent to ends the connection, and so the fun; now and then that is what is wanted.
  const some = (): number =>
    random() < 0.01
      ? 1 + 2 * Math.floor(random() * (paths.size + 1))
      : pick(random, [[...sending].at(-1) ?? 0, ...sending]);
  const end = (id: number): number => {
    sending.delete(id);
    return id;
  };
  for (let step = 0; step < STEPS && !peer.ended; step += 1) {
    const choice = random();
    if (choice < 0.45) {
      const id = 2 * paths.size + 1;
      const path = `/${name}-${id}`;
      paths.set(id, path);
      const fields: (readonly [string, string])[] = [
        [':method', pick(random, ['GET', 'POST', 'POST', 'HEAD', 'PUT'])],
        [':scheme', 'https'],
        [':authority', 'registry'],
        [':path', path],
        ['x-path', `<${path}>`],
      ];
      if (random() < 0.3) fields.push(['content-type', 'application/grpc']);
      if (random() < 0.1) fields.push(['expect', '100-continue']);
      if (random() < 0.05) fields.push(['connection', 'close']);
      if (random() < 0.2) fields.push(['content-length', pick(random, ['0', '5', '700', '5000'])]);
      const isWhole = random() < 0.5;
      if (!isWhole) sending.add(id);
      peer.headers(id, fields, isWhole ? FLAG.endStream : 0);
    } else if (choice > 0.985) {
      const code = pick(random, [CODE.noError, CODE.noError, CODE.protocolError]);
      peer.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(pick(random, [0, 1, 0x7fffffff])), uint32(code)])));
    } else if (choice > 0.903 || sending.size === 0) {
      await new Promise((resolve) => setTimeout(resolve, random() * 6));
    } else if (choice < 0.65) {
      const bytes = Buffer.alloc(Math.floor(random() ** 3 * 9_000), 'x');
      const isLast = random() < 0.4;
      const id = some();
      peer.send(frame(FRAME.data, isLast ? FLAG.endStream : 0, isLast ? end(id) : id, bytes));
    } else if (choice < 0.78) {
      const code = pick(random, [CODE.noError, CODE.cancel, CODE.internalError]);
      peer.send(frame(FRAME.rstStream, 0, end(some()), uint32(code)));
    } else if (choice < 0.84) {
      peer.send(frame(FRAME.windowUpdate, 0, random() < 0.5 ? 0 : some(), uint32(1 + Math.floor(random() * 50_000))));
    } else if (choice < 0.87) {
      const window = pick(random, [0, 1, 65_535, 1_000_000]);
      peer.send(frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(window)])));
    } else if (choice < 0.9) {
      peer.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, end(some()), headerBlock([['x-trailer', 'y']])));
    } else {
      peer.socket.destroy();
    }
  }
  return paths;
}

async function openChaos(seed: number, options: ProxyOptions): Promise<{ proxy: ProxyFixture; upstream: Upstream }> {
  const upstream = await (options.speaks === undefined ? startHttp1 : startHttp2)(seeded(seed));
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, {
    deadlines: { responseHeadTimeoutMs: 700, bodyIdleTimeoutMs: 700 },
    limits: { bodyGraceMs: 700, idleTimeoutMs: 700 },
    pool: { ejectMs: 1, maxConnections: 8 },
    ...options,
  });
  onTestFinished(() => proxy.close());
  return { proxy, upstream };
}

it.each(Array.from({ length: SEEDS }, (_, seed) => [seed, seed % 2 === 0 ? 'HTTP/1.1' : 'HTTP/2'] as const))(
  'H2-90 whatever peers and upstream do with streams, each is told its own, recorded once and over in the end (%i, %s)',
  async (seed, speaks) => {
    const random = seeded(seed + 1_000);
    const { proxy, upstream } = await openChaos(seed, speaks === 'HTTP/2' ? { speaks: 'http/2' } : {});
    const peers = await Promise.all(Array.from({ length: PEERS }, async () => connectFrames(proxy)));
    for (const peer of peers) await peer.greet();
    const changes = setInterval(() => {
      proxy.policy.swap(compilePolicy(random() < 0.3 ? NO_TRAINING : ARTICLE_POLICY));
    }, 7);
    const asked = await Promise.all(
      peers.map(async (peer, at) => misbehave(peer, `${seed}-${at}`, seeded(seed * 10 + at))),
    );
    clearInterval(changes);
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    upstream.settle();
    for (const [at, peer] of peers.entries()) {
      // What has been written is read before the end is.
      await new Promise((resolve) => (peer.ended ? resolve(null) : peer.socket.end(() => resolve(null))));
      await peer.closed();
      for (const [id, path] of asked[at] ?? []) {
        const pieces = peer.frames.filter(({ type, streamId }) => type === FRAME.data && streamId === id);
        const body = Buffer.concat(pieces.map(({ payload }) => payload)).toString('latin1');
        expect(
          REFUSAL.startsWith(body.slice(0, REFUSAL.length)) || isOf(path, body),
          `${path}: ${body.slice(0, 80)}`,
        ).toBe(true);
      }
    }
    await proxy.untilClosed();
    const recorded = proxy.recorder.requests.map(({ path }) => path).filter((path) => path !== '');
    expect(recorded).toHaveLength(new Set(recorded).size);
    const known = new Set(asked.flatMap((paths) => [...paths.values()]));
    for (const path of recorded) expect(known).toContain(path);
    for (const path of upstream.asked) expect(recorded).toContain(path);
    expect((await request(await connectHttp2(proxy), { ':path': '/last', 'x-path': '</last>' })).status).toBe(200);
  },
  30_000,
);
