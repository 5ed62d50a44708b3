// Trust bundles: the authorities of one trust domain, never merged with those of another.
// SPIFFE_Trust_Domain_and_Bundle.md §3, §4

import { SallyportError } from '../core/error.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { CertificateError } from '../pki/certificate-error.ts';
import { DerError } from '../pki/der-error.ts';
import { parsePem, type PemBlock } from '../pki/pem.ts';
import { describeCertificate } from './certificate-rules.ts';
import { formatDerError, type PlacedDer, splitCertificates } from './concatenated-der.ts';
import type { JwtAuthority } from './jwt-authority.ts';
import type { TrustDomain } from './spiffe-id.ts';

export interface TrustBundle {
  readonly trustDomain: TrustDomain;
  /** Without duplicates, in the order they were given. An intermediate listed here is an authority by itself. */
  readonly authorities: readonly Certificate[];
  /** What verifies JWT-SVIDs, by key ID; empty where the bundle came as certificates alone. */
  readonly jwtAuthorities: ReadonlyMap<string, JwtAuthority>;
}

export type TrustBundles = ReadonlyMap<TrustDomain, TrustBundle>;

export type TrustBundleErrorCode =
  /** No certificate at all. */
  | 'empty-bundle'
  /** Bytes that are not DER certificates one after the other; `cause` is the DerError. */
  | 'not-der'
  /** A PEM block that is not a `CERTIFICATE`. */
  | 'unexpected-block'
  /** A certificate that cannot be read; `cause` is the CertificateError. */
  | 'malformed-authority'
  /** A certificate without basic constraints cA, or whose key usage does not include keyCertSign. */
  | 'not-an-authority';

export class TrustBundleError extends SallyportError<TrustBundleErrorCode> {}

/**
 * The bundle of `trustDomain` from PEM. `file` is used in messages only. Does not look at the clock: an authority that has expired
 * stays in the bundle, and whatever it signed is refused.
 * @throws {TrustBundleError | PemError} whose message begins with `file`, and `:line` where one is at fault
 */
export function parseTrustBundlePem(trustDomain: TrustDomain, source: Uint8Array, file: string): TrustBundle {
  const certificates = parsePem(source, file).map((block) => placeAuthority(block, file));
  return toTrustBundle(trustDomain, certificates, file);
}

/**
 * The same rules for what the Workload API delivers: DER certificates one after the other. `origin` is used in messages only.
 * @throws {TrustBundleError} whose message begins with `origin`
 */
export function parseTrustBundleDer(trustDomain: TrustDomain, der: Uint8Array, origin: string): TrustBundle {
  try {
    return toTrustBundle(trustDomain, splitCertificates(der, origin), origin);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new TrustBundleError('not-der', `${origin}: ${formatDerError(error)}`, { cause: error });
  }
}

function placeAuthority({ label, der, line }: PemBlock, file: string): PlacedDer {
  const position = `${file}:${line}`;
  if (label === 'CERTIFICATE') return { der, position };
  const message = `${position}: a block of kind \`${label}\` in a trust bundle; only \`CERTIFICATE\` belongs there`;
  throw new TrustBundleError('unexpected-block', message);
}

function toTrustBundle(trustDomain: TrustDomain, certificates: readonly PlacedDer[], origin: string): TrustBundle {
  if (certificates.length === 0) {
    const message = `${origin}: the trust bundle of \`${trustDomain}\` has no certificate; an SVID of that trust domain could never be verified`;
    throw new TrustBundleError('empty-bundle', message);
  }
  const authorities = certificates.map(parseAuthority);
  return { trustDomain, authorities: withoutRepetitions(authorities), jwtAuthorities: new Map() };
}

export function withoutRepetitions(authorities: readonly Certificate[]): readonly Certificate[] {
  return [...new Map(authorities.map((authority) => [authority.sha256, authority])).values()];
}

/**
 * A certificate that may stand in a trust bundle.
 * @throws {TrustBundleError} whose message begins with `position`
 */
export function parseAuthority({ der, position }: PlacedDer): Certificate {
  const authority = parseDer(der, position);
  const { basicConstraints, keyUsage } = authority.extensions;
  if (basicConstraints?.isCa !== true) {
    const message = `${position}: ${describeCertificate(authority)} is not the certificate of a CA`;
    throw new TrustBundleError('not-an-authority', message);
  }
  if (keyUsage?.bits.has('keyCertSign') === false) {
    const message = `${position}: ${describeCertificate(authority)} may not sign certificates; its key usage does not have keyCertSign`;
    throw new TrustBundleError('not-an-authority', message);
  }
  return authority;
}

function parseDer(der: Buffer, position: string): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new TrustBundleError('malformed-authority', `${position}: ${error.message}`, { cause: error });
  }
}
