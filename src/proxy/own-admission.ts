// What requests of our own program rest on: that we may be who we were when they were let in.

import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { AdmissionSources } from './context.ts';
import type { LapseReason, Lease } from './lease.ts';

/** Null while there is none, or none any more: an SVID that has ended is not ours to use either. */
export function usableIdentity({ clock, identity }: Pick<AdmissionSources, 'clock' | 'identity'>): OwnIdentity | null {
  const own = identity.current.value;
  return own === null || clock.wallMs() >= own.svid.notAfterMs ? null : own;
}

export class OwnAdmission implements Lease {
  readonly own: OwnIdentity;
  readonly #sources: AdmissionSources;
  /** Monotonic: setting the wall clock back does not prolong an SVID. */
  readonly #endsMs: number;

  constructor(own: OwnIdentity, sources: AdmissionSources) {
    this.own = own;
    this.#sources = sources;
    const { clock } = sources;
    this.#endsMs = clock.monotonicMs() + own.svid.notAfterMs - clock.wallMs();
  }

  /** After a rotation the same is allowed, under another ID it may not be. */
  lapse(): LapseReason | null {
    const current = usableIdentity(this.#sources);
    if (current === null || current.svid.id !== this.own.svid.id) return 'own-svid-withdrawn';
    const isRotated = current.svid.leafSha256 !== this.own.svid.leafSha256;
    return isRotated || this.#sources.clock.monotonicMs() < this.#endsMs ? null : 'own-svid-withdrawn';
  }
}
