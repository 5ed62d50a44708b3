// One X.509 certificate from DER, read strictly and completely enough to decide about it without a second parser.
// RFC 5280 §4.1

import { hash } from 'node:crypto';
import { CertificateError } from './certificate-error.ts';
import { DerError } from './der-error.ts';
import { contextTag, type DerReader, TAG } from './der-reader.ts';
import { readTime } from './der-time.ts';
import { readName } from './distinguished-name.ts';
import { type CertificateExtensions, NO_EXTENSIONS, readExtensions, toSerialNumber } from './extensions.ts';
import { readPublicKey, type SubjectPublicKey } from './public-key.ts';
import type { SignatureAlgorithm } from './signature-algorithm.ts';
import { readSignedObject } from './signed-object.ts';

export interface Certificate {
  readonly der: Buffer;
  /** Of the whole DER, in lower-case hex. */
  readonly sha256: string;
  /** In lower-case hex, two digits an octet, without the sign octet of DER. */
  readonly serialNumber: string;
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** The whole Name as DER; names are compared as bytes. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: SubjectPublicKey;
  readonly extensions: CertificateExtensions;
  /** TBSCertificate with its header, and the signature over it. */
  readonly signedBytes: Buffer;
  readonly signature: Buffer;
}

const MAX_CERTIFICATE_BYTES = 32 * 1024;

const MAX_SERIAL_OCTETS = 20;
const VERSION_3 = 2;
const VERSION = contextTag(0, 'constructed');
const ISSUER_UNIQUE_ID = contextTag(1, 'primitive');
const SUBJECT_UNIQUE_ID = contextTag(2, 'primitive');
const EXTENSIONS = contextTag(3, 'constructed');

/**
 * Copies `der`, so that the certificate does not change or keep alive what it was read from.
 * @throws {CertificateError}
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) {
    const message = `a certificate has at most ${MAX_CERTIFICATE_BYTES} bytes; this one has ${der.length}`;
    throw new CertificateError('certificate-too-large', message, { offset: 0 });
  }
  try {
    return readCertificate(Buffer.from(der));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    const code = error.code === 'invalid-time' ? 'validity' : 'not-der';
    throw new CertificateError(code, error.message, { offset: error.offset, cause: error });
  }
}

function readCertificate(der: Buffer): Certificate {
  const { content: signed, signedBytes, signature, algorithm, algorithmDer } = readSignedObject(der);
  readVersion(signed);
  const serialNumber = readSerialNumber(signed);
  readInnerAlgorithm(signed, algorithmDer);
  const issuerStart = signed.offset;
  const issuer = readName(signed);
  // §4.1.2.4: the issuer is never empty; an empty one would match the empty subject of any certificate.
  if (issuer.length === 2) throw new DerError('invalid-content', 'an empty issuer', issuerStart);
  const validity = readValidity(signed);
  const subject = readName(signed);
  const publicKey = readPublicKey(signed);
  const extensions = readOptionalParts(signed);
  signed.finish();

  const sha256 = hash('sha256', der, 'hex');
  return {
    der,
    sha256,
    serialNumber,
    signatureAlgorithm: algorithm,
    issuer,
    subject,
    ...validity,
    publicKey,
    extensions,
    signedBytes,
    signature,
  };
}

function readVersion(signed: DerReader): void {
  const offset = signed.offset;
  if (signed.nextTag === VERSION) {
    const explicit = signed.enter(VERSION);
    const version = explicit.readSmallInteger();
    explicit.finish();
    if (version === VERSION_3) return;
  }
  throw new CertificateError('not-version-3', 'the certificate is not of version 3', { offset });
}

function readSerialNumber(signed: DerReader): string {
  const offset = signed.offset;
  const content = signed.readInteger();
  const serialNumber = toSerialNumber(content);
  // §4.1.2.2 asks for more than zero, and for readers that cope with zero: some long-lived roots have it.
  const isNegative = (content[0] ?? 0) >= 0x80;
  if (!isNegative && serialNumber.length <= 2 * MAX_SERIAL_OCTETS) return serialNumber;
  const message = `a serial number that is negative or has more than ${MAX_SERIAL_OCTETS} octets`;
  throw new CertificateError('serial-number', message, { offset });
}

function readInnerAlgorithm(signed: DerReader, outerAlgorithm: Buffer): void {
  const offset = signed.offset;
  if (signed.readAny().equals(outerAlgorithm)) return;
  const message = 'the signature algorithm inside the signed part is not that outside';
  throw new CertificateError('signature-algorithm-mismatch', message, { offset });
}

function readValidity(signed: DerReader): Pick<Certificate, 'notBeforeMs' | 'notAfterMs'> {
  const offset = signed.offset;
  const validity = signed.enter(TAG.sequence);
  const notBeforeMs = readTime(validity);
  const notAfterMs = readTime(validity);
  validity.finish();
  if (notAfterMs >= notBeforeMs) return { notBeforeMs, notAfterMs };
  throw new CertificateError('validity', 'a validity that ends before it begins', { offset });
}

function readOptionalParts(signed: DerReader): CertificateExtensions {
  const offset = signed.offset;
  if (signed.nextTag === ISSUER_UNIQUE_ID || signed.nextTag === SUBJECT_UNIQUE_ID) {
    throw new CertificateError('unique-identifier', 'the certificate has a unique identifier', { offset });
  }
  if (signed.isAtEnd) return NO_EXTENSIONS;
  const explicit = signed.enter(EXTENSIONS);
  const extensions = readExtensions(explicit);
  explicit.finish();
  return extensions;
}
