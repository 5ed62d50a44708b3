// What the other end may send, and when it is told that it may send more (RFC 9113 §5.2).

export class ReceiveWindow {
  /** What the other end may still send; below 0 where it could not know yet that it may not. */
  #available: number;
  /** What is given back at once: a WINDOW_UPDATE for less would cost more than it is worth. */
  readonly #stepBytes: number;
  #returnedBytes = 0;

  constructor(availableBytes: number, windowBytes: number) {
    this.#available = availableBytes;
    this.#stepBytes = Math.ceil(windowBytes / 2);
  }

  /** @returns false when that is more than was allowed. */
  take(bytes: number): boolean {
    if (bytes > this.#available) return false;
    this.#available -= bytes;
    return true;
  }

  /** @returns by how much to increase the window of the other end; 0 for not yet. */
  giveBack(bytes: number): number {
    this.#returnedBytes += bytes;
    if (this.#returnedBytes < this.#stepBytes) return 0;
    const increment = this.#returnedBytes;
    this.#returnedBytes = 0;
    this.#available += increment;
    return increment;
  }

  /** The other end knows of our setting now. */
  shrink(bytes: number): void {
    this.#available -= bytes;
  }
}
