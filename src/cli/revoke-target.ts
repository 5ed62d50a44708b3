// What is to be revoked, as it is named on a command line: an ID or pattern, a certificate, a key, a token, or a certificate file to take it from.

import { quote } from '../core/quote.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { CertificateError } from '../pki/certificate-error.ts';
import { isSignedBy } from '../pki/certificate-signature.ts';
import { spkiSha256 } from '../pki/key-fingerprint.ts';
import { parsePem } from '../pki/pem.ts';
import { parseSerialNumber, parseSha256, parseTokenId } from '../revocation/entry-text.ts';
import type { RevocationTarget } from '../revocation/revocation.ts';
import { parseIdPattern } from '../spiffe/id-pattern.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { option, readInput, RevokeCommandError, usage } from './revoke-command.ts';

export interface TargetOptions {
  readonly id?: string;
  readonly serial?: string;
  readonly issuer?: string;
  readonly issuerCertificate?: string;
  readonly spki?: string;
  readonly jti?: string;
  readonly certificate?: string;
  readonly byKey: boolean;
}

export interface NamedTarget {
  readonly target: RevocationTarget;
  /** Why revoking it should be meant; null for what concerns one workload. */
  readonly danger: string | null;
}

const SELECTORS = ['id', 'serial', 'spki', 'jti', 'certificate'] as const;

export function isTargetNamed(options: TargetOptions): boolean {
  return SELECTORS.some((name) => options[name] !== undefined);
}

/** @param own of an ID pattern that names no trust domain */
export async function readTarget(options: TargetOptions, own: TrustDomain | null): Promise<NamedTarget> {
  const [selector, second] = SELECTORS.filter((name) => options[name] !== undefined);
  if (selector === undefined)
    throw usage('name what is meant: --id, --serial and --issuer, --spki, --jti or --certificate');
  if (second !== undefined) throw usage(`--${selector} and --${second} name two things; name one`);
  refuseStrays(options, selector);
  const text = options[selector] ?? '';
  switch (selector) {
    case 'id':
      return readId(text, own);
    case 'serial': {
      const serialNumber = option('--serial', text, parseSerialNumber);
      return { target: { kind: 'certificate', issuer: await readIssuer(options), serialNumber }, danger: null };
    }
    case 'spki':
      return { target: { kind: 'key', spkiSha256: option('--spki', text, parseSha256) }, danger: null };
    case 'jti':
      return { target: { kind: 'token', tokenId: option('--jti', text, parseTokenId) }, danger: null };
    case 'certificate':
      return readCertificate(text, options);
  }
}

/** An option that has no meaning beside the others was meant to have one. */
function refuseStrays({ issuer, issuerCertificate, byKey }: TargetOptions, selector: (typeof SELECTORS)[number]): void {
  const isCertificate = selector === 'certificate';
  if (byKey && !isCertificate) throw usage('--by-key: belongs to --certificate');
  if (issuer !== undefined && issuerCertificate !== undefined) {
    throw usage('--issuer and --issuer-certificate say the same; give one');
  }
  const given = issuer === undefined ? '--issuer-certificate' : '--issuer';
  if (issuer === undefined && issuerCertificate === undefined) return;
  if (selector !== 'serial' && !isCertificate) throw usage(`${given}: belongs to --serial or --certificate`);
  if (byKey) throw usage(`${given}: a key is revoked whoever certified it; leave it out with --by-key`);
}

function readId(text: string, own: TrustDomain | null): NamedTarget {
  if (text.startsWith('/') && own === null) {
    throw usage(`--id: ${quote(text)} has no trust domain; write \`spiffe://…\` or add --trust-domain`);
  }
  // Where there is no `own` the pattern names its trust domain itself, and this one is not looked at.
  const pattern = option('--id', text, (written) => parseIdPattern(written, own ?? parseTrustDomain('none')));
  const isEverybody = pattern.segments.every((segment) => segment === null);
  const danger = isEverybody ? `${quote(text)} is everybody in the trust domain ${pattern.trustDomain}` : null;
  return { target: { kind: 'id', pattern }, danger };
}

async function readIssuer({ issuer, issuerCertificate }: TargetOptions): Promise<string> {
  if (issuer !== undefined) return option('--issuer', issuer, parseSha256);
  if (issuerCertificate === undefined) {
    throw usage('--serial: a serial number is one only of its CA; add --issuer or --issuer-certificate');
  }
  const [first, second] = await readCertificates(issuerCertificate);
  if (second !== undefined) throw usage(`${quote(issuerCertificate)} holds several certificates; which CA is meant?`);
  return spkiSha256(first.publicKey);
}

/** The first certificate is what is meant; the others are looked through for the CA that signed it. */
async function readCertificate(path: string, options: TargetOptions): Promise<NamedTarget> {
  const [meant, ...others] = await readCertificates(path);
  const isCa = meant.extensions.basicConstraints?.isCa === true;
  const danger = isCa
    ? `the first certificate of ${quote(path)} is a CA; with it goes everything that it signed`
    : null;
  if (options.byKey) return { target: { kind: 'key', spkiSha256: spkiSha256(meant.publicKey) }, danger };
  const target = { kind: 'certificate', serialNumber: meant.serialNumber } as const;
  if (options.issuer !== undefined) return { target: { ...target, issuer: await readIssuer(options) }, danger };
  const { issuerCertificate } = options;
  const named = issuerCertificate === undefined ? [] : await readCertificates(issuerCertificate);
  const signer = [...named, ...others, meant].find((candidate) => isIssuedBy(meant, candidate));
  if (signer !== undefined) return { target: { ...target, issuer: spkiSha256(signer.publicKey) }, danger };
  const files = issuerCertificate === undefined ? quote(path) : `${quote(path)} and ${quote(issuerCertificate)}`;
  throw usage(
    `no certificate of ${files} signed the first one; name its CA with --issuer-certificate, or revoke it --by-key`,
  );
}

function isIssuedBy(certificate: Certificate, candidate: Certificate): boolean {
  return certificate.issuer.equals(candidate.subject) && isSignedBy(certificate, candidate);
}

async function readCertificates(path: string): Promise<readonly [Certificate, ...Certificate[]]> {
  const source = await readInput(path);
  const blocks = source[0] === DER_SEQUENCE ? [{ label: 'CERTIFICATE', der: source }] : parsePem(source, path);
  const [first, ...others] = blocks.flatMap(({ label, der }) => (label === 'CERTIFICATE' ? [parse(der, path)] : []));
  if (first === undefined) throw new RevokeCommandError('unreadable-file', `${quote(path)} holds no certificate`);
  return [first, ...others];
}

const DER_SEQUENCE = 0x30;

function parse(der: Uint8Array, path: string): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new RevokeCommandError('unreadable-file', `${quote(path)}: ${error.message}`, { cause: error });
  }
}
