// A request head as the rest of the program sees it: one type for HTTP/1.1 and HTTP/2.

import type { ParsedFields } from './field-lines.ts';
import type { NeverIndexed } from './never-indexed.ts';

export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' };

export interface HeadLimits {
  /** Start line, fields and the empty line; also a trailer section. At least 64. */
  readonly maxHeadBytes: number;
  /** Fields of a head, before hop-by-hop ones are removed; also of a trailer section. */
  readonly maxFieldCount: number;
}

export interface RequestHead {
  /** A token, exactly as received: methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** Validated `host[:port]`, lower case. */
  readonly authority: string;
  /** `authority` without its port; an IPv6 address keeps its brackets. */
  readonly host: string;
  /** Exactly as received, begins with `/`, canonical as request-target.ts defines it. */
  readonly path: string;
  /** Without `?`; null when the target has none, empty when nothing follows the `?`. */
  readonly query: string | null;
  /**
   * Flat name, value, name, value …; names lower case; values latin1, byte-exact. End-to-end fields only: Connection and
   * what it names, TE, Trailer, Upgrade, HTTP2-Settings, Keep-Alive, Proxy-*, Transfer-Encoding, Content-Length, Host and
   * Expect are taken out.
   */
  readonly fields: ParsedFields;
  /** `length` with 0 bytes is kept apart from `none`: an upstream may insist on a Content-Length. */
  readonly body: BodyFraming;
  /** Whether another request may follow on this connection; false for a request to upgrade, whatever becomes of it. */
  readonly persistent: boolean;
  /** The peer waits for 100 (Continue) before it sends the body. */
  readonly expectsContinue: boolean;
  /** The one protocol the peer asks to switch to, lower case, never `h2c`; only without a body. */
  readonly upgrade: string | null;
  readonly version: '1.0' | '1.1' | '2';
  readonly neverIndexed: NeverIndexed;
}

/** False also for an announced length of 0. */
export function hasBody(framing: BodyFraming): boolean {
  return framing.kind === 'chunked' || (framing.kind === 'length' && framing.bytes > 0);
}
