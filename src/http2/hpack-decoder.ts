// Field blocks to fields (RFC 7541), of one direction of a connection.

import { octetAt } from '../http1/octets.ts';
import { type ReceivedFields, withNeverIndexed } from './endpoint-ports.ts';
import { BlockCache } from './hpack-block-cache.ts';
import { DEFAULT_TABLE_BYTES, DecoderTable, FIELD_OVERHEAD_BYTES } from './hpack-decoder-table.ts';
import { HpackError } from './hpack-error.ts';
import { HuffmanDecoder } from './hpack-huffman.ts';
import { STATIC_COUNT, STATIC_FIELDS } from './hpack-static-table.ts';

export interface HpackLimits {
  /** As announced by SETTINGS_HEADER_TABLE_SIZE. Never lowered afterwards, so that no update is ever owed to us (RFC 7541 §4.2). */
  readonly maxTableBytes: number;
  /** Counted as RFC 9113 §6.5.2 does. */
  readonly maxFieldSectionBytes: number;
  readonly maxFieldCount: number;
}

/** What the first bits of a field say (RFC 7541 §6). */
const INDEXED = 0x80;
const WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;

const INDEXED_PREFIX = 0x7f;
const WITH_INDEXING_PREFIX = 0x3f;
const SIZE_UPDATE_PREFIX = 0x1f;
const WITHOUT_INDEXING_PREFIX = 0xf;
const LENGTH_PREFIX = 0x7f;
const HUFFMAN = 0x80;

/** RFC 7541 §4.2: the lowest between two blocks, and the last. */
const MAX_SIZE_UPDATES = 2;
/** Up to 2^28 and a little: more than any index, length or size can be. */
const MAX_INTEGER_SHIFT = 21;
const NOTHING: Buffer = Buffer.alloc(0);

export class HpackDecoder {
  readonly #limits: HpackLimits;
  readonly #table: DecoderTable;
  readonly #cache = new BlockCache();
  readonly #huffman = new HuffmanDecoder();
  #block = NOTHING;
  #at = 0;
  #isTableChanged = false;

  constructor(limits: HpackLimits) {
    this.#limits = limits;
    this.#table = new DecoderTable(Math.min(DEFAULT_TABLE_BYTES, limits.maxTableBytes));
  }

  /**
   * The fields of a whole block, which may be overwritten afterwards; names and values are not looked at. The same block under the same
   * table gives the same array, which nobody may change.
   * @throws {HpackError} and is of no use any more.
   */
  decode(block: Buffer): ReceivedFields {
    const known = this.#cache.find(block);
    if (known !== null) return known;
    this.#block = block;
    this.#at = 0;
    this.#isTableChanged = false;
    this.#readSizeUpdates();
    const fields = this.#readFields();
    this.#block = NOTHING;
    if (this.#isTableChanged) this.#cache.clear();
    else if (fields !== 'too-large') this.#cache.remember(block, fields);
    return fields;
  }

  #readSizeUpdates(): void {
    for (let updates = 1; this.#isSizeUpdate(); updates += 1) {
      const bytes = this.#readInteger(this.#readOctet(), SIZE_UPDATE_PREFIX);
      if (updates > MAX_SIZE_UPDATES || bytes > this.#limits.maxTableBytes) throw new HpackError('table-size-update');
      this.#table.maxBytes = bytes;
      this.#isTableChanged = true;
    }
  }

  #isSizeUpdate(): boolean {
    return this.#at < this.#block.length && (octetAt(this.#block, this.#at) & 0xe0) === SIZE_UPDATE;
  }

  #readFields(): ReceivedFields {
    const { maxFieldSectionBytes, maxFieldCount } = this.#limits;
    const end = this.#block.length;
    let fields: string[] | null = [];
    const neverIndexed: string[] = [];
    let bytes = 0;
    while (this.#at < end) {
      const first = this.#readOctet();
      let name: string;
      let value: string;
      if (first >= INDEXED) {
        const index = this.#readInteger(first, INDEXED_PREFIX);
        name = this.#nameAt(index);
        value = this.#valueAt(index);
      } else if (first >= WITH_INDEXING) {
        name = this.#readName(this.#readInteger(first, WITH_INDEXING_PREFIX));
        value = this.#readString();
        this.#table.insert(name, value);
        this.#isTableChanged = true;
      } else if (first >= SIZE_UPDATE) {
        throw new HpackError('table-size-update');
      } else {
        name = this.#readName(this.#readInteger(first, WITHOUT_INDEXING_PREFIX));
        value = this.#readString();
        if (first >= NEVER_INDEXED && fields !== null) neverIndexed.push(name);
      }
      bytes += FIELD_OVERHEAD_BYTES + name.length + value.length;
      // What is too large is read to its end nevertheless: it may say what is to be kept for the blocks that follow.
      if (fields !== null && (bytes > maxFieldSectionBytes || fields.length >= 2 * maxFieldCount)) fields = null;
      fields?.push(name, value);
    }
    return fields === null ? 'too-large' : withNeverIndexed(fields, neverIndexed);
  }

  #readName(index: number): string {
    return index === 0 ? this.#readString() : this.#nameAt(index);
  }

  #nameAt(index: number): string {
    if (index > STATIC_COUNT) return this.#table.nameAt(this.#dynamicIndex(index));
    if (index === 0) throw new HpackError('field-index');
    return STATIC_FIELDS[2 * index - 2] as string;
  }

  /** Of an index that has a name. */
  #valueAt(index: number): string {
    return index > STATIC_COUNT ? this.#table.valueAt(index - STATIC_COUNT) : (STATIC_FIELDS[2 * index - 1] as string);
  }

  #dynamicIndex(index: number): number {
    if (index - STATIC_COUNT > this.#table.count) throw new HpackError('field-index');
    return index - STATIC_COUNT;
  }

  /** RFC 7541 §5.2. */
  #readString(): string {
    const first = this.#readOctet();
    const length = this.#readInteger(first, LENGTH_PREFIX);
    const start = this.#at;
    const end = start + length;
    if (end > this.#block.length) throw new HpackError('truncated-block');
    this.#at = end;
    if (length === 0) return '';
    return first < HUFFMAN ? this.#block.toString('latin1', start, end) : this.#huffman.decode(this.#block, start, end);
  }

  /** RFC 7541 §5.1; `prefix` has the bits of `first` that belong to it. */
  #readInteger(first: number, prefix: number): number {
    let value = first & prefix;
    if (value < prefix) return value;
    for (let shift = 0; shift <= MAX_INTEGER_SHIFT; shift += 7) {
      const octet = this.#readOctet();
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw new HpackError('integer-size');
  }

  #readOctet(): number {
    if (this.#at >= this.#block.length) throw new HpackError('truncated-block');
    const octet = octetAt(this.#block, this.#at);
    this.#at += 1;
    return octet;
  }
}
