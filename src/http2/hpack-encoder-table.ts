// What an encoder has told the other end to keep (RFC 7541 §2.3.2), and what would be worth telling it.

import { DEFAULT_TABLE_BYTES, FIELD_OVERHEAD_BYTES } from './hpack-decoder-table.ts';
import { STATIC_COUNT, STATIC_NAMES } from './hpack-static-table.ts';

/** RFC 7541 §7.1.3: whose values nobody should be able to guess from how well they compress. */
const NEVER_INDEXED = new Set(['authorization', 'cookie', 'set-cookie', 'x-api-key', 'proxy-authorization']);
/** One more makes all be forgotten: nobody sends as many on purpose. */
const MAX_NAMES = 128;
/** Longer names are written anew each time. */
const MAX_NAME_LENGTH = 64;
/** Of one name, which are compared one by one. */
const MAX_VALUES = 8;
/** Larger ones would push too many others out. */
const MAX_ENTRY_BYTES = 1024;
const SEEN_BITS = 6;
const FNV_BASIS = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

const NO_VALUES: readonly string[] = [];

export interface KnownName {
  readonly text: string;
  /** In the static table; 0 without one. */
  readonly index: number;
  /** The nth of them is at `index` + n. */
  readonly values: readonly string[];
  readonly isNeverIndexed: boolean;
  readonly hash: number;
  /** The oldest first. */
  readonly entries: Entry[];
}

interface Entry {
  readonly name: KnownName;
  readonly value: string;
  /** Counts every insertion. */
  readonly number: number;
}

export class EncoderTable {
  #maxBytes = DEFAULT_TABLE_BYTES;
  #bytes = 0;
  /** The oldest first. */
  readonly #entries: Entry[] = [];
  #inserted = 0;
  readonly #names = new Map<string, KnownName>();
  /** Fields that were sent lately, as hashes, each in the one place it can have. */
  readonly #seen = new Int32Array(1 << SEEN_BITS);

  get maxBytes(): number {
    return this.#maxBytes;
  }

  set maxBytes(bytes: number) {
    this.#maxBytes = bytes;
    this.#evictTo(bytes);
  }

  nameOf(text: string): KnownName {
    return this.#names.get(text) ?? this.#learn(text);
  }

  /** The index of the field; 0 for none. */
  indexOf({ index, values, entries }: KnownName, value: string): number {
    for (let at = 0; at < values.length; at += 1) if (values[at] === value) return index + at;
    for (let at = entries.length - 1; at >= 0; at -= 1) {
      const entry = entries[at] as Entry;
      if (entry.value === value) return this.#indexOfEntry(entry);
    }
    return 0;
  }

  /** An index that has the name; 0 for none. */
  indexOfName({ index, entries }: KnownName): number {
    const last = entries.at(-1);
    return index > 0 || last === undefined ? index : this.#indexOfEntry(last);
  }

  /**
   * Keeps the field if it was sent lately: what is sent once only would but take the place of others.
   * @returns whether the other end has to be told so.
   */
  offer(name: KnownName, value: string): boolean {
    const hash = hashOf(value, name.hash);
    const place = hash >>> (32 - SEEN_BITS);
    if (this.#seen[place] !== hash) {
      this.#seen[place] = hash;
      return false;
    }
    const bytes = sizeOf(name.text, value);
    if (bytes > Math.min(this.#maxBytes, MAX_ENTRY_BYTES) || name.text.length > MAX_NAME_LENGTH) return false;
    this.#evictTo(this.#maxBytes - bytes);
    this.#bytes += bytes;
    this.#inserted += 1;
    const entry = { name, value: inOnePiece(value), number: this.#inserted };
    this.#entries.push(entry);
    if (name.entries.push(entry) > MAX_VALUES) name.entries.shift();
    return true;
  }

  #indexOfEntry({ number }: Entry): number {
    return STATIC_COUNT + 1 + this.#inserted - number;
  }

  #learn(text: string): KnownName {
    const known = STATIC_NAMES.get(text);
    const name = {
      text: inOnePiece(text),
      index: known?.index ?? 0,
      values: known?.values ?? NO_VALUES,
      isNeverIndexed: NEVER_INDEXED.has(text),
      hash: hashOf(text, FNV_BASIS),
      entries: [],
    };
    if (text.length > MAX_NAME_LENGTH) return name;
    if (this.#names.size === MAX_NAMES) this.#names.clear();
    this.#names.set(name.text, name);
    return name;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes) {
      const entry = this.#entries.shift() as Entry;
      const { entries, text } = entry.name;
      this.#bytes -= sizeOf(text, entry.value);
      if (entries[0] === entry) entries.shift();
    }
  }
}

function sizeOf(name: string, value: string): number {
  return FIELD_OVERHEAD_BYTES + name.length + value.length;
}

/** Of not more than 31 characters, spread over the text: two texts of one hash are no worse than a field that was sent twice. */
function hashOf(text: string, basis: number): number {
  const step = (text.length >> 4) + 1;
  let hash = basis ^ text.length;
  for (let at = text.length - 1; at >= 0; at -= step) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash;
}

/** A copy that keeps no longer text alive, which it may have been cut out of. */
function inOnePiece(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
