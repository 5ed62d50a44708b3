// Why text is not the JSON this program reads: one closed list, always with the place.
// RFC 8259

import { SallyportError } from '../core/error.ts';

export type JsonErrorCode =
  /** More bytes than the reader of this document allows. */
  | 'json-too-large'
  /** Nested deeper than the reader of this document allows. */
  | 'json-too-deep'
  /** More values than fit any document this program reads. */
  | 'json-too-many-values'
  /** Not UTF-8 (§8.1). */
  | 'json-not-utf8'
  /** A byte order mark (§8.1). */
  | 'json-byte-order-mark'
  /** A NUL, as in a file that was cut while it was written. */
  | 'json-nul'
  /** The same name twice in one object (§4): two readers may take different ones. */
  | 'json-duplicate-name'
  /** Half of a surrogate pair, which is no character (§8.2). */
  | 'json-lone-surrogate'
  /** The text ends before its value does, or holds none. */
  | 'json-truncated'
  /** Anything behind the value. */
  | 'json-trailing-text'
  /** Not the grammar. */
  | 'json-syntax';

export class JsonError extends SallyportError<JsonErrorCode> {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units; in bytes where the bytes are not UTF-8. */
  readonly column: number;

  /** The message begins with `line:column: `. */
  constructor(code: JsonErrorCode, message: string, position: { readonly line: number; readonly column: number }) {
    super(code, `${position.line}:${position.column}: ${message}`);
    this.line = position.line;
    this.column = position.column;
  }
}
