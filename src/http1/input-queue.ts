// Pushed bytes that are not decoded yet, in order and by reference.

const NOTHING = Buffer.alloc(0);

export class InputQueue {
  /** What is being read; octets before `offset` are consumed. */
  chunk: Buffer = NOTHING;
  offset = 0;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;

  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.offset === this.chunk.length) {
      this.chunk = bytes;
      this.offset = 0;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  /** Makes an unread octet stand at `offset`; false when there is none, and then no pushed bytes are referred to any more. */
  fill(): boolean {
    if (this.offset < this.chunk.length) return true;
    const chunk = this.#waiting.shift();
    this.chunk = chunk ?? NOTHING;
    this.offset = 0;
    this.#waitingBytes -= this.chunk.length;
    return chunk !== undefined;
  }

  /** Consumes at most `limit` octets of the current chunk, without copying; the caller has filled. */
  take(limit: number): Buffer {
    const { chunk, offset } = this;
    const end = offset + limit;
    if (end < chunk.length) {
      this.offset = end;
      return chunk.subarray(offset, end);
    }
    // Its memory is the caller's now, who may free it.
    this.chunk = NOTHING;
    this.offset = 0;
    return offset === 0 ? chunk : chunk.subarray(offset);
  }

  /** Copies what was pushed last, as far as it is unread: its memory is about to be overwritten. */
  keepLast(): void {
    const last = this.#waiting.pop();
    if (last !== undefined) {
      this.#waiting.push(copyOf(last));
    } else if (this.offset < this.chunk.length) {
      this.chunk = copyOf(this.chunk.subarray(this.offset));
      this.offset = 0;
    }
  }

  /** Drops everything that was pushed. */
  clear(): void {
    this.chunk = NOTHING;
    this.offset = 0;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }

  get length(): number {
    return this.chunk.length - this.offset + this.#waitingBytes;
  }
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
