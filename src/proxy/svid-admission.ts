// A connection admitted on an X.509-SVID: holds as long as the chain is valid, trusted and not revoked.

import type { TLSSocket } from 'node:tls';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import type { AdmissionSources } from './context.ts';
import type { LapseReason, Lease } from './lease.ts';
import { type AnonymousReason, authenticatePeer } from './peer.ts';

/** The epochs of the snapshots something was verified against. */
export interface VerifiedUnder {
  readonly trustEpoch: number;
  readonly revocationsEpoch: number;
}

export type Admitted =
  | { readonly kind: 'svid'; readonly admission: SvidAdmission }
  | { readonly kind: 'anonymous'; readonly reason: AnonymousReason; readonly detail: string };

// Answers tell the peer to reconnect this long before its SVID ends, so that one that has a new SVID by then is never refused.
const MAX_NOTICE_MS = 1_000;
const NOTICE_SHARE = 0.1;

/** Of no snapshot: they count from 1. */
const NOT_ASKED = 0;

/**
 * Authenticates the other end of an established connection, whichever end that is, and looks at the revocation list, all under the
 * snapshots of this moment. Whoever keeps the result has to register it in the same turn of the event loop: a change after that finds it,
 * and one before it was seen.
 */
export function admitPeer(socket: TLSSocket, sources: AdmissionSources): Admitted {
  const { clock, trust, revocations, verified } = sources;
  const trusted = trust.current;
  const revoked = revocations.current;
  const nowMs = clock.wallMs();
  const peer = authenticatePeer(socket, verified, { trust: trusted, nowMs });
  if (peer.kind === 'anonymous') return peer;
  const { svid } = peer;
  const match = revoked.value.findSvid(svid, nowMs);
  if (match !== null) {
    return { kind: 'anonymous', reason: 'revoked', detail: `\`${svid.id}\` is revoked: ${match.reason}` };
  }
  const under = { trustEpoch: trusted.epoch, revocationsEpoch: revoked.epoch };
  return { kind: 'svid', admission: new SvidAdmission(socket, sources, { svid, ...under }) };
}

export class SvidAdmission implements Lease {
  readonly #socket: TLSSocket;
  readonly #sources: AdmissionSources;
  #svid: X509Svid;
  #under: VerifiedUnder;
  /** Under which it did not verify any more: that costs as much as when it does, and is asked four times a second while it drains. */
  #untrustedEpoch: number | null = null;
  /** Wall time at the last look: entries of a revocation list end, and count again when the clock is set back. */
  #lookedMs: number;
  /** Monotonic, and never later than it was: setting the wall clock back does not prolong an identity. */
  #endsMs = Number.POSITIVE_INFINITY;

  /** `svid` was verified for `socket` against the snapshots of `under`. */
  constructor(socket: TLSSocket, sources: AdmissionSources, admitted: { readonly svid: X509Svid } & VerifiedUnder) {
    this.#socket = socket;
    this.#sources = sources;
    this.#svid = admitted.svid;
    this.#under = admitted;
    this.#lookedMs = sources.clock.wallMs();
    this.#limit(admitted.svid);
  }

  get svid(): X509Svid {
    return this.#svid;
  }

  /** Changes whenever the SVID has been verified anew. */
  get trustEpoch(): number {
    return this.#under.trustEpoch;
  }

  /** Whether the end is so near that the peer had better connect again. */
  get endsSoon(): boolean {
    const { notBeforeMs, notAfterMs } = this.#svid;
    const noticeMs = Math.min(MAX_NOTICE_MS, (notAfterMs - notBeforeMs) * NOTICE_SHARE);
    return this.#sources.clock.monotonicMs() >= this.#endsMs - noticeMs;
  }

  lapse(): LapseReason | null {
    const { clock } = this.#sources;
    const nowMs = clock.wallMs();
    if (this.#isRevoked(nowMs)) return 'revoked';
    if (!this.#isTrusted(nowMs)) return 'trust-changed';
    // It may be trusted by another path now, with other certificates on it.
    if (this.#isRevoked(nowMs)) return 'revoked';
    return nowMs >= this.#svid.notAfterMs || clock.monotonicMs() >= this.#endsMs ? 'svid-expired' : null;
  }

  #isRevoked(nowMs: number): boolean {
    const { epoch, value } = this.#sources.revocations.current;
    if (epoch !== this.#under.revocationsEpoch || nowMs < this.#lookedMs) {
      if (value.findSvid(this.#svid, nowMs) !== null) return true;
      this.#under = { ...this.#under, revocationsEpoch: epoch };
    }
    this.#lookedMs = nowMs;
    return false;
  }

  #isTrusted(nowMs: number): boolean {
    const trust = this.#sources.trust.current;
    if (trust.epoch === this.#under.trustEpoch) return true;
    if (trust.epoch === this.#untrustedEpoch) return false;
    // Whether it is valid now is another question, with another answer to the peer: here it is asked within its validity.
    const { notBeforeMs, notAfterMs } = this.#svid;
    const askedMs = Math.min(Math.max(nowMs, notBeforeMs), notAfterMs - 1);
    const peer = authenticatePeer(this.#socket, this.#sources.verified, { trust, nowMs: askedMs });
    if (peer.kind === 'anonymous') {
      this.#untrustedEpoch = trust.epoch;
      return false;
    }
    this.#svid = peer.svid;
    this.#under = { trustEpoch: trust.epoch, revocationsEpoch: NOT_ASKED };
    this.#limit(peer.svid);
    return true;
  }

  #limit({ notAfterMs }: X509Svid): void {
    const { clock } = this.#sources;
    this.#endsMs = Math.min(this.#endsMs, clock.monotonicMs() + notAfterMs - clock.wallMs());
  }
}
