// One certificate revocation list from DER, read strictly; whose signature it carries is asked where a certificate's issuer is known.
// RFC 5280 §5

import { hash } from 'node:crypto';
import { CrlError } from './crl-error.ts';
import { readCrlExtensions, readEntryReason } from './crl-extensions.ts';
import { DerError } from './der-error.ts';
import { contextTag, type DerReader, TAG } from './der-reader.ts';
import { readTime } from './der-time.ts';
import { readName } from './distinguished-name.ts';
import { toSerialNumber } from './extensions.ts';
import { formatSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts';
import { readSignedObject } from './signed-object.ts';

export interface RevokedSerial {
  readonly revokedMs: number;
  /** As RFC 5280 §5.3.1 calls it; `unspecified` where the list gives none. */
  readonly reason: string;
}

export interface Crl {
  readonly der: Buffer;
  /** Of the whole DER, in lower-case hex. */
  readonly sha256: string;
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** The whole Name as DER; names are compared as bytes. */
  readonly issuer: Buffer;
  readonly thisUpdateMs: number;
  /** When the next list was promised for. A list past it still revokes what it lists. */
  readonly nextUpdateMs: number | null;
  /** By serial number, as `Certificate.serialNumber`; without entries that take a revocation back. */
  readonly revokedSerials: ReadonlyMap<string, RevokedSerial>;
  /** TBSCertList with its header, and the signature over it. */
  readonly signedBytes: Buffer;
  readonly signature: Buffer;
}

const MAX_CRL_BYTES = 4 * 1024 * 1024;
const VERSION_2 = 1;
const EXTENSIONS = contextTag(0, 'constructed');
const NO_LONGER_REVOKED = 'removeFromCRL';

/**
 * Copies `der`, so that the list does not change or keep alive what it was read from.
 * @throws {CrlError}
 */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > MAX_CRL_BYTES) {
    const message = `a revocation list has at most ${MAX_CRL_BYTES} bytes; this one has ${der.length}`;
    throw new CrlError('crl-too-large', message, { offset: 0 });
  }
  try {
    return readCrl(Buffer.from(der));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    const code = error.code === 'invalid-time' ? 'validity' : 'not-der';
    throw new CrlError(code, error.message, { offset: error.offset, cause: error });
  }
}

function readCrl(der: Buffer): Crl {
  const { content: signed, signedBytes, signature, algorithm, algorithmDer, algorithmOffset } = readSignedObject(der);
  // A list that nobody can prove would be no list at all, and that silently.
  if (algorithm.kind === 'refused') {
    const message = `the list is signed with ${formatSignatureAlgorithm(algorithm)}, which proves nothing`;
    throw new CrlError('signature-algorithm', message, { offset: algorithmOffset });
  }
  const hasVersion2 = readVersion(signed);
  readInnerAlgorithm(signed, algorithmDer);
  const issuerStart = signed.offset;
  const issuer = readName(signed);
  if (issuer.length === 2) throw new DerError('invalid-content', 'an empty issuer', issuerStart);
  const updates = readUpdates(signed);
  const revokedSerials = readRevokedSerials(signed, hasVersion2);
  if (!signed.isAtEnd) {
    requireVersion2(signed, hasVersion2);
    const explicit = signed.enter(EXTENSIONS);
    readCrlExtensions(explicit);
    explicit.finish();
  }
  signed.finish();

  const sha256 = hash('sha256', der, 'hex');
  return { der, sha256, signatureAlgorithm: algorithm, issuer, ...updates, revokedSerials, signedBytes, signature };
}

function readVersion(signed: DerReader): boolean {
  if (signed.nextTag !== TAG.integer) return false;
  const offset = signed.offset;
  if (signed.readSmallInteger() === VERSION_2) return true;
  throw new CrlError('unsupported-version', 'the version of the list is not 2', { offset });
}

function readInnerAlgorithm(signed: DerReader, outerAlgorithm: Buffer): void {
  const offset = signed.offset;
  if (signed.readAny().equals(outerAlgorithm)) return;
  const message = 'the signature algorithm inside the signed part is not that outside';
  throw new CrlError('signature-algorithm-mismatch', message, { offset });
}

/** §5.1.2.5 demands a next update; a list without one is a list all the same. */
function readUpdates(signed: DerReader): Pick<Crl, 'thisUpdateMs' | 'nextUpdateMs'> {
  const thisUpdateMs = readTime(signed);
  const offset = signed.offset;
  const hasNext = signed.nextTag === TAG.utcTime || signed.nextTag === TAG.generalizedTime;
  const nextUpdateMs = hasNext ? readTime(signed) : null;
  if (nextUpdateMs === null || nextUpdateMs >= thisUpdateMs) return { thisUpdateMs, nextUpdateMs };
  throw new CrlError('validity', 'a next update that is before this one', { offset });
}

/** §5.1.2.6 wants the list absent rather than empty; several CAs write it empty. */
function readRevokedSerials(signed: DerReader, hasVersion2: boolean): ReadonlyMap<string, RevokedSerial> {
  const serials = new Map<string, RevokedSerial>();
  if (signed.nextTag !== TAG.sequence) return serials;
  const list = signed.enter(TAG.sequence);
  while (!list.isAtEnd) {
    const entry = list.enter(TAG.sequence);
    const content = entry.readInteger();
    const revokedMs = readTime(entry);
    let reason = 'unspecified';
    if (!entry.isAtEnd) {
      requireVersion2(entry, hasVersion2);
      reason = readEntryReason(entry);
    }
    entry.finish();
    // No certificate that we read has a negative serial number, and as hex it would be that of another one.
    const isNegative = (content[0] ?? 0) >= 0x80;
    const serialNumber = toSerialNumber(content);
    if (isNegative || reason === NO_LONGER_REVOKED || serials.has(serialNumber)) continue;
    serials.set(serialNumber, { revokedMs, reason });
  }
  return serials;
}

function requireVersion2({ offset }: DerReader, hasVersion2: boolean): void {
  if (hasVersion2) return;
  throw new CrlError('extensions-in-version-1', 'a list of version 1 with extensions', { offset });
}
