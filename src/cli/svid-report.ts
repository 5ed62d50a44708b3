// What `svid inspect` knows about each certificate of a file, as plain values that become JSON or text.

import { SallyportError } from '../core/error.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { isSignedBy } from '../pki/certificate-signature.ts';
import { formatName } from '../pki/distinguished-name.ts';
import type { GeneralName } from '../pki/general-name.ts';
import { spkiSha256 } from '../pki/key-fingerprint.ts';
import { parsePem } from '../pki/pem.ts';
import { formatKeyAlgorithm } from '../pki/public-key.ts';
import { formatSignatureAlgorithm } from '../pki/signature-algorithm.ts';
import { findValidityRefusal } from '../spiffe/certificate-rules.ts';
import { findIssuerKeyRefusal, findRefusalOfBelow, issuerRefusals, namesIssuer } from '../spiffe/issuer-rules.ts';
import { leafIdOf, leafRefusals } from '../spiffe/leaf-rules.ts';
import type { Refusal } from '../spiffe/x509-svid-error.ts';

/** `authority`: a file of CAs only is taken for a trust bundle. */
type ReportRole = 'leaf' | 'intermediate' | 'authority';

export interface ReportedName {
  readonly form: GeneralName['form'];
  readonly value: string | null;
}

export interface CertificateReport {
  readonly kind: 'certificate';
  readonly role: ReportRole;
  readonly spiffeId: string | null;
  readonly subject: string;
  readonly issuer: string;
  /** The position, from 1, of the certificate of this file that signed it; its own for a self-signed one; null for none. */
  readonly signedBy: number | null;
  readonly serialNumber: string;
  readonly sha256: string;
  /** Of the public key: what revokes a key, and names an issuer in a revocation. */
  readonly spkiSha256: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly publicKey: string;
  readonly signatureAlgorithm: string;
  readonly subjectAltName: { readonly critical: boolean; readonly names: readonly ReportedName[] } | null;
  readonly keyUsage: { readonly critical: boolean; readonly bits: readonly string[] } | null;
  readonly extendedKeyUsage: { readonly critical: boolean; readonly purposes: readonly string[] } | null;
  readonly basicConstraints: { critical: boolean; isCa: boolean; maxPathLength: number | null } | null;
  readonly nameConstraints: {
    readonly critical: boolean;
    readonly permitted: readonly ReportedName[];
    readonly excluded: readonly ReportedName[];
  } | null;
  readonly subjectKeyIdentifier: string | null;
  readonly authorityKeyIdentifier: string | null;
  readonly otherExtensions: readonly { readonly oid: string; readonly critical: boolean }[];
  /** Every rule that would refuse it in its role; empty does not mean trusted, for that takes a trust bundle. */
  readonly refusals: readonly { readonly code: string; readonly message: string }[];
}

export interface UnreadableReport {
  readonly kind: 'unreadable';
  readonly code: string;
  readonly message: string;
}

export interface ChainReport {
  readonly file: string;
  /** The instant for which validity is judged. */
  readonly at: string;
  readonly certificates: readonly (CertificateReport | UnreadableReport)[];
}

const DER_SEQUENCE = 0x30;
const PURPOSES: ReadonlyMap<string, string> = new Map([
  ['1.3.6.1.5.5.7.3.1', 'serverAuth'],
  ['1.3.6.1.5.5.7.3.2', 'clientAuth'],
  ['1.3.6.1.5.5.7.3.3', 'codeSigning'],
  ['1.3.6.1.5.5.7.3.4', 'emailProtection'],
  ['1.3.6.1.5.5.7.3.8', 'timeStamping'],
  ['1.3.6.1.5.5.7.3.9', 'OCSPSigning'],
  ['2.5.29.37.0', 'anyExtendedKeyUsage'],
]);

/**
 * Reports on every certificate of a PEM file, or on one as DER.
 * @throws {PemError}
 */
export function inspectChain(source: Buffer, file: string, nowMs: number): ChainReport {
  const parsed = derOf(source, file).map(parse);
  const readable = parsed.flatMap((entry) => (entry.kind === 'read' ? [entry.certificate] : []));
  const certificates = parsed.map((entry) =>
    entry.kind === 'read' ? reportOn(entry.certificate, readable, nowMs) : entry.report,
  );
  const none: UnreadableReport = { kind: 'unreadable', code: 'empty-chain', message: 'the file has no certificate' };
  const at = new Date(nowMs).toISOString();
  return { file, at, certificates: certificates.length === 0 ? [none] : certificates };
}

function derOf(source: Buffer, file: string): readonly Buffer[] {
  if (source[0] === DER_SEQUENCE) return [source];
  return parsePem(source, file).flatMap(({ label, der }) => (label === 'CERTIFICATE' ? [der] : []));
}

type Parsed =
  | { readonly kind: 'read'; readonly certificate: Certificate }
  | { readonly kind: 'unreadable'; readonly report: UnreadableReport };

function parse(der: Buffer): Parsed {
  try {
    return { kind: 'read', certificate: parseCertificate(der) };
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    const { code, message } = error;
    return { kind: 'unreadable', report: { kind: 'unreadable', code, message } };
  }
}

function reportOn(certificate: Certificate, chain: readonly Certificate[], nowMs: number): CertificateReport {
  const { extensions } = certificate;
  const role = roleOf(certificate, chain);
  const leafId = leafIdOf(certificate);
  const { subjectAltName, keyUsage, extendedKeyUsage, nameConstraints } = extensions;
  return {
    kind: 'certificate',
    role,
    spiffeId: leafId.kind === 'id' ? leafId.id : null,
    subject: formatName(certificate.subject),
    issuer: formatName(certificate.issuer),
    signedBy: findSigner(certificate, chain),
    serialNumber: certificate.serialNumber,
    sha256: certificate.sha256,
    spkiSha256: spkiSha256(certificate.publicKey),
    notBefore: new Date(certificate.notBeforeMs).toISOString(),
    notAfter: new Date(certificate.notAfterMs).toISOString(),
    publicKey: formatKeyAlgorithm(certificate.publicKey.algorithm),
    signatureAlgorithm: formatSignatureAlgorithm(certificate.signatureAlgorithm),
    subjectAltName: subjectAltName && { ...subjectAltName, names: subjectAltName.names.map(toReportedName) },
    keyUsage: keyUsage && { ...keyUsage, bits: [...keyUsage.bits] },
    extendedKeyUsage: extendedKeyUsage && {
      ...extendedKeyUsage,
      purposes: extendedKeyUsage.purposes.map((oid) => PURPOSES.get(oid) ?? oid),
    },
    basicConstraints: extensions.basicConstraints,
    nameConstraints: nameConstraints && {
      ...nameConstraints,
      permitted: nameConstraints.permitted.map(toReportedName),
      excluded: nameConstraints.excluded.map(toReportedName),
    },
    subjectKeyIdentifier: extensions.subjectKeyIdentifier?.toString('hex') ?? null,
    authorityKeyIdentifier: extensions.authorityKeyIdentifier?.keyIdentifier?.toString('hex') ?? null,
    otherExtensions: extensions.unknown,
    refusals: refusalsOf(certificate, { role, chain, nowMs }).map(({ code, message }) => ({ code, message })),
  };
}

function roleOf(certificate: Certificate, chain: readonly Certificate[]): ReportRole {
  if (chain.every(({ extensions }) => extensions.basicConstraints?.isCa === true)) return 'authority';
  return certificate === chain[0] ? 'leaf' : 'intermediate';
}

function findSigner(certificate: Certificate, chain: readonly Certificate[]): number | null {
  const index = chain.findIndex((issuer) => namesIssuer(certificate, issuer) && isSignedBy(certificate, issuer));
  return index < 0 ? null : index + 1;
}

function refusalsOf(
  certificate: Certificate,
  { role, chain, nowMs }: { role: ReportRole; chain: readonly Certificate[]; nowMs: number },
): readonly Refusal[] {
  const validity = findValidityRefusal(certificate, nowMs, role);
  const others =
    role === 'leaf'
      ? leafRefusals(certificate)
      : [
          findIssuerKeyRefusal(certificate, role),
          ...issuerRefusals(certificate, role),
          role === 'intermediate' ? findRefusalOfBelow(certificate, chain.slice(0, chain.indexOf(certificate))) : null,
        ];
  return [validity, ...others].flatMap((refusal) => (refusal === null ? [] : [refusal]));
}

function toReportedName(name: GeneralName): ReportedName {
  switch (name.form) {
    case 'uri':
    case 'dns':
    case 'email':
      return { form: name.form, value: name.value };
    case 'ip':
      return { form: name.form, value: formatAddress(name.octets) };
    case 'directory':
      return { form: name.form, value: formatName(name.name) };
    case 'other':
    case 'registered-id':
      return { form: name.form, value: null };
  }
}

/** Address, or address and mask: 4 or 16 octets of each. */
function formatAddress(octets: Buffer): string {
  const half = octets.length === 8 || octets.length === 32 ? octets.length / 2 : octets.length;
  const parts = [octets.subarray(0, half), octets.subarray(half)].filter(({ length }) => length > 0);
  return parts
    .map((part) => (part.length === 4 ? [...part].join('.') : (part.toString('hex').match(/.{4}/g) ?? []).join(':')))
    .join('/');
}
