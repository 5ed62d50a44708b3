import { connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import type { Http2Asks } from '../../bench/load/plan.ts';
import { type LoadResult, runLoad } from '../../bench/load/run-load.ts';
import { freePort, startProgram } from '../../bench/proxy/programs.ts';
import { GRPC_ANSWER, GRPC_QUESTION } from '../../bench/upstreams/messages.ts';

const UPSTREAM = new URL('../../bench/upstreams/grpc.ts', import.meta.url).pathname;
const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Asked {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Node's own HTTP/2, as the other end. */
async function startServer(
  answer: (stream: ServerHttp2Stream) => void,
  settings: { readonly headerTableSize?: number } = {},
): Promise<{ readonly port: number; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer({ settings });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    // A generator that has ended is what some of these tests are about.
    stream.on('error', () => undefined);
    void buffer(stream).then((body) => {
      asked.push({ headers, body });
      answer(stream);
    });
  });
  server.on('session', (session) => session.on('error', () => undefined));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closers.push(() => void server.close());
  return { port: (server.address() as AddressInfo).port, asked };
}

function load(port: number, asks: Pick<Http2Asks, 'message' | 'answer'>): Promise<LoadResult> {
  return runLoad(
    {
      kind: 'closed',
      target: { kind: 'plain', at: port },
      asks: { protocol: 'http2', path: '/some/where', streams: 3, ...asks },
      directory: '/none',
      clients: 1,
      connections: 2,
      warmupMs: 0,
      measureMs: 100,
    },
    { cpu: '0', processes: 1 },
    { start: () => undefined, end: () => undefined },
  );
}

const toBase64 = (text: string): string => Buffer.from(text).toString('base64');

function greet(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 });
  stream.end('hello, world');
}

describe('the load generator over HTTP/2', () => {
  it.each([
    ['the usual table of fields', {}],
    ['a smaller one', { headerTableSize: 512 }],
    ['none at all', { headerTableSize: 0 }],
  ])('asks the same over and over, as a server with %s reads it', async (_name, settings) => {
    const { port, asked } = await startServer(greet, settings);
    const { done } = await load(port, { message: null, answer: toBase64('hello') });
    expect(done).toBeGreaterThan(10);
    expect(asked.length).toBeGreaterThanOrEqual(done);
    for (const { headers } of [...asked.slice(0, 10), ...asked.slice(-10)]) {
      expect(headers).toMatchObject({ ':method': 'GET', ':path': '/some/where', ':scheme': 'http', accept: '*/*' });
    }
  });

  it('sends a message with each call, whole', async () => {
    const { port, asked } = await startServer(greet);
    await load(port, { message: GRPC_QUESTION.toString('base64'), answer: toBase64('hello, world') });
    expect(asked[0]?.headers).toMatchObject({ ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' });
    expect(asked.every(({ body }) => body.equals(GRPC_QUESTION))).toBe(true);
  });

  it.each([
    ['something else', (stream: ServerHttp2Stream): void => void stream.end('denied, and why')],
    ['less than it should', (stream: ServerHttp2Stream): void => void stream.end('hell')],
    [
      'a head and nothing more',
      (stream: ServerHttp2Stream): void => stream.respond({ ':status': 403 }, { endStream: true }),
    ],
    ['by resetting the stream', (stream: ServerHttp2Stream): void => stream.close(2)],
    ['by ending the connection', (stream: ServerHttp2Stream): void => stream.session?.goaway(1)],
  ])('ends when it is answered %s', async (_name, answer) => {
    const { port } = await startServer(answer);
    await expect(load(port, { message: null, answer: toBase64('hello') })).rejects.toThrow('without a result');
  });
});

describe('the upstream that speaks gRPC', () => {
  it('answers calls of another implementation with a message and a status', async () => {
    const port = await freePort();
    const program = await startProgram([process.execPath, UPSTREAM, String(port)], { cpu: '0', port });
    closers.push(() => program.stop());
    const session = connect(`http://127.0.0.1:${port}`);
    closers.push(() => session.destroy());
    const call = async (): Promise<{ readonly body: Buffer; readonly status: unknown }> => {
      const stream = session.request({ ':method': 'POST', ':path': '/s/m', 'content-type': 'application/grpc' });
      let status: unknown;
      stream.on('trailers', (trailers) => {
        status = trailers['grpc-status'];
      });
      stream.end(GRPC_QUESTION);
      return { body: await buffer(stream), status };
    };
    const answers = await Promise.all(Array.from({ length: 50 }, call));
    expect(answers.every(({ body, status }) => body.equals(GRPC_ANSWER) && status === '0')).toBe(true);
  });
});
