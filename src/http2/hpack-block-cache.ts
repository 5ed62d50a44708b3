// Field blocks that were decoded lately, for a peer that says the same again and again.

import { octetAt } from '../http1/octets.ts';
import type { RawFields } from './endpoint-ports.ts';

/** Each block has one of 32 places, and a place has room for two. With their fields some 140 KiB for a peer that does its worst. */
const PLACE_BITS = 5;
const MAX_BLOCKS = 2 << PLACE_BITS;
const MAX_BLOCK_BYTES = 512;
/** One octet can stand for a whole field. */
const MAX_STRINGS = 64;
const FNV_BASIS = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

interface Decoded {
  /** The block, as latin1. */
  readonly block: string;
  readonly fields: RawFields;
}

/** Good as long as the tables are those under which the blocks were decoded. */
export class BlockCache {
  /** Of two that share a place the newer first. */
  readonly #decoded: (Decoded | undefined)[] = [];
  #isEmpty = true;
  /** Of the block that was looked for last. */
  #place: number | null = null;

  find(block: Buffer): RawFields | null {
    this.#place = null;
    if (this.#isEmpty || block.length > MAX_BLOCK_BYTES) return null;
    const place = placeOf(block);
    this.#place = place;
    for (let at = place; at < place + 2; at += 1) {
      const decoded = this.#decoded[at];
      if (decoded !== undefined && isSame(decoded.block, block)) return decoded.fields;
    }
    return null;
  }

  /** The block that was looked for last, and not found. */
  remember(block: Buffer, fields: RawFields): void {
    if (block.length > MAX_BLOCK_BYTES || fields.length > MAX_STRINGS) return;
    if (this.#decoded.length === 0) this.#decoded.length = MAX_BLOCKS;
    const place = this.#place ?? placeOf(block);
    this.#decoded[place + 1] = this.#decoded[place];
    this.#decoded[place] = { block: block.toString('latin1'), fields };
    this.#isEmpty = false;
  }

  clear(): void {
    if (this.#isEmpty) return;
    this.#decoded.fill(undefined);
    this.#isEmpty = true;
  }
}

/** By not more than 32 octets, spread over the block: what differs in others has two chances. */
function placeOf(block: Buffer): number {
  const step = (block.length >> 5) + 1;
  let hash = FNV_BASIS ^ block.length;
  for (let at = 0; at < block.length; at += step) hash = Math.imul(hash ^ octetAt(block, at), FNV_PRIME);
  return (hash >>> (32 - PLACE_BITS)) << 1;
}

function isSame(text: string, block: Buffer): boolean {
  if (text.length !== block.length) return false;
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) !== octetAt(block, at)) return false;
  return true;
}
