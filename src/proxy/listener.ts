// Accepts TLS connections, authenticates who is at the other end, and watches over the connections while they live.

import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { SnapshotView } from '../core/snapshot.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { AdmissionSources, Authentication, ListenerContext } from './context.ts';
import { handshakeFailure } from './handshake-failure.ts';
import { refuseHttp2Peer } from './http2-refusal.ts';
import type { AnonymousReason } from './peer.ts';
import { refuseRequest } from './refused-request.ts';
import type { Refusal } from './refusal.ts';
import { Session, type SessionHost } from './session.ts';
import { admitPeer, type Admitted } from './svid-admission.ts';
import { ALPN_PROTOCOLS, tlsSettings, useSettings } from './tls-settings.ts';

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
  /** Told of every connection whose peer could not be authenticated. */
  readonly onAnonymous: (reason: AnonymousReason, detail: string, remoteAddress: string) => void;
  /** Told of every token that was not accepted. */
  readonly onRefusedToken: (reason: string, detail: string) => void;
}

const SWEEP_INTERVAL_MS = 250;
const REFUSED_LINGER_MS = 2_000;
// Trust changes make every connection verify its peer again, which takes half a millisecond each; in slices of this length, so that requests
// in between are not held up. Each of those asks for itself first, so that none rests on what has changed.
const SLICE_MS = 5;

export class Listener implements SessionHost {
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly authentication: Authentication;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #sockets = new Set<TLSSocket>();
  /** Refused, and to be told so as soon as they say anything. */
  readonly #silent = new Set<TLSSocket>();
  /** The sockets below TLS, from before the handshake on. */
  readonly #transports = new Set<Socket>();
  /** By SPIFFE ID; where the peer has no certificate, by its address. */
  readonly #perPrincipal = new Map<string, number>();
  readonly #unsubscribe: readonly (() => void)[];
  #sweeper: NodeJS.Timeout | null = null;
  #sweptMs: number;
  #sweeping = false;
  #draining = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.context = options.context;
    this.sources = options.sources;
    this.authentication = options.authentication;
    this.#sweptMs = this.context.clock.monotonicMs();
    this.#server = createServer({
      ...this.#tlsSettings(),
      ALPNProtocols: ALPN_PROTOCOLS,
      handshakeTimeout: this.context.limits.handshakeTimeoutMs,
      noDelay: true,
    });
    useSettings(this.#server, this.#tlsSettings());
    this.#server.maxConnections = this.context.limits.maxConnections;
    this.#server.on('connection', (transport: Socket) => {
      this.#transports.add(transport);
      transport.on('close', () => this.#transports.delete(transport));
    });
    this.#server.on('drop', () => this.context.recorder.handshake('refused', 'connection-limit'));
    this.#server.on('tlsClientError', (error, socket) => {
      this.context.recorder.handshake('refused', handshakeFailure(error));
      // Node reports a handshake that timed out and leaves its socket open.
      socket.destroy();
    });
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#unsubscribe = [
      this.sources.identity.subscribe(({ value }) => {
        useSettings(this.#server, this.#tlsSettings());
        if (value === null) this.reverify();
      }),
      this.sources.trust.subscribe(() => {
        this.reverify();
        useSettings(this.#server, this.#tlsSettings());
      }),
      this.sources.revocations.subscribe(() => this.reverify()),
      options.policy.subscribe(() => {
        for (const session of this.#sessions) session.connection.redecide();
      }),
    ];
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** @returns the address it listens on. @throws {Error} with the system's code when the address cannot be had. */
  async listen(): Promise<AddressInfo> {
    const { host, port, sharesPort } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, reusePort: sharesPort, backlog: 1024 }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP listener has no address');
    return address;
  }

  /** Stops accepting; lets requests in flight finish until `deadlineMs` from now, then cuts them. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    this.#server.close();
    for (const socket of this.#silent) socket.destroy();
    if (this.#sockets.size > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      const deadline = setTimeout(() => this.#cutAll(), deadlineMs);
      await empty;
      clearTimeout(deadline);
    }
    this.close();
  }

  /** Asks of every open connection whether it still may be. */
  reverify(): void {
    this.#visitAll((session) => session.reverify());
  }

  /** Ends everything at once. */
  close(): void {
    this.#draining = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#server.close();
    for (const transport of this.#transports) transport.destroy();
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
    this.#sockets.add(socket);
    recorder.connectionOpened();
    // What matters about an error is that 'close' follows it.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#forget(socket));
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
    const session = new Session(socket, this, admission);
    this.#sessions.add(session);
    socket.on('close', () => this.#sessions.delete(session));
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
    this.#silent.add(socket);
    const silent = setTimeout(() => socket.destroy(), this.context.limits.headTimeoutMs);
    let linger: NodeJS.Timeout | null = null;
    const onAnswered = (): void => {
      this.#silent.delete(socket);
      clearTimeout(silent);
      this.context.recorder.connectionTerminated(why.principal === null ? 'no-identity' : 'limit');
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

  #forget(socket: TLSSocket): void {
    this.#sockets.delete(socket);
    this.context.recorder.connectionClosed();
    if (this.#sockets.size === 0) this.#onEmpty?.();
  }

  #sweep(): void {
    const nowMs = this.context.clock.monotonicMs();
    for (const upstream of this.context.routes.upstreams) upstream.sweep(nowMs);
    // The one before may find much to verify again.
    if (this.#sweeping) return;
    this.#sweeping = true;
    const elapsedMs = nowMs - this.#sweptMs;
    this.#sweptMs = nowMs;
    this.#visitAll(
      (session) => session.sweep(nowMs, elapsedMs),
      () => {
        this.#sweeping = false;
      },
    );
  }

  /** As many in one turn of the event loop as a slice has time for; those that are not asking anything wait for those that are. */
  #visitAll(visit: (session: Session) => void, onEnd = (): void => undefined): void {
    const { clock } = this.context;
    const all = [...this.#sessions];
    const asking = all.filter(({ connection }) => connection.hasExchange);
    const sessions = [...asking, ...all.filter(({ connection }) => !connection.hasExchange)].values();
    const visitSome = (): void => {
      const endMs = clock.monotonicMs() + SLICE_MS;
      for (let next = sessions.next(); next.done !== true; next = sessions.next()) {
        visit(next.value);
        if (clock.monotonicMs() >= endMs) {
          setImmediate(visitSome);
          return;
        }
      }
      onEnd();
    };
    visitSome();
  }

  #cutAll(): void {
    for (const session of this.#sessions) session.connection.terminate('drain-deadline');
    for (const transport of this.#transports) transport.destroy();
  }
}
