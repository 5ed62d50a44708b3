// An HTTP/2 upstream in frames made by hand, that says exactly what a test wants.

import { createServer, type Server, type Socket } from 'node:net';
import { FLAG, FRAME, type Frame, frame, framesOf, PREFACE, settings } from './http2-frames.ts';

export class FrameConnection {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  ended = false;
  #unread: Buffer = Buffer.alloc(0);
  #hasPreface = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(...bytes: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(bytes));
  }

  /** Of that type and stream, as they came. */
  of(type: number, streamId?: number): readonly Frame[] {
    return this.frames.filter((each) => each.type === type && (streamId === undefined || each.streamId === streamId));
  }

  take(bytes: Buffer): readonly Frame[] {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    if (!this.#hasPreface) {
      if (this.#unread.length < PREFACE.length) return [];
      this.#unread = this.#unread.subarray(PREFACE.length);
      this.#hasPreface = true;
    }
    const { frames, rest } = framesOf(this.#unread);
    this.#unread = rest;
    this.frames.push(...frames);
    return frames;
  }
}

/** Says hello, acknowledges settings, and leaves all else to `answer`. */
export class FrameUpstream {
  readonly port: number;
  readonly connections: FrameConnection[] = [];
  readonly #server: Server;
  #waiters: (() => void)[] = [];

  private constructor(port: number, server: Server) {
    this.port = port;
    this.#server = server;
  }

  /** `hello` is sent at once; `answer` is called with every frame. */
  static async start(
    answer: (frame: Frame, connection: FrameConnection, upstream: FrameUpstream) => void,
    hello: Buffer = settings(),
  ): Promise<FrameUpstream> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const upstream = new FrameUpstream(address.port, server);
    server.on('connection', (socket) => {
      const connection = new FrameConnection(socket);
      upstream.connections.push(connection);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        connection.ended = true;
        upstream.#wake();
      });
      connection.send(hello);
      socket.on('data', (bytes) => {
        for (const each of connection.take(bytes)) {
          if (each.type === FRAME.settings && (each.flags & FLAG.ack) === 0 && hello.length > 0)
            connection.send(frame(FRAME.settings, FLAG.ack, 0));
          answer(each, connection, upstream);
        }
        upstream.#wake();
      });
    });
    return upstream;
  }

  async until(enough: (upstream: FrameUpstream) => boolean): Promise<void> {
    while (!enough(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Keeps what is open. */
  stopListening(): void {
    this.#server.close();
  }

  close(): void {
    this.#server.close();
    for (const { socket } of this.connections) socket.destroy();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
