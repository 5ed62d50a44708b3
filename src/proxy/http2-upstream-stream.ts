// One exchange with an upstream over a stream of an HTTP/2 connection.

import { fieldsOf } from '../http1/field-lines.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { hasBody } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { NO_TRAILERS, type Trailers } from '../http1/trailers.ts';
import {
  type Http2Channel,
  type RawFields,
  type ReceivedFields,
  type StreamReset,
  type StreamUser,
  withNeverIndexed,
} from '../http2/endpoint-ports.ts';
import { ERROR_CODE, type ErrorCode } from '../http2/frame.ts';
import { freeMemory } from './free-memory.ts';
import type { DataTaker } from './gathered-data.ts';
import { requestFields, webSocketRequest } from './http2-upstream-fields.ts';
import type { Http2UpstreamSession } from './http2-upstream-session.ts';
import type { LapseReason } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';
import { acceptOf } from './switching.ts';
import type { UpstreamRequest, UpstreamStream, UpstreamUser } from './upstream.ts';

/** As many as ResponseDecoder takes. */
const MAX_INFORMATIONAL = 32;

export class Http2UpstreamStream implements UpstreamStream, StreamUser, DataTaker {
  readonly #session: Http2UpstreamSession;
  #channel: Http2Channel | null = null;
  #user: UpstreamUser | null = null;
  #method = '';
  /** Of a WebSocket: what HTTP/1.1 has in the answer. */
  #accept: string | null = null;
  #trailers = NO_TRAILERS;
  /** Whether anything has come back, and whether what came before on its session has been answered. */
  #answered = false;
  #followsAnswer = false;
  /** Whether something has come in this turn. */
  #isTouched = false;
  #head: ResponseHead | null = null;
  #informational = 0;
  #receivedBytes = 0;
  /** By its upstream, which has not looked at it, or because there was no number left to send it under. */
  #isRefused = false;
  /** By the end of its session. */
  #isCut = false;

  constructor(session: Http2UpstreamSession) {
    this.#session = session;
  }

  get isUnprocessed(): boolean {
    if (this.#answered) return false;
    return this.#isRefused || (this.#channel !== null && this.#session.hasDisowned(this.#channel.id));
  }

  get mayHaveDiedIdle(): boolean {
    return this.#session.isGone && this.#followsAnswer && !this.#answered;
  }

  lapse(): LapseReason | null {
    return this.#session.lapse();
  }

  begin(user: UpstreamUser, request: UpstreamRequest): void {
    const session = this.#session;
    this.#user = user;
    this.#method = request.method;
    this.#followsAnswer = session.hasAnswered;
    const webSocket = session.takesWebSockets ? webSocketRequest(request, session.scheme) : null;
    if (webSocket === null) {
      this.#channel = session.open(this, requestFields(request, session.scheme), !hasBody(request.body));
    } else {
      this.#accept = acceptOf(webSocket.key);
      this.#channel = session.open(this, webSocket.fields, false);
    }
    if (this.#channel !== null) return;
    this.#isRefused = true;
    // Not before whoever begins it knows that it has begun.
    process.nextTick(() => this.#fail('upstream-reset'));
  }

  writeBody(bytes: Buffer): boolean {
    const channel = this.#channel;
    if (channel === null) return true;
    this.#session.dataSent(bytes.length);
    const lender = new Upload(bytes);
    channel.sendData(bytes, lender);
    lender.handedOver();
    return !channel.isCongested;
  }

  endBody({ lines, neverIndexed }: Trailers): void {
    this.#channel?.sendEnd(withNeverIndexed(fieldsOf(lines), neverIndexed));
  }

  pause(): void {
    this.#channel?.pause();
  }

  resume(): void {
    if (this.#channel !== null) this.#session.resume(this.#channel);
  }

  release(): void {
    const channel = this.#channel;
    // The upstream has answered without waiting for all of the request.
    if (channel !== null && (channel.canSend || channel.unsentBytes > 0)) channel.reset(ERROR_CODE.cancel);
    this.#leave();
  }

  destroy(): void {
    this.#abandon(ERROR_CODE.cancel);
  }

  /** Its session has ended. */
  sessionGone(): void {
    if (!this.#isCut) return;
    if (this.#hasAnnouncedLength) this.ended();
    else this.#fail(this.#session.why);
  }

  /** What came in this turn has been handed over. */
  flush(): void {
    this.#isTouched = false;
    this.#user?.upstreamFlush();
  }

  headers(fields: ReceivedFields, endsStream: boolean): void {
    const user = this.#user;
    if (user === null) return;
    this.#hear();
    const head = this.#readHead(fields, endsStream);
    if (head === null) return this.#reject();
    if (head.status < 200 && head.status !== 101) {
      this.#informational += 1;
      // RFC 9113 §8.1: something must follow.
      if (endsStream || this.#informational > MAX_INFORMATIONAL) return this.#reject();
    } else {
      this.#head = head;
    }
    user.upstreamHead(head, this.#session.headReader.lines);
  }

  data(bytes: Buffer): void {
    if (this.#user === null) return;
    this.#hear();
    this.#receivedBytes += bytes.length;
    if (this.#mayReceive) this.#session.gather(this, bytes);
    else this.#reject();
  }

  takeData(bytes: Buffer, loan: Loan): void {
    this.#user?.upstreamData(bytes, loan);
  }

  trailers(fields: ReceivedFields): void {
    this.#session.handOver();
    if (this.#user === null) return;
    this.#hear();
    try {
      if (fields === 'too-large') return this.#reject();
      this.#trailers = this.#session.trailerReader.read(fields);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#reject();
    }
  }

  ended(): void {
    this.#session.handOver();
    const user = this.#user;
    if (user === null) return;
    if (!this.#isWhole) return this.#reject();
    this.#user = null;
    user.upstreamEnd(this.#trailers);
  }

  drained(): void {
    this.#user?.upstreamDrained();
  }

  sent(): void {}

  reset(why: StreamReset): void {
    this.#session.handOver();
    if (this.#user === null) return;
    switch (why.kind) {
      case 'peer':
        // RFC 9113 §8.1.1: without END_STREAM a response is whole only if it has the length that it announced. Servers that have not read the
        // request may send a reset in its place.
        if (this.#hasAnnouncedLength) return this.ended();
        this.#isRefused = why.code === ERROR_CODE.refusedStream;
        return this.#fail(refusalOfReset(why.code));
      case 'violation':
        return this.#fail('upstream-invalid-response');
      case 'disowned':
        return this.#fail('upstream-reset');
      case 'connection':
        // Why, the session says, and to its pool before anybody else.
        this.#isCut = true;
    }
  }

  closed(): void {}

  get #mayReceive(): boolean {
    const body = this.#head?.body;
    switch (body?.kind) {
      case 'length':
        return this.#receivedBytes <= body.bytes;
      case 'chunked':
      case 'until-close':
        return true;
      case 'none':
      case undefined:
        return false;
    }
  }

  /** As far as its octets say. */
  get #isWhole(): boolean {
    return this.#head !== null && (this.#head.body.kind !== 'length' || this.#hasAnnouncedLength);
  }

  get #hasAnnouncedLength(): boolean {
    const body = this.#head?.body;
    return body?.kind === 'length' && body.bytes === this.#receivedBytes;
  }

  /** @returns null for one that breaks this exchange, and no other on the session. */
  #readHead(fields: ReceivedFields, endsStream: boolean): ResponseHead | null {
    if (fields === 'too-large') return null;
    try {
      const { headReader } = this.#session;
      if (this.#accept !== null && isSuccess(fields)) return headReader.readWebSocket(fields, this.#accept);
      return headReader.read(fields, { method: this.#method, endsStream });
    } catch (error) {
      if (error instanceof Http1Error) return null;
      throw error;
    }
  }

  #reject(): void {
    const user = this.#user;
    this.#abandon(ERROR_CODE.protocolError);
    user?.upstreamFailed('upstream-invalid-response');
  }

  #abandon(code: ErrorCode): void {
    if (this.#channel?.isClosed === false) {
      this.#channel.reset(code);
      this.#session.abandoned();
    }
    this.#leave();
  }

  #fail(refusal: Refusal): void {
    const user = this.#user;
    this.#leave();
    // What it has not looked at, whoever asked may ask again.
    user?.upstreamFailed(this.isUnprocessed ? 'upstream-saturated' : refusal);
  }

  #leave(): void {
    this.#user = null;
    this.#session.ended(this);
  }

  #hear(): void {
    this.#answered = true;
    if (this.#isTouched) return;
    this.#isTouched = true;
    this.#session.heard(this);
  }
}

/** Octets of a request body, whose memory is freed when they have been sent. */
class Upload implements Loan {
  readonly #bytes: Buffer;
  #isHeld = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  hold(): () => void {
    this.#isHeld = true;
    return () => freeMemory(this.#bytes);
  }

  handedOver(): void {
    if (!this.#isHeld) freeMemory(this.#bytes);
  }
}

function isSuccess([name, status = '']: RawFields): boolean {
  return name === ':status' && /^2\d\d$/.test(status);
}

/** What a reset by the upstream comes to (RFC 9113 §7). */
function refusalOfReset(code: number): Refusal {
  switch (code) {
    case ERROR_CODE.refusedStream:
    case ERROR_CODE.enhanceYourCalm:
      return 'upstream-saturated';
    case ERROR_CODE.protocolError:
    case ERROR_CODE.flowControlError:
    case ERROR_CODE.frameSizeError:
    case ERROR_CODE.compressionError:
    case ERROR_CODE.streamClosed:
    case ERROR_CODE.noError:
      return 'upstream-invalid-response';
    default:
      return 'upstream-reset';
  }
}
