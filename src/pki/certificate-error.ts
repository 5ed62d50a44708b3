// Why bytes are not a certificate this program reads: one closed list, always with the place in the DER.
// RFC 5280 §4.1, §4.2

import { SallyportError } from '../core/error.ts';

export type CertificateErrorCode =
  /** Longer than 32 KiB. */
  | 'certificate-too-large'
  /** Not DER, or not the structure of RFC 5280 §4.1; `cause` is the DerError. */
  | 'not-der'
  /** Not version 3; extensions, and so SPIFFE IDs, exist in version 3 only. */
  | 'not-version-3'
  /** Negative, or over 20 octets (§4.1.2.2). */
  | 'serial-number'
  /** The algorithm inside the signed part differs from the one outside (§4.1.1.2). */
  | 'signature-algorithm-mismatch'
  /** A validity of the wrong time type, of an impossible date, or that ends before it begins (§4.1.2.5). */
  | 'validity'
  /** issuerUniqueID or subjectUniqueID, which §4.1.2.8 forbids to issue. */
  | 'unique-identifier'
  /** The same extension twice (§4.2). */
  | 'duplicate-extension'
  /** A known extension whose value breaks its own rules. */
  | 'malformed-extension';

export class CertificateError extends SallyportError<CertificateErrorCode> {
  /** Where in the DER, in bytes from its start. */
  readonly offset: number;

  constructor(code: CertificateErrorCode, message: string, context: { offset: number; cause?: unknown }) {
    super(code, `${message} (at byte ${context.offset})`, context.cause === undefined ? {} : { cause: context.cause });
    this.offset = context.offset;
  }
}
