// One HTTP/2 stream: one request and its answer.

import type { FieldLines } from '../http1/field-lines.ts';
import { Http1Error } from '../http1/http1-error.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { NO_TRAILERS, type Trailers } from '../http1/trailers.ts';
import type { Http2Channel, RawFields, ReceivedFields, StreamReset, StreamUser } from '../http2/endpoint-ports.ts';
import { ERROR_CODE, type ErrorCode } from '../http2/frame.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { ListenerContext } from './context.ts';
import type { Downstream } from './downstream.ts';
import { type AskedRequest, Exchange } from './exchange.ts';
import { hasGrpcContentType } from './grpc-status.ts';
import { type AnsweredRequest, Http2Response } from './http2-response.ts';
import type { ResponseFieldsWriter } from './http2-response-fields.ts';
import type { LapseReason } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal, Termination } from './refusal.ts';
import { requestRefusal } from './refused-request.ts';

/** `served`: to its end, or cut by us for reasons of our own. `broken-off`: by the peer, or because of what it sent. */
export type StreamOutcome = 'served' | 'broken-off';

export interface Http2StreamOwner {
  readonly responseFields: ResponseFieldsWriter;
  /** @throws {Http1Error} for what may not be in trailers. */
  readTrailers(fields: RawFields): Trailers;
  /** `bytes` that were received, to be kept. */
  lasting(bytes: Buffer): Buffer;
  /** That much DATA is on its way, which the peer may answer. */
  dataSent(bytes: number): void;
  /** Writes what waits on all streams, now. */
  flush(): void;
  /** Nothing is left of it. */
  streamClosed(stream: Http2Stream, outcome: StreamOutcome): void;
}

/** A request that nobody routes. */
export interface UnroutedRequest {
  readonly refusal: Refusal;
  readonly principal: SpiffeId | null;
  /** Null when it made no sense. */
  readonly head: RequestHead | null;
  /**
   * `understood`: it may have been meant well. `too-large`: none that was would be. `malformed`: the stream is in error as well
   * (RFC 9113 §8.1.1).
   */
  readonly flaw: 'understood' | 'too-large' | 'malformed';
}

// How long the status of a call that is cut may take to reach the peer, before the stream is reset without it.
const LAST_WORD_MS = 250;
// How long, and for how much of it, the rest of a request is waited for that has been answered.
const LINGER_MS = 1_000;
const LATE_BYTES = 64 * 1024;

export class Http2Stream implements Downstream, StreamUser {
  readonly #channel: Http2Channel;
  readonly #context: ListenerContext;
  readonly #owner: Http2StreamOwner;
  readonly #isGrpc: boolean;
  readonly #response: Http2Response;
  #exchange: Exchange | null = null;
  #method = '';
  /** What Content-Length announced, or null. */
  #announcedBytes: number | null = null;
  #receivedBytes = 0;
  #isRequestWhole: boolean;
  /** The peer has broken the protocol on it. */
  #isMalformed = false;
  #requestTrailers = NO_TRAILERS;
  #outcome: StreamOutcome = 'served';
  /** While ending: until when at the latest something has to get on. */
  #stillUntilMs = Number.POSITIVE_INFINITY;
  #stillMs = 0;
  #unsentBytes = 0;
  /** What it stood on is gone: nothing more of it is waited for. */
  #isCut = false;
  /** Once all of the answer has been sent: until when the rest of the request is waited for. */
  #lingersUntilMs = Number.POSITIVE_INFINITY;
  #lateBytes = 0;

  constructor(
    channel: Http2Channel,
    request: { readonly fields: ReceivedFields; readonly endsStream: boolean },
    { context, owner }: { readonly context: ListenerContext; readonly owner: Http2StreamOwner },
  ) {
    this.#channel = channel;
    this.#context = context;
    this.#owner = owner;
    this.#isGrpc = isGrpcRequest(request.fields);
    this.#isRequestWhole = request.endsStream;
    this.#response = new Http2Response(channel, owner.responseFields);
  }

  get hasExchange(): boolean {
    return this.#exchange !== null;
  }

  get isCongested(): boolean {
    return this.#channel.isCongested;
  }

  begin(asked: AskedRequest): void {
    const { head } = asked;
    this.#readHead(head);
    const exchange = new Exchange(this.#context, this, asked);
    this.#exchange = exchange;
    exchange.start();
  }

  refuseUnrouted({ refusal, principal, head, flaw }: UnroutedRequest): void {
    if (head !== null) this.#readHead(head);
    if (flaw !== 'understood') this.#outcome = 'broken-off';
    this.#isMalformed = flaw === 'malformed';
    const record = requestRefusal(this.#context, { refusal, principal, head });
    this.#sendRefusal(refusal, record.decisionId);
    this.#discardRequest();
    this.#context.recorder.request(record);
  }

  redecide(): void {
    this.#exchange?.redecide();
  }

  recheck(): void {
    this.#exchange?.recheck();
  }

  lapsed(reason: LapseReason): void {
    this.#exchange?.lapsed(reason);
  }

  terminate(termination: Termination): void {
    if (this.#exchange === null) this.#channel.reset(ERROR_CODE.cancel);
    else this.#exchange.terminate(termination);
  }

  sweep(nowMs: number, elapsedMs: number): void {
    if (!this.#response.isEnding) return this.#exchange?.sweep(nowMs, elapsedMs);
    if (this.#isLingering) {
      if (nowMs >= this.#lingersUntilMs) this.#channel.reset(ERROR_CODE.noError);
    } else if (this.#channel.unsentBytes !== this.#unsentBytes) this.#watchDelivery(nowMs);
    else if (nowMs >= this.#stillUntilMs) this.#channel.reset(ERROR_CODE.cancel);
  }

  sendInformational(head: ResponseHead, lines: FieldLines): void {
    this.#response.informational(head, lines);
  }

  sendHead(head: ResponseHead, lines: FieldLines): void {
    this.#response.head(head, lines, this.#answered);
  }

  sendData(bytes: Buffer, loan: Loan): void {
    this.#owner.dataSent(bytes.length);
    this.#response.data(bytes, loan);
  }

  /** What is small goes with what others send in this turn. */
  flush(): void {
    if (this.#channel.isCongested) this.#owner.flush();
  }

  sendEnd(trailers: Trailers): void {
    this.#response.end(trailers);
    if (this.#response.isEnding) this.#startDelivery(this.#context.deadlines.bodyIdleTimeoutMs);
  }

  refuse(refusal: Refusal): void {
    this.#sendRefusal(refusal, this.#exchange?.decisionId ?? '');
  }

  pauseRequestBody(): void {
    this.#channel.pause();
  }

  resumeRequestBody(): void {
    this.#channel.resume();
  }

  exchangeEnded(): void {
    this.#exchange = null;
    this.#discardRequest();
  }

  cut(termination: Termination): void {
    const decisionId = this.#exchange?.decisionId ?? '';
    this.#exchange = null;
    this.#isCut = true;
    if (this.#response.endCall(termination, decisionId)) return this.#startDelivery(LAST_WORD_MS);
    this.#channel.reset(codeOfTermination(termination));
  }

  /** Of a client. */
  headers(): void {}

  trailers(fields: ReceivedFields): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (fields === 'too-large') return this.#refuseBody(exchange);
    try {
      this.#requestTrailers = this.#owner.readTrailers(fields);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#refuseBody(exchange);
    }
  }

  data(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === null) return this.#discard(bytes);
    this.#receivedBytes += bytes.length;
    // More than was announced would be read as the next request by an HTTP/1.1 upstream.
    if (this.#announcedBytes !== null && this.#receivedBytes > this.#announcedBytes) return this.#refuseBody(exchange);
    exchange.requestData(this.#owner.lasting(bytes));
    if (this.#exchange !== null && !exchange.wantsRequestBody) this.#channel.pause();
  }

  ended(): void {
    this.#isRequestWhole = true;
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (this.#announcedBytes !== null && this.#receivedBytes < this.#announcedBytes) return this.#refuseBody(exchange);
    exchange.requestEnd(this.#requestTrailers);
  }

  drained(): void {
    this.#exchange?.downstreamDrained();
  }

  /**
   * The answer is on its way, and what is still to come of the request is not wanted (RFC 9113 §8.1). To say so at once would cost clients
   * the answer that are not through with sending: curl takes a reset for a fault until it is.
   */
  sent(): void {
    if (this.#isRequestWhole) return;
    if (this.#isCut) this.#channel.reset(ERROR_CODE.noError);
    else this.#lingersUntilMs = this.#context.clock.monotonicMs() + LINGER_MS;
  }

  reset(why: StreamReset): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null || why.kind === 'violation') this.#outcome = 'broken-off';
    exchange?.peerGone();
  }

  closed(): void {
    this.#owner.streamClosed(this, this.#outcome);
  }

  #readHead({ method, body, upgrade }: RequestHead): void {
    this.#method = method;
    if (upgrade !== null) return;
    if (body.kind === 'length') this.#announcedBytes = body.bytes;
    else if (body.kind === 'none') this.#announcedBytes = 0;
  }

  #refuseBody(exchange: Exchange): void {
    this.#outcome = 'broken-off';
    this.#isMalformed = true;
    exchange.requestFailed('ambiguous-request');
  }

  #discard(bytes: Buffer): void {
    if (!this.#isLingering) return;
    this.#lateBytes += bytes.length;
    if (this.#lateBytes > LATE_BYTES) this.#channel.reset(ERROR_CODE.noError);
  }

  get #isLingering(): boolean {
    return this.#lingersUntilMs < Number.POSITIVE_INFINITY;
  }

  get #answered(): AnsweredRequest {
    return { method: this.#method, isGrpc: this.#isGrpc };
  }

  #sendRefusal(refusal: Refusal, decisionId: string): void {
    const ending = this.#isMalformed ? 'to-be-reset' : 'ends';
    if (!this.#response.refuse({ refusal, decisionId }, this.#answered, ending)) return;
    if (!this.#isMalformed) return this.#startDelivery(this.#context.deadlines.bodyIdleTimeoutMs);
    // A reset overtakes what waits.
    this.#owner.flush();
    this.#channel.reset(ERROR_CODE.protocolError);
  }

  #startDelivery(stillMs: number): void {
    this.#stillMs = stillMs;
    this.#watchDelivery(this.#context.clock.monotonicMs());
  }

  #watchDelivery(nowMs: number): void {
    this.#unsentBytes = this.#channel.unsentBytes;
    this.#stillUntilMs = nowMs + this.#stillMs;
  }

  /** A peer that does not read its answer would have us hold a window of each request for as long. */
  #discardRequest(): void {
    if (!this.#isRequestWhole) this.#channel.resume();
  }
}

/** PROTOCOL-HTTP2.md: a call is a POST. To anything else a refusal in a 200 would look like a success. */
function isGrpcRequest(fields: ReceivedFields): boolean {
  if (fields === 'too-large') return false;
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === ':method' && fields[at + 1] !== 'POST') return false;
  return hasGrpcContentType(fields);
}

function codeOfTermination(termination: Termination): ErrorCode {
  switch (termination) {
    case 'upstream-failed':
    case 'upstream-untrusted':
      return ERROR_CODE.internalError;
    case 'limit':
      return ERROR_CODE.enhanceYourCalm;
    case 'protocol-error':
      return ERROR_CODE.protocolError;
    case 'svid-expired':
    case 'token-expired':
    case 'trust-changed':
    case 'revoked':
    case 'policy-changed':
    case 'maximum-age':
    case 'own-svid-withdrawn':
    case 'idle-timeout':
    case 'head-timeout':
    case 'drain':
    case 'drain-deadline':
    case 'no-identity':
    case 'refused-with-body':
    case 'peer-stalled':
    case 'deadline-exceeded':
      return ERROR_CODE.cancel;
  }
}
