// Upstreams that speak HTTP/2 with prior knowledge: a real one by script.

import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type IncomingHttpHeaders,
  type ServerOptions,
} from 'node:http2';

export type H2cAnswer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]) => void;

export class H2cUpstream {
  readonly port: number;
  readonly sessions: ServerHttp2Session[] = [];
  readonly streams: ServerHttp2Stream[] = [];
  readonly #server: Http2Server;
  #waiters: (() => void)[] = [];

  private constructor(server: Http2Server, answer: H2cAnswer) {
    this.#server = server;
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.port = address.port;
    server.on('session', (session) => {
      this.sessions.push(session);
      session.on('error', () => undefined);
      session.on('close', () => this.#wake());
      this.#wake();
    });
    server.on('stream', (stream, headers, _flags, raw) => {
      this.streams.push(stream);
      stream.on('error', () => undefined);
      stream.on('close', () => this.#wake());
      answer(stream, headers, raw);
      this.#wake();
    });
  }

  static async start(answer: H2cAnswer, options: ServerOptions = {}): Promise<H2cUpstream> {
    const server = createServer({ ...options });
    server.on('error', () => undefined);
    server.on('sessionError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new H2cUpstream(server, answer);
  }

  /** Waits until something has begun or ended and `enough` holds. */
  async until(enough: (upstream: H2cUpstream) => boolean): Promise<void> {
    while (!enough(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  close(): void {
    this.#server.close();
    for (const session of this.sessions) session.destroy();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
