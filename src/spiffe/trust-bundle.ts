// Trust bundles: the authorities of one trust domain, never merged with those of another.
// SPIFFE_Trust_Domain_and_Bundle.md §3, §4

import { SallyportError } from '../core/error.ts';
import type { Certificate } from '../pki/certificate.ts';
import type { TrustDomain } from './spiffe-id.ts';

export interface TrustBundle {
  readonly trustDomain: TrustDomain;
  /** Without duplicates, in file order. An intermediate listed here is an authority by itself. */
  readonly authorities: readonly Certificate[];
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
 * The bundle of `trustDomain` from PEM. `file` is used in messages only.
 * @throws {TrustBundleError | PemError} whose message begins with `file:line`
 */
export function parseTrustBundlePem(_trustDomain: TrustDomain, _source: Uint8Array, _file: string): TrustBundle {
  throw new Error('not built yet');
}
