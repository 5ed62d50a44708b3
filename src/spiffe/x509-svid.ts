// A peer's X.509-SVID: the rules of the leaf, then a signed path to an authority of the ID's own trust domain.
// X509-SVID.md §2 to §5, RFC 5280 §6.1

import type { Certificate } from '../pki/certificate.ts';
import type { SpiffeId, TrustDomain } from './spiffe-id.ts';
import type { TrustBundles } from './trust-bundle.ts';

export interface X509Svid {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** Of the leaf's DER, in lower-case hex. */
  readonly leafSha256: string;
  /** Of the leaf, in lower-case hex. */
  readonly serialNumber: string;
  /** The latest notBefore of the chain. */
  readonly notBeforeMs: number;
  /** The earliest notAfter of the chain, authority included: from this instant on nothing may rest on this identity. */
  readonly notAfterMs: number;
  /** The verified path: leaf, intermediates, authority. */
  readonly chain: readonly Certificate[];
}

/**
 * Verifies `chain` (DER, leaf first, the rest in any order) against the bundle of the trust domain its ID names, at `nowMs`.
 * @throws {X509SvidError}
 */
export function verifyX509Svid(_chain: readonly Uint8Array[], _bundles: TrustBundles, _nowMs: number): X509Svid {
  throw new Error('not built yet');
}
