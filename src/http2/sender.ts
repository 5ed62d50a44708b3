// What one end sends: frames of the connection at once, those of streams in turn, as far as windows and the output allow.

import type { EndpointOutput, RawFields } from './endpoint-ports.ts';
import { INITIAL_WINDOW_BYTES } from './frame.ts';
import { FrameWriter } from './frame-writer.ts';
import { MIN_LENT_BYTES, type SendQueue } from './send-queue.ts';

export interface SendingStream {
  readonly queue: SendQueue;
  /** A frame of the queue has been written. */
  frameWritten(): void;
  /** What was told to `ends` has been handed to the output. */
  endHandedOver(): void;
}

// What is assembled before the output is asked whether it takes more.
const TURN_BYTES = 65_536;

export class Sender {
  readonly writer = new FrameWriter();
  /** Of the other end: what it takes of DATA on all streams together. */
  window = INITIAL_WINDOW_BYTES;
  /** Streams that can send, the next one first. */
  readonly #ready = new Set<SendingStream>();
  /** Streams that wait for the window of the connection alone. */
  readonly #starved = new Set<SendingStream>();
  /** Their END_STREAM is written, but not handed over. */
  #ended: SendingStream[] = [];
  #isBlocked = false;
  #isFlushing = false;
  #isWakeTold = false;
  readonly #wake: () => void;

  /** `wake`: there is something to be flushed. */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Writes fields for a stream that has nothing queued. @returns false when they have to be queued. */
  writeFields(streamId: number, fields: RawFields, endsStream: boolean): boolean {
    // Heads that open streams are queued in the order of their numbers (RFC 9113 §5.1.1).
    if (this.#isBlocked || this.#ready.size > 0 || this.writer.pendingBytes >= TURN_BYTES) return false;
    this.writer.headers(streamId, fields, endsStream);
    this.wake();
    return true;
  }

  /** Writes small data for a stream that has nothing queued. @returns false when it has to be queued. */
  writeData(queue: SendQueue, bytes: Buffer): boolean {
    const { length } = bytes;
    if (length >= MIN_LENT_BYTES || length > queue.window || length > this.window) return false;
    if (this.#isBlocked || this.#ready.size + this.#starved.size > 0) return false;
    if (this.writer.pendingBytes >= TURN_BYTES) return false;
    queue.window -= length;
    this.window -= length;
    this.writer.data(queue.streamId, bytes, 0, length, false);
    this.wake();
    return true;
  }

  /** Writes END_STREAM for a stream that has nothing queued. @returns false when it has to be queued. */
  writeEnd(streamId: number): boolean {
    if (this.writer.endLast(streamId)) return true;
    if (this.#isBlocked || this.writer.pendingBytes >= TURN_BYTES) return false;
    this.writer.end(streamId);
    this.wake();
    return true;
  }

  /** Of a stream that has something queued, or whose window has grown. */
  schedule(stream: SendingStream): void {
    const { queue } = stream;
    if (queue.isEmpty || (queue.beginsWithData && queue.window <= 0)) return;
    if (this.#ready.has(stream) || this.#starved.has(stream)) return;
    this.#ready.add(stream);
    this.wake();
  }

  /** The last frame of a stream is written. */
  ends(stream: SendingStream): void {
    this.#ended.push(stream);
    this.wake();
  }

  /** The other end takes more. */
  increaseWindow(increment: number): void {
    this.window += increment;
    this.wake();
  }

  forget(stream: SendingStream): void {
    this.#ready.delete(stream);
    this.#starved.delete(stream);
  }

  wake(): void {
    if (this.#isWakeTold || this.#isFlushing) return;
    if (this.writer.pendingBytes === 0 && (this.#isBlocked || this.#next() === undefined)) return;
    this.#isWakeTold = true;
    this.#wake();
  }

  drained(): void {
    this.#isBlocked = false;
    this.writer.controlBytes = 0;
    this.wake();
  }

  flush(output: EndpointOutput): void {
    // Who is told of something meanwhile may have caused it.
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#isWakeTold = false;
    for (;;) {
      this.#assemble();
      if (this.writer.pendingBytes === 0) break;
      if (!this.writer.handOver(output)) this.#isBlocked = true;
      else if (!this.#isBlocked) this.writer.controlBytes = 0;
      const ended = this.#ended;
      if (ended.length === 0) continue;
      this.#ended = [];
      for (const stream of ended) stream.endHandedOver();
    }
    this.#isFlushing = false;
  }

  /** Nothing can be sent any more. */
  drop(): void {
    this.#ready.clear();
    this.#starved.clear();
    this.#ended = [];
    this.writer.drop();
  }

  /** Of each stream that can send one frame, and again. */
  #assemble(): void {
    while (!this.#isBlocked && this.writer.pendingBytes < TURN_BYTES) {
      const stream = this.#next();
      if (stream === undefined) return;
      const { queue } = stream;
      this.forget(stream);
      if (queue.beginsWithData) {
        // SETTINGS of the other end may have made it smaller meanwhile.
        if (queue.window <= 0) continue;
        if (this.window <= 0) {
          this.#starved.add(stream);
          continue;
        }
      }
      this.window -= queue.writeFrame(this.writer, Math.min(queue.window, this.window));
      if (!queue.isEmpty && (!queue.beginsWithData || queue.window > 0)) this.#ready.add(stream);
      stream.frameWritten();
    }
  }

  #next(): SendingStream | undefined {
    if (this.window > 0) for (const stream of this.#starved) return stream;
    for (const stream of this.#ready) return stream;
    return undefined;
  }
}
