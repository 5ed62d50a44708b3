// One request from its head to its record: routed, decided, forwarded, answered, whatever protocol brought it.

import type { FieldLines } from '../http1/field-lines.ts';
import { hasBody, type RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Trailers } from '../http1/trailers.ts';
import type { AuthzRequest } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import { PEER_ABORTED, type RequestRecord } from '../telemetry/recorder.ts';
import { toAuthzRequest } from './authz-request.ts';
import type { ListenerContext } from './context.ts';
import type { Downstream, ExchangePeer } from './downstream.ts';
import { enforce, type Permit } from './enforce.ts';
import { findOverdue, type RequestPhase } from './exchange-deadlines.ts';
import { forward } from './forward.ts';
import { findGrpcCall, type GrpcCall } from './grpc-call.ts';
import type { LapseReason } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import { type Refusal, refusalOfLapse, STATUS_PEER_ABORTED, statusOfRefusal, type Termination } from './refusal.ts';
import { createWebSocketKey, readSwitching } from './switching.ts';
import type { Upstream, UpstreamStream, UpstreamUser, UpstreamWaiter } from './upstream.ts';

type ResponsePhase = 'awaited' | 'started' | 'ended';

/** Of the peer or of policy, or else of the server, whatever it is that lapsed there. */
type LapsedFor = LapseReason | 'upstream-untrusted';

const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export interface AskedRequest {
  readonly peer: ExchangePeer;
  readonly head: RequestHead;
  /** The fields of `head` that are passed on. */
  readonly lines: FieldLines;
  /** When it could be dealt with, be it that its last byte came or that the one before it was over. */
  readonly startedMs: number;
}

export class Exchange implements UpstreamUser, UpstreamWaiter, RequestRecord {
  readonly listener: string;
  readonly decisionId: string;
  readonly principal: string;
  readonly actor: string | null;
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly upgrade: string | null;
  decision: Decision | null = null;
  target: string | null;
  refusal: Refusal | Termination | typeof PEER_ABORTED | null = null;
  status = 0;
  traceparent = '';
  decisionSeconds = Number.NaN;
  overheadSeconds = 0;
  durationSeconds = 0;
  upstreamSeconds = Number.NaN;
  requestBytes = 0;
  responseBytes = 0;

  readonly #context: ListenerContext;
  readonly #downstream: Downstream;
  readonly #peer: ExchangePeer;
  readonly #head: RequestHead;
  readonly #lines: FieldLines;
  readonly #startedMs: number;
  /** Null for what is no call of gRPC. */
  readonly #call: GrpcCall | null;
  #request: AuthzRequest | null = null;
  #permit: Permit | null = null;
  #upstream: Upstream | null = null;
  #stream: UpstreamStream | null = null;
  #requestPhase: RequestPhase;
  #responsePhase: ResponsePhase = 'awaited';
  #retried = false;
  readonly #webSocketKey: string | null;
  /** Both sides have switched: what they send is neither request nor response. */
  #isTunnel = false;
  /** What it was admitted on has lapsed, and how long it may go on all the same. */
  #grace: { readonly reason: LapsedFor; readonly endsMs: number } | null = null;
  /** When the upstream had as much of the request as there was; NaN until then. */
  #forwardedMs = Number.NaN;
  /** When the head of the response came, until the answer has been counted. */
  #answeredMs: number | null = null;
  #lastProgressMs: number;
  #bodyWaitMs = 0;

  constructor(context: ListenerContext, downstream: Downstream, asked: AskedRequest) {
    const { peer, head, lines, startedMs } = asked;
    this.#context = context;
    this.#downstream = downstream;
    this.#peer = peer;
    this.#head = head;
    this.#lines = lines;
    this.#startedMs = startedMs;
    this.#call = findGrpcCall(head);
    this.#lastProgressMs = startedMs;
    this.#requestPhase = hasBody(head.body) ? (head.expectsContinue ? 'expecting' : 'arriving') : 'complete';
    this.listener = context.name;
    this.target = context.component;
    this.decisionId = context.decisionIds.next();
    this.principal = peer.id;
    this.actor = peer.actor;
    this.method = head.method;
    this.path = head.path;
    this.authority = head.authority;
    this.upgrade = head.upgrade;
    this.#webSocketKey = createWebSocketKey(head);
  }

  /** Whether more of the request body may be handed over. */
  get wantsRequestBody(): boolean {
    return this.#stream !== null && (this.#requestPhase === 'arriving' || this.#requestPhase === 'expecting');
  }

  get isRequestComplete(): boolean {
    return this.#requestPhase === 'complete';
  }

  /** Steps 4 to 8: may end the exchange before it returns. */
  start(): void {
    const head = this.#head;
    const { routes, limits, egress } = this.#context;
    const route = routes.find(head);
    if (route === null) {
      egress?.unrouted(this.#peer.id, head.authority);
      return this.#refuse('no-route');
    }
    this.target = route.component;
    if (routes.isMisdirected(this.#peer.serverName, head.host)) return this.#refuse('misdirected');
    const { maxBodyBytes } = limits;
    if (maxBodyBytes > 0 && head.body.kind === 'length' && head.body.bytes > maxBodyBytes)
      return this.#refuse('body-too-large');
    this.#request = toAuthzRequest(this.#peer.id, head, route);
    const ruling = enforce(this.#decide(this.#request));
    if (ruling.effect === 'deny') return this.#refuse('denied');
    if (this.#call?.timeoutMs === null) return this.#refuse('invalid-grpc-timeout');
    this.#permit = ruling;
    this.#upstream = route.upstream;
    const stream = route.upstream.takeIdle();
    if (stream !== null) return this.#forward(ruling, stream, this.#startedMs);
    this.#addOverhead(this.#startedMs);
    route.upstream.acquire(this);
  }

  requestData(bytes: Buffer): void {
    this.requestBytes += bytes.length;
    const { maxBodyBytes } = this.#context.limits;
    if (maxBodyBytes > 0 && this.requestBytes > maxBodyBytes && !this.#isTunnel)
      return this.#fail('body-too-large', 'limit');
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    this.#requestPhase = this.#stream?.writeBody(bytes) === false ? 'congested' : 'arriving';
  }

  requestEnd(trailers: Trailers): void {
    if (this.#requestPhase === 'complete') return;
    this.#requestPhase = 'complete';
    this.#stream?.endBody(trailers);
    this.#forwardedMs = this.#context.clock.monotonicMs();
    this.#lastProgressMs = this.#forwardedMs;
  }

  /** The peer can take more of the response. */
  downstreamDrained(): void {
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    this.#stream?.resume();
  }

  /** The request could not be read to its end. */
  requestFailed(refusal: Refusal): void {
    this.#fail(refusal, 'protocol-error');
  }

  /** The peer is gone; nobody is left to answer. */
  peerGone(): void {
    this.#letGoOfUpstream();
    if (this.#responsePhase === 'awaited') this.status = STATUS_PEER_ABORTED;
    this.#end(PEER_ABORTED);
  }

  /** Policy has changed: the same question again, and the consequence if the answer is no longer yes. */
  redecide(): void {
    if (this.#request === null) return;
    const ruling = enforce(this.#decide(this.#request));
    if (ruling.effect === 'deny') return this.lapsed('policy-changed');
    this.#permit = ruling;
    if (this.#grace?.reason === 'policy-changed') this.#grace = null;
  }

  /** Whether whoever asked may still do so, and whoever answers still is who it was. */
  recheck(): void {
    const reason = this.#peer.lease.lapse();
    if (reason !== null) this.lapsed(reason);
    const ofServer = this.#stream?.lapse() ?? null;
    // Our own withdrawal is no doing of the server's.
    if (ofServer === 'own-svid-withdrawn') this.lapsed(ofServer);
    else if (ofServer !== null) this.#lapse(ofServer, 'upstream-untrusted');
  }

  /** What it was admitted on has lapsed: the end now, or after the grace that the terms grant to what is under way. */
  lapsed(reason: LapseReason): void {
    this.#lapse(reason, reason);
  }

  /** What the exchange stood on has lapsed: cut it wherever it is. */
  terminate(termination: Termination): void {
    this.#letGoOfUpstream();
    this.#end(termination);
    this.#downstream.cut(termination);
  }

  /** Enforces the deadlines of a request under way; `elapsedMs` since the last call. The pool watches over one that waits. */
  sweep(nowMs: number, elapsedMs: number): void {
    if (this.#grace !== null && nowMs >= this.#grace.endsMs) return this.#endLapsed(this.#grace.reason);
    if (nowMs - this.#startedMs >= (this.#call?.timeoutMs ?? Number.POSITIVE_INFINITY))
      return this.#fail('deadline-exceeded', 'deadline-exceeded');
    if (this.#stream === null) return;
    const isAnswering = this.#responsePhase === 'started';
    const isPeerCongested = this.#downstream.isCongested;
    // A call sends when it has something to say.
    const isWaitedFor = this.#requestPhase === 'arriving' && !isAnswering;
    if (isWaitedFor && (this.#call === null || isPeerCongested)) this.#bodyWaitMs += elapsedMs;
    const progress = {
      request: this.#requestPhase,
      isAnswering,
      isCall: this.#call !== null,
      isTunnel: this.#isTunnel,
      isPeerCongested,
      stillMs: nowMs - this.#lastProgressMs,
      bodyWaitMs: this.#bodyWaitMs,
      requestBytes: this.requestBytes,
    };
    const overdue = findOverdue(progress, this.#context);
    if (overdue?.kind === 'cut') this.terminate(overdue.termination);
    else if (overdue?.kind === 'fail') this.#fail(overdue.refusal, overdue.otherwise);
  }

  /** After a wait, in which a change of policy was decided on, and the peer's identity may have come to its end. */
  upstreamReady(stream: UpstreamStream): boolean {
    const lapse = this.#peer.lease.lapse();
    if (this.#permit !== null && lapse === null) {
      this.#forward(this.#permit, stream, this.#context.clock.monotonicMs());
      return true;
    }
    this.#endLapsed(lapse ?? 'policy-changed');
    return false;
  }

  upstreamRefused(refusal: Refusal): void {
    this.#refuse(refusal);
  }

  upstreamHead(head: ResponseHead, lines: FieldLines): void {
    const isPlain = this.upgrade === null && head.status !== 101;
    const switching = isPlain ? 'response' : readSwitching(head, { upgrade: this.upgrade, key: this.#webSocketKey });
    if (switching === 'invalid') return this.#fail('upstream-invalid-response', 'upstream-failed');
    const headMs = this.#context.clock.monotonicMs();
    this.#lastProgressMs = headMs;
    if (head.status < 200 && switching === 'response') {
      if (head.status === 100) {
        if (!this.#head.expectsContinue) return;
        if (this.#requestPhase === 'expecting') this.#requestPhase = 'arriving';
      }
      this.#downstream.sendInformational(head, lines);
      return;
    }
    this.upstreamSeconds = (headMs - this.#forwardedMs) / 1000;
    this.#responsePhase = 'started';
    this.status = head.status;
    this.#downstream.sendHead(head, lines);
    this.#answeredMs = headMs;
    if (switching === 'switch') this.#tunnel();
  }

  upstreamData(bytes: Buffer, loan: Loan): void {
    this.responseBytes += bytes.length;
    this.#downstream.sendData(bytes, loan);
  }

  upstreamFlush(): void {
    // Parts of a head are no progress: its deadline is for the whole of it.
    if (this.#responsePhase === 'awaited') return;
    this.#downstream.flush();
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    this.#endAnswering(this.#lastProgressMs);
    if (this.#downstream.isCongested) this.#stream?.pause();
  }

  upstreamEnd(trailers: Trailers): void {
    this.#downstream.sendEnd(trailers);
    const nowMs = this.#context.clock.monotonicMs();
    this.#endAnswering(nowMs);
    this.#stream?.release(nowMs);
    this.#stream = null;
    this.#end(null, nowMs);
    this.#downstream.exchangeEnded();
  }

  upstreamFailed(refusal: Refusal): void {
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null || !this.#mayRetry(stream)) return this.#fail(refusal, 'upstream-failed');
    // The grace is for what is under way, and this is not any more.
    if (this.#grace !== null) return this.#endLapsed(this.#grace.reason);
    this.#retried = true;
    // None of the body has been handed over, and none may be lost that comes before there is another to hand it to.
    this.#downstream.pauseRequestBody();
    this.#upstream?.acquire(this);
  }

  upstreamDrained(): void {
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    if (this.#requestPhase !== 'congested') return;
    this.#requestPhase = 'arriving';
    this.#downstream.resumeRequestBody();
  }

  /** From here on the one is sent what the other sends, until one of them ends it or what the peer was admitted on does. */
  #tunnel(): void {
    this.#isTunnel = true;
    this.#requestPhase = 'arriving';
    this.#downstream.resumeRequestBody();
  }

  /** Answers in the upstream's place; nothing must have been sent yet. */
  #refuse(refusal: Refusal): void {
    this.status = statusOfRefusal(refusal);
    this.#downstream.refuse(refusal);
    if (this.#permit === null) this.#addOverhead(this.#startedMs);
    this.#end(refusal);
    this.#downstream.exchangeEnded();
  }

  /** `sinceMs`: what has passed from then on is overhead. */
  #forward(permit: Permit, stream: UpstreamStream, sinceMs: number): void {
    const { clock, identityFields, egress } = this.#context;
    this.#stream = stream;
    this.traceparent = forward(
      permit,
      {
        head: this.#head,
        lines: this.#lines,
        decisionId: this.decisionId,
        connectionLines: this.#peer.connectionLines,
        consumesAuthorization: this.#peer.consumesAuthorization,
        webSocketKey: this.#webSocketKey,
        identityFields,
        towards: egress === null ? 'service' : 'outside',
      },
      { stream, user: this },
    );
    this.#forwardedMs = clock.monotonicMs();
    this.overheadSeconds += (this.#forwardedMs - sinceMs) / 1000;
    this.#lastProgressMs = this.#forwardedMs;
    if (this.#requestPhase !== 'complete') this.#downstream.resumeRequestBody();
  }

  #mayRetry(stream: UpstreamStream): boolean {
    if (this.#retried) return false;
    // RFC 9113 §8.7: any request that the upstream has not looked at, as long as we still have all of it.
    if (stream.isUnprocessed) return !hasBody(this.#head.body) || (this.requestBytes === 0 && !this.isRequestComplete);
    // A safe or idempotent request without a body, on a connection that died idle before a byte came back (RFC 9110 §9.2.2).
    return stream.mayHaveDiedIdle && !hasBody(this.#head.body) && IDEMPOTENT_METHODS.has(this.method);
  }

  /** Refuses, or ends the connection for the reason `otherwise` when the answer has begun. */
  #fail(refusal: Refusal, otherwise: Termination): void {
    this.#letGoOfUpstream();
    if (this.#responsePhase === 'awaited') return this.#refuse(refusal);
    this.#end(refusal);
    this.#downstream.cut(otherwise);
  }

  /** By the terms for `reason`; `told` is what is answered and recorded. */
  #lapse(reason: LapseReason, told: LapsedFor): void {
    const { onLapse, graceMs } = this.#context.leases;
    // What has not been sent on is not under way.
    if (onLapse[reason] === 'reset' || this.#stream === null) return this.#endLapsed(told);
    if (this.#grace === null) this.#grace = { reason: told, endsMs: this.#context.clock.monotonicMs() + graceMs };
    // A policy may come back, and gives no time to what has lapsed besides.
    else if (this.#grace.reason === 'policy-changed') this.#grace = { reason: told, endsMs: this.#grace.endsMs };
  }

  #endLapsed(reason: LapsedFor): void {
    if (this.#responsePhase !== 'awaited') return this.terminate(reason);
    this.#letGoOfUpstream();
    this.#refuse(refusalOfLapse(reason));
  }

  #letGoOfUpstream(): void {
    if (this.#stream === null) this.#upstream?.cancel(this);
    else this.#stream.destroy();
    this.#stream = null;
  }

  #decide(request: AuthzRequest): Decision {
    const { authorizer, clock, timedDecisions } = this.#context;
    if (!timedDecisions.take()) return (this.decision = authorizer.decide(this.#peer.partition, request));
    const startMs = clock.monotonicMs();
    this.decision = authorizer.decide(this.#peer.partition, request);
    this.decisionSeconds = (clock.monotonicMs() - startMs) / 1000;
    return this.decision;
  }

  /** The overhead of an answer ends when what came with its head has been written, encryption included. */
  #endAnswering(nowMs: number): void {
    if (this.#answeredMs === null) return;
    this.overheadSeconds += (nowMs - this.#answeredMs) / 1000;
    this.#answeredMs = null;
  }

  #addOverhead(sinceMs: number): void {
    this.overheadSeconds += (this.#context.clock.monotonicMs() - sinceMs) / 1000;
  }

  #end(why: Exchange['refusal'], nowMs = this.#context.clock.monotonicMs()): void {
    // The upstream that never answered took its time as well; a peer that was still sending took its own.
    if (this.#responsePhase === 'awaited' && this.#requestPhase !== 'arriving')
      this.upstreamSeconds = (nowMs - this.#forwardedMs) / 1000;
    this.#responsePhase = 'ended';
    this.refusal = why;
    this.durationSeconds = (nowMs - this.#startedMs) / 1000;
    this.#context.recorder.request(this);
  }
}
