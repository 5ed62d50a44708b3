// HTTP/2 by hand: frames and header blocks as bytes, for an upstream that says exactly what a test wants.

import { createServer, type Server, type Socket } from 'node:net';

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { ack: 1, endStream: 1, endHeaders: 4 } as const;
export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const ENHANCE_YOUR_CALM = 11;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literals without indexing and without Huffman codes (RFC 7541 §6.2.2). */
function block(...fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), hpackText(name), hpackText(value)]));
}

function hpackText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const prefix = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) prefix.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...prefix, rest]), bytes]);
}

/** In as many frames as it takes. */
export function headers(stream: number, fields: readonly (readonly [string, string])[], end = false): Buffer {
  const all = block(...fields);
  const pieces = Math.max(1, Math.ceil(all.length / MAX_FRAME));
  return Buffer.concat(
    Array.from({ length: pieces }, (_, at) => {
      const flags = (at === 0 && end ? FLAG.endStream : 0) | (at === pieces - 1 ? FLAG.endHeaders : 0);
      const piece = all.subarray(at * MAX_FRAME, (at + 1) * MAX_FRAME);
      return frame(at === 0 ? FRAME.headers : FRAME.continuation, flags, stream, piece);
    }),
  );
}
const MAX_FRAME = 16_384;

export function data(stream: number, bytes: string | Buffer, end = false): Buffer {
  return frame(FRAME.data, end ? FLAG.endStream : 0, stream, Buffer.from(bytes));
}

export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [at, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frame(FRAME.settings, 0, 0, payload);
}
export const MAX_CONCURRENT_STREAMS = 3;

export function reset(stream: number, code: number): Buffer {
  return frame(FRAME.reset, 0, stream, word(code));
}

export function goaway(lastStream: number, code: number): Buffer {
  return frame(FRAME.goaway, 0, 0, Buffer.concat([word(lastStream), word(code)]));
}

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export class RawConnection {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  ended = false;
  #pending = Buffer.alloc(0);
  #hasPreface = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(...bytes: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(bytes));
  }

  /** Of that type and stream, as they came. */
  of(type: number, stream?: number): readonly Frame[] {
    return this.frames.filter((each) => each.type === type && (stream === undefined || each.stream === stream));
  }

  take(bytes: Buffer): readonly Frame[] {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    if (!this.#hasPreface) {
      if (this.#pending.length < 24) return [];
      this.#pending = this.#pending.subarray(24);
      this.#hasPreface = true;
    }
    const taken: Frame[] = [];
    while (this.#pending.length >= 9) {
      const end = 9 + this.#pending.readUIntBE(0, 3);
      if (this.#pending.length < end) break;
      const payload = this.#pending.subarray(9, end);
      const [type = 0, flags = 0] = this.#pending.subarray(3, 5);
      taken.push({ type, flags, stream: this.#pending.readUInt32BE(5) & 0x7fffffff, payload });
      this.#pending = this.#pending.subarray(end);
    }
    this.frames.push(...taken);
    return taken;
  }
}

/** Says hello, acknowledges settings, and leaves all else to `answer`. */
export class RawH2Upstream {
  readonly port: number;
  readonly connections: RawConnection[] = [];
  readonly #server: Server;
  #waiters: (() => void)[] = [];

  private constructor(port: number, server: Server) {
    this.port = port;
    this.#server = server;
  }

  /** `hello` is sent at once; `answer` is called with every frame. */
  static async start(
    answer: (frame: Frame, connection: RawConnection, upstream: RawH2Upstream) => void,
    hello: Buffer = settings(),
  ): Promise<RawH2Upstream> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const upstream = new RawH2Upstream(address.port, server);
    server.on('connection', (socket) => {
      const connection = new RawConnection(socket);
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

  async until(enough: (upstream: RawH2Upstream) => boolean): Promise<void> {
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
