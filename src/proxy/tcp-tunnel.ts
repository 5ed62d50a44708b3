// One TCP connection from its decision to its record: decided once, carried to the upstream and back byte by byte, and decided again
// whenever what it rests on changes.

import type { Socket } from 'node:net';
import { toConnect } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import type { CachePartition } from '../policy/decision-cache.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { PEER_ABORTED, type RequestRecord } from '../telemetry/recorder.ts';
import type { ListenerContext } from './context.ts';
import type { DownstreamConnection } from './downstream-connection.ts';
import { enforce } from './enforce.ts';
import { freeMemory } from './free-memory.ts';
import type { LapseReason, Lease } from './lease.ts';
import { type Refusal, refusalOfLapse, type Termination } from './refusal.ts';
import type { TcpUpstream, TcpUpstreamUser } from './tcp-upstream.ts';
import type { ServerLease } from './upstream-dial.ts';

/** What every connection of one TCP listener works with besides. */
export interface TcpTerms {
  readonly component: string;
  readonly upstream: TcpUpstream;
  /** Whether the upstream is told who connects, before anything else. */
  readonly sendsProxyHeader: boolean;
}

/** What the upstream is sent first, if anything is; `unknown`: it has to be, and the connection is gone that it would be about. */
export type Preface = { readonly kind: 'none' | 'unknown' } | { readonly kind: 'header'; readonly bytes: Buffer };

/** Who has opened the connection, and for how long that holds. */
export interface TunnelOwner extends Lease {
  readonly principal: SpiffeId;
  partition(): CachePartition;
  preface(decisionId: string): Preface;
}

type LapsedFor = LapseReason | 'upstream-untrusted';

/** `ending`: it is over and recorded, and what the peer still sends is thrown away so that it learns of the end in good order. */
type Phase = 'dialling' | 'open' | 'ending' | 'closed';

const LINGER_MS = 2_000;
/** Whoever is gone without a word is noticed before the idle timeout, which may be long. */
const KEEP_ALIVE_MS = 60_000;

export class TcpTunnel implements DownstreamConnection, TcpUpstreamUser, RequestRecord {
  readonly listener: string;
  readonly decisionId: string;
  readonly principal: SpiffeId;
  readonly target: string;
  readonly actor = null;
  readonly method = '';
  readonly path = '';
  readonly authority = '';
  readonly upgrade = null;
  readonly status = 0;
  readonly traceparent = '';
  decision: Decision | null = null;
  refusal: Refusal | Termination | typeof PEER_ABORTED | null = null;
  decisionSeconds = Number.NaN;
  overheadSeconds = Number.NaN;
  durationSeconds = 0;
  upstreamSeconds = Number.NaN;
  requestBytes = 0;
  responseBytes = 0;

  readonly #socket: Socket;
  readonly #context: ListenerContext;
  readonly #terms: TcpTerms;
  readonly #owner: TunnelOwner;
  readonly #openedMs: number;
  #upstream: Socket | null = null;
  #server: ServerLease | null = null;
  #phase: Phase = 'dialling';
  #peerEnded = false;
  #upstreamEnded = false;
  #grace: { readonly reason: LapsedFor; readonly endsMs: number } | null = null;
  #movedMs: number;

  constructor(
    socket: Socket,
    owner: TunnelOwner,
    { context, terms }: { readonly context: ListenerContext; readonly terms: TcpTerms },
  ) {
    this.#socket = socket;
    this.#owner = owner;
    this.#context = context;
    this.#terms = terms;
    this.listener = context.name;
    this.target = terms.component;
    this.principal = owner.principal;
    this.decisionId = context.decisionIds.next();
    this.#openedMs = context.clock.monotonicMs();
    this.#movedMs = this.#openedMs;
    socket.allowHalfOpen = true;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('drain', () => this.#onPeerDrained());
    socket.on('end', () => this.#onPeerEnd());
    socket.on('close', () => this.#onPeerClosed());
  }

  get hasExchange(): boolean {
    return this.#phase === 'open';
  }

  /** Decides, and connects to the upstream: may end before it returns. */
  start(): void {
    const { clock, timedDecisions } = this.#context;
    const isTimed = timedDecisions.take();
    const startMs = clock.monotonicMs();
    const ruling = enforce(this.#decide());
    if (isTimed) this.decisionSeconds = (clock.monotonicMs() - startMs) / 1000;
    if (ruling.effect === 'deny') return this.#refuse('denied');
    this.#upstream = this.#terms.upstream.dial(this);
    if (this.#upstream === null) this.#refuse('upstream-saturated');
  }

  redecide(): void {
    if (this.#isOver) return;
    const ruling = enforce(this.#decide());
    if (ruling.effect === 'deny') return this.lapsed('policy-changed');
    if (this.#grace?.reason === 'policy-changed') this.#grace = null;
  }

  recheck(): void {
    const ofServer = this.#isOver ? null : (this.#server?.lapse() ?? null);
    // Our own withdrawal is no doing of the server's.
    if (ofServer === 'own-svid-withdrawn') this.lapsed(ofServer);
    else if (ofServer !== null) this.#lapse(ofServer, 'upstream-untrusted');
  }

  lapsed(reason: LapseReason): void {
    this.#lapse(reason, reason);
  }

  terminate(termination: Termination): void {
    if (this.#isOver) this.#socket.destroy();
    else this.#cut(termination, termination);
  }

  sweep(nowMs: number): void {
    const { limits } = this.#context;
    switch (this.#phase) {
      case 'dialling':
        return this.#terms.upstream.isLate(nowMs - this.#openedMs)
          ? this.#refuse('upstream-connect-timeout')
          : undefined;
      case 'open':
        if (nowMs - this.#openedMs >= limits.maxConnectionAgeMs) this.lapsed('maximum-age');
        if (this.#grace !== null && nowMs >= this.#grace.endsMs) return this.#endLapsed(this.#grace.reason);
        if (nowMs - this.#movedMs >= limits.tunnelIdleTimeoutMs) this.terminate('idle-timeout');
        return;
      case 'ending':
        if (nowMs - this.#movedMs >= LINGER_MS) this.#socket.destroy();
        return;
      case 'closed':
    }
  }

  dialled(server: ServerLease | null): void {
    const upstream = this.#upstream;
    if (upstream === null || this.#phase !== 'dialling') return;
    this.#server = server;
    const lapse = this.#owner.lapse();
    if (lapse !== null) return this.#endLapsed(lapse);
    const preface = this.#owner.preface(this.decisionId);
    if (preface.kind === 'unknown') {
      this.#socket.destroy();
      return;
    }
    this.#phase = 'open';
    this.#movedMs = this.#context.clock.monotonicMs();
    this.upstreamSeconds = (this.#movedMs - this.#openedMs) / 1000;
    upstream.allowHalfOpen = true;
    upstream.setKeepAlive(true, KEEP_ALIVE_MS);
    if (preface.kind === 'header') upstream.write(preface.bytes);
    this.#socket.on('data', (bytes: Buffer) => this.#onPeerData(bytes));
  }

  dialRefused(refusal: Refusal): void {
    if (this.#phase === 'dialling') this.#refuse(refusal);
  }

  upstreamData(bytes: Buffer, letGo: () => void): boolean {
    if (this.#phase !== 'open') {
      letGo();
      return false;
    }
    this.#movedMs = this.#context.clock.monotonicMs();
    this.responseBytes += bytes.length;
    return this.#socket.write(bytes, letGo);
  }

  upstreamDrained(): void {
    this.#movedMs = this.#context.clock.monotonicMs();
    this.#socket.resume();
  }

  upstreamEnd(): void {
    this.#upstreamEnded = true;
    this.#movedMs = this.#context.clock.monotonicMs();
    this.#socket.end();
  }

  upstreamClosed(): void {
    switch (this.#phase) {
      case 'dialling':
        return this.#refuse('upstream-unreachable');
      case 'open':
        // What it sent to the end may still be on its way to the peer.
        if (!this.#bothEnded) this.#cut('upstream-reset', 'upstream-failed');
        return;
      case 'ending':
      case 'closed':
    }
  }

  get #isOver(): boolean {
    return this.#phase === 'ending' || this.#phase === 'closed';
  }

  get #bothEnded(): boolean {
    return this.#peerEnded && this.#upstreamEnded;
  }

  #onPeerData(bytes: Buffer): void {
    if (this.#phase !== 'open' || this.#upstream === null) return;
    this.#movedMs = this.#context.clock.monotonicMs();
    this.requestBytes += bytes.length;
    if (!this.#upstream.write(bytes, () => freeMemory(bytes))) this.#socket.pause();
  }

  #onPeerDrained(): void {
    this.#movedMs = this.#context.clock.monotonicMs();
    if (this.#upstream?.isPaused() === true) this.#upstream.resume();
  }

  #onPeerEnd(): void {
    this.#peerEnded = true;
    this.#movedMs = this.#context.clock.monotonicMs();
    if (this.#phase === 'open') this.#upstream?.end();
  }

  #onPeerClosed(): void {
    if (this.#isOver) {
      this.#phase = 'closed';
      return;
    }
    this.#phase = 'closed';
    if (this.#bothEnded && this.#upstream !== null) {
      this.#terms.upstream.leave(this.#upstream);
      return this.#end(null);
    }
    this.#letGoOfUpstream();
    this.#end(PEER_ABORTED);
  }

  /** By the terms for `reason`; `told` is what is recorded. */
  #lapse(reason: LapseReason, told: LapsedFor): void {
    if (this.#isOver) return;
    const { onLapse, graceMs } = this.#context.leases;
    // What does not flow yet is not under way.
    if (onLapse[reason] === 'reset' || this.#phase === 'dialling') return this.#endLapsed(told);
    if (this.#grace === null) this.#grace = { reason: told, endsMs: this.#context.clock.monotonicMs() + graceMs };
    // A policy may come back, and gives no time to what has lapsed besides.
    else if (this.#grace.reason === 'policy-changed') this.#grace = { reason: told, endsMs: this.#grace.endsMs };
  }

  #endLapsed(reason: LapsedFor): void {
    if (this.#phase === 'dialling') this.#refuse(refusalOfLapse(reason));
    else this.terminate(reason);
  }

  /** Closes in good order, having sent nothing. */
  #refuse(refusal: Refusal): void {
    this.#letGoOfUpstream();
    this.#end(refusal);
    this.#phase = 'ending';
    this.#movedMs = this.#context.clock.monotonicMs();
    this.#socket.end();
    this.#socket.resume();
  }

  /** Ends it where it stands, so that either side can tell it is not whole. */
  #cut(why: Termination | 'upstream-reset', termination: Termination): void {
    this.#letGoOfUpstream();
    this.#end(why);
    this.#phase = 'closed';
    this.#context.recorder.connectionTerminated(termination);
    this.#socket.destroy();
  }

  #letGoOfUpstream(): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    if (upstream !== null) this.#terms.upstream.abandon(upstream);
  }

  #decide(): Decision {
    const request = toConnect(this.principal, this.target);
    this.decision = this.#context.authorizer.decide(this.#owner.partition(), request);
    return this.decision;
  }

  #end(why: TcpTunnel['refusal']): void {
    this.refusal = why;
    this.durationSeconds = (this.#context.clock.monotonicMs() - this.#openedMs) / 1000;
    this.#context.recorder.request(this);
  }
}
