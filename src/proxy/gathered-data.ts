// DATA that one read has brought for one stream, as one piece: what stands between its frames is closed up where it was read.

import type { Loan, ReadBuffer } from './read-buffers.ts';

export interface DataTaker {
  takeData(bytes: Buffer, loan: Loan): void;
}

/** Of what is in no buffer that is read into again. */
const OWNED: Loan = { hold: () => () => undefined };
const NOTHING: Buffer = Buffer.alloc(0);

export class GatheredData {
  #taker: DataTaker | null = null;
  /** All that has been gathered, as long as it is one piece; else that stands in the buffer from `#start` to `#end`. */
  #first = NOTHING;
  #start = 0;
  #end = 0;

  /** `bytes`, in `buffer` unless they had been kept, have come for `taker`, who is told when all that follows on them has. */
  add(taker: DataTaker, bytes: Buffer, buffer: ReadBuffer): void {
    const isRead = bytes.buffer === buffer.bytes.buffer;
    if (taker === this.#taker && isRead) {
      // Nobody has a part in what is between: it was the head of a frame, or a frame that has been dealt with.
      const start = bytes.byteOffset;
      buffer.bytes.copyWithin(this.#end, start, start + bytes.length);
      this.#end += bytes.length;
      return;
    }
    this.handOver(buffer);
    if (!isRead) return taker.takeData(bytes, OWNED);
    this.#taker = taker;
    this.#first = bytes;
    this.#start = bytes.byteOffset;
    this.#end = this.#start + bytes.length;
  }

  /** `buffer`: what it has been read into. */
  handOver(buffer: ReadBuffer): void {
    const taker = this.#taker;
    if (taker === null) return;
    this.#taker = null;
    const isOnePiece = this.#first.length === this.#end - this.#start;
    const bytes = isOnePiece ? this.#first : buffer.bytes.subarray(this.#start, this.#end);
    this.#first = NOTHING;
    taker.takeData(bytes, buffer);
  }
}
