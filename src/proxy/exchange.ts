// One request from its head to its record: routed, decided, forwarded, answered, whatever protocol brought it.

import { hasBody, type RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { AuthzRequest } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import type { CachePartition } from '../policy/decision-cache.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import type { RequestRecord } from '../telemetry/recorder.ts';
import { toAuthzRequest } from './authz-request.ts';
import type { ListenerContext, ListenerLimits } from './context.ts';
import { enforce, type Permit } from './enforce.ts';
import { forward } from './forward.ts';
import { type Cut, type Refusal, STATUS_PEER_ABORTED, statusOfRefusal, type Termination } from './refusal.ts';
import type { Route } from './route.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';
import type { UpstreamWaiter } from './upstream-pool.ts';

/** The way back to the peer, as one protocol implements it. */
export interface Downstream {
  /** An interim response; only where the protocol version has them. */
  sendInformational(head: ResponseHead): void;
  sendHead(head: ResponseHead): void;
  /** `retained`: the bytes are still needed after this returns. */
  sendData(bytes: Buffer): 'consumed' | 'retained';
  /** Everything one turn of the upstream brought has been sent. */
  flush(): void;
  sendEnd(): void;
  /** Answers in the upstream's place. */
  refuse(refusal: Refusal): void;
  /** Ends the response where it stands, so that the peer can tell it is not whole. */
  cut(termination: Termination): void;
  /** True while the peer takes what it is sent more slowly than it comes. */
  readonly isCongested: boolean;
  /** The exchange can take request body again. */
  resumeRequestBody(): void;
  /** The exchange is over and recorded. */
  exchangeEnded(): void;
}

/** The authenticated peer of a connection. */
export interface ExchangePeer {
  readonly svid: X509Svid;
  readonly partition: CachePartition;
  readonly connectionFields: readonly string[];
  readonly serverName: string | null;
}

type ResponsePhase = 'awaited' | 'started' | 'ended';

const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export class Exchange implements UpstreamUser, UpstreamWaiter, RequestRecord {
  readonly listener: string;
  readonly decisionId: string;
  readonly principal: string;
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  decision: Decision | null = null;
  target: string | null;
  refusal: Refusal | Cut | Termination | null = null;
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
  readonly #receivedMs: number;
  #request: AuthzRequest | null = null;
  #permit: Permit | null = null;
  #route: Route | null = null;
  #connection: UpstreamConnection | null = null;
  #requestComplete: boolean;
  #upstreamCongested = false;
  #responsePhase: ResponsePhase = 'awaited';
  #retried = false;
  #forwardedMs = 0;
  #lastProgressMs: number;
  #bodyWaitMs = 0;

  constructor(
    context: ListenerContext,
    downstream: Downstream,
    from: { peer: ExchangePeer; head: RequestHead; receivedMs: number },
  ) {
    this.#context = context;
    this.#downstream = downstream;
    this.#peer = from.peer;
    this.#head = from.head;
    this.#receivedMs = from.receivedMs;
    this.#lastProgressMs = from.receivedMs;
    this.#requestComplete = !hasBody(from.head.body);
    this.listener = context.name;
    this.target = context.component;
    this.decisionId = context.decisionIds.next();
    this.principal = from.peer.svid.id;
    this.method = from.head.method;
    this.path = from.head.path;
    this.authority = from.head.authority;
  }

  /** Whether more of the request body may be handed over. */
  get wantsRequestBody(): boolean {
    return this.#connection !== null && !this.#upstreamCongested && !this.#requestComplete;
  }

  get isRequestComplete(): boolean {
    return this.#requestComplete;
  }

  get isResponseStarted(): boolean {
    return this.#responsePhase !== 'awaited';
  }

  /** Steps 4 to 8: may end the exchange before it returns. */
  start(): void {
    const head = this.#head;
    const route = this.#context.routes.find(head.host, head.path);
    if (route === null) return this.refuse('no-route');
    this.#route = route;
    this.target = route.component;
    if (this.#context.routes.isMisdirected(this.#peer.serverName, head.host)) return this.refuse('misdirected');
    const { maxBodyBytes } = this.#context.limits;
    if (maxBodyBytes > 0 && head.body.kind === 'length' && head.body.bytes > maxBodyBytes)
      return this.refuse('body-too-large');
    this.#request = toAuthzRequest(this.#peer.svid, head, route);
    const ruling = enforce(this.#decide(this.#request));
    if (ruling.effect === 'deny') return this.refuse('denied');
    this.#permit = ruling;
    this.#addOverhead(this.#receivedMs);
    route.upstream.acquire(this, 'any');
  }

  requestData(bytes: Buffer): void {
    this.requestBytes += bytes.length;
    const { maxBodyBytes } = this.#context.limits;
    if (maxBodyBytes > 0 && this.requestBytes > maxBodyBytes) return this.#fail('body-too-large');
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    if (this.#connection?.writeBody(bytes) === false) this.#upstreamCongested = true;
  }

  requestEnd(): void {
    if (this.#requestComplete) return;
    this.#requestComplete = true;
    this.#connection?.endBody();
    this.#forwardedMs = this.#context.clock.monotonicMs();
    this.#lastProgressMs = this.#forwardedMs;
  }

  /** The peer can take more of the response. */
  downstreamDrained(): void {
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    this.#connection?.resume();
  }

  /** The request could not be read to its end. */
  requestFailed(refusal: Refusal): void {
    this.#fail(refusal);
  }

  /** The peer is gone; nobody is left to answer. */
  peerGone(cut: Cut): void {
    this.#letGoOfUpstream();
    this.status = this.isResponseStarted ? this.status : STATUS_PEER_ABORTED;
    this.#end(cut);
  }

  /** Policy has changed: the same question again, and the consequence if the answer is no longer yes. */
  redecide(): void {
    if (this.#request === null) return;
    const ruling = enforce(this.#decide(this.#request));
    if (ruling.effect !== 'deny') {
      this.#permit = ruling;
      return;
    }
    if (!this.isResponseStarted) return this.#fail('denied');
    this.terminate('policy-changed');
  }

  /** What the exchange stood on has lapsed: cut it wherever it is. */
  terminate(termination: Termination): void {
    this.#letGoOfUpstream();
    this.#end(termination);
    this.#downstream.cut(termination);
  }

  /** Enforces the deadlines of a request under way; `elapsedMs` since the last call. */
  sweep(nowMs: number, elapsedMs: number): void {
    const { limits, deadlines } = this.#context;
    if (this.#connection === null) return;
    const stillMs = nowMs - this.#lastProgressMs;
    switch (this.#responsePhase) {
      case 'awaited':
        if (this.#requestComplete || this.#upstreamCongested) {
          if (stillMs >= deadlines.responseHeadTimeoutMs) this.#fail('upstream-timeout');
          return;
        }
        this.#bodyWaitMs += elapsedMs;
        if (stillMs >= deadlines.bodyIdleTimeoutMs || this.#isBodyTooSlow(limits)) this.#fail('body-timeout');
        return;
      case 'started':
        if (stillMs < deadlines.bodyIdleTimeoutMs) return;
        if (this.#downstream.isCongested) this.terminate('peer-stalled');
        else this.#fail('upstream-timeout');
        return;
      case 'ended':
    }
  }

  upstreamReady(connection: UpstreamConnection): void {
    const { clock } = this.#context;
    if (this.#permit === null) return;
    const readyMs = clock.monotonicMs();
    this.#connection = connection;
    this.traceparent = forward(
      this.#permit,
      {
        head: this.#head,
        decisionId: this.decisionId,
        connectionFields: this.#peer.connectionFields,
        identityFields: this.#context.identityFields,
      },
      { connection, user: this },
    );
    this.#addOverhead(readyMs);
    this.#forwardedMs = clock.monotonicMs();
    this.#lastProgressMs = this.#forwardedMs;
    if (!this.#requestComplete) this.#downstream.resumeRequestBody();
  }

  upstreamRefused(refusal: Refusal): void {
    this.refuse(refusal);
  }

  upstreamHead(head: ResponseHead): void {
    if (head.status === 101) return this.#fail('upstream-invalid-response');
    const headMs = this.#context.clock.monotonicMs();
    this.#lastProgressMs = headMs;
    if (head.status < 200) {
      if (head.status !== 100 || this.#head.expectsContinue) this.#downstream.sendInformational(head);
      return;
    }
    this.upstreamSeconds = (headMs - this.#forwardedMs) / 1000;
    this.#responsePhase = 'started';
    this.status = head.status;
    this.#downstream.sendHead(head);
    this.#addOverhead(headMs);
  }

  upstreamData(bytes: Buffer): 'consumed' | 'retained' {
    this.responseBytes += bytes.length;
    const outcome = this.#downstream.sendData(bytes);
    if (this.#downstream.isCongested) this.#connection?.pause();
    return outcome;
  }

  upstreamFlush(): void {
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    this.#downstream.flush();
    if (this.#downstream.isCongested) this.#connection?.pause();
  }

  upstreamEnd(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#responsePhase = 'ended';
    this.#downstream.sendEnd();
    if (connection !== null) this.#route?.upstream.release(connection);
    this.#end(null);
    this.#downstream.exchangeEnded();
  }

  upstreamFailed(refusal: Refusal): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null && this.#mayRetry(connection)) {
      this.#retried = true;
      this.#route?.upstream.acquire(this, 'fresh');
      return;
    }
    this.#fail(refusal);
  }

  upstreamDrained(): void {
    this.#lastProgressMs = this.#context.clock.monotonicMs();
    if (!this.#upstreamCongested) return;
    this.#upstreamCongested = false;
    this.#downstream.resumeRequestBody();
  }

  /** Answers in the upstream's place; nothing must have been sent yet. */
  refuse(refusal: Refusal): void {
    this.status = statusOfRefusal(refusal);
    this.#responsePhase = 'ended';
    this.#downstream.refuse(refusal);
    if (this.#permit === null) this.#addOverhead(this.#receivedMs);
    this.#end(refusal);
    this.#downstream.exchangeEnded();
  }

  #isBodyTooSlow(limits: ListenerLimits): boolean {
    if (limits.minBodyBytesPerSecond === 0) return false;
    return this.#bodyWaitMs > limits.bodyGraceMs + (this.requestBytes * 1000) / limits.minBodyBytesPerSecond;
  }

  /** A safe or idempotent request without a body, on a connection that died idle before a byte came back (RFC 9110 §9.2.2). */
  #mayRetry(connection: UpstreamConnection): boolean {
    return (
      !this.#retried &&
      connection.isReused &&
      !connection.firstByteSeen &&
      !hasBody(this.#head.body) &&
      IDEMPOTENT_METHODS.has(this.method)
    );
  }

  #fail(refusal: Refusal): void {
    this.#letGoOfUpstream();
    if (this.isResponseStarted) {
      this.#end(refusal);
      this.#downstream.cut('upstream-failed');
    } else {
      this.refuse(refusal);
    }
  }

  #letGoOfUpstream(): void {
    this.#route?.upstream.cancel(this);
    this.#connection?.destroy();
    this.#connection = null;
  }

  #decide(request: AuthzRequest): Decision {
    const { authorizer, clock, timedDecisions } = this.#context;
    if (!timedDecisions.take()) return (this.decision = authorizer.decide(this.#peer.partition, request));
    const startMs = clock.monotonicMs();
    this.decision = authorizer.decide(this.#peer.partition, request);
    this.decisionSeconds = (clock.monotonicMs() - startMs) / 1000;
    return this.decision;
  }

  #addOverhead(sinceMs: number): void {
    this.overheadSeconds += (this.#context.clock.monotonicMs() - sinceMs) / 1000;
  }

  #end(why: Refusal | Cut | Termination | null): void {
    this.#responsePhase = 'ended';
    this.refusal = why;
    this.durationSeconds = (this.#context.clock.monotonicMs() - this.#receivedMs) / 1000;
    this.#context.recorder.request(this);
  }
}
