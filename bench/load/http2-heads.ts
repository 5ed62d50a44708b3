// Heads in HPACK (RFC 7541) without Huffman codes: those that are sent over and over have their fields entered into the other end's
// table at first, and are a byte for each field from then on.

export type Fields = readonly (readonly [name: string, value: string])[];

export interface RepeatedHead {
  readonly first: Buffer;
  readonly next: Buffer;
}

/** What a table has before anybody says anything. */
export const DEFAULT_TABLE_BYTES = 4096;
const ENTRY_BYTES = 32;
const STATIC_ENTRIES = 61;
const WITH_INDEXING = 0x40;
const WITHOUT_INDEXING = 0;
const INDEXED = 0x80;
const SIZE_UPDATE = 0x20;

/** `tableBytes`: what the other end lets us use of its table. What does not fit into it is spelt out every time. */
export function encodeRepeated(fields: Fields, tableBytes: number): RepeatedHead {
  const size = Math.min(tableBytes, DEFAULT_TABLE_BYTES);
  // RFC 7541 §4.2: a reduced size is acknowledged at the beginning of the first block after it.
  const update = size < DEFAULT_TABLE_BYTES ? integer(SIZE_UPDATE, 5, size) : Buffer.alloc(0);
  const needed = fields.reduce((sum, [name, value]) => sum + ENTRY_BYTES + name.length + value.length, 0);
  if (needed > size) {
    const spelt = encodeOnce(fields);
    return { first: Buffer.concat([update, spelt]), next: spelt };
  }
  return {
    first: Buffer.concat([update, ...fields.map((field) => literal(WITH_INDEXING, field))]),
    // The newest entry comes first.
    next: Buffer.concat(fields.map((_, index) => integer(INDEXED, 7, STATIC_ENTRIES + fields.length - index))),
  };
}

export function encodeOnce(fields: Fields): Buffer {
  return Buffer.concat(fields.map((field) => literal(WITHOUT_INDEXING, field)));
}

function literal(kind: number, [name, value]: readonly [string, string]): Buffer {
  return Buffer.concat([Buffer.of(kind), string(name), string(value)]);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([integer(0, 7, bytes.length), bytes]);
}

/** RFC 7541 §5.1. */
function integer(pattern: number, prefixBits: number, value: number): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.of(pattern | value);
  const bytes = [pattern | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
