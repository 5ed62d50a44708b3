// Lines on their way to be written together, as bytes: kept as strings they would be copied again and again by the garbage collector.

export interface LineBatch {
  readonly bytes: Buffer;
  readonly lines: number;
}

const ROOM_BYTES = 256 * 1024;

export class LineGatherer {
  #room: Buffer | null = null;
  #usedBytes = 0;
  #lines = 0;

  get lines(): number {
    return this.#lines;
  }

  /** `line` in ASCII, without its line feed. @returns false when there is no room for it, and what was gathered has to be taken first. */
  add(line: string): boolean {
    const neededBytes = line.length + 1;
    const room = this.#roomFor(neededBytes);
    if (room === null) return false;
    this.#usedBytes += room.write(`${line}\n`, this.#usedBytes, 'latin1');
    this.#lines += 1;
    return true;
  }

  take(): LineBatch {
    const bytes = Buffer.allocUnsafeSlow(this.#usedBytes);
    this.#room?.copy(bytes, 0, 0, this.#usedBytes);
    const lines = this.#lines;
    this.#usedBytes = 0;
    this.#lines = 0;
    return { bytes, lines };
  }

  #roomFor(bytes: number): Buffer | null {
    if (this.#room !== null && this.#usedBytes + bytes <= this.#room.length) return this.#room;
    if (this.#usedBytes > 0) return null;
    this.#room = Buffer.allocUnsafeSlow(Math.max(bytes, ROOM_BYTES));
    return this.#room;
  }
}
