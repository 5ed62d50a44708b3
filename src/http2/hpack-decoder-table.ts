// The fields that the other end has told us to keep (RFC 7541 §2.3.2, §4), the newest of which has index 1.

/** RFC 7541 §4.1: what a field counts besides its octets. */
export const FIELD_OVERHEAD_BYTES = 32;
/** As it is before either end says otherwise (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;

/** How many strings of evicted fields may stand before the first that counts, so that moving the rest costs nothing on average. */
const MAX_GONE = 64;

export class DecoderTable {
  #maxBytes: number;
  #bytes = 0;
  /** Flat, the oldest first, after `#gone` empty strings. */
  readonly #fields: string[] = [];
  #gone = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return (this.#fields.length - this.#gone) >> 1;
  }

  set maxBytes(bytes: number) {
    this.#maxBytes = bytes;
    this.#evictTo(bytes);
  }

  /** `index` is from 1 up to `count`. */
  nameAt(index: number): string {
    return this.#fields[this.#fields.length - 2 * index] as string;
  }

  /** `index` is from 1 up to `count`. */
  valueAt(index: number): string {
    return this.#fields[this.#fields.length - 2 * index + 1] as string;
  }

  /** RFC 7541 §4.4: what is larger than the table empties it. */
  insert(name: string, value: string): void {
    const bytes = FIELD_OVERHEAD_BYTES + name.length + value.length;
    this.#evictTo(Math.max(0, this.#maxBytes - bytes));
    if (bytes > this.#maxBytes) return;
    this.#bytes += bytes;
    this.#fields.push(name, value);
  }

  #evictTo(bytes: number): void {
    const fields = this.#fields;
    while (this.#bytes > bytes) {
      const [nameAt, valueAt] = [this.#gone, this.#gone + 1];
      this.#bytes -= FIELD_OVERHEAD_BYTES + (fields[nameAt] as string).length + (fields[valueAt] as string).length;
      fields[nameAt] = '';
      fields[valueAt] = '';
      this.#gone += 2;
    }
    if (this.#gone < MAX_GONE) return;
    fields.splice(0, this.#gone);
    this.#gone = 0;
  }
}
