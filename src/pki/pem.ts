// PEM text to DER blocks that remember the line they began on; anything that only looks like PEM is refused.
// RFC 7468 §2, §3

import { SallyportError } from '../core/error.ts';

export interface PemBlock {
  /** Between `BEGIN` and the dashes: `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Buffer;
  /** Of the `BEGIN` line, from 1. */
  readonly line: number;
}

export type PemErrorCode =
  /** Over 4 MiB. */
  | 'pem-too-large'
  /** A line with `-----BEGIN` or `-----END` that is not exactly a boundary (a byte order mark, a space, a typing error). */
  | 'pem-boundary'
  /** `END` without `BEGIN`, `BEGIN` inside a block, or labels that differ. */
  | 'pem-nesting'
  /** The file ends inside a block; it may have been read while it was written. */
  | 'pem-truncated'
  /** A header inside a block (RFC 1421); encrypted keys have them. */
  | 'pem-header'
  /** Not canonical base64. */
  | 'pem-base64'
  /** A block with nothing in it. */
  | 'pem-empty-block';

export class PemError extends SallyportError<PemErrorCode> {}

/**
 * All blocks of `source` in their order, none for a file without any; text between blocks is skipped (§2). `file` is used in messages only.
 * @throws {PemError} whose message begins with `file:line`
 */
export function parsePem(_source: Uint8Array, _file: string): readonly PemBlock[] {
  throw new Error('not built yet');
}
