// A key of a trust bundle that verifies JWT-SVIDs of its trust domain, and which keys can be one.
// SPIFFE_Trust_Domain_and_Bundle.md §4.2, JWT-SVID.md §2.1, §6

import type { KeyObject } from 'node:crypto';
import { DerReader } from '../pki/der-reader.ts';
import { findKeyWeakness, readPublicKey } from '../pki/public-key.ts';

export interface JwtAuthority {
  /** `kid`: required of every JWT key of a bundle (JWT-SVID.md §6.1). */
  readonly keyId: string;
  readonly publicKey: KeyObject;
}

/** What the algorithms of §2.1 tell apart: any RSA key, or one curve each. */
export type JwtKeyType = 'RSA' | 'P-256' | 'P-384' | 'P-521';

/** Null for a key that none of the algorithms verifies with, or that is as weak as a certificate's may not be. */
export function findJwtKeyType(publicKey: KeyObject): JwtKeyType | null {
  const { algorithm } = readPublicKey(new DerReader(publicKey.export({ type: 'spki', format: 'der' })));
  if (findKeyWeakness(algorithm) !== null) return null;
  switch (algorithm.kind) {
    case 'ec':
      return algorithm.curve;
    case 'rsa':
      return 'RSA';
    case 'rsa-pss':
    case 'ed25519':
    case 'unsupported':
      return null;
  }
}
