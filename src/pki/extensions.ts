// The extensions of a certificate that decide about it; the rest are listed with their criticality.
// RFC 5280 §4.2

import { CertificateError } from './certificate-error.ts';
import { DerError } from './der-error.ts';
import { contextTag, type DerReader, TAG } from './der-reader.ts';
import { type GeneralName, readGeneralName, readGeneralNames } from './general-name.ts';

const KEY_USAGE_BITS = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

type KeyUsageBit = (typeof KEY_USAGE_BITS)[number];

interface SubjectAltName {
  readonly critical: boolean;
  readonly names: readonly GeneralName[];
}

interface KeyUsage {
  readonly critical: boolean;
  readonly bits: ReadonlySet<KeyUsageBit>;
}

interface ExtendedKeyUsage {
  readonly critical: boolean;
  /** Dotted object identifiers. */
  readonly purposes: readonly string[];
}

interface BasicConstraints {
  readonly critical: boolean;
  readonly isCa: boolean;
  /** CAs that may follow below, or null for any number. */
  readonly maxPathLength: number | null;
}

export interface NameConstraints {
  readonly critical: boolean;
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Buffer | null;
  readonly issuer: readonly GeneralName[] | null;
  /** In lower-case hex, as `Certificate.serialNumber`. */
  readonly serialNumber: string | null;
}

/** Each is null when the certificate does not have it. */
export interface CertificateExtensions {
  readonly subjectAltName: SubjectAltName | null;
  readonly keyUsage: KeyUsage | null;
  readonly extendedKeyUsage: ExtendedKeyUsage | null;
  readonly basicConstraints: BasicConstraints | null;
  readonly nameConstraints: NameConstraints | null;
  readonly subjectKeyIdentifier: Buffer | null;
  readonly authorityKeyIdentifier: AuthorityKeyIdentifier | null;
  /** All others, in their order. */
  readonly unknown: readonly { readonly oid: string; readonly critical: boolean }[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const NO_EXTENSIONS: CertificateExtensions = {
  subjectAltName: null,
  keyUsage: null,
  extendedKeyUsage: null,
  basicConstraints: null,
  nameConstraints: null,
  subjectKeyIdentifier: null,
  authorityKeyIdentifier: null,
  unknown: [],
};

/**
 * Extensions (§4.1): at least one, none twice.
 * @throws {DerError | CertificateError}
 */
export function readExtensions(reader: DerReader): CertificateExtensions {
  const list = reader.enter(TAG.sequence);
  const seen = new Set<string>();
  const unknown: { oid: string; critical: boolean }[] = [];
  const extensions: Mutable<CertificateExtensions> = { ...NO_EXTENSIONS, unknown };
  do {
    const start = list.offset;
    const extension = list.enter(TAG.sequence);
    const oid = extension.readObjectIdentifier();
    if (seen.has(oid)) {
      throw new CertificateError('duplicate-extension', `the extension \`${oid}\` stands twice`, { offset: start });
    }
    seen.add(oid);
    const critical = extension.readDefaultFalse();
    const value = extension.enterOctetString();
    extension.finish();
    const read = READERS.get(oid);
    if (read === undefined) unknown.push({ oid, critical });
    else readValue(oid, value, () => read(extensions, value, critical));
  } while (!list.isAtEnd);
  return extensions;
}

const READERS: ReadonlyMap<
  string,
  (extensions: Mutable<CertificateExtensions>, value: DerReader, critical: boolean) => void
> = new Map([
  ['2.5.29.14', (to, value) => void (to.subjectKeyIdentifier = value.readContent(TAG.octetString))],
  ['2.5.29.15', (to, value, critical) => void (to.keyUsage = { critical, bits: readKeyUsage(value) })],
  ['2.5.29.17', (to, value, critical) => void (to.subjectAltName = { critical, names: readNames(value) })],
  ['2.5.29.19', (to, value, critical) => void (to.basicConstraints = { critical, ...readBasicConstraints(value) })],
  ['2.5.29.30', (to, value, critical) => void (to.nameConstraints = { critical, ...readNameConstraints(value) })],
  ['2.5.29.35', (to, value) => void (to.authorityKeyIdentifier = readAuthorityKeyIdentifier(value))],
  ['2.5.29.37', (to, value, critical) => void (to.extendedKeyUsage = { critical, purposes: readPurposes(value) })],
]);

function readValue(oid: string, value: DerReader, read: () => void): void {
  try {
    read();
    value.finish();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    const message = `the extension \`${oid}\` is malformed: ${error.message}`;
    throw new CertificateError('malformed-extension', message, { offset: error.offset, cause: error });
  }
}

function readNames(value: DerReader): readonly GeneralName[] {
  return readGeneralNames(value.enter(TAG.sequence));
}

function readKeyUsage(value: DerReader): ReadonlySet<KeyUsageBit> {
  const start = value.offset;
  const { octets, unusedBits } = value.readBitString();
  const lastOctet = octets[octets.length - 1];
  // §4.2.1.3: at least one bit. X.690 §11.2.2: a list of named bits ends with a set bit.
  if (lastOctet === undefined || ((lastOctet >> unusedBits) & 1) !== 1) {
    throw new DerError('invalid-content', 'a key usage that does not end with a set bit', start);
  }
  if (octets.length * 8 - unusedBits > KEY_USAGE_BITS.length) {
    throw new DerError('invalid-content', 'a key usage with bits that have no meaning', start);
  }
  return new Set(KEY_USAGE_BITS.filter((_bit, index) => (((octets[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1));
}

function readPurposes(value: DerReader): readonly string[] {
  const list = value.enter(TAG.sequence);
  const purposes: string[] = [];
  do {
    purposes.push(list.readObjectIdentifier());
  } while (!list.isAtEnd);
  return purposes;
}

function readBasicConstraints(value: DerReader): Omit<BasicConstraints, 'critical'> {
  const start = value.offset;
  const constraints = value.enter(TAG.sequence);
  const isCa = constraints.readDefaultFalse();
  const maxPathLength = constraints.isAtEnd ? null : constraints.readSmallInteger();
  constraints.finish();
  // §4.2.1.9: a path length is for CAs only.
  if (!isCa && maxPathLength !== null) throw new DerError('invalid-content', 'a path length without cA', start);
  return { isCa, maxPathLength };
}

function readNameConstraints(value: DerReader): Omit<NameConstraints, 'critical'> {
  const start = value.offset;
  const constraints = value.enter(TAG.sequence);
  const permitted = readSubtrees(constraints, 0);
  const excluded = readSubtrees(constraints, 1);
  constraints.finish();
  if (permitted.length + excluded.length === 0) throw new DerError('invalid-content', 'empty name constraints', start);
  return { permitted, excluded };
}

function readSubtrees(constraints: DerReader, number: 0 | 1): readonly GeneralName[] {
  const tag = contextTag(number, 'constructed');
  if (constraints.nextTag !== tag) return [];
  const list = constraints.enter(tag);
  const bases: GeneralName[] = [];
  do {
    const subtree = list.enter(TAG.sequence);
    bases.push(readGeneralName(subtree, 'address-and-mask'));
    // §4.2.1.10: minimum is always 0, so never encoded, and maximum is always absent.
    subtree.finish();
  } while (!list.isAtEnd);
  return bases;
}

function readAuthorityKeyIdentifier(value: DerReader): AuthorityKeyIdentifier {
  const identifier = value.enter(TAG.sequence);
  const [keyTag, issuerTag, serialTag] = [
    contextTag(0, 'primitive'),
    contextTag(1, 'constructed'),
    contextTag(2, 'primitive'),
  ];
  const keyIdentifier = identifier.nextTag === keyTag ? identifier.readContent(keyTag) : null;
  const issuer = identifier.nextTag === issuerTag ? readGeneralNames(identifier.enter(issuerTag)) : null;
  const serialNumber = identifier.nextTag === serialTag ? toSerialNumber(identifier.readInteger(serialTag)) : null;
  identifier.finish();
  return { keyIdentifier, issuer, serialNumber };
}

/** Hex of a serial number's content octets without the sign octet. */
export function toSerialNumber(content: Buffer): string {
  return (content.length > 1 && content[0] === 0 ? content.subarray(1) : content).toString('hex');
}
