// The streams of one connection, and what their numbers say about those that are none any more (RFC 9113 §5.1, §5.1.1).

import type { EndpointStream } from './endpoint-stream.ts';
import { MAX_STREAM_ID } from './frame.ts';

/**
 * `idle`: nobody has opened it. `ignored`: frames of the other end may still be under way, because we reset it, may have reset it, or told the
 * other end that we would not look at it. `closed`: there is no excuse.
 */
type Absence = 'idle' | 'ignored' | 'closed';

// There can be more whose frames are still under way: an upstream that is late answers as many as peers have left, and policy can turn against
// all streams of a peer at once.
const REMEMBERED_RESETS = 256;

export class StreamTable {
  readonly #streams = new Map<number, EndpointStream>();
  /** Numbers of streams that either end may open: odd ones, since nothing is pushed. */
  #lastStreamId = -1;
  /** Those above it are ignored: our GOAWAY said so. */
  #lastTakenId = MAX_STREAM_ID;
  readonly #resets = new Set<number>();
  /** Up to here it is no longer known which streams were reset: nobody is blamed for any of them. */
  #lastForgottenId = 0;

  get size(): number {
    return this.#streams.size;
  }

  look(streamId: number): EndpointStream | Absence {
    const stream = this.#streams.get(streamId);
    // One of ours that waits to be sent: who says something of it guesses.
    if (stream !== undefined) return stream.isKnown ? stream : 'idle';
    if (streamId % 2 === 0 || streamId > this.#lastStreamId) return 'idle';
    const isExcused = streamId > this.#lastTakenId || streamId <= this.#lastForgottenId || this.#resets.has(streamId);
    return isExcused ? 'ignored' : 'closed';
  }

  isTaken(streamId: number): boolean {
    return streamId <= this.#lastTakenId;
  }

  /** The number is used from now on, with all below it. */
  use(streamId: number): void {
    this.#lastStreamId = streamId;
  }

  /** A number for a stream of our own, if there is one left. */
  next(): number | null {
    return this.#lastStreamId >= MAX_STREAM_ID ? null : this.#lastStreamId + 2;
  }

  /** Takes no more. @returns the last one that is taken. */
  close(): number {
    this.#lastTakenId = Math.min(this.#lastTakenId, Math.max(this.#lastStreamId, 0));
    return this.#lastTakenId;
  }

  add(stream: EndpointStream): void {
    this.#streams.set(stream.id, stream);
  }

  delete(streamId: number): void {
    this.#streams.delete(streamId);
  }

  rememberReset(streamId: number): void {
    if (this.#resets.size >= REMEMBERED_RESETS) {
      for (const oldest of this.#resets) {
        this.#resets.delete(oldest);
        this.#lastForgottenId = Math.max(this.#lastForgottenId, oldest);
        break;
      }
    }
    this.#resets.add(streamId);
  }

  /** As they are now, whatever becomes of them meanwhile. */
  all(): readonly EndpointStream[] {
    return [...this.#streams.values()];
  }
}
