// One connection to the upstream: carries one exchange at a time and is fit for another only after a response that was
// fully framed and consumed.

import type { Socket } from 'node:net';
import { chunkPrefix, CHUNK_END, encodeRequestHead, LAST_CHUNK } from '../http1/encode.ts';
import { addField, joinLines, RepeatedField } from '../http1/field-lines.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { type BodyFraming, hasBody, type HeadLimits } from '../http1/request-head.ts';
import { ResponseDecoder } from '../http1/response-decoder.ts';
import { NO_TRAILERS } from '../http1/trailers.ts';
import { freeMemory } from './free-memory.ts';
import type { LapseReason } from './lease.ts';
import type { ReadBuffer, ReadBuffers } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';
import type { Dial, DialUser, ServerLease } from './upstream-dial.ts';
import type { UpstreamRequest, UpstreamStream, UpstreamUser } from './upstream.ts';

/** How a connection tells its pool what became of it. */
export interface UpstreamOwner {
  connected(connection: UpstreamConnection): void;
  /** Called once, before the exchange it carried is told; it must not be used from here on. */
  closed(connection: UpstreamConnection, why: Refusal): void;
  /** It is not used any more. */
  release(connection: UpstreamConnection, nowMs: number): void;
}

const RESPONSE_LIMITS: HeadLimits = { maxHeadBytes: 64 * 1024, maxFieldCount: 256 };
// Smaller pieces of a body go out together at the end of the turn: to write one costs as much as copying so many octets.
const MIN_APART_BYTES = 1_024;

export class UpstreamConnection implements UpstreamStream, DialUser {
  readonly #socket: Socket;
  readonly #owner: UpstreamOwner;
  readonly #decoder = new ResponseDecoder(RESPONSE_LIMITS, isPassedOn);
  readonly #host = new RepeatedField('host');
  #user: UpstreamUser | null = null;
  readonly #buffers: ReadBuffers;
  #buffer: ReadBuffer;
  /** How the rest of the request is framed. */
  #request: BodyFraming['kind'] | 'sent' = 'sent';
  /** Whether a byte has come back for the exchange it carries. */
  #answered = false;
  #exchanges = 0;
  #phase: 'connecting' | 'open' | 'closed' = 'connecting';
  /** Null where the upstream has nothing to prove. */
  #lease: ServerLease | null = null;
  /** Asked of the upstream, whatever became of it. */
  #upgrade: string | null = null;
  /** Monotonic ms; set by the pool: when it was asked for, later when it became idle. */
  sinceMs = 0;

  constructor(dial: Dial, owner: UpstreamOwner, buffers: ReadBuffers) {
    this.#owner = owner;
    this.#buffers = buffers;
    this.#buffer = buffers.take();
    const onread = {
      buffer: () => this.#buffer.bytes,
      callback: (count: number): boolean => this.#onRead(count),
    };
    this.#socket = dial(this, onread);
    this.#socket.on('drain', () => this.#user?.upstreamDrained());
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('error', () => this.#gone());
    this.#socket.on('close', () => this.#onClose());
    this.#socket.resume();
  }

  dialled(lease: ServerLease | null): void {
    this.#lease = lease;
    this.#phase = 'open';
    this.#owner.connected(this);
  }

  dialRefused(refusal: Refusal): void {
    this.#fail(refusal);
  }

  lapse(): LapseReason | null {
    return this.#lease === null ? null : this.#lease.lapse();
  }

  /** Whether an exchange may begin on it as far as its server is concerned. */
  get isProven(): boolean {
    return this.#lease === null || (this.#lease.lapse() === null && !this.#lease.endsSoon);
  }

  get mayHaveDiedIdle(): boolean {
    return this.#exchanges > 1 && !this.#answered;
  }

  /** HTTP/1.1 has no way to say so. */
  get isUnprocessed(): boolean {
    return false;
  }

  /** RFC 9112 §9.3: framed, consumed, persistent, nothing left over on either side. */
  get isReusable(): boolean {
    // RFC 9110 §7.8: whether the two sides agree on what it speaks cannot be known from here.
    if (this.#upgrade !== null) return false;
    if (this.#phase === 'closed' || !this.#decoder.isComplete || this.#decoder.bufferedBytes > 0) return false;
    if (this.#request !== 'sent' || this.#socket.writableLength > 0) return false;
    return this.#exchanges === 0 || this.#decoder.head.persistent;
  }

  begin(user: UpstreamUser, request: UpstreamRequest): void {
    this.#user = user;
    this.#exchanges += 1;
    this.#answered = false;
    this.#upgrade = request.upgrade;
    this.#decoder.begin(request.method);
    const head = encodeHead(request, this.#host);
    if (!hasBody(request.body)) {
      this.#request = 'sent';
      this.#socket.write(head, 'latin1');
      return;
    }
    this.#request = request.body.kind;
    // The first bytes of the body are usually at hand already: send them with the head.
    this.#socket.cork();
    this.#socket.write(head, 'latin1');
    process.nextTick(uncork, this.#socket);
  }

  writeBody(bytes: Buffer): boolean {
    // Thousands of pieces of an octet each may come in one turn.
    const isSmall = bytes.length < MIN_APART_BYTES;
    const isChunked = this.#request === 'chunked';
    const written = (): void => freeMemory(bytes);
    this.#socket.cork();
    if (isChunked) this.#socket.write(chunkPrefix(bytes.length), 'latin1');
    let accepted = this.#socket.write(bytes, written);
    if (isChunked) accepted = this.#socket.write(CHUNK_END, 'latin1');
    if (isSmall) process.nextTick(uncork, this.#socket);
    else this.#socket.uncork();
    return accepted;
  }

  /** Trailers are not passed on: a field that comes after the decision could change what was decided (RFC 9110 §6.5.1). */
  endBody(): void {
    // A tunnel has no other end than that of its connection.
    if (this.#upgrade !== null) this.#socket.end();
    if (this.#request === 'chunked') this.#socket.write(LAST_CHUNK, 'latin1');
    this.#request = 'sent';
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  release(nowMs: number): void {
    this.#owner.release(this, nowMs);
  }

  destroy(): void {
    this.#user = null;
    this.#socket.destroy();
  }

  #onRead(count: number): boolean {
    const user = this.#user;
    if (user === null) {
      // Bytes nobody asked for: a second response, or a 408 on an idle connection.
      this.#fail('upstream-reset');
      return false;
    }
    this.#answered = true;
    const buffer = this.#buffer;
    this.#decoder.push(buffer.first(count));
    this.#pump(user);
    if (buffer.isLent) {
      buffer.letGo();
      this.#buffer = this.#buffers.take();
    }
    return !this.#socket.isPaused();
  }

  #onEnd(): void {
    const user = this.#user;
    if (user !== null && !this.#decoder.isComplete) {
      this.#decoder.eof();
      this.#pump(user);
    }
    this.#gone();
  }

  #onClose(): void {
    this.#gone();
    this.#buffer.letGo();
  }

  #gone(): void {
    this.#fail(this.#phase === 'connecting' ? 'upstream-unreachable' : 'upstream-reset');
  }

  #pump(user: UpstreamUser): void {
    try {
      for (let event = this.#decoder.next(); event !== 'need-more'; event = this.#decoder.next()) {
        if (event === 'head') {
          user.upstreamHead(this.#decoder.head, this.#decoder.lines);
        } else if (event === 'data') {
          user.upstreamData(this.#decoder.data, this.#buffer);
        } else {
          this.#user = null;
          // TLS hands over what it had decrypted before it was paused, and the end may be in that.
          this.resume();
          user.upstreamEnd(NO_TRAILERS);
          return;
        }
        if (this.#user !== user) return;
      }
      user.upstreamFlush();
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#fail(this.#answered ? 'upstream-invalid-response' : 'upstream-reset');
    }
  }

  #fail(refusal: Refusal): void {
    const user = this.#user;
    this.#user = null;
    if (this.#phase !== 'closed') {
      this.#phase = 'closed';
      this.#socket.destroy();
      this.#owner.closed(this, refusal);
    }
    user?.upstreamFailed(refusal);
  }
}

function encodeHead(
  { method, target, authority, lines, body, expectsContinue, upgrade }: UpstreamRequest,
  host: RepeatedField,
): string {
  let all = joinLines(host.line(authority), lines);
  if (expectsContinue) all = addField(all, 'expect', '100-continue');
  if (body.kind === 'length') all = addField(all, 'content-length', String(body.bytes));
  else if (body.kind === 'chunked') all = addField(all, 'transfer-encoding', 'chunked');
  if (upgrade !== null) all = addField(addField(all, 'connection', 'upgrade'), 'upgrade', upgrade);
  return encodeRequestHead({ method, target, lines: all });
}

/** All but what is ours to say, and alternative services: they would lead the peer past the proxy (RFC 7838). */
export function isPassedOn(name: string): boolean {
  return name !== 'alt-svc' && !name.startsWith('x-sallyport-');
}

function uncork(socket: Socket): void {
  socket.uncork();
}
