// A TCP connection over its lifetime, as its listener watches over it: who opened it, and whether that still holds.

import type { TLSSocket } from 'node:tls';
import type { CachePartition } from '../policy/decision-cache.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { graver, type LapseReason } from './lease.ts';
import { encodeProxyHeader } from './proxy-header.ts';
import type { SessionHost } from './session.ts';
import type { SvidAdmission } from './svid-admission.ts';
import { type Preface, type TcpTerms, TcpTunnel, type TunnelOwner } from './tcp-tunnel.ts';

export class TcpSession implements TunnelOwner {
  readonly connection: TcpTunnel;
  readonly principal: SpiffeId;
  readonly #socket: TLSSocket;
  readonly #host: SessionHost;
  readonly #admission: SvidAdmission;
  readonly #sendsProxyHeader: boolean;
  #admitted: { readonly trustEpoch: number; readonly partition: CachePartition } | null = null;

  constructor(
    socket: TLSSocket,
    host: SessionHost,
    { admission, terms }: { readonly admission: SvidAdmission; readonly terms: TcpTerms },
  ) {
    this.#socket = socket;
    this.#host = host;
    this.#admission = admission;
    this.#sendsProxyHeader = terms.sendsProxyHeader;
    this.principal = admission.svid.id;
    this.connection = new TcpTunnel(socket, this, { context: host.context, terms });
  }

  partition(): CachePartition {
    const { svid, trustEpoch } = this.#admission;
    if (this.#admitted?.trustEpoch !== trustEpoch) {
      this.#admitted = { trustEpoch, partition: this.#host.context.authorizer.admit(svid, trustEpoch) };
    }
    return this.#admitted.partition;
  }

  preface(decisionId: string): Preface {
    if (!this.#sendsProxyHeader) return { kind: 'none' };
    const { remoteAddress, remotePort, localAddress, localPort } = this.#socket;
    if (
      remoteAddress === undefined ||
      remotePort === undefined ||
      localAddress === undefined ||
      localPort === undefined
    ) {
      return { kind: 'unknown' };
    }
    const bytes = encodeProxyHeader({
      peer: { address: remoteAddress, port: remotePort },
      listener: { address: localAddress, port: localPort },
      tlsVersion: this.#socket.getProtocol() ?? '',
      spiffeId: this.principal,
      decisionId,
    });
    return { kind: 'header', bytes };
  }

  lapse(): LapseReason | null {
    const ofPeer = this.#admission.lapse();
    return this.#host.sources.identity.current.value === null ? graver(ofPeer, 'own-svid-withdrawn') : ofPeer;
  }

  reverify(): void {
    // Its 'close' is still to come; the certificate has gone with the handle already.
    if (this.#socket.destroyed) return;
    const lapse = this.lapse();
    if (lapse !== null) this.connection.lapsed(lapse);
    this.connection.recheck();
  }

  sweep(nowMs: number): void {
    this.reverify();
    this.connection.sweep(nowMs);
  }
}
