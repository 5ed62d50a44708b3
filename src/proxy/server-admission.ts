// What a connection to an upstream rests on: that the server's SVID holds, and that we still are who we were when we connected.

import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { AdmissionSources } from './context.ts';
import { graver, type LapseReason } from './lease.ts';
import type { SvidAdmission } from './svid-admission.ts';
import type { ServerLease } from './upstream-dial.ts';

export class ServerAdmission implements ServerLease {
  readonly #server: SvidAdmission;
  readonly #own: OwnIdentity;
  readonly #sources: AdmissionSources;
  readonly #onLapse: (reason: LapseReason) => void;
  #told = false;

  /** `own`: what we connected with. `onLapse` is called once, for what the server lapsed for. */
  constructor(
    server: SvidAdmission,
    own: OwnIdentity,
    { sources, onLapse }: { readonly sources: AdmissionSources; readonly onLapse: (reason: LapseReason) => void },
  ) {
    this.#server = server;
    this.#own = own;
    this.#sources = sources;
    this.#onLapse = onLapse;
  }

  /** The server holds our SVID against its own clock; with one of ours that is over, nothing new begins. */
  get endsSoon(): boolean {
    return this.#server.endsSoon || this.#sources.clock.wallMs() >= this.#own.svid.notAfterMs;
  }

  lapse(): LapseReason | null {
    const ofServer = this.#server.lapse();
    if (ofServer !== null && !this.#told) {
      this.#told = true;
      this.#onLapse(ofServer);
    }
    // Under another ID, other requests are allowed; after a mere rotation, the same.
    const isStillUs = this.#sources.identity.current.value?.svid.id === this.#own.svid.id;
    return isStillUs ? ofServer : graver(ofServer, 'own-svid-withdrawn');
  }
}
