// A connection over its lifetime: who is at its other end, who asks in each of its requests, and whether that still holds.

import type { TLSSocket } from 'node:tls';
import { encodeFields, inOnePiece } from '../http1/field-lines.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { JwtSvid } from '../spiffe/jwt-svid.ts';
import { JwtSvidError } from '../spiffe/jwt-svid-error.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { readBearerToken } from './bearer-token.ts';
import type { AdmissionSources, Authentication, ListenerContext, TokenTerms } from './context.ts';
import type { ExchangePeer } from './downstream.ts';
import type { ConnectionOwner, DownstreamConnection, Identification } from './downstream-connection.ts';
import { Http1Connection } from './http1-connection.ts';
import { Http2Connection } from './http2-connection.ts';
import { connectionFields, type ProvenIdentity } from './identity-fields.ts';
import { graver, type LapseReason, type Lease } from './lease.ts';
import { type Refusal, refusalOfLapse } from './refusal.ts';
import type { SvidAdmission } from './svid-admission.ts';
import { TokenAdmission } from './token-admission.ts';

/** What a session needs of its listener. */
export interface SessionHost {
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly authentication: Authentication;
  readonly isDraining: boolean;
  /** Told of every token that was not accepted. */
  refusedToken(reason: string, detail: string): void;
}

/** Made under one trust epoch, and made again under the next. */
interface Identified {
  readonly trustEpoch: number;
  readonly identification: Identification;
}

interface KnownToken {
  readonly admission: TokenAdmission;
  readonly identified: Identified | null;
}

// A gateway carries the tokens of several workloads on one connection; more take turns.
const MAX_TOKENS = 16;

export class Session implements ConnectionOwner, Lease {
  readonly connection: DownstreamConnection;
  readonly #socket: TLSSocket;
  readonly #host: SessionHost;
  readonly #admission: SvidAdmission | null;
  #own: Identified | null = null;
  /** By token, the last used last. */
  readonly #tokens = new Map<string, KnownToken>();

  /** `admission` is null when the peer has no certificate, and every request needs a token. */
  constructor(socket: TLSSocket, host: SessionHost, admission: SvidAdmission | null) {
    this.#socket = socket;
    this.#host = host;
    this.#admission = admission;
    this.connection =
      socket.alpnProtocol === 'h2'
        ? new Http2Connection(socket, host.context, this)
        : new Http1Connection(socket, host.context, this);
  }

  get principal(): SpiffeId | null {
    return this.#admission?.svid.id ?? null;
  }

  get isDraining(): boolean {
    return this.#host.isDraining;
  }

  get endsSoon(): LapseReason | null {
    return this.#admission?.endsSoon === true ? 'svid-expired' : null;
  }

  lapse(): LapseReason | null {
    const ofPeer = this.#admission?.lapse() ?? null;
    return this.#host.sources.identity.current.value === null ? graver(ofPeer, 'own-svid-withdrawn') : ofPeer;
  }

  identify(head: RequestHead): Identification {
    const lapse = this.lapse();
    if (lapse !== null) return { kind: 'refused', refusal: refusalOfLapse(lapse), termination: lapse };
    const ownIdentity = this.#host.sources.identity.current.value;
    if (ownIdentity === null) return this.#refuse('own-svid-withdrawn');
    const { tokens } = this.#host.authentication;
    const bearer = tokens === null ? null : readBearerToken(head);
    if (tokens === null || bearer === null || bearer.kind === 'none') {
      return this.#admission === null ? this.#refuse('no-token') : this.#asItself(this.#admission, ownIdentity);
    }
    if (bearer.kind === 'malformed') {
      const detail = 'not one Authorization field with one token';
      return this.#refuseToken('invalid-token', 'malformed-authorization', detail);
    }
    return this.#byToken(bearer.token, tokens, ownIdentity);
  }

  /** Ends the connection, or the request in flight, if what it was admitted on has lapsed. */
  reverify(): void {
    // Its 'close' is still to come; the certificate has gone with the handle already.
    if (this.#socket.destroyed) return;
    const lapse = this.lapse();
    if (lapse !== null) this.connection.lapsed(lapse);
    // Also while it drains: what the request rests on besides may have lapsed for a graver reason.
    this.connection.recheck();
  }

  sweep(nowMs: number, elapsedMs: number): void {
    this.reverify();
    this.connection.sweep(nowMs, elapsedMs);
  }

  #asItself(admission: SvidAdmission, own: OwnIdentity): Identification {
    const { svid, trustEpoch } = admission;
    if (this.#own?.trustEpoch === trustEpoch) return this.#own.identification;
    const identity = { id: svid.id, actor: null, certificate: svid };
    const peer = this.#peer(identity, own, {
      lease: this,
      partition: this.#host.context.authorizer.admit(svid, trustEpoch),
      consumesAuthorization: false,
    });
    const identification: Identification = { kind: 'peer', peer };
    this.#own = { trustEpoch, identification };
    return identification;
  }

  #byToken(token: string, terms: TokenTerms, own: OwnIdentity): Identification {
    const known = this.#tokens.get(token);
    if (known !== undefined) {
      const lapse = known.admission.lapse();
      if (lapse === 'token-expired') {
        const detail = `the token of \`${known.admission.svid.id}\` has expired since it was first accepted`;
        return this.#refuseToken('invalid-token', 'expired', detail);
      }
      this.#tokens.delete(token);
      if (lapse === null) return this.#asSubject(known, token, own);
    }
    const { clock, trust, revocations } = this.#host.sources;
    const trusted = trust.current;
    const revoked = revocations.current;
    const nowMs = clock.wallMs();
    let svid: JwtSvid;
    try {
      svid = terms.verifier.verify(token, trusted, nowMs);
    } catch (error) {
      if (!(error instanceof JwtSvidError)) throw error;
      return this.#refuseToken('invalid-token', error.code, error.message);
    }
    const match = revoked.value.findToken(svid, nowMs);
    if (match !== null) {
      return this.#refuseToken('invalid-token', 'revoked', `the token of \`${svid.id}\` is revoked: ${match.reason}`);
    }
    // A bearer token that comes over mTLS has to be the peer's own, or one that it may carry.
    const carrier = this.principal;
    if (carrier !== null && carrier !== svid.id && !terms.mayCarry(carrier, svid.id)) {
      const detail = `\`${carrier}\` may not carry a token of \`${svid.id}\``;
      return this.#refuseToken('foreign-token', 'foreign-token', detail);
    }
    const under = { trustEpoch: trusted.epoch, revocationsEpoch: revoked.epoch };
    const admission = new TokenAdmission({ svid, token, ...under }, terms.verifier, {
      sources: this.#host.sources,
      connection: this,
    });
    return this.#asSubject({ admission, identified: null }, token, own);
  }

  #asSubject({ admission, identified }: KnownToken, token: string, own: OwnIdentity): Identification {
    const { svid, trustEpoch } = admission;
    const current = identified?.trustEpoch === trustEpoch ? identified : this.#identifySubject(svid, admission, own);
    this.#tokens.set(token, { admission, identified: current });
    for (const oldest of this.#tokens.keys()) {
      if (this.#tokens.size <= MAX_TOKENS) break;
      this.#tokens.delete(oldest);
    }
    return current.identification;
  }

  #identifySubject(svid: JwtSvid, admission: TokenAdmission, own: OwnIdentity): Identified {
    const certificate = this.#admission?.svid ?? null;
    const actor = certificate === null || certificate.id === svid.id ? null : certificate.id;
    const leaf = { leafSha256: svid.sha256, id: svid.id, notAfterMs: svid.expiresMs };
    const { trustEpoch } = admission;
    const peer = this.#peer({ id: svid.id, actor, certificate }, own, {
      lease: admission,
      partition: this.#host.context.authorizer.admit(leaf, trustEpoch),
      consumesAuthorization: true,
    });
    return { trustEpoch, identification: { kind: 'peer', peer } };
  }

  #peer(
    identity: ProvenIdentity,
    own: OwnIdentity,
    rest: Pick<ExchangePeer, 'lease' | 'partition' | 'consumesAuthorization'>,
  ): ExchangePeer {
    const { servername: serverName, remoteAddress, alpnProtocol } = this.#socket;
    return {
      id: identity.id,
      actor: identity.actor,
      connectionLines: inOnePiece(
        encodeFields(
          connectionFields(identity, own.svid.id, {
            address: remoteAddress ?? 'unknown',
            protocol: alpnProtocol === 'h2' ? '2' : '1.1',
          }),
        ),
      ),
      serverName: typeof serverName === 'string' && serverName !== '' ? serverName.toLowerCase() : null,
      ...rest,
    };
  }

  #refuseToken(refusal: Refusal, reason: string, detail: string): Identification {
    this.#host.refusedToken(reason, detail);
    return this.#refuse(refusal);
  }

  /** A peer that proves nothing at all is not asked twice on one connection. */
  #refuse(refusal: Refusal): Identification {
    return { kind: 'refused', refusal, termination: this.#admission === null ? 'no-identity' : null };
  }
}
