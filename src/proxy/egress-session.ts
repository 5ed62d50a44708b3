// A connection of our own program on its way out: whoever may connect is the program, and asks in the name of our own SVID.

import type { Socket } from 'node:net';
import { encodeFields, inOnePiece } from '../http1/field-lines.ts';
import type { Watched } from './connections.ts';
import type { AdmissionSources, ListenerContext } from './context.ts';
import type { ConnectionOwner, DownstreamConnection, Identification } from './downstream-connection.ts';
import { FirstBytes, type FirstBytesOwner } from './first-bytes.ts';
import { Http1Connection } from './http1-connection.ts';
import { Http2Connection } from './http2-connection.ts';
import { passageFields } from './identity-fields.ts';
import { OwnAdmission, usableIdentity } from './own-admission.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';

/** What such a session needs of its listener. */
export interface EgressHost {
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly isDraining: boolean;
}

interface Identified {
  readonly identityEpoch: number;
  readonly trustEpoch: number;
  readonly identification: Identification;
}

export class EgressSession implements ConnectionOwner, FirstBytesOwner, Watched {
  /** A connection outlives any SVID: it is let in on none. */
  readonly endsSoon = null;
  readonly #socket: Socket;
  readonly #host: EgressHost;
  #connection: DownstreamConnection;
  #protocol: '1.1' | '2' = '1.1';
  #identified: Identified | null = null;

  constructor(socket: Socket, host: EgressHost) {
    this.#socket = socket;
    this.#host = host;
    this.#connection = new FirstBytes(socket, host.context, this);
  }

  get connection(): DownstreamConnection {
    return this.#connection;
  }

  begins(protocol: 'http/1.1' | 'h2c', bytes: Buffer): void {
    const { context } = this.#host;
    if (protocol === 'h2c') {
      this.#protocol = '2';
      const connection = new Http2Connection(this.#socket, context, this);
      this.#connection = connection;
      connection.received(bytes);
      return;
    }
    const connection = new Http1Connection(this.#socket, context, this);
    this.#connection = connection;
    connection.received(bytes);
  }

  get principal(): SpiffeId | null {
    return this.#host.sources.identity.current.value?.svid.id ?? null;
  }

  get isDraining(): boolean {
    return this.#host.isDraining;
  }

  identify(): Identification {
    const { sources, context } = this.#host;
    const own = usableIdentity(sources);
    if (own === null) return { kind: 'refused', refusal: 'own-svid-withdrawn', termination: null };
    const identityEpoch = sources.identity.current.epoch;
    const trustEpoch = sources.trust.current.epoch;
    const known = this.#identified;
    if (known?.identityEpoch === identityEpoch && known.trustEpoch === trustEpoch) return known.identification;
    const identification: Identification = {
      kind: 'peer',
      peer: {
        id: own.svid.id,
        actor: null,
        lease: new OwnAdmission(own, sources),
        partition: context.authorizer.admit(own.svid, trustEpoch),
        consumesAuthorization: false,
        connectionLines: inOnePiece(encodeFields(passageFields(this.#protocol))),
        serverName: null,
      },
    };
    this.#identified = { identityEpoch, trustEpoch, identification };
    return identification;
  }

  reverify(): void {
    this.connection.recheck();
  }

  sweep(nowMs: number, elapsedMs: number): void {
    this.reverify();
    this.connection.sweep(nowMs, elapsedMs);
  }
}
