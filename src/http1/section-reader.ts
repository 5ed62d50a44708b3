// Gathers a head or a trailer section up to its empty line; copies only what a push left incomplete.

import { Http1Error, type Http1ErrorCode, type MessageSide } from './http1-error.ts';
import type { InputQueue } from './input-queue.ts';
import { CR, LF, octetAt } from './octets.ts';
import type { HeadLimits } from './request-head.ts';

/** A head begins with a start line, a trailer section does not. */
export type SectionKind = 'head' | 'trailers';

const TERMINATOR = Buffer.from('\r\n\r\n', 'latin1');
const NOTHING = Buffer.alloc(0);
/** Room for a small head that spans pushes; grows by doubling. */
const FIRST_HELD_BYTES = 1024;

export class SectionReader {
  readonly side: MessageSide;
  readonly limits: HeadLimits;
  /** The section that was found is bytes[start, end); it ends with CR LF CR LF. */
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;
  #held: Buffer = NOTHING;
  #heldBytes = 0;

  constructor(side: MessageSide, limits: HeadLimits) {
    this.side = side;
    this.limits = limits;
  }

  /** Octets copied of a section that is not complete. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** True when a whole section stands in bytes[start, end); false when everything pushed is consumed and held. */
  read(input: InputQueue, kind: SectionKind): boolean {
    while (input.fill()) {
      if (this.#heldBytes > 0 ? this.#extend(input, kind) : this.#find(input, kind)) return true;
    }
    return false;
  }

  /** The error for `code`, or for the first bare CR or LF: those are told as soon as they arrive, whatever came before. */
  refusal(code: Http1ErrorCode): Http1Error {
    return new Http1Error(bareLineBreak(this.bytes, this.start, this.end) ?? code, this.side);
  }

  /** Lets go of the section once it is parsed, so that an idle connection does not keep its last read alive. */
  release(): void {
    this.bytes = NOTHING;
    this.start = 0;
    this.end = 0;
  }

  #find(input: InputQueue, kind: SectionKind): boolean {
    const { chunk, offset } = input;
    const end = endOfSection(chunk, offset, Math.min(chunk.length, offset + this.limits.maxHeadBytes));
    if (end === null) return this.#extend(input, kind);
    this.bytes = chunk;
    this.start = offset;
    this.end = end;
    input.offset = this.end;
    return true;
  }

  #extend(input: InputQueue, kind: SectionKind): boolean {
    const before = this.#heldBytes;
    const copied = this.#hold(input);
    // The terminator may have begun in an earlier push.
    const at = this.#held.subarray(0, this.#heldBytes).indexOf(TERMINATOR, Math.max(0, before - TERMINATOR.length + 1));
    if (at !== -1) {
      this.bytes = this.#held;
      this.start = 0;
      this.end = at + TERMINATOR.length;
      input.offset += this.end - before;
      this.#held = NOTHING;
      this.#heldBytes = 0;
      return true;
    }
    input.offset += copied;
    // A CR that ended the last push is looked at again: its LF comes only now.
    const resumeAt = before > 0 && this.#held[before - 1] === CR ? before - 1 : before;
    const lineBreak = bareLineBreak(this.#held, resumeAt, this.#heldBytes);
    if (lineBreak !== null) throw new Http1Error(lineBreak, this.side);
    if (this.#heldBytes === this.limits.maxHeadBytes) throw new Http1Error(this.#overflow(kind), this.side);
    return false;
  }

  /** Copies what still fits under the limit, without consuming it. */
  #hold(input: InputQueue): number {
    const { chunk, offset } = input;
    const count = Math.min(chunk.length - offset, this.limits.maxHeadBytes - this.#heldBytes);
    const needed = this.#heldBytes + count;
    if (this.#held.length < needed) {
      const room = Math.min(this.limits.maxHeadBytes, Math.max(needed, 2 * this.#held.length, FIRST_HELD_BYTES));
      const grown = Buffer.allocUnsafeSlow(room);
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldBytes, offset, offset + count);
    this.#heldBytes = needed;
    return count;
  }

  /** RFC 9112 §3: a request line that alone exceeds the limit is the target's fault. */
  #overflow(kind: SectionKind): Http1ErrorCode {
    const isOneLine = !this.#held.subarray(0, this.#heldBytes).includes(LF);
    return this.side === 'request' && kind === 'head' && isOneLine ? 'target-too-long' : 'head-too-large';
  }
}

/**
 * Where the first empty line between `from` and `to` ends. Looks at every fourth octet until one could belong to the terminator (Boyer and
 * Moore): a call of Buffer.indexOf() costs more than that takes for the few hundred octets of a head.
 */
function endOfSection(bytes: Buffer, from: number, to: number): number | null {
  let at = from + TERMINATOR.length - 1;
  while (at < to) {
    const octet = octetAt(bytes, at);
    if (octet === LF) {
      const isEnd = octetAt(bytes, at - 1) === CR && octetAt(bytes, at - 2) === LF && octetAt(bytes, at - 3) === CR;
      if (isEnd) return at + 1;
      at += 2;
    } else {
      at += octet === CR ? 1 : TERMINATOR.length;
    }
  }
  return null;
}

/** The first CR without LF or LF without CR in bytes[from, to). RFC 9112 §2.2. */
function bareLineBreak(bytes: Buffer, from: number, to: number): 'bare-cr' | 'bare-lf' | null {
  let afterCr = false;
  for (let at = from; at < to; at += 1) {
    const octet = octetAt(bytes, at);
    if (afterCr !== (octet === LF)) return afterCr ? 'bare-cr' : 'bare-lf';
    afterCr = octet === CR;
  }
  return null;
}
