// One HTTP/2 stream: one request and its answer.

import { constants, type ServerHttp2Stream } from 'node:http2';
import { type FieldLines, NO_LINES } from '../http1/field-lines.ts';
import { Http1Error } from '../http1/http1-error.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { RawFields } from '../http2/request-fields.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { ListenerContext } from './context.ts';
import type { Downstream } from './downstream.ts';
import { type AskedRequest, Exchange } from './exchange.ts';
import { hasGrpcContentType } from './grpc-status.ts';
import { type AnsweredRequest, Http2Response } from './http2-response.ts';
import type { LapseReason } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal, Termination } from './refusal.ts';
import { requestRefusal } from './refused-request.ts';

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } =
  constants;

/** `served`: to its end, or cut by us for reasons of our own. `broken-off`: by the peer, or because of what it sent. */
export type StreamOutcome = 'served' | 'broken-off';

export interface Http2StreamOwner {
  /** Nothing is left of it. */
  streamClosed(stream: Http2Stream, outcome: StreamOutcome): void;
}

export interface Http2StreamParts {
  readonly context: ListenerContext;
  readonly owner: Http2StreamOwner;
  /** @throws {Http1Error} for what may not be in trailers. */
  readonly readTrailers: (raw: RawFields) => FieldLines;
}

// How long the status of a call that is cut may take to reach the peer, before the stream is reset without it.
const LAST_WORD_MS = 250;
const RESET_MS = 1_000;

export class Http2Stream implements Downstream {
  readonly #stream: ServerHttp2Stream;
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
  readonly #readTrailers: Http2StreamParts['readTrailers'];
  #requestTrailers: FieldLines = NO_LINES;
  #outcome: StreamOutcome = 'served';
  /** While ending: until when at the latest something has to get on. */
  #stillUntilMs = Number.POSITIVE_INFINITY;
  #stillMs = 0;
  #unsentBytes = 0;
  /** Since when it has been seen to be reset, by whichever side. */
  #resetMs: number | null = null;

  constructor(stream: ServerHttp2Stream, raw: RawFields, { context, owner, readTrailers }: Http2StreamParts) {
    this.#readTrailers = readTrailers;
    this.#stream = stream;
    this.#context = context;
    this.#owner = owner;
    this.#isGrpc = isGrpcRequest(raw);
    this.#isRequestWhole = stream.endAfterHeaders;
    this.#response = new Http2Response(stream, () => this.#stopReading());
    // Nothing is read before there is somewhere to put it.
    stream.pause();
    stream.on('data', (bytes: Buffer) => this.#onData(bytes));
    stream.on('trailers', (_fields: unknown, _flags: number, raw: RawFields) => this.#onTrailers(raw));
    stream.on('end', () => this.#onEnd());
    stream.on('drain', () => this.#exchange?.downstreamDrained());
    stream.on('aborted', () => this.#onGone());
    stream.on('close', () => this.#onClose());
  }

  get hasExchange(): boolean {
    return this.#exchange !== null;
  }

  get isCongested(): boolean {
    return this.#stream.writableNeedDrain;
  }

  begin(asked: AskedRequest): void {
    const { head } = asked;
    this.#readHead(head);
    const exchange = new Exchange(this.#context, this, asked);
    this.#exchange = exchange;
    exchange.start();
  }

  /** Answers a request that nobody routes; `head` is null when it made no sense. */
  refuseUnrouted(refusal: Refusal, principal: SpiffeId | null, head: RequestHead | null): void {
    if (head !== null) this.#readHead(head);
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
    if (this.#exchange === null) this.#reset(NGHTTP2_CANCEL);
    else this.#exchange.terminate(termination);
  }

  sweep(nowMs: number, elapsedMs: number): void {
    if (this.#stream.closed) return this.#sweepReset(nowMs);
    if (!this.#response.isEnding) return this.#exchange?.sweep(nowMs, elapsedMs);
    if (this.#stream.bufferSize !== this.#unsentBytes) this.#watchDelivery(nowMs);
    else if (nowMs >= this.#stillUntilMs) this.#reset(NGHTTP2_CANCEL);
  }

  sendInformational(head: ResponseHead, lines: FieldLines): void {
    this.#response.informational(head, lines);
  }

  sendHead(head: ResponseHead, lines: FieldLines): void {
    this.#response.head(head, lines, this.#answered);
    if (this.#response.isEnding) this.#startDelivery(this.#context.deadlines.bodyIdleTimeoutMs);
  }

  sendData(bytes: Buffer, loan: Loan): void {
    this.#response.data(bytes, loan);
  }

  flush(): void {
    this.#response.flush();
  }

  sendEnd(trailers: FieldLines): void {
    this.#response.end(trailers);
    if (this.#response.isEnding) this.#startDelivery(this.#context.deadlines.bodyIdleTimeoutMs);
  }

  refuse(refusal: Refusal): void {
    this.#sendRefusal(refusal, this.#exchange?.decisionId ?? '');
  }

  resumeRequestBody(): void {
    this.#stream.resume();
  }

  exchangeEnded(): void {
    this.#exchange = null;
    this.#discardRequest();
  }

  cut(termination: Termination): void {
    const decisionId = this.#exchange?.decisionId ?? '';
    this.#exchange = null;
    if (this.#response.endCall(termination, decisionId)) return this.#startDelivery(LAST_WORD_MS);
    this.#reset(codeOfTermination(termination));
  }

  /** Whether the peer still listens. */
  get #isOpen(): boolean {
    return !this.#stream.closed && !this.#stream.destroyed;
  }

  #readHead({ method, body, upgrade }: RequestHead): void {
    this.#method = method;
    if (upgrade !== null) return;
    if (body.kind === 'length') this.#announcedBytes = body.bytes;
    else if (body.kind === 'none') this.#announcedBytes = 0;
  }

  #onData(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#receivedBytes += bytes.length;
    // More than was announced would be read as the next request by an HTTP/1.1 upstream.
    if (this.#announcedBytes !== null && this.#receivedBytes > this.#announcedBytes) return this.#refuseBody(exchange);
    exchange.requestData(ownMemory(bytes));
    if (!exchange.wantsRequestBody) this.#stream.pause();
  }

  #onTrailers(raw: RawFields): void {
    try {
      this.#requestTrailers = this.#readTrailers(raw);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      if (this.#exchange !== null) this.#refuseBody(this.#exchange);
    }
  }

  #onEnd(): void {
    const exchange = this.#exchange;
    // The other half is open as long as there is an exchange: a closed stream has been reset, and this is not the end of a body.
    if (exchange !== null && this.#stream.closed) return this.#onGone();
    this.#isRequestWhole = true;
    if (exchange === null) return;
    if (this.#announcedBytes !== null && this.#receivedBytes < this.#announcedBytes) return this.#refuseBody(exchange);
    exchange.requestEnd(this.#requestTrailers);
  }

  #refuseBody(exchange: Exchange): void {
    this.#outcome = 'broken-off';
    exchange.requestFailed('ambiguous-request');
  }

  get #answered(): AnsweredRequest {
    return { method: this.#method, isGrpc: this.#isGrpc };
  }

  #sendRefusal(refusal: Refusal, decisionId: string): void {
    this.#response.refuse(refusal, decisionId, this.#answered);
    if (this.#response.isEnding) this.#startDelivery(this.#context.deadlines.bodyIdleTimeoutMs);
  }

  #startDelivery(stillMs: number): void {
    this.#stillMs = stillMs;
    this.#watchDelivery(this.#context.clock.monotonicMs());
  }

  #watchDelivery(nowMs: number): void {
    this.#unsentBytes = this.#stream.bufferSize;
    this.#stillUntilMs = nowMs + this.#stillMs;
  }

  /** A peer that does not read its answer would have us hold a window of each request for as long. */
  #discardRequest(): void {
    if (!this.#isRequestWhole && this.#isOpen) this.#stream.resume();
  }

  /** The answer has been sent: what is still to come of the request is not wanted (RFC 9113 §8.1). */
  #stopReading(): void {
    if (!this.#response.isEnding) return;
    if (!this.#isRequestWhole && this.#isOpen) this.#stream.close(NGHTTP2_NO_ERROR);
    this.#stream.resume();
  }

  #reset(code: number): void {
    this.#stream.resume();
    this.#stream.close(code);
  }

  /** The reset of a stream may wait for a write that never ends, of a session that has not noticed that its peer is gone. */
  #sweepReset(nowMs: number): void {
    this.#resetMs ??= nowMs;
    if (nowMs - this.#resetMs >= RESET_MS) this.#stream.destroy();
  }

  #onGone(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange === null) return;
    this.#outcome = 'broken-off';
    exchange.peerGone();
  }

  #onClose(): void {
    this.#onGone();
    this.#owner.streamClosed(this, this.#outcome);
  }
}

/** PROTOCOL-HTTP2.md: a call is a POST. To anything else a refusal in a 200 would look like a success. */
function isGrpcRequest(raw: RawFields): boolean {
  for (let at = 0; at < raw.length; at += 2) if (raw[at] === ':method' && raw[at + 1] !== 'POST') return false;
  return hasGrpcContentType(raw);
}

/** Whoever sends it frees the memory it stands in. Where that is all of what was read at once, the session still looks at it. */
function ownMemory(bytes: Buffer): Buffer {
  return bytes.length === bytes.buffer.byteLength ? Buffer.from(bytes) : bytes;
}

function codeOfTermination(termination: Termination): number {
  switch (termination) {
    case 'upstream-failed':
    case 'upstream-untrusted':
      return NGHTTP2_INTERNAL_ERROR;
    case 'limit':
      return NGHTTP2_ENHANCE_YOUR_CALM;
    case 'protocol-error':
      return NGHTTP2_PROTOCOL_ERROR;
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
      return NGHTTP2_CANCEL;
  }
}
