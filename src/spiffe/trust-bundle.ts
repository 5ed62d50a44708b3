// Trust bundles: the authorities of one trust domain, never merged with those of another.
// SPIFFE_Trust_Domain_and_Bundle.md §3, §4

import { SallyportError } from '../core/error.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { CertificateError } from '../pki/certificate-error.ts';
import { parsePem, type PemBlock } from '../pki/pem.ts';
import { describeCertificate } from './certificate-rules.ts';
import type { JwtAuthority } from './jwt-authority.ts';
import type { TrustDomain } from './spiffe-id.ts';

export interface TrustBundle {
  readonly trustDomain: TrustDomain;
  /** Without duplicates, in file order. An intermediate listed here is an authority by itself. */
  readonly authorities: readonly Certificate[];
  /** What verifies JWT-SVIDs, by key ID; empty where the bundle came as certificates alone. */
  readonly jwtAuthorities: ReadonlyMap<string, JwtAuthority>;
}

export type TrustBundles = ReadonlyMap<TrustDomain, TrustBundle>;

export type TrustBundleErrorCode =
  /** No certificate in the file. */
  | 'empty-bundle'
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
  const authorities = new Map<string, Certificate>();
  for (const block of parsePem(source, file)) {
    const authority = parseAuthority(block, `${file}:${block.line}`);
    authorities.set(authority.sha256, authority);
  }
  if (authorities.size === 0) {
    const message = `${file}: the trust bundle of \`${trustDomain}\` has no certificate; an SVID of that trust domain could never be verified`;
    throw new TrustBundleError('empty-bundle', message);
  }
  return { trustDomain, authorities: [...authorities.values()], jwtAuthorities: new Map() };
}

function parseAuthority({ label, der }: PemBlock, position: string): Certificate {
  if (label !== 'CERTIFICATE') {
    const message = `${position}: a block of kind \`${label}\` in a trust bundle; only \`CERTIFICATE\` belongs there`;
    throw new TrustBundleError('unexpected-block', message);
  }
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
