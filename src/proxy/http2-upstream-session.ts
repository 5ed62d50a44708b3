// One HTTP/2 connection to an upstream: carries as many exchanges at a time as the upstream and we allow, and none after its GOAWAY.

import { type ClientHttp2Session, type ClientHttp2Stream, type ClientSessionRequestOptions, connect } from 'node:http2';
import type { Socket } from 'node:net';
import type { HeadLimits } from '../http1/request-head.ts';
import { ResponseFieldsReader } from '../http2/response-fields.ts';
import { TrailerFieldsReader } from '../http2/trailer-fields.ts';
import type { Http2UpstreamStream } from './http2-upstream-stream.ts';
import type { LapseReason } from './lease.ts';
import type { Refusal } from './refusal.ts';
import { isPassedOn } from './upstream-connection.ts';
import type { Dial, DialUser, ServerLease } from './upstream-dial.ts';

export interface Http2Endpoint {
  readonly dial: Dial;
  /** Of requests there: whether what they go over is encrypted. */
  readonly scheme: 'http' | 'https';
}

/** How a session tells its pool what became of it. */
export interface Http2SessionOwner {
  /** The upstream has said hello: it can be used. */
  opened(session: Http2UpstreamSession): void;
  /** An exchange on it is over, or more of them are allowed at a time. */
  roomMade(session: Http2UpstreamSession): void;
  /** Called once, before the exchanges it carried are told; it must not be used from here on. */
  closed(session: Http2UpstreamSession, why: Refusal): void;
}

type Phase = 'connecting' | 'open' | 'draining' | 'closed';

const RESPONSE_LIMITS: HeadLimits = { maxHeadBytes: 64 * 1024, maxFieldCount: 256 };
/** Whatever the upstream allows: each may hold a window of what a slow peer has not taken. */
export const MAX_STREAMS_PER_SESSION = 256;
/**
 * Of one stream: what the upstream may send that its peer has not taken. Of all together: node:http2 gives it back as soon as octets have
 * arrived, so that it bounds what is on the way, and one slow peer does not hold up the others.
 */
const STREAM_WINDOW_BYTES = 256 * 1024;
const SESSION_WINDOW_BYTES = 4 * 1024 * 1024;
const SESSION_OPTIONS = {
  settings: {
    enablePush: false,
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxHeaderListSize: RESPONSE_LIMITS.maxHeadBytes,
  },
  // And :status.
  maxHeaderListPairs: RESPONSE_LIMITS.maxFieldCount + 1,
  maxReservedRemoteStreams: 0,
  /** MiB. What streams may not send yet waits in it, besides the tables of HPACK. */
  maxSessionMemory: 64,
  // Fields that a peer may repeat have passed the policy, and are passed on.
  strictSingleValueFields: false,
};
/** Of streams that a client opens. */
const LAST_STREAM_ID = 2 ** 31 - 1;
/** node:http2 answers each; more between two sweeps, a quarter of a second, is a flood. */
const MAX_CONTROL_FRAMES = 1_000;
/**
 * A session on which exchanges are quiet is asked whether it lives, and has that long to say so. Servers of gRPC take more than one question
 * in five minutes for abuse, unless they have sent something in between.
 */
const QUIET_MS = 330_000;
const PING_ANSWER_MS = 20_000;
const TCP_KEEP_ALIVE_MS = 30_000;

export class Http2UpstreamSession implements DialUser {
  readonly scheme: 'http' | 'https';
  readonly headReader = new ResponseFieldsReader(RESPONSE_LIMITS, isPassedOn);
  readonly trailerReader = new TrailerFieldsReader('response', RESPONSE_LIMITS, isPassedOn);
  readonly #owner: Http2SessionOwner;
  readonly #socket: Socket;
  #session: ClientHttp2Session | null = null;
  /** Null where the upstream has nothing to prove. */
  #lease: ServerLease | null = null;
  #phase: Phase = 'connecting';
  /** Why it will have ended, if it ends now. */
  #why: Refusal = 'upstream-unreachable';
  readonly #streams = new Set<Http2UpstreamStream>();
  #maxStreams = 0;
  /** Those above have not been seen by an upstream that is going away. */
  #lastStreamId = Number.POSITIVE_INFINITY;
  #hasAnswered = false;
  #controlFrames = 0;
  #heard = false;
  #heardMs = 0;
  #pingedMs: number | null = null;
  /** Monotonic ms; set by the pool: when it was asked for, later when its last exchange ended. */
  sinceMs = 0;

  constructor({ dial, scheme }: Http2Endpoint, owner: Http2SessionOwner) {
    this.#owner = owner;
    this.scheme = scheme;
    this.#socket = dial(this, null);
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => this.#onSocketClose());
  }

  dialled(lease: ServerLease | null): void {
    this.#lease = lease;
    this.#socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    this.#why = 'upstream-reset';
    const session = connect('http://upstream', { ...SESSION_OPTIONS, createConnection: () => this.#socket });
    this.#session = session;
    session.on('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
    session.on('remoteSettings', ({ maxConcurrentStreams }) => this.#onSettings(maxConcurrentStreams));
    session.on('ping', () => this.#onControlFrame());
    session.on('goaway', (_code, lastStreamId) => this.#onGoaway(lastStreamId));
    session.on('error', (error) => {
      if (isViolation(error)) this.#why = 'upstream-invalid-response';
    });
    session.on('close', () => this.#gone());
  }

  dialRefused(refusal: Refusal): void {
    this.#why = refusal;
    this.#gone();
  }

  lapse(): LapseReason | null {
    return this.#lease === null ? null : this.#lease.lapse();
  }

  /** Whether exchanges may begin on it, now or when others have ended. */
  get isUsable(): boolean {
    if (this.#phase !== 'open' || this.isGone) return false;
    return this.#lease === null || (this.#lease.lapse() === null && !this.#lease.endsSoon);
  }

  get hasRoom(): boolean {
    return this.#streams.size < this.#maxStreams && this.isUsable;
  }

  get isIdle(): boolean {
    return this.#phase === 'open' && this.#streams.size === 0;
  }

  /** Whether it has ended, and not only an exchange on it; that is known before it is told. */
  get isGone(): boolean {
    return this.#phase === 'closed' || this.#session === null || this.#session.destroyed || this.#socket.destroyed;
  }

  /** What exchanges are told whose end is that of the session. */
  get why(): Refusal {
    return this.#why;
  }

  /** Whether it has carried an exchange to its answer. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Whether the upstream has said that it will not have looked at that stream (RFC 9113 §6.8). */
  hasDisowned(streamId: number | undefined): boolean {
    return streamId !== undefined && streamId > this.#lastStreamId;
  }

  open(
    stream: Http2UpstreamStream,
    fields: readonly string[],
    options: ClientSessionRequestOptions,
  ): ClientHttp2Stream {
    if (this.#session === null) throw new TypeError('the session is not open');
    this.#streams.add(stream);
    const opened = this.#session.request(fields, options);
    // Another would have no number, and there is none that is used twice (RFC 9113 §5.1.1).
    if ((opened.id ?? 0) >= LAST_STREAM_ID) this.drain();
    return opened;
  }

  /** Something came back on one of its streams. */
  heard(): void {
    this.#heard = true;
    this.#hasAnswered = true;
  }

  /** `stream` is over, on our side at least. */
  ended(stream: Http2UpstreamStream): void {
    if (this.#streams.delete(stream) && this.#phase !== 'closed') this.#owner.roomMade(this);
  }

  /** Takes no more exchanges, and ends with the last of those it has. */
  drain(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'draining';
    this.#session?.close();
  }

  /** Ends it and all that it carries. */
  destroy(why: Refusal): void {
    this.#why = why;
    this.#gone();
  }

  sweep(nowMs: number): void {
    if (this.#phase === 'open' && !this.isUsable) this.drain();
    this.#controlFrames = 0;
    if (this.#heard || this.#streams.size === 0) {
      this.#heard = false;
      this.#heardMs = nowMs;
      this.#pingedMs = null;
    } else if (this.#pingedMs !== null) {
      if (nowMs - this.#pingedMs >= PING_ANSWER_MS) this.destroy('upstream-timeout');
    } else if (nowMs - this.#heardMs >= QUIET_MS && !this.isGone) {
      this.#pingedMs = nowMs;
      this.#session?.ping(() => {
        this.#heard = true;
      });
    }
  }

  #onSettings(maxConcurrentStreams: number | undefined): void {
    this.#onControlFrame();
    this.#maxStreams = Math.min(maxConcurrentStreams ?? MAX_STREAMS_PER_SESSION, MAX_STREAMS_PER_SESSION);
    if (this.#phase === 'open') return this.#owner.roomMade(this);
    if (this.#phase !== 'connecting') return;
    this.#phase = 'open';
    this.#owner.opened(this);
  }

  #onControlFrame(): void {
    this.#controlFrames += 1;
    if (this.#controlFrames > MAX_CONTROL_FRAMES) this.destroy('upstream-invalid-response');
  }

  #onGoaway(lastStreamId: number): void {
    this.#lastStreamId = lastStreamId;
    if (this.#phase === 'open') this.#phase = 'draining';
  }

  /** What has arrived whole is still to be read: the session ends when it has been. */
  #onSocketClose(): void {
    if (this.#session === null) this.#gone();
    else if (this.#phase === 'open') this.#phase = 'draining';
  }

  #gone(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#session?.destroy();
    this.#socket.destroy();
    this.#owner.closed(this, this.#why);
    for (const stream of this.#streams) stream.sessionGone();
    this.#streams.clear();
  }
}

/** Of the protocol by the upstream, as opposed to a connection that broke and to a GOAWAY. */
export function isViolation(error: Error | null): boolean {
  return error !== null && 'code' in error && error.code === 'ERR_HTTP2_ERROR';
}
