// A key of a trust bundle that verifies JWT-SVIDs of its trust domain.
// SPIFFE_Trust_Domain_and_Bundle.md §4.2, JWT-SVID.md §6

import type { KeyObject } from 'node:crypto';

export interface JwtAuthority {
  /** `kid`: required of every JWT key of a bundle (JWT-SVID.md §6.1). */
  readonly keyId: string;
  readonly publicKey: KeyObject;
}
