import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ListenerContext } from '../../src/proxy/context.ts';
import type { ConnectionOwner } from '../../src/proxy/downstream-connection.ts';
import { Http2Connection } from '../../src/proxy/http2-connection.ts';
import { FRAME, frame } from '../support/http2-frames.ts';

const GREETING = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.settings, 0, 0)]);

/** Takes what is written one piece at a time, when it is told to. */
class SlowSocket extends Duplex {
  taken = '';
  #next: (() => void) | null = null;

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#next = () => {
      this.taken += bytes.toString('latin1');
      done();
    };
  }

  takePiece(): void {
    const next = this.#next;
    this.#next = null;
    next?.();
  }
}

function openConnection(): {
  readonly connection: Http2Connection;
  readonly socket: SlowSocket;
  readonly sweepAfter: (ms: number) => void;
} {
  let nowMs = 0;
  const socket = new SlowSocket();
  const context = {
    limits: {
      maxHeadBytes: 1_024,
      maxFieldCount: 16,
      maxConcurrentStreams: 8,
      headTimeoutMs: 100,
      idleTimeoutMs: 1_000,
    },
    deadlines: { bodyIdleTimeoutMs: 60_000 },
    clock: { monotonicMs: () => nowMs },
    recorder: { connectionTerminated: () => undefined },
    identityFields: { isForwarded: () => true },
    egress: null,
  };
  const owner = { principal: 'spiffe://a/b', endsSoon: null, isDraining: false };
  const connection = new Http2Connection(
    socket as unknown as Socket,
    context as unknown as ListenerContext,
    owner as unknown as ConnectionOwner,
  );
  connection.received(GREETING);
  const sweepAfter = (ms: number): void => {
    nowMs += ms;
    connection.sweep(nowMs, ms);
  };
  return { connection, socket, sweepAfter };
}

describe('the end of an HTTP/2 connection', () => {
  it('waits for what has been said to be taken, as long as that gets on', () => {
    const { socket, sweepAfter } = openConnection();
    sweepAfter(1_000);
    expect(socket.writableEnded).toBe(true);
    for (let turn = 0; turn < 2; turn += 1) {
      sweepAfter(50_000);
      expect(socket.destroyed).toBe(false);
      socket.takePiece();
      sweepAfter(50_000);
      expect(socket.destroyed).toBe(false);
    }
    sweepAfter(60_000);
    expect(socket.destroyed).toBe(true);
  });

  it('is there two seconds after all of it has been', async () => {
    const { socket, sweepAfter } = openConnection();
    sweepAfter(1_000);
    while (socket.writableLength > 0) {
      socket.takePiece();
      await new Promise((resolve) => process.nextTick(resolve));
    }
    sweepAfter(0);
    sweepAfter(1_999);
    expect(socket.destroyed).toBe(false);
    sweepAfter(1);
    expect(socket.destroyed).toBe(true);
    // GOAWAY without an error, of no stream.
    expect(socket.taken.endsWith(frame(FRAME.goaway, 0, 0, Buffer.alloc(8)).toString('latin1'))).toBe(true);
  });

  it('waits for nobody where the peer has broken the protocol, or has to go', () => {
    const broken = openConnection();
    broken.connection.received(frame(FRAME.ping, 0, 1, 'whatever'));
    const cut = openConnection();
    cut.connection.terminate('drain-deadline');
    for (const { socket, sweepAfter } of [broken, cut]) {
      expect(socket.writableEnded).toBe(true);
      sweepAfter(0);
      sweepAfter(1_999);
      expect(socket.destroyed).toBe(false);
      sweepAfter(1);
      expect(socket.destroyed).toBe(true);
    }
  });
});
