// What one HTTP/2 endpoint hears and says over one socket: what a read brings is dealt with and answered in the same turn, in one write.

import type { Socket } from 'node:net';
import type { Endpoint, EndpointOutput } from '../http2/endpoint-ports.ts';
import type { ErrorCode } from '../http2/frame.ts';
import { FrameTurns } from './frame-turns.ts';
import { SharedRead } from './shared-read.ts';

/** `ending`: as soon as what is being written has been. `ended`: the last of it is on its way, and what still comes is thrown away. */
type Phase = 'open' | 'ending' | 'ended';

export class Http2Transport implements EndpointOutput {
  readonly #socket: Socket;
  readonly #endpoint: Endpoint;
  readonly #read: SharedRead;
  readonly #turns: FrameTurns;
  #phase: Phase = 'open';
  /** Of the GOAWAY that goes before the end; null where there has been one. */
  #lastCode: ErrorCode | null = null;
  /** What comes up while the endpoint is being told something is flushed behind it. */
  #isTelling = false;
  #isFlushing = false;
  #isScheduled = false;

  /** `socket` is connected and not read from yet. Whoever has made `endpoint` hears of the end of the socket for itself, and before it. */
  constructor(socket: Socket, endpoint: Endpoint) {
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#turns = new FrameTurns(socket);
    this.#read = new SharedRead(socket, (bytes) => this.received(bytes));
    socket.on('drain', () => this.#onDrain());
    // Half-closed is gone, as in HTTP/1.1.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#onClose());
  }

  /** Also what was read before there was anybody to take it. `bytes` may be overwritten when this has returned. */
  received(bytes: Buffer): void {
    if (this.#phase !== 'open') return;
    this.#isTelling = true;
    const frames = this.#endpoint.receive(bytes);
    this.#isTelling = false;
    this.flush();
    this.#turns.count(frames);
  }

  /** `bytes` of a body, to be kept by whoever frees them. */
  lasting(bytes: Buffer): Buffer {
    return this.#read.lasting(bytes);
  }

  /** There is something to be flushed: when what has been read has been dealt with, or else this turn. */
  outputWaits(): void {
    if (this.#isTelling || this.#isScheduled) return;
    this.#isScheduled = true;
    process.nextTick(flushScheduled, this);
  }

  flushScheduled(): void {
    this.#isScheduled = false;
    this.flush();
  }

  flush(): void {
    if (this.#isFlushing || this.#phase === 'ended') return;
    if (this.#socket.writable) {
      this.#isFlushing = true;
      this.#socket.cork();
      this.#endpoint.flush(this);
      this.#socket.uncork();
      this.#isFlushing = false;
    }
    if (this.#phase === 'ending') this.#end();
  }

  write(bytes: Buffer, written: (() => void) | null): boolean {
    return written === null ? this.#socket.write(bytes) : this.#socket.write(bytes, written);
  }

  /** Ends the connection when what waits has been written; with a GOAWAY of `code` behind it unless that is null. */
  end(code: ErrorCode | null): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'ending';
    this.#lastCode = code;
    // Comes back to #end(), as what is being written does.
    this.flush();
  }

  #end(): void {
    const code = this.#lastCode;
    if (code !== null) {
      this.#lastCode = null;
      this.#endpoint.fail(code);
      return this.flush();
    }
    this.#phase = 'ended';
    this.#socket.end();
  }

  #onDrain(): void {
    if (this.#phase === 'ended') return;
    this.#isTelling = true;
    this.#endpoint.drained();
    this.#isTelling = false;
    this.flush();
  }

  #onClose(): void {
    this.#phase = 'ended';
    this.#endpoint.disconnected();
  }
}

function flushScheduled(transport: Http2Transport): void {
  transport.flushScheduled();
}
