import {
  type Client,
  Metadata,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  status,
  type StatusObject,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { ClientHttp2Stream, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { connectEcho, ECHO, startEcho } from '../support/grpc-echo.ts';
import {
  ARTICLE_POLICY,
  compilePolicy,
  type ProxyFixture,
  type ProxyOptions,
  startProxy,
} from '../support/proxy-fixture.ts';
import { untilStill } from '../support/proxy-setting.ts';
import { type FrameConnection, FrameUpstream } from '../support/http2-frame-upstream.ts';
import { CODE, data, type Frame, FRAME, headers, uint32 } from '../support/http2-frames.ts';
import { type H2cAnswer, H2cUpstream } from '../support/h2c-upstream.ts';
import { answerOf, connectHttp2, request } from '../support/http2-peer.ts';

interface GrpcSetting {
  readonly proxy: ProxyFixture;
  readonly client: Client;
}

async function openGrpc(
  implementation: UntypedServiceImplementation,
  options: ProxyOptions = {},
): Promise<GrpcSetting> {
  const port = await startEcho(implementation);
  const proxy = await startProxy(port, { ...options, speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  return { proxy, client: connectEcho(proxy) };
}

async function openRaw(
  onRequest: (frame: Frame, connection: FrameConnection) => void,
): Promise<{ readonly upstream: FrameUpstream; readonly proxy: ProxyFixture }> {
  const upstream = await FrameUpstream.start((each, connection) => {
    if (each.type === FRAME.headers) onRequest(each, connection);
  });
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  return { upstream, proxy };
}

interface UnaryAnswer {
  readonly error: ServiceError | null;
  readonly message: Buffer | undefined;
  readonly initial: Metadata;
  readonly final: StatusObject;
}

async function call(
  client: Client,
  message: Buffer,
  { metadata = new Metadata(), deadlineMs }: { readonly metadata?: Metadata; readonly deadlineMs?: number } = {},
): Promise<UnaryAnswer> {
  const { path, requestSerialize, responseDeserialize } = ECHO.unary;
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  return new Promise((resolve) => {
    let outcome: Pick<UnaryAnswer, 'error' | 'message'> | null = null;
    let initial = new Metadata();
    let final: StatusObject | null = null;
    const settle = (): void => {
      if (outcome !== null && final !== null) resolve({ ...outcome, initial, final });
    };
    const unary = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      metadata,
      options,
      (error, answer) => {
        outcome = { error, message: answer };
        settle();
      },
    );
    unary.on('metadata', (received: Metadata) => {
      initial = received;
    });
    unary.on('status', (received: StatusObject) => {
      final = received;
      settle();
    });
  });
}

const DENYING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [{ registry: [read] }]');

const echo: UntypedServiceImplementation = {
  unary: ({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => answer(null, request),
  collect: (stream: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
    const messages: Buffer[] = [];
    stream.on('data', (message: Buffer) => messages.push(message));
    stream.on('end', () => answer(null, Buffer.concat(messages)));
  },
  expand: (stream: ServerWritableStream<Buffer, Buffer>) => {
    for (const octet of stream.request) stream.write(Buffer.of(octet));
    stream.end();
  },
  chat: (stream: ServerDuplexStream<Buffer, Buffer>) => {
    stream.on('data', (message: Buffer) => stream.write(Buffer.concat([Buffer.from('re: '), message])));
    stream.on('end', () => stream.end());
    stream.on('error', () => undefined);
  },
};

describe('gRPC from one end to the other', () => {
  it('carries unary calls, with metadata both ways, binary values among them', async () => {
    let seen: Metadata | null = null;
    const { proxy, client } = await openGrpc({
      ...echo,
      unary: (unary: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        seen = unary.metadata;
        const initial = new Metadata();
        initial.set('x-initial', 'first');
        initial.set('x-initial-bin', Buffer.of(0, 255));
        unary.sendMetadata(initial);
        const trailing = new Metadata();
        trailing.set('x-trailing', 'last');
        trailing.set('x-trailing-bin', Buffer.of(254, 1));
        answer(null, unary.request, trailing);
      },
    });
    const metadata = new Metadata();
    metadata.add('x-mine', 'a');
    metadata.add('x-mine', 'b');
    metadata.set('x-mine-bin', Buffer.of(0, 1, 255));
    metadata.set('x-spiffe-id', 'spiffe://ai.example/forged');
    const { error, message, initial, final } = await call(client, Buffer.from('hello'), { metadata });
    expect(error).toBeNull();
    expect(message?.toString()).toBe('hello');
    expect([initial.get('x-initial'), initial.get('x-initial-bin')]).toEqual([['first'], [Buffer.of(0, 255)]]);
    expect(final.metadata.get('x-trailing')).toEqual(['last']);
    expect(final.metadata.get('x-trailing-bin')).toEqual([Buffer.of(254, 1)]);
    const sent: Metadata = seen ?? new Metadata();
    expect(sent.get('x-mine').join(', ')).toBe('a, b');
    expect(sent.get('x-mine-bin')).toEqual([Buffer.of(0, 1, 255)]);
    expect(sent.get('x-spiffe-id')).toEqual(['spiffe://ai.example/training/job']);
    expect(proxy.recorder.requests).toMatchObject([{ path: '/test.Echo/Unary', status: 200, refusal: null }]);
  });

  it('carries the status of the server with its details', async () => {
    const { client } = await openGrpc({
      ...echo,
      unary: (_unary: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        const metadata = new Metadata();
        metadata.set('grpc-status-details-bin', Buffer.from('details'));
        answer({ code: status.FAILED_PRECONDITION, details: 'no, über 100 %', metadata });
      },
    });
    const { error } = await call(client, Buffer.from('x'));
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'no, über 100 %' });
    expect(error?.metadata.get('grpc-status-details-bin')).toEqual([Buffer.from('details')]);
  });

  it('tells the server that nothing on the way loses trailers, as it does of no other request', async () => {
    const seen: unknown[] = [];
    const upstream = await H2cUpstream.start((stream, fields) => {
      seen.push(fields['te']);
      stream.respond({ ':status': 200 }, { endStream: true });
    });
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const session = await connectHttp2(proxy);
    await request(session, { ':method': 'POST', 'content-type': 'application/grpc+proto' }, '');
    await request(session, { ':method': 'POST', 'content-type': 'application/grpc-web' }, '');
    expect(seen).toEqual(['trailers', undefined]);
  });

  it('carries client-streaming calls', async () => {
    const { client } = await openGrpc(echo);
    const { path, requestSerialize, responseDeserialize } = ECHO.collect;
    const answer = await new Promise((resolve) => {
      const stream = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, message) =>
        resolve(error ?? message?.toString()),
      );
      for (const text of ['a', 'b', 'c']) stream.write(Buffer.from(text));
      stream.end();
    });
    expect(answer).toBe('abc');
  });

  it('carries server-streaming calls', async () => {
    const { client } = await openGrpc(echo);
    const { path, requestSerialize, responseDeserialize } = ECHO.expand;
    const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, Buffer.from('xyz'));
    const messages: string[] = [];
    for await (const message of stream) messages.push(String(message));
    expect(messages).toEqual(['x', 'y', 'z']);
  });

  it('carries bidirectional streams, each message as it comes', async () => {
    const { client } = await openGrpc(echo);
    const stream = openChat(client);
    for (const text of ['one', 'two', 'three']) {
      stream.write(Buffer.from(text));
      expect(await nextMessage(stream)).toBe(`re: ${text}`);
    }
    stream.end();
    expect((await statusOf(stream)).code).toBe(status.OK);
  });

  it('carries an early status while the client is still sending', async () => {
    const { proxy, client } = await openGrpc({
      ...echo,
      chat: (stream: ServerDuplexStream<Buffer, Buffer>) => {
        stream.once('data', () => stream.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'enough' }));
      },
    });
    const stream = openChat(client);
    stream.write(Buffer.from('one'));
    expect(await statusOf(stream)).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: 'enough' });
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null, status: 200 }]);
  });

  it('carries messages larger than any window, both ways', async () => {
    const { client } = await openGrpc(echo);
    const large = Buffer.alloc(8 * 1024 * 1024, 'abcdefg');
    const { message } = await call(client, large);
    expect(message?.equals(large)).toBe(true);
  });

  it('H2-91 tells a call that policy does not allow PERMISSION_DENIED, and which decision that was', async () => {
    const { proxy, client } = await openGrpc(echo, { policy: DENYING });
    const { error } = await call(client, Buffer.from('x'));
    expect(error?.code).toBe(status.PERMISSION_DENIED);
    expect(error?.metadata.get('x-sallyport-decision-id')).toEqual([proxy.recorder.requests[0]?.decisionId]);
  });

  it('H2-92 cuts a stream when policy turns against it, and cancels it at the server', async () => {
    const cancelled = Promise.withResolvers<void>();
    const { proxy, client } = await openGrpc({
      ...echo,
      chat: (stream: ServerDuplexStream<Buffer, Buffer>) => {
        stream.on('data', (message: Buffer) => stream.write(message));
        stream.on('error', () => undefined);
        stream.on('cancelled', () => cancelled.resolve());
      },
    });
    const stream = openChat(client);
    stream.write(Buffer.from('one'));
    await nextMessage(stream);
    proxy.policy.swap(compilePolicy(DENYING));
    expect((await statusOf(stream)).code).toBe(status.PERMISSION_DENIED);
    await cancelled.promise;
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'policy-changed' }]);
  });

  it('goes on with a stream that a change of policy does not concern', async () => {
    const { proxy, client } = await openGrpc(echo);
    const stream = openChat(client);
    stream.write(Buffer.from('one'));
    await nextMessage(stream);
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY.replace('- registry: [read]', '- registry: [read, write]')));
    stream.write(Buffer.from('two'));
    expect(await nextMessage(stream)).toBe('re: two');
    stream.end();
    expect((await statusOf(stream)).code).toBe(status.OK);
  });

  it('TL-54 tells a client without an identity UNAUTHENTICATED', async () => {
    const { proxy } = await openGrpc(echo);
    const { error } = await call(connectEcho(proxy, {}, null), Buffer.from('x'));
    expect(error?.code).toBe(status.UNAUTHENTICATED);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'no-identity', path: '' }]);
  });

  it('tells UNIMPLEMENTED where no route leads', async () => {
    const { client } = await openGrpc(echo, {
      routes: [{ host: 'elsewhere', pathPrefix: null, component: 'registry' }],
    });
    expect((await call(client, Buffer.from('x'))).error?.code).toBe(status.UNIMPLEMENTED);
  });

  it('tells UNAVAILABLE when the server is not there', async () => {
    const proxy = await startProxy(1, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    expect((await call(connectEcho(proxy), Buffer.from('x'))).error?.code).toBe(status.UNAVAILABLE);
  });

  it('cancels the call at the server when the client cancels it, and no other call', async () => {
    const cancelled = Promise.withResolvers<void>();
    const { proxy, client } = await openGrpc({
      ...echo,
      chat: (stream: ServerDuplexStream<Buffer, Buffer>) => {
        stream.on('data', (message: Buffer) => stream.write(message));
        stream.on('error', () => undefined);
        stream.on('cancelled', () => cancelled.resolve());
      },
    });
    const [first, second] = [openChat(client), openChat(client)];
    for (const stream of [first, second]) {
      stream.write(Buffer.from('one'));
      await nextMessage(stream);
    }
    first.cancel();
    await cancelled.promise;
    second.write(Buffer.from('two'));
    expect(await nextMessage(second)).toBe('two');
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'peer-aborted' }]);
  });
});

describe('the deadline of a gRPC call', () => {
  /** Over HTTP/2 alone: a client that does not look at its own clock. */
  const asking = (fields: OutgoingHttpHeaders): OutgoingHttpHeaders => ({
    ':method': 'POST',
    ':path': '/test.Echo/Chat',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...fields,
  });
  it('is passed on, and ends at the client', async () => {
    let passedOn: unknown = Number.POSITIVE_INFINITY;
    const { client } = await openGrpc({
      ...echo,
      unary: (unary: ServerUnaryCall<Buffer, Buffer>) => {
        passedOn = unary.getDeadline();
      },
    });
    const { error } = await call(client, Buffer.from('x'), { deadlineMs: 300 });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(passedOn).toBeLessThan(Date.now() + 1_000);
  });

  it('ends a call that is not answered with DEADLINE_EXCEEDED', async () => {
    const { proxy } = await openRaw(() => undefined);
    const answer = await request(await connectHttp2(proxy), asking({ 'grpc-timeout': '100m' }));
    expect(answer.headers).toMatchObject({ ':status': 200, 'grpc-status': '4' });
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'deadline-exceeded' }]);
  });

  it('ends a call whose answer has begun with DEADLINE_EXCEEDED, and cancels it at the server', async () => {
    const { upstream, proxy } = await openRaw(({ streamId }, connection) =>
      connection.send(
        headers(streamId, [
          [':status', '200'],
          ['content-type', 'application/grpc'],
        ]),
        data(streamId, 'first'),
      ),
    );
    const session = await connectHttp2(proxy);
    const stream = session.request({ ':authority': 'registry', ...asking({ 'grpc-timeout': '300000u' }) });
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'first', trailers: { 'grpc-status': '4' } });
    await upstream.until(({ connections }) => connections[0]?.of(FRAME.rstStream).length === 1);
    expect(upstream.connections[0]?.of(FRAME.rstStream)[0]?.payload).toEqual(uint32(CODE.cancel));
  });

  it('ends a call that waits for the upstream', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const proxy = await startProxy(address.port, { speaks: 'http/2', pool: { connectTimeoutMs: 60_000 } });
    onTestFinished(() => proxy.close());
    const answer = await request(await connectHttp2(proxy), asking({ 'grpc-timeout': '100m' }));
    expect(answer.headers).toMatchObject({ 'grpc-status': '4' });
  });

  it.each(['', '5', 'S', '5s', '5X', '-5S', '1.5S', '123456789S', '5S,5S'])(
    'is refused when it says nothing: `%s`',
    async (timeout) => {
      const { proxy } = await openGrpc(echo);
      const answer = await request(await connectHttp2(proxy), asking({ 'grpc-timeout': timeout }), '');
      expect(answer.headers).toMatchObject({ ':status': 200, 'grpc-status': '3' });
      expect(proxy.recorder.requests).toMatchObject([{ refusal: 'invalid-grpc-timeout' }]);
    },
  );

  it('is refused when there are two', async () => {
    const { proxy } = await openGrpc(echo);
    const answer = await request(await connectHttp2(proxy), asking({ 'grpc-timeout': ['5S', '6S'] }), '');
    expect(answer.headers).toMatchObject({ 'grpc-status': '3' });
  });

  it('means nothing to what is no call of gRPC', async () => {
    const { proxy } = await openGrpc(echo);
    const answer = await request(
      await connectHttp2(proxy),
      asking({ 'grpc-timeout': 'x', 'content-type': 'text/plain' }),
      '',
    );
    expect(answer.status).not.toBe(400);
    expect(proxy.recorder.requests[0]?.refusal).toBeNull();
  });
});

const CALL: OutgoingHttpHeaders = {
  ':method': 'POST',
  ':path': '/test.Echo/Chat',
  ':authority': 'registry',
  'content-type': 'application/grpc',
  te: 'trailers',
};

describe('a gRPC stream on which nothing happens', () => {
  /** Echoes calls, late with the head or not, and leaves everything else unanswered. `pass` lets time go by until the proxy has noticed. */
  async function openQuiet(
    head: 'at once' | 'with the first message',
  ): Promise<{ chat: ClientHttp2Stream; pass: () => Promise<void> }> {
    let aheadMs = 0;
    const clock: Clock = { wallMs: () => systemClock.wallMs(), monotonicMs: () => systemClock.monotonicMs() + aheadMs };
    const upstream = await H2cUpstream.start((stream, fields) => {
      if (fields[':path'] === '/hang') return;
      const respond = (): void => stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      if (head === 'at once') respond();
      stream.on('data', (bytes: Buffer) => {
        if (!stream.headersSent) respond();
        stream.write(bytes);
      });
    });
    onTestFinished(() => upstream.close());
    const deadlines = { responseHeadTimeoutMs: 60_000, bodyIdleTimeoutMs: 60_000 };
    const proxy = await startProxy(upstream.port, { clock, deadlines, speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    const session = await connectHttp2(proxy);
    const chat = session.request(CALL);
    chat.on('error', () => undefined);
    await upstream.until(({ streams }) => streams.length === 1);
    const pass = async (): Promise<void> => {
      const hanging = request(session, { ':path': '/hang' });
      await upstream.until(({ streams }) => streams.length === 2);
      aheadMs += 120_000;
      expect((await hanging).status).toBe(504);
    };
    return { chat, pass };
  }

  const echoed = async (chat: ClientHttp2Stream, text: string): Promise<string> => {
    chat.write(text);
    return new Promise((resolve) => chat.once('data', (bytes: Buffer) => resolve(bytes.toString())));
  };

  it('goes on when nothing is said for longer than a body may stand still', async () => {
    const { chat, pass } = await openQuiet('at once');
    expect(await echoed(chat, 'one')).toBe('one');
    await pass();
    expect(await echoed(chat, 'two')).toBe('two');
  });

  it('goes on before the first word of either side', async () => {
    const { chat, pass } = await openQuiet('with the first message');
    await pass();
    expect(await echoed(chat, 'one')).toBe('one');
  });

  it('goes on after the last word of the client', async () => {
    const { chat, pass } = await openQuiet('at once');
    expect(await echoed(chat, 'one')).toBe('one');
    const closed = new Promise<string>((resolve) => chat.once('close', () => resolve('closed')));
    chat.end();
    await pass();
    expect(await Promise.race([closed, new Promise<string>((resolve) => setImmediate(resolve, 'open'))])).toBe('open');
  });
});

describe('the flow of a gRPC stream', () => {
  const PIECE = Buffer.alloc(64 * 1024, 'm');
  const PIECES = 800;
  /** The windows and buffers of two connections and two ends. */
  const MOST_BYTES = 12 * 1024 * 1024;

  /** Writes as long as it is taken, then ends. */
  function pour(stream: Writable, count: { written: number }): void {
    while (count.written < PIECES) {
      count.written += 1;
      if (!stream.write(PIECE)) {
        stream.once('drain', () => pour(stream, count));
        return;
      }
    }
    stream.end();
  }

  async function openPlain(answer: H2cAnswer): Promise<ProxyFixture> {
    const upstream = await H2cUpstream.start(answer);
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
    onTestFinished(() => proxy.close());
    return proxy;
  }

  it('H2-90 stalls the server when the client does not read, and nobody else', async () => {
    const count = { written: 0 };
    const proxy = await openPlain((stream, fields) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      if (fields[':path'] === '/other') stream.end('other');
      else pour(stream, count);
    });
    const session = await connectHttp2(proxy);
    const slow = session.request(CALL, { endStream: true });
    await new Promise((resolve) => slow.once('response', resolve));
    await untilStill(() => count.written);
    expect(count.written * PIECE.length).toBeLessThan(MOST_BYTES);
    expect(await request(session, { ...CALL, ':path': '/other' }, '')).toMatchObject({ body: 'other' });
    let received = 0;
    for await (const bytes of slow) received += Buffer.byteLength(bytes);
    expect(received).toBe(PIECES * PIECE.length);
  });

  it('H2-90 stalls the client when the server does not read, and nobody else', async () => {
    const count = { written: 0 };
    const held = Promise.withResolvers<ServerHttp2Stream>();
    const proxy = await openPlain((stream, fields) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      if (fields[':path'] === '/other') stream.end('other');
      else held.resolve(stream);
    });
    const session = await connectHttp2(proxy);
    const fast = session.request(CALL);
    fast.resume();
    pour(fast, count);
    const server = await held.promise;
    await untilStill(() => count.written);
    expect(count.written * PIECE.length).toBeLessThan(MOST_BYTES);
    expect(await request(session, { ...CALL, ':path': '/other' }, '')).toMatchObject({ body: 'other' });
    let received = 0;
    for await (const bytes of server) received += Buffer.byteLength(bytes);
    expect(received).toBe(PIECES * PIECE.length);
    server.end();
    await new Promise((resolve) => fast.once('close', resolve));
  });
});

type Chat = ReturnType<typeof openChat>;

function openChat(client: Client) {
  const { path, requestSerialize, responseDeserialize } = ECHO.chat;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  stream.on('error', () => undefined);
  return stream;
}

async function nextMessage(stream: Chat): Promise<string> {
  return new Promise((resolve) => stream.once('data', (message: Buffer) => resolve(message.toString())));
}

async function statusOf(stream: Chat): Promise<StatusObject> {
  stream.resume();
  return new Promise((resolve) => stream.once('status', resolve));
}
