// An upstream that answers as the path of each request tells it to, well or badly, and watches that the proxy keeps one
// exchange apart from the next.

import { createServer, type Socket } from 'node:net';
import { RequestDecoder } from '../../src/http1/request-decoder.ts';
import { hasBody } from '../../src/http1/request-head.ts';

/** How a request to `/<id>/<behaviour>/<size>` is answered. */
export const BEHAVIOURS = [
  'length',
  'chunked',
  'until-close',
  'empty',
  'no-content',
  'not-modified',
  'interim',
  'early',
  'last',
  'ends-after',
  'reset-before',
  'reset-in-head',
  'reset-in-body',
  'ends-in-body',
  'garbage',
  'silent',
  'stalls',
  'twice',
] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export type Random = () => number;

/** Reproducible numbers from 0 to 1 (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function pick<T>(random: Random, from: readonly [T, ...T[]]): T {
  return from[Math.floor(random() * from.length)] ?? from[0];
}

/** The body that belongs to a request, in either direction: no part of it could come from another. */
export function bodyOf(id: string, bytes: number): Buffer {
  return Buffer.alloc(bytes, `<${id}>`, 'latin1');
}

/** Writes in pieces of any size, now or a little later; resolves when all is written or the socket is gone. */
export async function writeInPieces(socket: Socket, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length && socket.writable; ) {
    const piece = bytes.subarray(at, at + 1 + Math.floor(random() ** 4 * 200_000));
    at += piece.length;
    socket.write(piece);
    if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, random() * 4));
    else if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve));
  }
}

export class UnrulyUpstream {
  readonly port: number;
  /** Everything that must not have happened. */
  readonly faults: string[] = [];
  /** Ids in the order in which their heads came. */
  readonly asked: string[] = [];
  readonly close: () => void;

  private constructor(port: number, close: () => void) {
    this.port = port;
    this.close = close;
  }

  static async start(random: Random): Promise<UnrulyUpstream> {
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const upstream = new UnrulyUpstream(typeof address === 'object' && address !== null ? address.port : 0, () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
      upstream.#serve(socket, random);
    });
    return upstream;
  }

  #serve(socket: Socket, random: Random): void {
    const decoder = new RequestDecoder({ maxHeadBytes: 64 * 1024, maxFieldCount: 256 });
    let id = '';
    let received = 0;
    let answering = false;
    const onEvent = (event: 'head' | 'data' | 'end'): void => {
      switch (event) {
        case 'head': {
          if (answering) this.faults.push(`a request came before ${id} was answered`);
          const { head } = decoder;
          const [, ownId = '', behaviour = 'length', size = '0'] = head.path.split('/');
          id = ownId;
          received = 0;
          this.asked.push(id);
          answering = true;
          const isEarly = behaviour === 'early' && hasBody(head.body);
          const answer = async (): Promise<void> => {
            const bytes = answerTo({ id, behaviour, bytes: Number(size), isHead: head.method === 'HEAD' });
            if (head.expectsContinue && !isEarly) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
            // Before the last octet is out: the proxy may be faster than the end of this function.
            answering = behaviour === 'silent' || behaviour === 'stalls';
            // A second answer is told from the one before only while it comes with it.
            if (behaviour === 'twice') socket.write(bytes);
            else await writeInPieces(socket, bytes, random);
            finish(socket, behaviour);
          };
          if (isEarly || !hasBody(head.body)) void answer();
          else pending = answer;
          return;
        }
        case 'data':
          received += decoder.data.length;
          if (!bodyOf(id, received).subarray(-decoder.data.length).equals(decoder.data))
            this.faults.push(`octets in the body of ${id} are not its own`);
          return;
        case 'end':
          void pending?.();
          pending = null;
      }
    };
    let pending: (() => Promise<void>) | null = null;
    socket.on('data', (bytes: Buffer) => {
      decoder.push(bytes);
      try {
        for (let event = decoder.next(); event !== 'need-more'; event = decoder.next()) onEvent(event);
      } catch (error) {
        this.faults.push(`the proxy sent no HTTP: ${String(error)}`);
        socket.destroy();
      }
    });
  }
}

function answerTo(asked: { id: string; behaviour: string; bytes: number; isHead: boolean }): Buffer {
  const { id, behaviour, isHead } = asked;
  const body = bodyOf(id, asked.bytes);
  const head = (status: string, ...fields: string[]): Buffer =>
    Buffer.from([`HTTP/1.1 ${status}`, `x-id: ${id}`, ...fields, '', ''].join('\r\n'), 'latin1');
  const length = `content-length: ${body.length}`;
  const whole = (...fields: string[]): Buffer =>
    Buffer.concat([head('200 OK', length, ...fields), isHead ? Buffer.alloc(0) : body]);
  switch (behaviour) {
    case 'chunked':
      return Buffer.concat([head('200 OK', 'transfer-encoding: chunked'), isHead ? Buffer.alloc(0) : chunked(body)]);
    case 'until-close':
      return Buffer.concat([head('200 OK', 'connection: close'), isHead ? Buffer.alloc(0) : body]);
    case 'empty':
      return head('200 OK', 'content-length: 0');
    case 'no-content':
      return head('204 No Content');
    case 'not-modified':
      return head('304 Not Modified', length);
    case 'interim':
      return Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 'latin1'), whole()]);
    case 'last':
      return whole('connection: close');
    case 'reset-before':
    case 'silent':
      return Buffer.alloc(0);
    case 'reset-in-head':
      return head('200 OK', length).subarray(0, -2);
    case 'reset-in-body':
    case 'ends-in-body':
    case 'stalls':
      return isHead
        ? head('200 OK', length).subarray(0, -2)
        : Buffer.concat([head('200 OK', `content-length: ${body.length + 10}`), body]);
    case 'garbage':
      return Buffer.from('no answer at all\r\n\r\n', 'latin1');
    case 'twice':
      return Buffer.concat([whole(), whole('x-second: yes')]);
    default:
      return whole();
  }
}

function chunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, size = 1; at < body.length; at += size, size = size * 5 + 1) {
    const chunk = body.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`, 'latin1'), chunk, Buffer.from('\r\n', 'latin1'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\nx-trailer: yes\r\n\r\n', 'latin1')]);
}

function finish(socket: Socket, behaviour: string): void {
  switch (behaviour) {
    case 'until-close':
    case 'last':
    case 'ends-after':
    case 'ends-in-body':
      socket.end();
      return;
    case 'reset-before':
    case 'reset-in-head':
    case 'reset-in-body':
      socket.resetAndDestroy();
  }
}
