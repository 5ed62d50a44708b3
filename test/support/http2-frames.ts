// A peer that speaks HTTP/2 in frames made by hand: what Node's own client would never send.

import { connect as connectTls, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { ProxyFixture } from './proxy-fixture.ts';

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEADER_OCTETS = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const header = Buffer.alloc(HEADER_OCTETS);
  header.writeUIntBE(bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, bytes]);
}

/** The whole frames that `bytes` begin with, and what is left. */
export function framesOf(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_OCTETS) {
    const end = at + HEADER_OCTETS + bytes.readUIntBE(at, 3);
    if (bytes.length < end) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      streamId: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + HEADER_OCTETS, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** RFC 7541 §6.2.2, literal without indexing and without Huffman: any octets at all. */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** A 32-bit number as the payload of RST_STREAM or WINDOW_UPDATE. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'registry'],
  [':path', '/x'],
];

export const POST: readonly (readonly [string, string])[] = [[':method', 'POST'], ...GET.slice(1)];

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([prefixedInteger(bytes.length), bytes]);
}

/** RFC 7541 §5.1, with a prefix of seven bits. */
function prefixedInteger(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const octets = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128);
  octets.push(rest);
  return Buffer.from(octets);
}

export class FramePeer {
  readonly socket: TLSSocket;
  readonly frames: Frame[] = [];
  ended = false;
  #unread: Buffer = Buffer.alloc(0);
  #waiters: (() => void)[] = [];

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.ended = true;
      this.#wake();
    });
  }

  /** Preface and SETTINGS, and the acknowledgement of theirs. */
  async greet(settings: Buffer | string = ''): Promise<void> {
    this.send(Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, settings));
    await this.until(({ type, flags }) => type === FRAME.settings && flags === 0);
    this.send(frame(FRAME.settings, FLAG.ack, 0));
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  headers(streamId: number, fields: readonly (readonly [string, string])[], flags: number = FLAG.endStream): void {
    this.send(frame(FRAME.headers, FLAG.endHeaders | flags, streamId, headerBlock(fields)));
  }

  /** The first frame received that is wanted; undefined when the connection has ended without one. */
  async until(wanted: (frame: Frame) => boolean): Promise<Frame | undefined> {
    for (;;) {
      const found = this.frames.find(wanted);
      if (found !== undefined || this.ended) return found;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** The code of the first RST_STREAM of a stream. */
  async reset(streamId: number): Promise<number | undefined> {
    const found = await this.until((each) => each.type === FRAME.rstStream && each.streamId === streamId);
    return found?.payload.readUInt32BE(0);
  }

  /** The code of the first GOAWAY. */
  async goaway(): Promise<number | undefined> {
    return (await this.until(({ type }) => type === FRAME.goaway))?.payload.readUInt32BE(4);
  }

  async closed(): Promise<void> {
    await this.until(() => false);
  }

  #onData(bytes: Buffer): void {
    const { frames, rest } = framesOf(Buffer.concat([this.#unread, bytes]));
    this.#unread = rest;
    this.frames.push(...frames);
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}

/** Of `spiffe://ai.example/training/job`. */
export async function connectFrames(proxy: ProxyFixture): Promise<FramePeer> {
  const svid = proxy.authority.issue('/training/job');
  const socket = connectTls({
    host: '127.0.0.1',
    port: proxy.port,
    ca: proxy.authority.certificatePem,
    cert: svid.certificatePem,
    key: svid.privateKeyPem,
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  const peer = new FramePeer(socket);
  onTestFinished(() => {
    socket.destroy();
  });
  return peer;
}
