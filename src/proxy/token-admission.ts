// Requests admitted on a JWT-SVID: holds as long as the token is valid, its key trusted and neither revoked, and never longer
// than the connection that carries it.

import type { JwtSvid } from '../spiffe/jwt-svid.ts';
import { JwtSvidError } from '../spiffe/jwt-svid-error.ts';
import type { AdmissionSources, TokenVerifier } from './context.ts';
import { graver, type LapseReason, type Lease } from './lease.ts';
import type { VerifiedUnder } from './svid-admission.ts';

export class TokenAdmission implements Lease {
  readonly svid: JwtSvid;
  readonly #token: string;
  readonly #verifier: TokenVerifier;
  readonly #sources: AdmissionSources;
  readonly #connection: Lease;
  /** Monotonic: setting the wall clock back does not prolong a token. */
  readonly #endsMs: number;
  #under: VerifiedUnder;
  /** As in an SvidAdmission. */
  #untrustedEpoch: number | null = null;
  #lookedMs: number;

  constructor(
    verified: { readonly svid: JwtSvid; readonly token: string } & VerifiedUnder,
    verifier: TokenVerifier,
    on: { readonly sources: AdmissionSources; readonly connection: Lease },
  ) {
    this.svid = verified.svid;
    this.#token = verified.token;
    this.#under = verified;
    this.#verifier = verifier;
    this.#sources = on.sources;
    this.#connection = on.connection;
    const { clock } = on.sources;
    this.#lookedMs = clock.wallMs();
    this.#endsMs = clock.monotonicMs() + verified.svid.expiresMs - this.#lookedMs;
  }

  /** Changes whenever the token has been verified anew. */
  get trustEpoch(): number {
    return this.#under.trustEpoch;
  }

  lapse(): LapseReason | null {
    return graver(this.#connection.lapse(), this.#ownLapse());
  }

  #ownLapse(): LapseReason | null {
    const { clock, revocations } = this.#sources;
    const nowMs = clock.wallMs();
    if (revocations.current.epoch !== this.#under.revocationsEpoch || nowMs < this.#lookedMs) {
      if (revocations.current.value.findToken(this.svid, nowMs) !== null) return 'revoked';
      this.#under = { ...this.#under, revocationsEpoch: revocations.current.epoch };
    }
    this.#lookedMs = nowMs;
    if (!this.#isTrusted(nowMs)) return 'trust-changed';
    return nowMs >= this.svid.expiresMs || clock.monotonicMs() >= this.#endsMs ? 'token-expired' : null;
  }

  #isTrusted(nowMs: number): boolean {
    const trust = this.#sources.trust.current;
    if (trust.epoch === this.#under.trustEpoch) return true;
    if (trust.epoch === this.#untrustedEpoch) return false;
    const { notBeforeMs, expiresMs } = this.svid;
    try {
      this.#verifier.verify(this.#token, trust, Math.min(Math.max(nowMs, notBeforeMs), expiresMs - 1));
    } catch (error) {
      if (!(error instanceof JwtSvidError)) throw error;
      this.#untrustedEpoch = trust.epoch;
      return false;
    }
    this.#under = { ...this.#under, trustEpoch: trust.epoch };
    return true;
  }
}
