// SPIFFE bundle documents: the X.509 and JWT authorities of one trust domain as a JWK Set, read and written.
// SPIFFE_Trust_Domain_and_Bundle.md §4, X509-SVID.md §6, JWT-SVID.md §6, RFC 7517

import { SallyportError } from '../core/error.ts';
import type { JwtAuthority } from './jwt-authority.ts';
import type { TrustDomain } from './spiffe-id.ts';
import type { TrustBundle } from './trust-bundle.ts';

export interface BundleDocument {
  /** Without any authority when the trust domain has revoked all of them (§4.1.3): none of its SVIDs is valid. */
  readonly bundle: TrustBundle;
  /** `spiffe_sequence`, from 0 to 2^63 - 1. */
  readonly sequence: bigint | null;
  /** `spiffe_refresh_hint` as given, at most Number.MAX_SAFE_INTEGER; how often is too often is for the caller. */
  readonly refreshHintMs: number | null;
}

export type BundleDocumentErrorCode =
  /** Not JSON; `cause` is the JsonError. */
  | 'not-json'
  /** JSON, but not an object with an array `keys`. */
  | 'not-a-bundle'
  /** `spiffe_sequence` is not an integer from 0 to 2^63 - 1. */
  | 'sequence'
  /** `spiffe_refresh_hint` is not an integer of 0 or more. */
  | 'refresh-hint'
  /** An entry of `keys` whose members break RFC 7517, RFC 7518 or each other. */
  | 'malformed-key'
  /** An `x509-svid` entry whose certificate cannot be read or is not an authority's. */
  | 'malformed-authority'
  /** Two JWT authorities with one key ID: which of them counts would be a guess. */
  | 'duplicate-key-id';

export class BundleDocumentError extends SallyportError<BundleDocumentErrorCode> {}

/**
 * `origin` is used in messages only.
 * @throws {BundleDocumentError} whose message begins with `origin`
 */
export function parseBundleDocument(_trustDomain: TrustDomain, _source: Uint8Array, _origin: string): BundleDocument {
  throw new Error('not yet');
}

/**
 * The JWT authorities of a trust domain by key ID, as the Workload API delivers them.
 * @throws {BundleDocumentError} whose message begins with `origin`
 */
export function parseJwtBundle(
  _trustDomain: TrustDomain,
  _jwks: Uint8Array,
  _origin: string,
): ReadonlyMap<string, JwtAuthority> {
  throw new Error('not yet');
}

export function formatBundleDocument(_document: BundleDocument): string {
  throw new Error('not yet');
}
