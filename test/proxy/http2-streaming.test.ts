import { randomFillSync } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { H2cUpstream } from '../support/h2c-upstream.ts';
import { connectFrames } from '../support/http2-frame-peer.ts';
import { CODE, FLAG, FRAME, type Frame, frame, GET, POST } from '../support/http2-frames.ts';
import { answerOf, connectHttp2, request } from '../support/http2-peer.ts';
import {
  ARTICLE_POLICY,
  compilePolicy,
  OK,
  type ProxyFixture,
  type ProxyOptions,
  startProxy,
} from '../support/proxy-fixture.ts';
import { openSetting, untilStill } from '../support/proxy-setting.ts';

const MIB = 1024 * 1024;
/** What the kernel holds on two connections of this machine, and more. */
const HELD_BYTES = 16 * MIB;
const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');
const REGISTRY = { ':authority': 'registry' };

async function openService(
  service: RequestListener,
  options: ProxyOptions = {},
): Promise<{ readonly proxy: ProxyFixture; readonly session: ClientHttp2Session }> {
  const server = createServer(service);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const proxy = await startProxy((server.address() as AddressInfo).port, options);
  onTestFinished(() => proxy.close());
  return { proxy, session: await connectHttp2(proxy) };
}

describe('flow control over HTTP/2', () => {
  it('stalls an upstream whose peer does not read, and loses nothing', async () => {
    const whole = randomFillSync(Buffer.alloc(MIB));
    const total = 64;
    let written = 0;
    const { session } = await openService((request, response) => {
      if (request.method === 'HEAD') return void response.end();
      const write = (): void => {
        while (written < total) {
          written += 1;
          if (!response.write(whole)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    });
    const stream = session.request({ ...REGISTRY, ':path': '/large' });
    await new Promise((resolve) => stream.once('response', resolve));
    await untilStill(() => written);
    expect(written * MIB).toBeLessThan(HELD_BYTES);
    // Others on the connection are not held up by it.
    const other = await request(session, { ':path': '/large', ':method': 'HEAD' });
    expect(other.status).toBe(200);
    let received = 0;
    let isSame = true;
    stream.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; ) {
        const from = (received + at) % MIB;
        const piece = bytes.subarray(at, at + MIB - from);
        isSame &&= piece.equals(whole.subarray(from, from + piece.length));
        at += piece.length;
      }
      received += bytes.length;
    });
    await new Promise((resolve) => stream.once('close', resolve));
    expect(received).toBe(total * MIB);
    expect(isSame).toBe(true);
  });

  it('stalls an upstream of HTTP/2 whose peer does not read', async () => {
    let written = 0;
    const upstream = await H2cUpstream.start((stream) => {
      stream.respond({ ':status': 200 });
      const write = (): void => {
        for (let isTaken = true; isTaken && written < 64; written += 1) isTaken = stream.write(Buffer.alloc(MIB));
        if (written < 64) stream.once('drain', write);
        else stream.end();
      };
      write();
    });
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const session = await connectHttp2(proxy);
    const stream = session.request({ ...REGISTRY, ':path': '/' });
    await new Promise((resolve) => stream.once('response', resolve));
    await untilStill(() => written);
    expect(written * MIB).toBeLessThan(HELD_BYTES);
    expect((await answerOf(stream)).body).toHaveLength(64 * MIB);
  });

  it('stalls a peer whose upstream does not read, and loses nothing', async () => {
    const whole = randomFillSync(Buffer.alloc(MIB));
    const total = 64;
    let readOn = (): void => undefined;
    let received = 0;
    let isSame = true;
    const { session } = await openService((request, response) => {
      if (request.method === 'GET') return void response.end('here');
      readOn = () => {
        request.on('data', (bytes: Buffer) => {
          for (let at = 0; at < bytes.length; ) {
            const from = (received + at) % MIB;
            const piece = bytes.subarray(at, at + MIB - from);
            isSame &&= piece.equals(whole.subarray(from, from + piece.length));
            at += piece.length;
          }
          received += bytes.length;
        });
        request.on('end', () => response.end('done'));
      };
    });
    const stream = session.request({ ...REGISTRY, ':path': '/', ':method': 'POST' });
    const answer = answerOf(stream);
    let sent = 0;
    const send = (): void => {
      if (sent === total) return void stream.end();
      sent += 1;
      stream.write(whole, send);
    };
    send();
    await untilStill(() => sent);
    expect(sent * MIB).toBeLessThan(HELD_BYTES);
    expect((await request(session, {})).body).toBe('here');
    readOn();
    expect((await answer).body).toBe('done');
    expect(received).toBe(total * MIB);
    expect(isSame).toBe(true);
  });

  it('keeps what streams bring apart, also when some are given up', async () => {
    const { proxy, session } = await openService((request, response) => {
      const id = request.url?.charCodeAt(1) ?? 0;
      for (let piece = 0; piece < 16; piece += 1) response.write(Buffer.alloc(100_000, id));
      response.end();
    });
    const others = await Promise.all([connectHttp2(proxy), connectHttp2(proxy)]);
    const ids = Array.from('abcdefghijklmnopqrst');
    const bodies = ids.map(async (id, index) => {
      const stream = ([session, ...others][index % 3] ?? session).request({ ...REGISTRY, ':path': `/${id}` });
      if (index % 5 === 0) stream.once('data', () => stream.close(CODE.cancel));
      const { body } = await answerOf(stream);
      return { id, isGivenUp: index % 5 === 0, isPure: /^(.)\1*$/.test(body) && body[0] === id, length: body.length };
    });
    for (const { isPure, isGivenUp, length } of await Promise.all(bodies)) {
      expect(isPure).toBe(true);
      if (!isGivenUp) expect(length).toBe(1_600_000);
    }
    await proxy.untilClosed(3);
  });

  it('H2-90 ends a stream that the peer gives no window, while and after its answer comes', async () => {
    const large = `HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`;
    const { proxy } = await openSetting((head, socket) => socket.write(head.includes('/large') ? large : OK), {
      deadlines: { bodyIdleTimeoutMs: 300 },
    });
    const frames = await connectFrames(proxy);
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    await frames.greet(Buffer.from([0, 4, 0, 0, 0, 0]));
    frames.headers(
      1,
      GET.map(([name, value]) => [name, name === ':path' ? '/large' : value]),
    );
    frames.headers(3, GET);
    expect(await frames.reset(1)).toBe(CODE.cancel);
    expect(await frames.reset(3)).toBe(CODE.cancel);
    expect(
      proxy.recorder.requests.map(({ refusal }) => refusal).sort((a, b) => String(a).localeCompare(String(b))),
    ).toEqual([null, 'peer-stalled']);
  });

  it('takes frames of nothing, or of padding, for no end of a body in chunks', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK));
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, POST, 0);
    frames.send(
      frame(FRAME.data, 0, 1),
      frame(FRAME.data, FLAG.padded, 1, '\x03abc'),
      frame(FRAME.data, FLAG.padded, 1, '\x01whole.'),
      frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, '\x02..'),
    );
    await upstream.until(({ received }) => received.endsWith('0\r\n\r\n'));
    expect(upstream.received).toMatch(/\r\n\r\n5\r\nwhole\r\n0\r\n\r\n$/);
  });

  it('answers a body that does not come with 408, and goes on with the others', async () => {
    const { proxy } = await openSetting(() => undefined, { deadlines: { bodyIdleTimeoutMs: 300 } });
    const session = await connectHttp2(proxy);
    const stream = session.request({ ...REGISTRY, ':path': '/', ':method': 'POST' });
    stream.write('some');
    expect(await answerOf(stream)).toMatchObject({ status: 408, rstCode: CODE.noError });
    expect(session.closed).toBe(false);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'body-timeout' }]);
  });
});

describe('an answer over HTTP/2', () => {
  it('that comes before the end of the request is whole, and the rest of the request not wanted', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK));
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, POST, 0);
    frames.send(frame(FRAME.data, 0, 1, 'the first of it'));
    expect(await frames.reset(1)).toBe(CODE.noError);
    const ofStream = frames.frames
      .filter(({ streamId }) => streamId === 1)
      .map(({ type, flags }) => [type, flags & FLAG.endStream]);
    expect(ofStream).toEqual([
      [FRAME.headers, 0],
      [FRAME.data, FLAG.endStream],
      [FRAME.rstStream, 0],
    ]);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null, status: 200 }]);
    // RFC 9112 §9.3: an upstream connection in the middle of a request serves no other.
    const [first] = upstream.sockets;
    if (first?.destroyed !== true) await new Promise((resolve) => first?.once('close', resolve));
  });

  it('does not cost its peer what it says to have more of the request on the way', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(
      1,
      POST.map(([name, value]) => [name, name === ':path' ? '/nowhere%' : value]),
      0,
    );
    const isEnd = ({ type, flags }: Frame): boolean => type === FRAME.data && (flags & FLAG.endStream) !== 0;
    await frames.until(isEnd);
    frames.send(frame(FRAME.data, 0, 1, 'some'), frame(FRAME.data, FLAG.endStream, 1, 'more'));
    frames.headers(3, GET);
    await frames.until((each) => isEnd(each) && each.streamId === 3);
    expect(frames.frames.filter(({ type }) => type === FRAME.rstStream)).toEqual([]);
  });

  it('is followed by a reset when the peer goes on sending all the same', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, POST, 0);
    await frames.until(({ type, flags }) => type === FRAME.data && (flags & FLAG.endStream) !== 0);
    for (let piece = 0; piece < 5; piece += 1) frames.send(frame(FRAME.data, 0, 1, 'x'.repeat(16_384)));
    frames.send(frame(FRAME.ping, 0, 0, 'afterall'));
    await frames.until(({ type }) => type === FRAME.ping);
    // Nobody has waited for it.
    expect(frames.frames.map(({ type }) => type)).toContain(FRAME.rstStream);
    expect(await frames.reset(1)).toBe(CODE.noError);
  });

  it('without a body is watched over until its upstream has ended it', async () => {
    const { proxy } = await openSetting(
      (_head, socket) => socket.write('HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\n\r\n'),
      { deadlines: { bodyIdleTimeoutMs: 300 } },
    );
    const { rstCode } = await request(await connectHttp2(proxy), {});
    expect(rstCode).toBe(CODE.internalError);
    expect(proxy.recorder.requests).toMatchObject([{ status: 205, refusal: 'upstream-timeout' }]);
  });

  it('may be preceded by others', async () => {
    const { proxy } = await openSetting((_head, socket) =>
      socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${OK}`),
    );
    const session = await connectHttp2(proxy);
    const stream = session.request({ ...REGISTRY, ':path': '/' });
    const interim: unknown[] = [];
    stream.on('headers', (headers) => interim.push([headers[':status'], headers['link']]));
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'ok' });
    expect(interim).toEqual([
      [103, '</a>'],
      [102, undefined],
    ]);
  });

  it('tells a peer that holds its body back to go on', async () => {
    const { session } = await openService((request, response) => {
      request.resume();
      request.on('end', () => response.end('thanks'));
    });
    const stream = session.request({
      ...REGISTRY,
      ':path': '/',
      ':method': 'PUT',
      expect: '100-continue',
      'content-length': 4,
    });
    stream.once('continue', () => stream.end('body'));
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'thanks' });
  });

  it('has the trailers of its upstream, and the upstream those of the request', async () => {
    let requestTrailers: readonly string[] = [];
    const upstream = await H2cUpstream.start((stream) => {
      stream.on('trailers', (_fields, _flags, raw) => {
        requestTrailers = raw;
      });
      stream.resume();
      stream.on('end', () => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc', 'x-sallyport-decision-id': 'forged' }));
        stream.end('body');
      });
    });
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const session = await connectHttp2(proxy);
    const stream = session.request({ ...REGISTRY, ':path': '/', ':method': 'POST' }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'x-checksum': '123', 'x-spiffe-id': 'spiffe://forged/id', authorization: 'Bearer forged' }),
    );
    stream.end('question');
    const { body, trailers } = await answerOf(stream);
    expect(body).toBe('body');
    expect(Object.entries(trailers)).toEqual([['x-sum', 'abc']]);
    expect(requestTrailers).toEqual(['x-checksum', '123']);
  });

  it.each<readonly [name: string, answer: string, method: string, expected: object]>([
    ['to HEAD has the length alone', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n', 'HEAD', { 'content-length': '5' }],
    ['204 has no length', 'HTTP/1.1 204 No Content\r\n\r\n', 'GET', { ':status': 204 }],
    [
      '304 keeps its length',
      'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n',
      'GET',
      { ':status': 304, 'content-length': '7' },
    ],
    [
      '205 loses a body it may not have',
      'HTTP/1.1 205 Reset Content\r\ncontent-length: 2\r\n\r\nok',
      'GET',
      { ':status': 205 },
    ],
  ])('%s', async (_name, answer, method, expected) => {
    const { proxy } = await openSetting((_head, socket) => socket.write(answer));
    const session = await connectHttp2(proxy);
    const { headers, body, rstCode } = await request(session, { ':method': method });
    expect(headers).toMatchObject(expected);
    expect([body, rstCode]).toEqual(['', 0]);
  });

  it('has no field that concerns a connection, and no date of ours', async () => {
    const { proxy } = await openSetting((_head, socket) =>
      socket.write(
        'HTTP/1.1 200 OK\r\nconnection: keep-alive, x-hop\r\nkeep-alive: timeout=5\r\nx-hop: a\r\nset-cookie: a=b\r\nset-cookie: c=d\r\nx-latin: \xe9\r\ncontent-length: 2\r\n\r\nok',
        'latin1',
      ),
    );
    const session = await connectHttp2(proxy);
    const { headers } = await request(session, {});
    expect(Object.entries(headers)).toEqual([
      [':status', 200],
      ['set-cookie', ['a=b', 'c=d']],
      ['x-latin', '\xe9'],
      ['content-length', '2'],
    ]);
  });

  it.each<readonly [name: string, head: string]>([
    ['of a known length', 'content-length: 10\r\n\r\nhalf'],
    ['in chunks', 'transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['that lasts until the connection ends', 'x: y\r\n\r\nhalf'],
  ])('%s does not look whole when the upstream breaks it off', async (_name, head) => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(`HTTP/1.1 200 OK\r\n${head}`));
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, GET);
    await frames.until(({ type, streamId }) => type === FRAME.data && streamId === 1);
    upstream.sockets[0]?.resetAndDestroy();
    expect(await frames.reset(1)).toBe(CODE.internalError);
    expect(frames.frames.filter(({ type, flags }) => type === FRAME.data && (flags & FLAG.endStream) !== 0)).toEqual(
      [],
    );
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'upstream-reset' }]);
    expect(frames.ended).toBe(false);
  });

  it('does not look whole when policy turns against it', async () => {
    const { proxy } = await openSetting((_head, socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'),
    );
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, GET);
    await frames.until(({ type, streamId }) => type === FRAME.data && streamId === 1);
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect(await frames.reset(1)).toBe(CODE.cancel);
    expect(frames.frames.filter(({ type, flags }) => type === FRAME.data && (flags & FLAG.endStream) !== 0)).toEqual(
      [],
    );
  });
});

it('a body of frames by the thousand comes whole, octet by octet', async () => {
  const { proxy, upstream } = await openSetting(() => undefined);
  const frames = await connectFrames(proxy);
  await frames.greet();
  frames.headers(1, POST, 0);
  frames.send(Buffer.concat(Array.from({ length: 10_000 }, () => frame(FRAME.data, 0, 1, 'z'))));
  frames.send(frame(FRAME.data, FLAG.endStream, 1, 'y'));
  await upstream.until(({ received }) => received.includes('y\r\n0\r\n\r\n'));
  expect(upstream.received.split('z')).toHaveLength(10_001);
});
