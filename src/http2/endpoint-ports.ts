// What one end of an HTTP/2 connection (endpoint.ts) and whoever uses it say to each other. No sockets, clocks or timers (RFC 9113).

import { type NeverIndexed, NONE_NEVER_INDEXED } from '../http1/never-indexed.ts';
import type { ErrorCode } from './frame.ts';

/** Flat name, value, name, value …, in the order in which they came, one character of latin1 for each octet. */
export interface RawFields extends ReadonlyArray<string> {
  /** Of those that were, or are to be, literals never indexed; without it there are none. */
  readonly neverIndexed?: NeverIndexed;
}

export function neverIndexedOf({ neverIndexed }: RawFields): NeverIndexed {
  return neverIndexed === undefined ? NONE_NEVER_INDEXED : neverIndexed;
}

/** The same array, which says so from now on. */
export function withNeverIndexed(fields: string[], neverIndexed: NeverIndexed): RawFields {
  return neverIndexed.length === 0 ? fields : Object.assign(fields, { neverIndexed });
}

/** `too-large`: more than was announced (RFC 9113 §10.5.1). They have been read, so that the tables stay in step, and are gone. */
export type ReceivedFields = RawFields | 'too-large';

export interface EndpointLimits {
  /** Streams that the other end may have open at a time; a client, which takes no pushes, has 0. */
  readonly maxConcurrentStreams: number;
  /** Of one section, counted as RFC 9113 §6.5.2 does: 32 for each field besides its octets. */
  readonly maxFieldSectionBytes: number;
  readonly maxFieldCount: number;
  /** What the other end may send on one stream that has not been taken; as much is kept for a stream that is paused. */
  readonly streamWindowBytes: number;
  /** On all streams together; given back when it arrives, so that one slow stream holds up no other. */
  readonly connectionWindowBytes: number;
  /** Of a server: RFC 8441 §3. */
  readonly enableConnectProtocol: boolean;
}

/** Of the other end, as its SETTINGS have it or as they are before it has said anything. */
export interface PeerSettings {
  readonly maxConcurrentStreams: number;
  readonly enableConnectProtocol: boolean;
}

/** `flood`: nothing it sent was wrong, but too much of it. */
export interface Violation {
  readonly kind: 'protocol' | 'flood';
  readonly code: ErrorCode;
}

/** What became of a stream that did not come to its end. */
export type StreamReset =
  /** By the other end. */
  | { readonly kind: 'peer'; readonly code: number }
  /** By us, for what the other end sent on it. */
  | { readonly kind: 'violation'; readonly code: ErrorCode }
  /** By its GOAWAY: it has not looked at the stream (RFC 9113 §6.8). */
  | { readonly kind: 'disowned' }
  /** The connection is over. */
  | { readonly kind: 'connection' };

/**
 * Told while `receive`, `flush`, `drained`, `fail` or `disconnected` of the endpoint run, `outputWaits` also while something is sent; may
 * call anything but `receive`. None may throw.
 */
export interface EndpointOwner {
  /** With every SETTINGS of the other end, the first of which is its part of the preface. */
  settings(settings: PeerSettings): void;
  /** Of a server: a request. The stream is paused. @returns null for REFUSED_STREAM. */
  streamOpened(stream: Http2Channel, fields: ReceivedFields, endsStream: boolean): StreamUser | null;
  /** Of a server: a stream that the other end began and that never came to `streamOpened`: over the limit, malformed, already reset. */
  streamBroken(): void;
  /** What costs us something and moves nothing: PING, SETTINGS, empty DATA, PRIORITY, frames of unknown types and of closed streams. */
  idleFrame(): void;
  /** An answer to `ping`. */
  pong(): void;
  /** Before the streams above `lastStreamId` are. */
  goaway(code: number, lastStreamId: number): void;
  /** The other end broke the protocol: nothing more is read; streams have been told. A GOAWAY is in the output. */
  failed(violation: Violation): void;
  /** There is something to be flushed, told once until it has been. */
  outputWaits(): void;
}

/**
 * Who uses one stream. Nothing is told after `closed`. Told as an owner is, and before `resume` (what was kept) and `reset` (`closed`) of the
 * channel return.
 */
export interface StreamUser {
  /** Of a client: an interim or the final head of the response. */
  headers(fields: ReceivedFields, endsStream: boolean): void;
  /** Followed by `ended`. */
  trailers(fields: ReceivedFields): void;
  /** Not while paused; never nothing, which in HTTP/1.1 is the end of a body in chunks. `bytes` may be overwritten when this has returned, unless they were kept: those are the user's from now on. */
  data(bytes: Buffer): void;
  /**
   * END_STREAM, after all that came before it, also of a head that ended the stream; not while paused, so that a server which has sent all of
   * its answer by then is told `closed` alone.
   */
  ended(): void;
  /** `isCongested` is false again. */
  drained(): void;
  /** All that was to be sent, with its end, has been handed to the output. */
  sent(): void;
  /**
   * It is over before its end; what is kept is dropped. Of a client there are two exceptions. A response whose END_STREAM has come stays whole,
   * whatever the other end or the connection does after it: what is kept, `ended` and `closed` follow when it is resumed. And a reset by
   * NO_ERROR of the other end is told after what came before it, not while paused: servers send it in the place of END_STREAM.
   */
  reset(why: StreamReset): void;
  /**
   * Last of all, once: both halves have ended, or it was reset by either side. A request that was answered while it was paused, and of which
   * nothing but its end is kept, is over without `ended`.
   */
  closed(): void;
}

/** Octets that will be overwritten unless somebody holds on to them. */
export interface Lender {
  /** Keeps them as they are until the returned function is called, once. */
  hold(): () => void;
}

/** One stream, for whoever uses it. After its end or its reset, calls are without effect. */
export interface Http2Channel {
  readonly id: number;
  /** Whether something can be sent still. */
  readonly canSend: boolean;
  /** Whether it is over, by END_STREAM of both ends or by a reset. */
  readonly isClosed: boolean;
  /** More waits to be sent than should; `drained` is told. */
  readonly isCongested: boolean;
  /** Waiting for the window of the other end, or for the connection to take more. */
  readonly unsentBytes: number;
  /** An interim head, then a final one or the trailers' place taken by `sendEnd`. */
  sendHeaders(fields: RawFields, endsStream: boolean): void;
  /** Copies or holds `bytes` where it cannot send them at once; without a lender they are its own from now on. */
  sendData(bytes: Buffer, lender: Lender | null): void;
  /** END_STREAM, with trailers unless there are none. */
  sendEnd(trailers: RawFields): void;
  /** RST_STREAM; what has not been sent is dropped. The user is told `closed`, not `reset`. */
  reset(code: ErrorCode): void;
  /** Until `resume`, what comes is kept, which the window bounds. */
  pause(): void;
  resume(): void;
}

/** Where an endpoint writes to. */
export interface EndpointOutput {
  /** In order. `written` is called when `bytes` are no longer needed. @returns false when no more DATA should follow until `drained`. */
  write(bytes: Buffer, written: (() => void) | null): boolean;
}

/** What `endpoint.ts` offers. */
export interface Endpoint {
  /** `bytes` may be overwritten when this has returned. @returns how many frames have begun in them. */
  receive(bytes: Buffer): number;
  /** Of a client. @returns null when the connection takes no more streams: after a GOAWAY of either side, or without a number left. */
  open(fields: RawFields, endsStream: boolean, user: StreamUser): Http2Channel | null;
  /** Writes all that waits, as far as windows and the output allow. */
  flush(output: EndpointOutput): void;
  /** The output takes more. */
  drained(): void;
  ping(): void;
  /** A first GOAWAY that names no stream: the other end should open no more (RFC 9113 §6.8). */
  notice(): void;
  /** GOAWAY with the last stream that was opened; those that come after it are ignored. */
  close(): void;
  /** GOAWAY with `code`; every stream is told that the connection is over, and nothing more is read. */
  fail(code: ErrorCode): void;
  /** The transport is gone: every stream is told. Nothing is written any more. */
  disconnected(): void;
  readonly streamCount: number;
  /** What has come in part, a block of fields or a frame that is no DATA, by a number that nothing else has; null for nothing. */
  readonly unfinished: number | null;
}
