// A caller's JWT-SVID: the one form, the nine algorithms, the keys of the subject's own trust domain, and our audience.
// JWT-SVID.md §2 to §5, RFC 7515, RFC 7518 §3, RFC 7519 §4.1

import type { SpiffeId, TrustDomain } from './spiffe-id.ts';
import type { TrustBundles } from './trust-bundle.ts';

export interface JwtSvid {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** All of them, in the order of the token. */
  readonly audiences: readonly string[];
  /** `kid` */
  readonly keyId: string;
  /** `jti` */
  readonly tokenId: string | null;
  /** The later of `nbf` and `iat`, or -Infinity without either. */
  readonly notBeforeMs: number;
  /** `exp`: from this instant on nothing may rest on this identity. */
  readonly expiresMs: number;
  /** Of the compact token, in lower-case hex. */
  readonly sha256: string;
}

export interface JwtSvidExpectation {
  /** Ours; one of them has to stand in `aud`, character by character. */
  readonly audiences: readonly string[];
  /** A token for more audiences than this is refused. */
  readonly maxAudiences: number;
}

export interface JwtSvidContext extends JwtSvidExpectation {
  readonly bundles: TrustBundles;
  readonly nowMs: number;
}

/**
 * Verifies a token in compact serialization.
 * @throws {JwtSvidError}
 */
export function verifyJwtSvid(_token: string, _at: JwtSvidContext): JwtSvid {
  throw new Error('not yet');
}
