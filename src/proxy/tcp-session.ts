// A TCP connection over its lifetime, as its listener watches over it: who opened it, and whether that still holds.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AdmittedLeaf, CachePartition } from '../policy/decision-cache.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { Watched } from './connections.ts';
import type { AdmissionSources, ListenerContext } from './context.ts';
import { graver, type LapseReason, type Lease } from './lease.ts';
import { OwnAdmission } from './own-admission.ts';
import { encodeProxyHeader } from './proxy-header.ts';
import type { SvidAdmission } from './svid-admission.ts';
import { type Preface, type TcpTerms, TcpTunnel, type TunnelOwner } from './tcp-tunnel.ts';

interface TcpHost {
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
}

/** Who opened the connection, and what that rests on. */
interface Opener extends Lease {
  /** The same ID as long as the connection lives; under a newer trust epoch it may be verified anew. */
  readonly svid: AdmittedLeaf;
  readonly trustEpoch: number;
  preface(decisionId: string): Preface;
}

export class TcpSession implements TunnelOwner, Watched {
  readonly connection: TcpTunnel;
  readonly principal: SpiffeId;
  readonly #socket: Socket;
  readonly #context: ListenerContext;
  readonly #opener: Opener;
  #admitted: { readonly trustEpoch: number; readonly partition: CachePartition } | null = null;

  private constructor(
    socket: Socket,
    context: ListenerContext,
    of: { readonly opener: Opener; readonly terms: TcpTerms },
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#opener = of.opener;
    this.principal = of.opener.svid.id;
    this.connection = new TcpTunnel(socket, this, { context, terms: of.terms });
  }

  /** Of a peer that has proven itself. */
  static ofPeer(
    socket: TLSSocket,
    { context, sources }: TcpHost,
    { admission, terms }: { readonly admission: SvidAdmission; readonly terms: TcpTerms },
  ): TcpSession {
    const opener: Opener = {
      get svid() {
        return admission.svid;
      },
      get trustEpoch() {
        return admission.trustEpoch;
      },
      lapse: () => {
        const ofPeer = admission.lapse();
        return sources.identity.current.value === null ? graver(ofPeer, 'own-svid-withdrawn') : ofPeer;
      },
      preface: (decisionId) =>
        terms.sendsProxyHeader ? prefaceOf(socket, admission.svid.id, decisionId) : { kind: 'none' },
    };
    return new TcpSession(socket, context, { opener, terms });
  }

  /** Of our own program, which is `own` to the outside. */
  static ofProgram(
    socket: Socket,
    { context, sources }: TcpHost,
    { own, terms }: { readonly own: OwnIdentity; readonly terms: TcpTerms },
  ): TcpSession {
    const admission = new OwnAdmission(own, sources);
    const opener: Opener = {
      svid: own.svid,
      get trustEpoch() {
        return sources.trust.current.epoch;
      },
      lapse: () => admission.lapse(),
      preface: () => ({ kind: 'none' }),
    };
    return new TcpSession(socket, context, { opener, terms });
  }

  partition(): CachePartition {
    const { svid, trustEpoch } = this.#opener;
    if (this.#admitted?.trustEpoch !== trustEpoch) {
      this.#admitted = { trustEpoch, partition: this.#context.authorizer.admit(svid, trustEpoch) };
    }
    return this.#admitted.partition;
  }

  preface(decisionId: string): Preface {
    return this.#opener.preface(decisionId);
  }

  lapse(): LapseReason | null {
    return this.#opener.lapse();
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

function prefaceOf(socket: TLSSocket, spiffeId: SpiffeId, decisionId: string): Preface {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
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
    tlsVersion: socket.getProtocol() ?? '',
    spiffeId,
    decisionId,
  });
  return { kind: 'header', bytes };
}
