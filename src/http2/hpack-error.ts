// Why a field block cannot be decoded: all of it is a COMPRESSION_ERROR of the whole connection (RFC 9113 §4.3).

import { SallyportError } from '../core/error.ts';

const SENTENCES = {
  'field-index': 'an index is 0 or beyond the tables (RFC 7541 §2.3.3)',
  'integer-size': 'an integer takes more octets than any that fits a limit (RFC 7541 §5.1)',
  'truncated-block': 'a field block ends within a field',
  'huffman-code': 'a string ends in what is not the beginning of EOS, or holds EOS (RFC 7541 §5.2)',
  'table-size-update':
    'the size of the table is changed beyond its limit, too often or after a field (RFC 7541 §4.2, §6.3)',
} as const;

export type HpackErrorCode = keyof typeof SENTENCES;

/** The tables of both ends are no longer alike: nothing else can be decoded. */
export class HpackError extends SallyportError<HpackErrorCode> {
  constructor(code: HpackErrorCode) {
    super(code, SENTENCES[code]);
  }
}
