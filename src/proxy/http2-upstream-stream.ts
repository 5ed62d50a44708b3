// One exchange with an upstream over a stream of an HTTP/2 connection.

import { type ClientHttp2Stream, constants, sensitiveHeaders } from 'node:http2';
import { fieldsOf, type FieldLines, NO_LINES } from '../http1/field-lines.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { hasBody } from '../http1/request-head.ts';
import { freeMemory } from './free-memory.ts';
import { isGrpcContentType } from './grpc-status.ts';
import { type Http2UpstreamSession, isViolation } from './http2-upstream-session.ts';
import type { LapseReason } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';
import type { UpstreamRequest, UpstreamStream, UpstreamUser } from './upstream.ts';

/** Each chunk comes in memory of its own. */
const OWNED: Loan = { hold: () => () => undefined };
/** As many as ResponseDecoder takes. */
const MAX_INFORMATIONAL = 32;
/** Never indexed, here or further on (RFC 7541 §7.1.3). */
const SENSITIVE_FIELDS = ['authorization', 'cookie', 'x-api-key'];

export class Http2UpstreamStream implements UpstreamStream {
  readonly #session: Http2UpstreamSession;
  #stream: ClientHttp2Stream | null = null;
  #user: UpstreamUser | null = null;
  #method = '';
  #sendsTrailers = false;
  #requestTrailers: FieldLines = NO_LINES;
  #responseTrailers: FieldLines = NO_LINES;
  /** Whether anything has come back, and whether what came before on its session has been answered. */
  #answered = false;
  #followsAnswer = false;
  #hasBody = false;
  #informational = 0;
  /** END_STREAM has come; what came before it may still have to be read. */
  #hasEnded = false;
  #announcedBytes: number | null = null;
  #receivedBytes = 0;

  constructor(session: Http2UpstreamSession) {
    this.#session = session;
  }

  get isUnprocessed(): boolean {
    const stream = this.#stream;
    if (stream === null || this.#answered) return false;
    return stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || this.#session.hasDisowned(stream.id);
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
    const fields = toFields(request, session.scheme);
    // A frame of its own, which no body of known length and no call of gRPC has a use for.
    this.#sendsTrailers = request.body.kind === 'chunked' && !fields.isGrpc;
    const stream = session.open(this, fields.list, {
      endStream: !hasBody(request.body),
      waitForTrailers: this.#sendsTrailers,
    });
    this.#stream = stream;
    stream.on('headers', (_fields, _flags, raw) => this.#onInformational(raw));
    stream.on('response', (_fields, flags, raw) => this.#onResponse(flags, raw));
    stream.on('trailers', (_fields, _flags, raw) => this.#onTrailers(raw));
    stream.on('end', () => this.#onEnd());
    stream.on('drain', () => this.#user?.upstreamDrained());
    stream.on('wantTrailers', () => this.#sendTrailers(stream));
    // What matters about an error is that 'close' follows it.
    stream.on('error', () => undefined);
    stream.on('close', () => this.#onClose(stream));
    this.#watchEnd(stream);
  }

  writeBody(bytes: Buffer): boolean {
    if (this.#stream === null) return true;
    return this.#stream.write(bytes, (error) => {
      // Of what was cancelled, parts may be on their way.
      if (error === null || error === undefined) freeMemory(bytes);
    });
  }

  endBody(trailers: FieldLines): void {
    this.#requestTrailers = trailers;
    this.#stream?.end();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    if (this.#stream?.isPaused() === true) this.#stream.resume();
  }

  release(): void {
    const stream = this.#stream;
    // The upstream has answered without waiting for all of the request.
    if (stream !== null && !stream.closed && !stream.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
    this.#leave();
  }

  destroy(): void {
    this.#abandon(constants.NGHTTP2_CANCEL);
  }

  /** Its session has ended. */
  sessionGone(): void {
    if (!this.#isWhole) this.#fail(this.#session.why);
  }

  /**
   * To node:http2, a stream that was reset without an error has ended like any other: only when its end is pushed does it show whether it had
   * been closed before.
   */
  #watchEnd(stream: ClientHttp2Stream): void {
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null && !stream.closed && !stream.destroyed) this.#hasEnded = true;
      return push(chunk, encoding);
    };
  }

  /**
   * RFC 9113 §8.1.1: without END_STREAM a response is not whole, unless it has said how long it is. Servers of node:http2 that have not read
   * the request may send a reset without an error in the place of END_STREAM.
   */
  get #isWhole(): boolean {
    return this.#hasEnded || this.#receivedBytes === this.#announcedBytes;
  }

  #onInformational(raw: readonly string[]): void {
    this.#informational += 1;
    if (this.#informational > MAX_INFORMATIONAL) return this.#reject();
    this.#hear();
    this.#read((user) => {
      const head = this.#session.headReader.read(raw, { method: this.#method, endsStream: false });
      if (head.status >= 200) this.#reject();
      else user.upstreamHead(head, this.#session.headReader.lines);
    });
  }

  #onResponse(flags: number, raw: readonly string[]): void {
    const stream = this.#stream;
    const endsStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#hear();
    this.#read((user) => {
      const { headReader } = this.#session;
      const head = headReader.read(raw, { method: this.#method, endsStream });
      this.#hasBody = head.body.kind !== 'none';
      if (head.body.kind === 'length') this.#announcedBytes = head.body.bytes;
      user.upstreamHead(head, headReader.lines);
      if (this.#user !== user || stream === null) return;
      if (endsStream) {
        stream.resume();
        return this.#onEnd();
      }
      // Not before: what is read before the head has been told of would be told of before it.
      stream.on('data', (bytes: Buffer) => this.#onData(bytes));
      process.nextTick(() => this.#user?.upstreamFlush());
    });
  }

  #onData(bytes: Buffer): void {
    const user = this.#user;
    if (user === null) return;
    this.#hear();
    if (!this.#hasBody) return this.#reject();
    this.#receivedBytes += bytes.length;
    user.upstreamData(bytes, OWNED);
    if (this.#user === user) user.upstreamFlush();
  }

  #onTrailers(raw: readonly string[]): void {
    this.#read(() => {
      this.#responseTrailers = this.#session.trailerReader.read(raw);
    });
  }

  #onEnd(): void {
    const user = this.#user;
    if (user === null) return;
    if (!this.#isWhole) return this.#fail('upstream-invalid-response');
    this.#user = null;
    user.upstreamEnd(this.#responseTrailers);
  }

  #onClose(stream: ClientHttp2Stream): void {
    // An error after the end of the response takes nothing away from it.
    if (this.#isWhole && this.#answered && stream.readableLength === 0) return this.#onEnd();
    this.#fail(this.#refusalAtClose(stream));
  }

  #refusalAtClose({ errored, rstCode }: ClientHttp2Stream): Refusal {
    // Before the session has heard of it.
    if (isViolation(errored)) return 'upstream-invalid-response';
    return this.#session.isGone ? this.#session.why : refusalOfReset(rstCode);
  }

  /** What is thrown by it breaks this exchange, and no other on the session. */
  #read(read: (user: UpstreamUser) => void): void {
    if (this.#user === null) return;
    try {
      read(this.#user);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#reject();
    }
  }

  #reject(): void {
    const user = this.#user;
    this.#abandon(constants.NGHTTP2_PROTOCOL_ERROR);
    user?.upstreamFailed('upstream-invalid-response');
  }

  #abandon(code: number): void {
    const stream = this.#stream;
    if (stream !== null && !stream.destroyed) {
      stream.close(code);
      stream.destroy();
    }
    this.#leave();
  }

  #fail(refusal: Refusal): void {
    const user = this.#user;
    this.#leave();
    user?.upstreamFailed(refusal);
  }

  #leave(): void {
    this.#user = null;
    this.#session.ended(this);
  }

  #hear(): void {
    this.#answered = true;
    this.#session.heard();
  }

  #sendTrailers(stream: ClientHttp2Stream): void {
    const values = new Map<string, string[]>();
    const fields = fieldsOf(this.#requestTrailers);
    for (let at = 0; at < fields.length; at += 2) {
      const [name = '', value = ''] = [fields[at], fields[at + 1]];
      values.set(name, [...(values.get(name) ?? []), value]);
    }
    // Defines `__proto__`, which is a name like any other.
    stream.sendTrailers(Object.fromEntries(values));
  }
}

function toFields(
  { method, target, authority, lines, body, expectsContinue }: UpstreamRequest,
  scheme: 'http' | 'https',
): { readonly list: readonly string[]; readonly isGrpc: boolean } {
  const list = [':method', method, ':scheme', scheme, ':authority', authority, ':path', target];
  const fields = fieldsOf(lines);
  let isGrpc = false;
  let isSensitive = false;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    if (name === 'content-type') isGrpc = isGrpcContentType(fields[at + 1] ?? '');
    else if (SENSITIVE_FIELDS.includes(name)) isSensitive = true;
  }
  list.push(...fields);
  if (body.kind === 'length') list.push('content-length', String(body.bytes));
  if (expectsContinue) list.push('expect', '100-continue');
  // PROTOCOL-HTTP2.md: servers tell by it that nothing on the way loses trailers.
  if (isGrpc) list.push('te', 'trailers');
  return { list: isSensitive ? Object.assign(list, { [sensitiveHeaders]: SENSITIVE_FIELDS }) : list, isGrpc };
}

/** What a reset by the upstream, or for something that the upstream did, comes to (RFC 9113 §7). */
function refusalOfReset(code: number): Refusal {
  switch (code) {
    case constants.NGHTTP2_REFUSED_STREAM:
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return 'upstream-saturated';
    case constants.NGHTTP2_PROTOCOL_ERROR:
    case constants.NGHTTP2_FLOW_CONTROL_ERROR:
    case constants.NGHTTP2_FRAME_SIZE_ERROR:
    case constants.NGHTTP2_COMPRESSION_ERROR:
    case constants.NGHTTP2_STREAM_CLOSED:
    case constants.NGHTTP2_NO_ERROR:
      return 'upstream-invalid-response';
    default:
      return 'upstream-reset';
  }
}
