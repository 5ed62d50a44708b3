// Bytes of any number, of which a reader asks for the few it looks at.

export interface ByteSource {
  readonly size: number;
  /** Fewer bytes only where the source ends. Valid until the next call. */
  read(offset: number, length: number): Uint8Array;
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** The part of a source that is a source of its own, such as a member that an archive stores as it is. */
export function windowOf(source: ByteSource, start: number, size: number): ByteSource {
  const bounded = Math.max(0, Math.min(size, source.size - start));
  return {
    size: bounded,
    read: (offset, length) =>
      offset >= bounded ? EMPTY : source.read(start + offset, Math.min(length, bounded - offset)),
  };
}

const EMPTY = new Uint8Array(0);

/** Little endian. */
export function readUint64(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
}

/** Reads on from where it is; what is skipped is not read. */
export class ByteCursor {
  readonly #source: ByteSource;
  #window: Uint8Array = EMPTY;
  #windowAt = 0;
  at: number;

  constructor(source: ByteSource, at: number) {
    this.#source = source;
    this.at = at;
  }

  get remaining(): number {
    return this.#source.size - this.at;
  }

  /** Null when fewer are left. */
  take(length: number): Uint8Array | null {
    if (length > this.#source.size - this.at) return null;
    const from = this.at - this.#windowAt;
    if (from < 0 || from + length > this.#window.length) {
      // A copy: the source may use its memory again.
      this.#window = Uint8Array.from(this.#source.read(this.at, Math.max(length, WINDOW_BYTES)));
      this.#windowAt = this.at;
      if (this.#window.length < length) return null;
    }
    const start = this.at - this.#windowAt;
    this.at += length;
    return this.#window.subarray(start, start + length);
  }

  /** False when fewer are left. */
  skip(length: number): boolean {
    if (length > this.#source.size - this.at) return false;
    this.at += length;
    return true;
  }

  /** Up to the line feed, which is passed and not given; null when there is none within `maxLength`. */
  takeLine(maxLength: number): Uint8Array | null {
    const length = Math.min(maxLength, this.#source.size - this.at);
    const start = this.at;
    const bytes = this.take(length);
    if (bytes === null) return null;
    const end = bytes.indexOf(LINE_FEED);
    this.at = end < 0 ? start : start + end + 1;
    return end < 0 ? null : bytes.subarray(0, end);
  }

  /** Past the next line feed, however far it is; false when there is none. */
  skipLine(): boolean {
    for (let at = this.at; at < this.#source.size; at += WINDOW_BYTES) {
      const end = this.#source.read(at, WINDOW_BYTES).indexOf(LINE_FEED);
      if (end < 0) continue;
      this.at = at + end + 1;
      return true;
    }
    return false;
  }
}

const WINDOW_BYTES = 65_536;
const LINE_FEED = 0x0a;
