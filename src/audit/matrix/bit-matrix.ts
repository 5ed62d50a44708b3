// A square of yes and no, a bit each, for relations between thousands of things.

export class BitMatrix {
  readonly size: number;
  /** Words in a row. */
  readonly width: number;
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.width = (size + 31) >>> 5;
    this.#words = new Uint32Array(size * this.width);
  }

  set(row: number, column: number): void {
    const at = row * this.width + (column >>> 5);
    this.#words[at] = (this.#words[at] ?? 0) | (1 << (column & 31));
  }

  has(row: number, column: number): boolean {
    return ((this.word(row, column >>> 5) >>> (column & 31)) & 1) === 1;
  }

  /** Columns `32 * index` to `32 * index + 31` of a row. */
  word(row: number, index: number): number {
    return this.#words[row * this.width + index] ?? 0;
  }
}
