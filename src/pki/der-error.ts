// Why bytes are not the DER they should be: one closed list, always with the place.
// ITU-T X.690 §8, §10, §11

import { SallyportError } from '../core/error.ts';

export type DerErrorCode =
  /** The element, or its header, reaches beyond what holds it. */
  | 'truncated'
  /** Bytes are left where the structure is complete. */
  | 'trailing-bytes'
  /** Another tag, or nothing, where the structure demands a certain one. */
  | 'unexpected-tag'
  /** A tag number above 30, which no structure read here has. */
  | 'high-tag-number'
  /** A string in pieces, or a sequence that claims to be primitive. */
  | 'wrong-construction'
  /** The indefinite form (§10.1). */
  | 'indefinite-length'
  /** A length in more octets than it needs (§10.1). */
  | 'non-minimal-length'
  /** A length in more than four octets. */
  | 'length-too-large'
  /** Nested deeper than 16 levels. */
  | 'too-deep'
  /** A BOOLEAN that is not one octet of 0x00 or 0xff (§11.1), or the encoded default FALSE (§11.5). */
  | 'invalid-boolean'
  /** An empty INTEGER, one with a needless octet (§8.3.2), or one out of the range read here. */
  | 'invalid-integer'
  /** An empty or non-minimal OBJECT IDENTIFIER (§8.19), or one of more than 64 octets. */
  | 'invalid-object-identifier'
  /** A BIT STRING whose count of unused bits is impossible, or whose unused bits are not zero (§11.2). */
  | 'invalid-bit-string'
  /** A NULL with content. */
  | 'invalid-null'
  /** A UTCTime or GeneralizedTime not in the one form of RFC 5280 §4.1.2.5, or of an impossible date. */
  | 'invalid-time'
  /** Content that its own structure forbids: an empty list, an unsorted set, a character out of range. */
  | 'invalid-content';

export class DerError extends SallyportError<DerErrorCode> {
  /** In bytes from the start of the buffer. */
  readonly offset: number;

  constructor(code: DerErrorCode, message: string, offset: number) {
    super(code, message);
    this.offset = offset;
  }
}
