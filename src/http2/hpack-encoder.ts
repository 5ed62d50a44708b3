// Fields to field blocks (RFC 7541), of one direction of a connection.

import type { RawFields } from './endpoint-ports.ts';
import { DEFAULT_TABLE_BYTES } from './hpack-decoder-table.ts';
import { EncoderTable } from './hpack-encoder-table.ts';

/** What the first bits of a field say (RFC 7541 §6), each with the bits of the prefix that follows. */
const INDEXED = { pattern: 0x80, prefix: 0x7f };
const WITH_INDEXING = { pattern: 0x40, prefix: 0x3f };
const SIZE_UPDATE = { pattern: 0x20, prefix: 0x1f };
const NEVER_INDEXED = { pattern: 0x10, prefix: 0xf };
const WITHOUT_INDEXING = { pattern: 0x00, prefix: 0xf };
/** A length without the bit of Huffman codes. */
const LENGTH = { pattern: 0x00, prefix: 0x7f };

/** Two updates of the size of the table, which is at most 4096. */
const MAX_UPDATES_OCTETS = 6;
/** The first octet of a field and two lengths, each of as many octets as a length of 32 bits can take. */
const MAX_FRAMING_OCTETS = 13;
/** From here on a call of Buffer.latin1Write() costs less than writing each octet. */
const MIN_WRITE_OCTETS = 12;
const NOTHING: Buffer = Buffer.alloc(0);
const NO_NAMES: ReadonlySet<string> = new Set();

/** As many octets as the block of `fields` can have at most, whatever the tables hold. */
export function maxBlockBytes(fields: RawFields): number {
  let bytes = MAX_UPDATES_OCTETS + (fields.length >> 1) * MAX_FRAMING_OCTETS;
  for (let at = 0; at < fields.length; at += 1) bytes += (fields[at] as string).length;
  return bytes;
}

/** Strings are written as they are: Huffman codes would save a quarter of what is sent once only, for three times what copying it costs. */
export class HpackEncoder {
  readonly #table = new EncoderTable();
  /** The lowest since the last block; null when nothing has changed. */
  #lowestMaxBytes: number | null = null;
  #neverIndexed = NO_NAMES;
  #into = NOTHING;
  #at = 0;

  /** SETTINGS_HEADER_TABLE_SIZE of the other end, which is told with the next block what is made of it. */
  setMaxTableBytes(bytes: number): void {
    const maxBytes = Math.min(bytes, DEFAULT_TABLE_BYTES);
    if (maxBytes === this.#table.maxBytes) return;
    this.#table.maxBytes = maxBytes;
    this.#lowestMaxBytes = Math.min(this.#lowestMaxBytes ?? maxBytes, maxBytes);
  }

  /**
   * Writes the whole block, which has to be sent, at `at`, where there is room for `maxBlockBytes`. Names are in lower case; all characters
   * are of latin1.
   * @returns where it ends.
   */
  encodeInto(fields: RawFields, into: Buffer, at: number): number {
    this.#into = into;
    this.#at = at;
    // Not looked for one by one: there may be as many as there are fields.
    this.#neverIndexed = fields.neverIndexed === undefined ? NO_NAMES : new Set(fields.neverIndexed);
    this.#writeSizeUpdates();
    for (let at = 0; at < fields.length; at += 2) this.#writeField(fields[at] as string, fields[at + 1] as string);
    this.#into = NOTHING;
    return this.#at;
  }

  /** RFC 7541 §4.2: the lowest, if it was raised again, and the last. */
  #writeSizeUpdates(): void {
    if (this.#lowestMaxBytes === null) return;
    const { maxBytes } = this.#table;
    if (this.#lowestMaxBytes < maxBytes) this.#writeInteger(this.#lowestMaxBytes, SIZE_UPDATE);
    this.#writeInteger(maxBytes, SIZE_UPDATE);
    this.#lowestMaxBytes = null;
  }

  #writeField(text: string, value: string): void {
    const table = this.#table;
    const name = table.nameOf(text);
    const isNeverIndexed = name.isNeverIndexed || this.#neverIndexed.has(text);
    const index = isNeverIndexed ? 0 : table.indexOf(name, value);
    if (index > 0) {
      this.#writeInteger(index, INDEXED);
      return;
    }
    // Before the field is kept: the other end looks the name up first.
    const nameIndex = table.indexOfName(name);
    const form = isNeverIndexed ? NEVER_INDEXED : table.offer(name, value) ? WITH_INDEXING : WITHOUT_INDEXING;
    this.#writeInteger(nameIndex, form);
    if (nameIndex === 0) this.#writeString(text);
    this.#writeString(value);
  }

  #writeString(text: string): void {
    this.#writeInteger(text.length, LENGTH);
    const into = this.#into;
    if (text.length >= MIN_WRITE_OCTETS) {
      this.#at += into.write(text, this.#at, 'latin1');
      return;
    }
    for (let at = 0; at < text.length; at += 1) into[this.#at + at] = text.charCodeAt(at);
    this.#at += text.length;
  }

  /** RFC 7541 §5.1. */
  #writeInteger(value: number, { pattern, prefix }: typeof INDEXED): void {
    const into = this.#into;
    if (value < prefix) {
      into[this.#at++] = pattern | value;
      return;
    }
    into[this.#at++] = pattern | prefix;
    let rest = value - prefix;
    for (; rest > 0x7f; rest >>>= 7) into[this.#at++] = 0x80 | (rest & 0x7f);
    into[this.#at++] = rest;
  }
}
