// Verified JWT-SVIDs by the hash of the token: one signature check a token and trust epoch, however many requests carry it.

import type { Snapshot } from '../core/snapshot.ts';
import type { JwtSvid, JwtSvidExpectation } from './jwt-svid.ts';
import type { TrustBundles } from './trust-bundle.ts';

/** Remembers successes only, at most `maxEntries`, each for one trust snapshot and within its own validity. */
export class VerifiedTokens {
  readonly #maxEntries: number;
  readonly #expected: JwtSvidExpectation;

  constructor(maxEntries: number, expected: JwtSvidExpectation) {
    this.#maxEntries = maxEntries;
    this.#expected = expected;
  }

  /** @throws {JwtSvidError} */
  verify(_token: string, _trust: Snapshot<TrustBundles>, _nowMs: number): JwtSvid {
    throw new Error(`not yet ${this.#maxEntries} ${this.#expected.maxAudiences}`);
  }
}
