// A field block that comes in one HEADERS and any number of CONTINUATIONs (RFC 9113 §4.3), of which there may be too many.

const NOTHING = Buffer.alloc(0);
const FRAGMENTS = 32;
const FIRST_BYTES = 4_096;

export class FieldBlock {
  /** Of the stream whose block is incomplete; 0 for none. */
  streamId = 0;
  endsStream = false;
  dependsOnItself = false;
  readonly #maxBytes: number;
  #bytes = NOTHING;
  #length = 0;
  #fragments = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What came until now. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** @returns false when it is too much. */
  push(bytes: Buffer, start: number, end: number): boolean {
    const needed = this.#length + end - start;
    this.#fragments += 1;
    if (needed > this.#maxBytes || this.#fragments > FRAGMENTS) return false;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length, FIRST_BYTES));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    this.#length += bytes.copy(this.#bytes, this.#length, start, end);
    return true;
  }

  clear(): void {
    this.streamId = 0;
    this.#bytes = NOTHING;
    this.#length = 0;
    this.#fragments = 0;
  }
}
