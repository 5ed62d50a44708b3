// One X.509 certificate from DER, read strictly and completely enough to decide about it without a second parser.
// RFC 5280 §4.1

import type { CertificateExtensions } from './extensions.ts';
import type { SubjectPublicKey } from './public-key.ts';
import type { SignatureAlgorithm } from './signature-algorithm.ts';

export interface Certificate {
  readonly der: Buffer;
  /** Of the whole DER, in lower-case hex. */
  readonly sha256: string;
  /** In lower-case hex, two digits an octet, without the DER sign octet. */
  readonly serialNumber: string;
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** The whole Name as DER; names are compared as bytes. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBeforeMs: number;
  /** The first millisecond of the last second of validity. */
  readonly notAfterMs: number;
  readonly publicKey: SubjectPublicKey;
  readonly extensions: CertificateExtensions;
  /** The signed bytes (TBSCertificate with its header) and the signature over them. */
  readonly signedBytes: Buffer;
  readonly signature: Buffer;
}

export const MAX_CERTIFICATE_BYTES = 32 * 1024;

/** @throws {CertificateError} */
export function parseCertificate(_der: Uint8Array): Certificate {
  throw new Error('not built yet');
}
