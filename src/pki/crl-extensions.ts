// The extensions of a certificate revocation list and of its entries: those that would change what a listed serial number means are refused.
// RFC 5280 §5.2, §5.3

import { CrlError } from './crl-error.ts';
import { DerError } from './der-error.ts';
import { contextTag, type DerReader, TAG } from './der-reader.ts';

/** §5.3.1, by their numbers; 7 is not used. */
const REASONS = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  null,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const;

const ENUMERATED = 0x0a;
const DELTA_CRL_INDICATOR = '2.5.29.27';
const ISSUING_DISTRIBUTION_POINT = '2.5.29.28';
const CERTIFICATE_ISSUER = '2.5.29.29';
const REASON_CODE = '2.5.29.21';
/** Issuer alternative name, CRL number, authority key identifier, freshest CRL: none changes what is revoked. */
const KNOWN_OF_LIST: ReadonlySet<string> = new Set(['2.5.29.18', '2.5.29.20', '2.5.29.35', '2.5.29.46']);
/** Hold instruction and invalidity date: about the past. */
const KNOWN_OF_ENTRY: ReadonlySet<string> = new Set(['2.5.29.23', '2.5.29.24']);

/**
 * crlExtensions, with their tag entered.
 * @throws {DerError | CrlError}
 */
export function readCrlExtensions(reader: DerReader): void {
  readExtensions(reader, ({ oid, critical, offset, value }) => {
    if (oid === DELTA_CRL_INDICATOR) {
      throw new CrlError('delta-crl', 'the list holds only the changes to another one', { offset });
    }
    if (oid === ISSUING_DISTRIBUTION_POINT) {
      readIssuingDistributionPoint(value);
      return;
    }
    if (critical && !KNOWN_OF_LIST.has(oid)) throw unknownCritical(oid, 'the list', offset);
    value.readAny();
  });
}

/**
 * crlEntryExtensions: the reason, as RFC 5280 calls it; `unspecified` where none is given.
 * @throws {DerError | CrlError}
 */
export function readEntryReason(reader: DerReader): string {
  let reason = 'unspecified';
  readExtensions(reader, ({ oid, critical, offset, value }) => {
    if (oid === CERTIFICATE_ISSUER) {
      throw new CrlError('indirect-crl', 'an entry is about a certificate of another issuer', { offset });
    }
    if (oid === REASON_CODE) {
      reason = readReason(value);
      return;
    }
    if (critical && !KNOWN_OF_ENTRY.has(oid)) throw unknownCritical(oid, 'an entry', offset);
    value.readAny();
  });
  return reason;
}

interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly offset: number;
  /** Of the DER inside the OCTET STRING; the visitor reads all of it. */
  readonly value: DerReader;
}

/** §4.1 wants no list rather than an empty one; not every writer of lists keeps to it. */
function readExtensions(reader: DerReader, visit: (extension: Extension) => void): void {
  const list = reader.enter(TAG.sequence);
  const seen = new Set<string>();
  while (!list.isAtEnd) {
    const offset = list.offset;
    const extension = list.enter(TAG.sequence);
    const oid = extension.readObjectIdentifier();
    if (seen.has(oid)) throw new CrlError('duplicate-extension', `the extension \`${oid}\` stands twice`, { offset });
    seen.add(oid);
    const critical = extension.readDefaultFalse();
    const value = extension.enterOctetString();
    extension.finish();
    try {
      visit({ oid, critical, offset, value });
      value.finish();
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      const message = `the extension \`${oid}\` is malformed: ${error.message}`;
      throw new CrlError('malformed-extension', message, { offset: error.offset, cause: error });
    }
  }
}

/** A code that is not assigned is a reason nobody can name, and still one to revoke. */
function readReason(value: DerReader): string {
  const offset = value.offset;
  const content = value.readInteger(ENUMERATED);
  const [code, ...others] = content;
  if (code === undefined || code >= 0x80 || others.length > 0) {
    throw new DerError('invalid-content', 'a reason code that is not from 0 to 127', offset);
  }
  return REASONS[code] ?? `reason ${code}`;
}

/** A list for one distribution point is as good as any: what it lists is revoked. Parts of a list could be missed for the whole. */
function readIssuingDistributionPoint(value: DerReader): void {
  const offset = value.offset;
  const point = value.enter(TAG.sequence);
  const name = contextTag(0, 'constructed');
  if (point.nextTag === name) point.readAny();
  if (point.isAtEnd) return;
  const isIndirect = contextTag(4, 'primitive');
  while (!point.isAtEnd) {
    if (point.nextTag === isIndirect) {
      throw new CrlError('indirect-crl', 'the list is about certificates of other issuers too', { offset });
    }
    point.readAny();
  }
  throw new CrlError('partial-scope', 'the list is only about some certificates or some reasons', { offset });
}

function unknownCritical(oid: string, owner: string, offset: number): CrlError {
  return new CrlError('unknown-critical-extension', `${owner} has the critical extension \`${oid}\``, { offset });
}
