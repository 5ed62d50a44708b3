// A forward reader of DER: one accepted encoding for each value, every length checked before it is used, no recursion without bound.
// ITU-T X.690 §8, §10, §11

import { DerError } from './der-error.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag of a context-specific element. */
export const contextTag = (number: number, form: 'primitive' | 'constructed'): number =>
  (form === 'constructed' ? 0xa0 : 0x80) | number;

const MAX_DEPTH = 16;
const MAX_OBJECT_IDENTIFIER_OCTETS = 64;
const CONSTRUCTED = 0x20;

/** Reads elements one after the other; nested readers share the buffer, so that every offset is one of the whole. */
export class DerReader {
  readonly bytes: Buffer;
  readonly #end: number;
  readonly #depth: number;
  #offset: number;
  #contentStart = 0;

  constructor(bytes: Buffer, range: { start: number; end: number; depth: number } = wholeOf(bytes)) {
    this.bytes = bytes;
    this.#offset = range.start;
    this.#end = range.end;
    this.#depth = range.depth;
    if (range.depth > MAX_DEPTH)
      throw new DerError('too-deep', `nested more than ${MAX_DEPTH} levels deep`, range.start);
  }

  /** Where the next element begins. */
  get offset(): number {
    return this.#offset;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#end;
  }

  /** The tag of the next element, or -1 at the end. */
  get nextTag(): number {
    return this.#offset < this.#end ? (this.bytes[this.#offset] ?? -1) : -1;
  }

  /** A reader of the content of the next element. */
  enter(tag: number): DerReader {
    const end = this.#next(tag);
    return new DerReader(this.bytes, { start: this.#contentStart, end, depth: this.#depth + 1 });
  }

  /** A reader of the DER that the next element, an OCTET STRING, wraps. */
  enterOctetString(): DerReader {
    return this.enter(TAG.octetString);
  }

  /** A reader of the DER that the next element, a BIT STRING of whole octets, wraps. */
  enterBitString(): DerReader {
    const octets = this.readBitStringOctets();
    const range = { start: this.#offset - octets.length, end: this.#offset, depth: this.#depth + 1 };
    return new DerReader(this.bytes, range);
  }

  /** Content octets of the next element, as a view. */
  readContent(tag: number): Buffer {
    const end = this.#next(tag);
    return this.bytes.subarray(this.#contentStart, end);
  }

  /** Content octets of the next element, whatever its tag; `nextTag` tells it before. */
  readAnyContent(): Buffer {
    const tag = this.nextTag;
    if (tag < 0) throw new DerError('unexpected-tag', 'the end where an element was expected', this.#offset);
    return this.readContent(tag);
  }

  /** The next element whole, header included, as a view; whatever it holds is checked to be DER. */
  readAny(): Buffer {
    const start = this.#offset;
    this.#skip();
    return this.bytes.subarray(start, this.#offset);
  }

  /** Content octets: big-endian two's complement, minimal. */
  readInteger(tag: number = TAG.integer): Buffer {
    const start = this.#offset;
    const content = this.readContent(tag);
    const [first, second] = content;
    if (first === undefined) throw new DerError('invalid-integer', 'an INTEGER without octets', start);
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DerError('invalid-integer', 'an INTEGER with a needless leading octet', start);
    }
    return content;
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  readSmallInteger(): number {
    const start = this.#offset;
    const content = this.readInteger();
    if (content.length > 4 || (content[0] ?? 0) >= 0x80) {
      throw new DerError('invalid-integer', 'an INTEGER that is negative or above 2^31 - 1', start);
    }
    return content.readUIntBE(0, content.length);
  }

  /** `BOOLEAN DEFAULT FALSE`: absent is false, and present must be true. */
  readDefaultFalse(): boolean {
    if (this.nextTag !== TAG.boolean) return false;
    const start = this.#offset;
    const content = this.readContent(TAG.boolean);
    if (content.length === 1 && content[0] === 0xff) return true;
    throw new DerError(
      'invalid-boolean',
      'a BOOLEAN that is not TRUE as one octet 0xff, where FALSE is the default',
      start,
    );
  }

  /** Dotted decimal. */
  readObjectIdentifier(tag: number = TAG.objectIdentifier): string {
    const start = this.#offset;
    const content = this.readContent(tag);
    const last = content[content.length - 1];
    if (last === undefined || last >= 0x80 || content.length > MAX_OBJECT_IDENTIFIER_OCTETS) {
      throw new DerError('invalid-object-identifier', 'an OBJECT IDENTIFIER that is empty, cut off or too long', start);
    }
    return dotted(content, start);
  }

  readBitString(): { readonly unusedBits: number; readonly octets: Buffer } {
    const start = this.#offset;
    const content = this.readContent(TAG.bitString);
    const unusedBits = content[0];
    const octets = content.subarray(1);
    const lastOctet = octets[octets.length - 1];
    const isPossible = unusedBits !== undefined && unusedBits <= (lastOctet === undefined ? 0 : 7);
    if (!isPossible || ((lastOctet ?? 0) & ((1 << unusedBits) - 1)) !== 0) {
      throw new DerError('invalid-bit-string', 'a BIT STRING with impossible or non-zero unused bits', start);
    }
    return { unusedBits, octets };
  }

  /** A BIT STRING of whole octets. */
  readBitStringOctets(): Buffer {
    const start = this.#offset;
    const { unusedBits, octets } = this.readBitString();
    if (unusedBits !== 0) throw new DerError('invalid-bit-string', 'a BIT STRING that is not whole octets', start);
    return octets;
  }

  readNull(): void {
    const start = this.#offset;
    if (this.readContent(TAG.null).length !== 0) throw new DerError('invalid-null', 'a NULL with content', start);
  }

  /** @throws {DerError} when anything is left */
  finish(): void {
    if (!this.isAtEnd) {
      throw new DerError('trailing-bytes', `${this.#end - this.#offset} bytes are left over`, this.#offset);
    }
  }

  /** Checks the header of the next element, moves past the element and returns where it ends. */
  #next(tag: number): number {
    if (this.nextTag !== tag) {
      const found = this.isAtEnd ? 'the end' : `tag 0x${this.nextTag.toString(16).padStart(2, '0')}`;
      const message = `${found} where tag 0x${tag.toString(16).padStart(2, '0')} was expected`;
      throw new DerError('unexpected-tag', message, this.#offset);
    }
    return this.#advance(tag);
  }

  #advance(tag: number): number {
    const start = this.#offset;
    checkTag(tag, start);
    const first = start + 1 < this.#end ? this.bytes[start + 1] : undefined;
    if (first === undefined) throw new DerError('truncated', 'an element without length', start);
    if (first < 0x80) {
      this.#contentStart = start + 2;
      return this.#moveTo(this.#contentStart + first, start);
    }
    if (first === 0x80) throw new DerError('indefinite-length', 'a length of the indefinite form', start);
    const octets = first & 0x7f;
    if (octets > 4) throw new DerError('length-too-large', `a length in ${octets} octets`, start);
    this.#contentStart = start + 2 + octets;
    if (this.#contentStart > this.#end)
      throw new DerError('truncated', 'an element that ends inside its length', start);
    const length = this.bytes.readUIntBE(start + 2, octets);
    if (length < 0x80 || this.bytes[start + 2] === 0) {
      throw new DerError('non-minimal-length', 'a length in more octets than it needs', start);
    }
    return this.#moveTo(this.#contentStart + length, start);
  }

  #moveTo(end: number, start: number): number {
    if (end > this.#end) throw new DerError('truncated', 'an element that is longer than what holds it', start);
    this.#offset = end;
    return end;
  }

  #skip(): void {
    const tag = this.nextTag;
    switch (tag) {
      case TAG.boolean:
        this.#skipBoolean();
        return;
      case TAG.integer:
        this.readInteger();
        return;
      case TAG.bitString:
        this.readBitString();
        return;
      case TAG.null:
        this.readNull();
        return;
      case TAG.objectIdentifier:
        this.readObjectIdentifier();
        return;
      default:
        if ((tag & CONSTRUCTED) === 0 || tag < 0) {
          this.readAnyContent();
          return;
        }
        this.#skipInside(this.enter(tag));
    }
  }

  #skipInside(inside: DerReader): void {
    while (!inside.isAtEnd) inside.#skip();
  }

  #skipBoolean(): void {
    const start = this.#offset;
    const content = this.readContent(TAG.boolean);
    if (content.length === 1 && (content[0] === 0 || content[0] === 0xff)) return;
    throw new DerError('invalid-boolean', 'a BOOLEAN that is not one octet 0x00 or 0xff', start);
  }
}

function wholeOf(bytes: Buffer): { start: number; end: number; depth: number } {
  return { start: 0, end: bytes.length, depth: 0 };
}

function checkTag(tag: number, offset: number): void {
  if ((tag & 0x1f) === 0x1f) throw new DerError('high-tag-number', 'a tag number above 30', offset);
  if (tag === 0) throw new DerError('unexpected-tag', 'an end-of-contents mark, which DER does not have', offset);
  // §10.2: in DER only SEQUENCE and SET (and external types, which no certificate has) are constructed.
  const isUniversal = tag < 0x40;
  const number = tag & 0x1f;
  if (isUniversal && ((tag & CONSTRUCTED) !== 0) !== (number === 16 || number === 17)) {
    throw new DerError(
      'wrong-construction',
      `tag 0x${tag.toString(16).padStart(2, '0')} in a form DER does not allow`,
      offset,
    );
  }
}

function dotted(content: Buffer, offset: number): string {
  let text = '';
  let arc = 0;
  for (let at = 0; at < content.length; at += 1) {
    const octet = content[at] ?? 0;
    if (arc === 0 && octet === 0x80) {
      throw new DerError('invalid-object-identifier', 'an OBJECT IDENTIFIER with a needless leading octet', offset);
    }
    if (arc >= 2 ** 46) {
      throw new DerError('invalid-object-identifier', 'an OBJECT IDENTIFIER with an arc of more than 53 bits', offset);
    }
    arc = arc * 128 + (octet & 0x7f);
    if (octet >= 0x80) continue;
    if (text === '') {
      const root = arc < 80 ? Math.floor(arc / 40) : 2;
      text = `${root}.${arc - root * 40}`;
    } else {
      text += `.${arc}`;
    }
    arc = 0;
  }
  return text;
}
