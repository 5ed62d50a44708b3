// Field blocks that were decoded lately, for a peer that says the same again and again.

import type { RawFields } from './endpoint-ports.ts';

/** With the fields they hold, at most a few hundred KiB for a peer that does its worst, and a few KiB for all others. */
const MAX_BLOCKS = 64;
const MAX_BLOCK_BYTES = 512;
/** One octet can stand for a whole field. */
const MAX_STRINGS = 128;

/** Good as long as the tables are those under which the blocks were decoded. */
export class BlockCache {
  readonly #blocks = new Map<string, RawFields>();
  /** Of the block looked for last. */
  #key = '';

  find(block: Buffer): RawFields | null {
    if (block.length > MAX_BLOCK_BYTES) return null;
    this.#key = block.toString('latin1');
    return this.#blocks.get(this.#key) ?? null;
  }

  /** The block that was looked for last, and not found. */
  remember(block: Buffer, fields: RawFields): void {
    if (block.length > MAX_BLOCK_BYTES || fields.length > MAX_STRINGS) return;
    if (this.#blocks.size === MAX_BLOCKS) this.#blocks.clear();
    this.#blocks.set(this.#key, fields);
  }

  clear(): void {
    if (this.#blocks.size > 0) this.#blocks.clear();
  }
}
