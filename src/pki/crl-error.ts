// Why bytes are not a certificate revocation list this program goes by: one closed list, always with the place in the DER.
// RFC 5280 §5

import { SallyportError } from '../core/error.ts';

export type CrlErrorCode =
  /** Longer than 4 MiB. */
  | 'crl-too-large'
  /** Not DER, or not the structure of RFC 5280 §5.1; `cause` is the DerError. */
  | 'not-der'
  /** A version that is written out and is not 2 (§5.1.2.1). */
  | 'unsupported-version'
  /** Version 1, which has no extensions, with extensions. */
  | 'extensions-in-version-1'
  /** The algorithm inside the signed part differs from the one outside (§5.1.1.2). */
  | 'signature-algorithm-mismatch'
  /** Signed with an algorithm that proves nothing. */
  | 'signature-algorithm'
  /** A time of the wrong type, of an impossible date, or a next update before this one. */
  | 'validity'
  /** The same extension twice (§4.2). */
  | 'duplicate-extension'
  /** A known extension whose value breaks its own rules. */
  | 'malformed-extension'
  /** A critical extension we do not know, with which §5.2 and §5.3 forbid to use the list. */
  | 'unknown-critical-extension'
  /** Only the changes to a list we do not have (§5.2.4). */
  | 'delta-crl'
  /** Lists certificates of other CAs (§5.2.5, §5.3.3). */
  | 'indirect-crl'
  /** Only for some certificates, or for some reasons (§5.2.5). */
  | 'partial-scope';

export class CrlError extends SallyportError<CrlErrorCode> {
  /** Where in the DER, in bytes from its start. */
  readonly offset: number;

  constructor(code: CrlErrorCode, message: string, context: { offset: number; cause?: unknown }) {
    super(code, `${message} (at byte ${context.offset})`, context.cause === undefined ? {} : { cause: context.cause });
    this.offset = context.offset;
  }
}
