// One answer at a time to a client that may read slowly or not at all: what it has not read yet is replaced, never queued.
// SPIFFE_Workload_API.md §4.3

import { type ServerWritableStream, type StatusObject, status } from '@grpc/grpc-js';

export type ResponseStream = ServerWritableStream<Buffer, Buffer>;

export type Refusal = Pick<StatusObject, 'code' | 'details'>;

// What SPIRE says, too, when it knows the caller and has nothing for it.
export const NO_IDENTITY: Refusal = { code: status.PERMISSION_DENIED, details: 'no identity issued' };

/** Every message is the full state, so the latest one is all that a client needs. */
export class LatestAnswer {
  readonly #stream: ResponseStream;
  #last: Buffer | null = null;
  /** Null: nothing is on its way to the client. */
  #inFlight: { next: Buffer | null } | null = null;
  #isOver = false;

  constructor(stream: ResponseStream) {
    this.#stream = stream;
    stream.once('cancelled', () => {
      this.#isOver = true;
    });
  }

  /** The latest message takes the place of one that waits; what the client was told last is not told again. */
  send(message: Buffer): void {
    if (this.#isOver) return;
    if (this.#inFlight !== null) {
      this.#inFlight.next = message;
      return;
    }
    if (this.#last?.equals(message) === true) return;
    this.#last = message;
    const inFlight: { next: Buffer | null } = { next: null };
    this.#inFlight = inFlight;
    this.#stream.write(message, () => {
      this.#inFlight = null;
      if (inFlight.next !== null) this.send(inFlight.next);
    });
  }

  /** Ends the stream; a message that waits is dropped. */
  refuse(refusal: Refusal): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // How a handler of grpc-js ends a stream with a status.
    this.#stream.emit('error', refusal);
  }
}
