// One HTTP/1.1 connection: reads requests one after another, has its session say who asks, sends what their exchanges answer.

import type { Socket } from 'node:net';
import type { FieldLines } from '../http1/field-lines.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { RequestDecoder } from '../http1/request-decoder.ts';
import { hasBody, type RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { NO_TRAILERS } from '../http1/trailers.ts';
import type { ListenerContext } from './context.ts';
import type { ConnectionOwner, DownstreamConnection } from './downstream-connection.ts';
import type { Downstream } from './downstream.ts';
import { Exchange } from './exchange.ts';
import { Http1Response } from './http1-response.ts';
import type { LapseReason } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import { type Refusal, refusalOfCodecStatus, type Termination } from './refusal.ts';
import { refuseRequest } from './refused-request.ts';
import { encodeRefusal } from './respond.ts';
import { SharedRead } from './shared-read.ts';

/**
 * `idle`: between requests. `head`: some bytes of one have come. `exchange`: one is being answered. `flushing`: the last
 * response is being delivered. `lingering`: it is; what still comes is thrown away so that the peer can read it (RFC 9112 §9.6).
 */
type Phase = 'idle' | 'head' | 'exchange' | 'flushing' | 'lingering' | 'closed';

const LINGER_MS = 2_000;
const DRAIN_IDLE_MS = 1_000;

export class Http1Connection implements Downstream, DownstreamConnection {
  readonly #socket: Socket;
  readonly #context: ListenerContext;
  readonly #owner: ConnectionOwner;
  readonly #read: SharedRead;
  readonly #decoder: RequestDecoder;
  readonly #response: Http1Response;
  readonly #openedMs: number;
  #phase: Phase = 'idle';
  #exchange: Exchange | null = null;
  #head: RequestHead | null = null;
  #closesAfterResponse: Termination | 'as-asked' | null = null;
  #pumping = false;
  /** The peer speaks another protocol now, and either side may end before the other. */
  #isTunnel = false;
  /** Whether anybody is known to be at the other end: from the beginning by certificate, or since the first token. */
  #hasProven: boolean;
  #requestsInRead = 0;
  /** Since when what can be read next could have been dealt with. */
  #readableMs: number;
  #phaseSinceMs: number;
  /** While flushing: what was still to be delivered when the phase began or this was last looked at. */
  #unsentBytes = 0;

  constructor(socket: Socket, context: ListenerContext, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#context = context;
    this.#owner = owner;
    this.#hasProven = owner.principal !== null;
    this.#decoder = new RequestDecoder(context.limits, context.identityFields.isForwarded);
    this.#response = new Http1Response(socket);
    this.#openedMs = context.clock.monotonicMs();
    this.#readableMs = this.#openedMs;
    this.#phaseSinceMs = this.#openedMs;
    this.#read = new SharedRead(socket, (bytes) => this.#onRead(bytes));
    socket.on('drain', () => this.#onDrain());
    socket.on('finish', () => this.#onFinish());
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#onClose());
  }

  /** What was read of the peer before there was a connection to take it. */
  received(bytes: Buffer): void {
    this.#onRead(bytes);
  }

  get hasExchange(): boolean {
    return this.#exchange !== null;
  }

  get isCongested(): boolean {
    return this.#socket.writableNeedDrain;
  }

  redecide(): void {
    this.#exchange?.redecide();
  }

  recheck(): void {
    this.#exchange?.recheck();
  }

  lapsed(reason: LapseReason): void {
    switch (this.#phase) {
      case 'idle':
        return this.#isDrained(reason) ? this.#finish(reason) : this.cut(reason);
      case 'head':
        // Drained, it is answered when it is whole: that nobody may ask it any more.
        return this.#isDrained(reason) ? undefined : this.cut(reason);
      case 'exchange':
        this.#closesAfterResponse ??= reason;
        return this.#exchange?.lapsed(reason);
      case 'flushing':
      case 'lingering':
      case 'closed':
    }
  }

  terminate(termination: Termination): void {
    if (this.#exchange === null) this.cut(termination);
    else this.#exchange.terminate(termination);
  }

  sweep(nowMs: number, elapsedMs: number): void {
    const { limits, deadlines } = this.#context;
    const inPhaseMs = nowMs - this.#phaseSinceMs;
    switch (this.#phase) {
      case 'idle':
        if (this.#owner.isDraining && inPhaseMs >= DRAIN_IDLE_MS) this.#finish('drain');
        else if (nowMs - this.#openedMs >= limits.maxConnectionAgeMs) this.#finish('maximum-age');
        else if (inPhaseMs >= this.#idleTimeoutMs) this.#finish('idle-timeout');
        return;
      case 'head':
        if (inPhaseMs >= limits.headTimeoutMs) this.#refuseUnread('head-timeout', 'head-timeout');
        return;
      case 'exchange':
        if (nowMs - this.#openedMs >= limits.maxConnectionAgeMs) this.lapsed('maximum-age');
        this.#exchange?.sweep(nowMs, elapsedMs);
        return;
      case 'flushing':
        if (this.#socket.writableLength !== this.#unsentBytes) this.#enter('flushing');
        else if (inPhaseMs >= deadlines.bodyIdleTimeoutMs) this.#socket.destroy();
        return;
      case 'lingering':
        if (inPhaseMs >= LINGER_MS) this.#socket.destroy();
        return;
      case 'closed':
    }
  }

  sendInformational(head: ResponseHead, lines: FieldLines): void {
    if (this.#head?.version === '1.1') this.#response.informational(head, lines);
  }

  sendHead(head: ResponseHead, lines: FieldLines): void {
    const request = this.#head;
    if (request === null) return;
    this.#noteClosing(request);
    if (head.status === 101) this.#beginTunnel();
    this.#response.head({ head, lines }, request, this.#closesAfterResponse === null ? 'keep-alive' : 'close');
  }

  sendData(bytes: Buffer, loan: Loan): void {
    this.#response.data(bytes, loan);
  }

  flush(): void {
    this.#response.flush();
  }

  sendEnd(): void {
    this.#response.end();
  }

  refuse(refusal: Refusal): void {
    const request = this.#head;
    if (request === null) return;
    this.#noteClosing(request);
    // The body of a refused request is not worth reading: say so and close (RFC 9110 §10.1.1 for one that has not been sent yet).
    if (hasBody(request.body)) this.#closesAfterResponse ??= 'refused-with-body';
    const { method } = request;
    const decisionId = this.#exchange?.decisionId ?? '';
    const keepAlive = this.#closesAfterResponse === null;
    this.#socket.write(encodeRefusal({ refusal, decisionId, method, keepAlive }), 'latin1');
  }

  /** It takes what it asks for. */
  pauseRequestBody(): void {}

  resumeRequestBody(): void {
    this.#pump();
  }

  exchangeEnded(): void {
    const isComplete = this.#exchange?.isRequestComplete ?? true;
    this.#exchange = null;
    this.#head = null;
    if (!isComplete) this.#closesAfterResponse ??= 'refused-with-body';
    if (this.#closesAfterResponse !== null) {
      this.#finish(this.#closesAfterResponse);
      return;
    }
    this.#enter('idle');
    this.#readableMs = this.#phaseSinceMs;
    this.#pump();
  }

  cut(termination: Termination): void {
    this.#exchange = null;
    if (this.#phase === 'closed') return;
    this.#context.recorder.connectionTerminated(termination);
    this.#enter('closed');
    this.#socket.destroy();
  }

  /** The bytes will be overwritten. */
  #onRead(bytes: Buffer): void {
    if (this.#isEnding) return;
    this.#readableMs = this.#context.clock.monotonicMs();
    this.#requestsInRead = 0;
    this.#decoder.push(bytes);
    this.#pump();
    if (this.#decoder.bufferedBytes > 0) this.#decoder.keepLast();
  }

  #onDrain(): void {
    if (this.#exchange !== null) return this.#exchange.downstreamDrained();
    this.#readableMs = this.#context.clock.monotonicMs();
    this.#pump();
  }

  #onEnd(): void {
    if (this.#isTunnel) this.#exchange?.requestEnd(NO_TRAILERS);
    // Half-closed is gone: nginx and Envoy take it so too, and nothing else tells an abandoned stream from a patient one.
    else this.#socket.destroy();
  }

  #onFinish(): void {
    if (this.#phase === 'flushing') this.#enter('lingering');
  }

  #onClose(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#phase = 'closed';
    exchange?.peerGone();
  }

  /** Takes from the decoder what can be dealt with now; stops reading from the peer when something is left over. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#canPull() && this.#pull());
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#onMalformed(refusalOfCodecStatus(error.status));
    } finally {
      this.#pumping = false;
    }
    if (this.#isEnding) return;
    if (this.#decoder.bufferedBytes > 0 && !this.#canPull()) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Who has not said yet who it is has to begin before long. */
  get #idleTimeoutMs(): number {
    const { headTimeoutMs, idleTimeoutMs } = this.#context.limits;
    return this.#hasProven ? idleTimeoutMs : Math.min(headTimeoutMs, idleTimeoutMs);
  }

  #isDrained(reason: LapseReason): boolean {
    return this.#context.leases.onLapse[reason] === 'drain';
  }

  /** Whether nothing more is read from the peer. */
  get #isEnding(): boolean {
    return this.#phase === 'flushing' || this.#phase === 'lingering' || this.#phase === 'closed';
  }

  #canPull(): boolean {
    switch (this.#phase) {
      case 'idle':
      case 'head':
        return !this.#socket.writableNeedDrain;
      case 'exchange':
        return this.#exchange?.wantsRequestBody ?? false;
      case 'flushing':
      case 'lingering':
      case 'closed':
        return false;
    }
  }

  /** @returns false when more bytes are needed. */
  #pull(): boolean {
    switch (this.#decoder.next()) {
      case 'need-more':
        if (this.#phase === 'idle' && this.#decoder.receivingHead) this.#enter('head');
        return false;
      case 'head':
        this.#begin(this.#decoder.head);
        return true;
      case 'data':
        this.#exchange?.requestData(this.#read.lasting(this.#decoder.data));
        return true;
      case 'end':
        this.#exchange?.requestEnd(NO_TRAILERS);
        return true;
    }
  }

  #begin(head: RequestHead): void {
    // A request without a body ends with its head; take that event before the next request can be mistaken for it.
    if (!hasBody(head.body)) this.#decoder.next();
    this.#requestsInRead += 1;
    // Before anybody looks at who asks: to find out costs more than anything else about a request that is refused.
    if (this.#requestsInRead > this.#context.limits.maxPipelinedRequests) {
      return this.#refuse({ refusal: 'pipeline-limit', termination: 'limit' }, head);
    }
    const who = this.#owner.identify(head);
    if (who.kind === 'refused') return this.#refuseUnrouted(who, head);
    this.#hasProven = true;
    this.#head = head;
    this.#phase = 'exchange';
    this.#phaseSinceMs = this.#readableMs;
    const exchange = new Exchange(this.#context, this, {
      peer: who.peer,
      head,
      lines: this.#decoder.lines,
      startedMs: this.#readableMs,
    });
    this.#exchange = exchange;
    exchange.start();
  }

  #beginTunnel(): void {
    this.#isTunnel = true;
    this.#socket.allowHalfOpen = true;
    this.#decoder.beginTunnel();
  }

  #onMalformed(refusal: Refusal): void {
    if (this.#exchange === null) return this.#refuseUnread(refusal, 'protocol-error');
    this.#closesAfterResponse = 'protocol-error';
    this.#exchange.requestFailed(refusal);
  }

  /** Answers a request whose head could not be read, then closes. */
  #refuseUnread(refusal: Refusal, termination: Termination): void {
    this.#refuse({ refusal, termination }, null);
  }

  /** Answers a request of somebody who is not, or no longer, known. */
  #refuseUnrouted(
    { refusal, termination }: { readonly refusal: Refusal; readonly termination: Termination | null },
    head: RequestHead,
  ): void {
    const ending = hasBody(head.body) ? 'refused-with-body' : head.persistent ? null : 'as-asked';
    this.#refuse({ refusal, termination: termination ?? ending }, head);
  }

  #refuse(
    { refusal, termination }: { readonly refusal: Refusal; readonly termination: Termination | 'as-asked' | null },
    head: RequestHead | null,
  ): void {
    const { principal } = this.#owner;
    const keepAlive = termination === null;
    const { answer, record } = refuseRequest(this.#context, { refusal, principal, head, keepAlive });
    this.#socket.write(answer, 'latin1');
    this.#context.recorder.request(record);
    if (termination === null) this.#enter('idle');
    else this.#finish(termination);
  }

  #noteClosing(request: RequestHead): void {
    if (this.#owner.isDraining) this.#closesAfterResponse ??= 'drain';
    const ageMs = this.#context.clock.monotonicMs() - this.#openedMs;
    if (ageMs >= this.#context.limits.maxConnectionAgeMs) this.#closesAfterResponse ??= 'maximum-age';
    this.#closesAfterResponse ??= this.#owner.endsSoon;
    if (!request.persistent) this.#closesAfterResponse ??= 'as-asked';
  }

  /** Ends the connection in good order. */
  #finish(why: Termination | 'as-asked'): void {
    if (this.#isEnding) return;
    if (why !== 'as-asked') this.#context.recorder.connectionTerminated(why);
    this.#enter('flushing');
    this.#socket.end();
    this.#socket.resume();
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#context.clock.monotonicMs();
    if (phase === 'flushing') this.#unsentBytes = this.#socket.writableLength;
  }
}
