// A peer that speaks HTTP/2 in frames made by hand: what Node's own client would never send.

import { connect as connectTls, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import { FLAG, FRAME, type Frame, frame, framesOf, headerBlock, PREFACE } from './http2-frames.ts';
import type { ProxyFixture } from './proxy-fixture.ts';

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
