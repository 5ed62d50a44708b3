// Verified identities by leaf hash: one path walk a leaf and trust epoch, however many connections the peer opens.

import type { Snapshot } from '../core/snapshot.ts';
import type { TrustBundles } from './trust-bundle.ts';
import { verifyX509Svid, type X509Svid } from './x509-svid.ts';

/** Remembers successes only, at most `maxEntries`, each for one trust snapshot and within the validity of its whole chain. */
export class VerifiedSvids {
  readonly #maxEntries: number;
  /** In the order of their last use. */
  readonly #svids = new Map<string, X509Svid>();
  #trust: Snapshot<TrustBundles> | null = null;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /**
   * `leafSha256` (lower-case hex) has to be the hash of the first certificate of `presentedChain`, which is asked for only when the leaf
   * is not remembered.
   * @throws {X509SvidError}
   */
  verify(
    leafSha256: string,
    presentedChain: () => readonly Uint8Array[],
    trust: Snapshot<TrustBundles>,
    nowMs: number,
  ): X509Svid {
    this.#follow(trust);
    const remembered = this.#svids.get(leafSha256);
    if (remembered !== undefined) {
      this.#svids.delete(leafSha256);
      if (nowMs >= remembered.notBeforeMs && nowMs < remembered.notAfterMs) {
        this.#svids.set(leafSha256, remembered);
        return remembered;
      }
    }
    const svid = verifyX509Svid(presentedChain(), trust.value, nowMs);
    // Under its own hash, not under the one claimed: a caller's mistake must not lend one leaf the identity of another.
    this.#remember(svid);
    return svid;
  }

  /** What was verified against other bundles is not verified. */
  #follow(trust: Snapshot<TrustBundles>): void {
    if (this.#trust?.epoch === trust.epoch && this.#trust.value === trust.value) return;
    this.#svids.clear();
    this.#trust = trust;
  }

  #remember(svid: X509Svid): void {
    this.#svids.delete(svid.leafSha256);
    this.#svids.set(svid.leafSha256, svid);
    if (this.#svids.size <= this.#maxEntries) return;
    for (const leastRecent of this.#svids.keys()) {
      this.#svids.delete(leastRecent);
      return;
    }
  }
}
