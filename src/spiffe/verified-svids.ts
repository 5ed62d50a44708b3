// Verified identities by leaf hash: one path walk a leaf and trust epoch, however many connections the peer opens.

import type { Snapshot } from '../core/snapshot.ts';
import type { TrustBundles } from './trust-bundle.ts';
import type { X509Svid } from './x509-svid.ts';

/** Remembers successes only, at most `maxEntries`, each for its trust epoch and its validity. */
export class VerifiedSvids {
  constructor(_maxEntries: number) {
    throw new Error('not built yet');
  }

  /** @throws {X509SvidError} */
  verify(
    _leafSha256: string,
    _presentedChain: () => readonly Uint8Array[],
    _trust: Snapshot<TrustBundles>,
    _nowMs: number,
  ): X509Svid {
    throw new Error('not built yet');
  }
}
