// Buffers for reading from an upstream: what is in them is lent to writes without a copy, and they are read into again once
// the last of those is done.

const BUFFER_BYTES = 256 * 1024;
// As many as a few dozen streams have on the way at a time; what is over is left to the garbage collector.
const MAX_FREE = 64;

/** Octets that will be overwritten unless somebody holds on to them. */
export interface Loan {
  /** Keeps them as they are until the returned function is called, once. */
  hold(): () => void;
}

export class ReadBuffers {
  readonly #free: ReadBuffer[] = [];
  readonly #takeBack = (buffer: ReadBuffer): void => {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  };

  /** Held once, for whoever reads into it. */
  take(): ReadBuffer {
    const buffer = this.#free.pop() ?? new ReadBuffer(this.#takeBack);
    buffer.hold();
    return buffer;
  }
}

export class ReadBuffer implements Loan {
  readonly bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #first = this.bytes;
  readonly #letGo: () => void;
  #holders = 0;

  constructor(takeBack: (buffer: ReadBuffer) => void) {
    this.#letGo = () => {
      this.#holders -= 1;
      if (this.#holders === 0) takeBack(this);
    };
  }

  /** The first octets of `bytes`. Answers repeat themselves, and a view costs as much as reading a small head. */
  first(count: number): Buffer {
    if (this.#first.length !== count) this.#first = this.bytes.subarray(0, count);
    return this.#first;
  }

  /** Whether somebody besides the reader needs what is in it. */
  get isLent(): boolean {
    return this.#holders > 1;
  }

  hold(): () => void {
    this.#holders += 1;
    return this.#letGo;
  }

  /** The reader will not read into it again. */
  letGo(): void {
    this.#letGo();
  }
}
