// Data of a stream that is paused, in one piece of at most twice its size, however small the frames were in which it came.

const FIRST_BYTES = 256;

export class KeptData {
  #bytes: Buffer;
  #length: number;

  constructor(bytes: Buffer) {
    this.#bytes = Buffer.allocUnsafe(bytes.length);
    this.#length = bytes.copy(this.#bytes);
  }

  push(bytes: Buffer): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#length, FIRST_BYTES));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    this.#length += bytes.copy(this.#bytes, this.#length);
  }

  /** In memory of its own. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
