// Verified JWT-SVIDs by the hash of the token: one signature check a token and trust epoch, however many requests carry it.

import type { Snapshot } from '../core/snapshot.ts';
import { hashToken, type JwtSvid, type JwtSvidExpectation, verifyJwtSvid } from './jwt-svid.ts';
import type { TrustBundles } from './trust-bundle.ts';

/** Remembers successes only, at most `maxEntries`, each for one trust snapshot and within its own validity. */
export class VerifiedTokens {
  readonly #maxEntries: number;
  readonly #expected: JwtSvidExpectation;
  /** By the hash of the token, in the order of their last use; a token itself is never kept. */
  readonly #svids = new Map<string, JwtSvid>();
  #trust: Snapshot<TrustBundles> | null = null;

  constructor(maxEntries: number, expected: JwtSvidExpectation) {
    this.#maxEntries = maxEntries;
    this.#expected = expected;
  }

  /** @throws {JwtSvidError} */
  verify(token: string, trust: Snapshot<TrustBundles>, nowMs: number): JwtSvid {
    this.#follow(trust);
    const sha256 = hashToken(token);
    const remembered = this.#svids.get(sha256);
    if (remembered !== undefined) {
      this.#svids.delete(sha256);
      if (nowMs >= remembered.notBeforeMs && nowMs < remembered.expiresMs) {
        this.#svids.set(sha256, remembered);
        return remembered;
      }
    }
    const svid = verifyJwtSvid(token, { ...this.#expected, bundles: trust.value, nowMs });
    this.#remember(svid);
    return svid;
  }

  /** What was verified against other bundles is not verified. */
  #follow(trust: Snapshot<TrustBundles>): void {
    if (this.#trust?.epoch === trust.epoch && this.#trust.value === trust.value) return;
    this.#svids.clear();
    this.#trust = trust;
  }

  #remember(svid: JwtSvid): void {
    this.#svids.set(svid.sha256, svid);
    if (this.#svids.size <= this.#maxEntries) return;
    for (const leastRecent of this.#svids.keys()) {
      this.#svids.delete(leastRecent);
      return;
    }
  }
}
