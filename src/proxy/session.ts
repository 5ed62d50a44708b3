// An authenticated connection over its lifetime: what it was admitted on, and whether that still holds.

import type { TLSSocket } from 'node:tls';
import type { SnapshotCell } from '../core/snapshot.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { VerifiedSvids } from '../spiffe/verified-svids.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import type { ListenerContext } from './context.ts';
import type { ExchangePeer } from './downstream.ts';
import { type ConnectionOwner, Http1Connection } from './http1-connection.ts';
import { connectionFields } from './identity-fields.ts';
import { authenticatePeer } from './peer.ts';
import type { Termination } from './refusal.ts';

/** What a session needs of its listener. */
export interface SessionHost {
  readonly context: ListenerContext;
  readonly trust: SnapshotCell<TrustBundles>;
  readonly verified: VerifiedSvids;
  /** Our own SPIFFE ID. */
  readonly ownId: string;
  readonly isDraining: boolean;
}

export class Session implements ConnectionOwner {
  readonly connection: Http1Connection;
  readonly #socket: TLSSocket;
  readonly #host: SessionHost;
  #peer: ExchangePeer;
  #trustEpoch: number;
  /** Monotonic, and never later than it was: setting the wall clock back does not prolong an identity. */
  #endsMs = Number.POSITIVE_INFINITY;

  /** `svid` was verified against the trust bundles of `trustEpoch`. */
  constructor(
    socket: TLSSocket,
    host: SessionHost,
    admitted: { readonly svid: X509Svid; readonly trustEpoch: number },
  ) {
    this.#socket = socket;
    this.#host = host;
    this.#trustEpoch = admitted.trustEpoch;
    this.#peer = this.#admit(admitted.svid);
    this.connection = new Http1Connection(socket, host.context, this);
  }

  get peer(): ExchangePeer {
    return this.#peer;
  }

  get isDraining(): boolean {
    return this.#host.isDraining;
  }

  lapse(): Termination | null {
    const { context, trust, verified } = this.#host;
    const nowMs = context.clock.wallMs();
    const { notAfterMs } = this.#peer.svid;
    if (nowMs >= notAfterMs || context.clock.monotonicMs() >= this.#endsMs) return 'svid-expired';
    const current = trust.current;
    if (current.epoch === this.#trustEpoch) return null;
    const peer = authenticatePeer(this.#socket, verified, { trust: current, nowMs });
    if (peer.kind === 'anonymous') return 'trust-changed';
    this.#trustEpoch = current.epoch;
    this.#peer = this.#admit(peer.svid);
    return null;
  }

  /** Ends the connection if what it was admitted on has lapsed. */
  reverify(): void {
    // Its 'close' is still to come; the certificate has gone with the handle already.
    if (this.#socket.destroyed) return;
    const lapse = this.lapse();
    if (lapse !== null) this.connection.terminate(lapse);
  }

  sweep(nowMs: number, elapsedMs: number): void {
    this.reverify();
    this.connection.sweep(nowMs, elapsedMs);
  }

  #admit(svid: X509Svid): ExchangePeer {
    const { clock, authorizer } = this.#host.context;
    this.#endsMs = Math.min(this.#endsMs, clock.monotonicMs() + svid.notAfterMs - clock.wallMs());
    const serverName = this.#socket.servername;
    return {
      svid,
      partition: authorizer.admit(svid, this.#trustEpoch),
      connectionFields: connectionFields(svid, this.#host.ownId, this.#socket.remoteAddress ?? 'unknown'),
      serverName: typeof serverName === 'string' && serverName !== '' ? serverName.toLowerCase() : null,
    };
  }
}
