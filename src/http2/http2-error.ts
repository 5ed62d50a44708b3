// Why a request is refused for what only HTTP/2 says of it; everything else is refused as in HTTP/1.1.

import { SallyportError } from '../core/error.ts';

const SENTENCES = {
  'pseudo-field': 'a pseudo-header field is unknown, repeated, missing or not before all others (RFC 9113 §8.3)',
  'path-form': ':path does not begin with a slash (RFC 9113 §8.3.1)',
  'scheme-not-supported': 'the scheme is not that of the connection (RFC 9113 §8.3.1)',
  'authority-mismatch': ':authority and host do not agree (RFC 9113 §8.3.1)',
  'field-name': 'a field name is no token (RFC 9113 §8.2.1)',
  'field-name-case': 'a field name is not in lower case (RFC 9113 §8.2.1)',
  'field-value-space': 'a field value begins or ends with whitespace (RFC 9113 §8.2.1)',
  'field-break': 'a field holds what would end its line in HTTP/1.1 (RFC 9113 §10.3)',
  'ended-tunnel': 'a request to open a tunnel ends with its fields (RFC 8441 §4)',
  'length-mismatch': 'content-length announces a body, and the stream ends without one (RFC 9113 §8.1.1)',
  'connection-field': 'a field concerns the connection, which HTTP/2 has no fields for (RFC 9113 §8.2.2)',
} as const;

export type Http2ErrorCode = keyof typeof SENTENCES;

/** Well formed, and not to be served as it is. */
const UNSUITABLE: ReadonlySet<Http2ErrorCode> = new Set(['scheme-not-supported', 'authority-mismatch', 'ended-tunnel']);

/** The connection it came on can go on. */
export class Http2Error extends SallyportError<Http2ErrorCode> {
  /** RFC 9113 §8.1.1: then the stream is in error too. */
  get isMalformed(): boolean {
    return !UNSUITABLE.has(this.code);
  }

  constructor(code: Http2ErrorCode) {
    super(code, SENTENCES[code]);
  }
}
