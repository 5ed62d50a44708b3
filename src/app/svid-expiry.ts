// Says in time that our own SVID has not been rotated: before that is an outage, and when it has become one.

import type { Clock } from '../core/clock.ts';
import type { SnapshotView } from '../core/snapshot.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { Logger } from '../telemetry/logger.ts';

/** SVIDs are rotated at half of their lifetime; one that has less than this left has been forgotten. */
const SHARE_LEFT = 1 / 3;
/** The same of what it had left when it came: a certificate of seconds is backdated by more than it lives. */
const SHARE_LEFT_SINCE_SEEN = 0.4;

/** `look` is to be called every now and then: each SVID is told of once when a third of its lifetime is left, and once when it has ended. */
export class SvidExpiry {
  readonly #identity: SnapshotView<OwnIdentity | null>;
  readonly #log: Pick<Logger, 'warn' | 'error'>;
  readonly #clock: Clock;
  #seen: { readonly leafSha256: string; readonly leftMs: number } | null = null;
  #told: { readonly leafSha256: string; readonly state: 'ending' | 'ended' } | null = null;

  constructor(
    identity: SnapshotView<OwnIdentity | null>,
    { log, clock }: { readonly log: Pick<Logger, 'warn' | 'error'>; readonly clock: Clock },
  ) {
    this.#identity = identity;
    this.#log = log;
    this.#clock = clock;
  }

  look(): void {
    const identity = this.#identity.current.value;
    if (identity === null) return;
    const { id, leafSha256, notBeforeMs, notAfterMs } = identity.svid;
    const leftMs = notAfterMs - this.#clock.wallMs();
    if (this.#seen?.leafSha256 !== leafSha256) this.#seen = { leafSha256, leftMs };
    const enoughMs = Math.min((notAfterMs - notBeforeMs) * SHARE_LEFT, this.#seen.leftMs * SHARE_LEFT_SINCE_SEEN);
    if (leftMs > 0 && leftMs >= enoughMs) return;
    const state = leftMs > 0 ? 'ending' : 'ended';
    if (this.#told?.leafSha256 === leafSha256 && this.#told.state === state) return;
    this.#told = { leafSha256, state };
    const fields = { spiffeId: id, digest: leafSha256, notAfter: new Date(notAfterMs).toISOString() };
    if (state === 'ended') this.#log.error(fields, 'own SVID has expired');
    else
      this.#log.warn(
        { ...fields, secondsLeft: Math.floor(leftMs / 1000) },
        'own SVID expires soon and was not rotated',
      );
  }
}
