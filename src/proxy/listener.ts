// Accepts TLS connections, authenticates who is at the other end, and lets them in or tells them that they are not.

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { SnapshotView } from '../core/snapshot.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { Connections, listenOnTcp } from './connections.ts';
import type { AdmissionSources, Authentication, ListenerContext } from './context.ts';
import { handshakeFailure } from './handshake-failure.ts';
import { refuseHttp2Peer } from './http2-refusal.ts';
import type { AnonymousReason } from './peer.ts';
import { refuseRequest } from './refused-request.ts';
import type { Refusal } from './refusal.ts';
import { refuseTunnel } from './refused-tunnel.ts';
import { Session, type SessionHost } from './session.ts';
import { admitPeer, type Admitted } from './svid-admission.ts';
import { TcpSession } from './tcp-session.ts';
import type { TcpTerms } from './tcp-tunnel.ts';
import { alpnProtocols, chooseTunnelled, tlsSettings, useSettings } from './tls-settings.ts';

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Whether other processes listen there as well; the system gives each connection to one of them (SO_REUSEPORT). */
  readonly sharesPort: boolean;
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly authentication: Authentication;
  readonly policy: SnapshotView<CompiledPolicy>;
  /** Whether HTTP/2 is offered beside HTTP/1.1. */
  readonly speaksHttp2: boolean;
  /** Null where HTTP is spoken; otherwise whatever it is goes to the upstream unread. */
  readonly tcp: TcpTerms | null;
  /** Told of every connection whose peer could not be authenticated. */
  readonly onAnonymous: (reason: AnonymousReason, detail: string, remoteAddress: string) => void;
  /** Told of every token that was not accepted. */
  readonly onRefusedToken: (reason: string, detail: string) => void;
}

const REFUSED_LINGER_MS = 2_000;

export class Listener implements SessionHost {
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly authentication: Authentication;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #connections: Connections;
  /** Refused, and to be told so as soon as they say anything. */
  readonly #silent = new Set<TLSSocket>();
  /** By SPIFFE ID; where the peer has no certificate, by its address. */
  readonly #perPrincipal = new Map<string, number>();
  readonly #unsubscribe: readonly (() => void)[];

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.context = options.context;
    this.sources = options.sources;
    this.authentication = options.authentication;
    this.#server = createServer({
      ...this.#tlsSettings(),
      ...(options.tcp === null ? { ALPNProtocols: alpnProtocols(options) } : { ALPNCallback: chooseTunnelled }),
      handshakeTimeout: this.context.limits.handshakeTimeoutMs,
      noDelay: true,
    });
    useSettings(this.#server, this.#tlsSettings());
    this.#connections = new Connections(this.#server, options);
    this.#server.on('tlsClientError', (error, socket) => {
      this.context.recorder.handshake('refused', handshakeFailure(error));
      // Node reports a handshake that timed out and leaves its socket open.
      socket.destroy();
    });
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    const follow = (): void => useSettings(this.#server, this.#tlsSettings());
    this.#unsubscribe = [this.sources.identity.subscribe(follow), this.sources.trust.subscribe(follow)];
  }

  get isDraining(): boolean {
    return this.#connections.isDraining;
  }

  /** @returns the address it listens on. @throws {Error} with the system's code when the address cannot be had. */
  async listen(): Promise<AddressInfo> {
    return this.#connections.listen(() => listenOnTcp(this.#server, this.#options));
  }

  /** Stops accepting; lets requests in flight finish until `deadlineMs` from now, then cuts them. */
  async drain(deadlineMs: number): Promise<void> {
    for (const socket of this.#silent) socket.destroy();
    await this.#connections.drain(deadlineMs);
    this.close();
  }

  /** Asks of every open connection whether it still may be. */
  reverify(): void {
    this.#connections.reverify();
  }

  /** Ends everything at once. */
  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#connections.close();
  }

  #tlsSettings(): ReturnType<typeof tlsSettings> {
    const { identity, trust } = this.sources;
    return tlsSettings(identity.current.value, trust.current.value, this.authentication);
  }

  refusedToken(reason: string, detail: string): void {
    this.#options.onRefusedToken(reason, detail);
  }

  #accept(socket: TLSSocket): void {
    const { recorder } = this.context;
    this.#connections.opened(socket);
    const admitted = this.#admit(socket);
    if (admitted?.kind === 'anonymous') {
      recorder.handshake('refused', admitted.reason);
      this.#options.onAnonymous(admitted.reason, admitted.detail, socket.remoteAddress ?? 'unknown');
      return this.#refuse(socket, { refusal: 'no-identity', principal: null });
    }
    recorder.handshake('accepted', admitted === null ? 'no-certificate' : 'svid');
    const admission = admitted?.admission ?? null;
    const principal = admission?.svid.id ?? null;
    if (!this.#countIn(principal ?? socket.remoteAddress ?? '', socket)) {
      return this.#refuse(socket, { refusal: 'principal-connection-limit', principal });
    }
    const { tcp } = this.#options;
    if (tcp === null) return this.#connections.watch(new Session(socket, this, admission), socket);
    if (admission === null) return this.#refuse(socket, { refusal: 'no-identity', principal: null });
    const session = TcpSession.ofPeer(socket, this, { admission, terms: tcp });
    this.#connections.watch(session, socket);
    session.connection.start();
  }

  /** Null when the peer has no certificate and needs none. */
  #admit(socket: TLSSocket): Admitted | null {
    const admitted = admitPeer(socket, this.sources);
    const needsNone = admitted.kind === 'anonymous' && admitted.reason === 'no-certificate';
    return needsNone && this.authentication.tokens !== null ? null : admitted;
  }

  /** @returns false when `peer` has as many connections as it may. */
  #countIn(peer: string, socket: TLSSocket): boolean {
    const open = this.#perPrincipal.get(peer) ?? 0;
    if (open >= this.context.limits.maxConnectionsPerPrincipal) return false;
    this.#perPrincipal.set(peer, open + 1);
    socket.on('close', () => {
      const left = (this.#perPrincipal.get(peer) ?? 1) - 1;
      if (left === 0) this.#perPrincipal.delete(peer);
      else this.#perPrincipal.set(peer, left);
    });
    return true;
  }

  /** Answers the peer with a refusal, whatever it asks, and closes; closes without a word if it asks nothing. */
  #refuse(socket: TLSSocket, why: { readonly refusal: Refusal; readonly principal: SpiffeId | null }): void {
    const termination = why.principal === null ? 'no-identity' : 'limit';
    if (this.#options.tcp !== null) return refuseTunnel(socket, this.context, { ...why, termination });
    this.#silent.add(socket);
    const silent = setTimeout(() => socket.destroy(), this.context.limits.headTimeoutMs);
    let linger: NodeJS.Timeout | null = null;
    const onAnswered = (): void => {
      this.#silent.delete(socket);
      clearTimeout(silent);
      this.context.recorder.connectionTerminated(termination);
      linger = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
    };
    socket.on('close', () => {
      this.#silent.delete(socket);
      clearTimeout(silent);
      if (linger !== null) clearTimeout(linger);
    });
    if (socket.alpnProtocol === 'h2') return refuseHttp2Peer(socket, this.context, { ...why, onAnswered });
    // In HTTP/1.1 not even the head is read.
    socket.on('data', () => {
      if (!this.#silent.has(socket)) return;
      const { answer, record } = refuseRequest(this.context, { ...why, head: null, keepAlive: false });
      socket.write(answer, 'latin1');
      this.context.recorder.request(record);
      onAnswered();
      socket.end();
    });
    socket.on('end', () => socket.destroy());
  }
}
