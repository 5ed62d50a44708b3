// The served service as an exchange sees it, whatever protocol carries its requests there.

import type { FieldLines } from '../http1/field-lines.ts';
import type { NeverIndexed } from '../http1/never-indexed.ts';
import type { BodyFraming } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Trailers } from '../http1/trailers.ts';
import type { LapseReason } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';

/** A request as the upstream is to see it. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly target: string;
  /** `host[:port]`, for Host or `:authority`. */
  readonly authority: string;
  /** All other fields but those that frame the body. */
  readonly lines: FieldLines;
  readonly body: BodyFraming;
  /** The body is held back until the upstream asks for it. */
  readonly expectsContinue: boolean;
  /** The protocol that the peer may switch to: on 101, what follows in both directions is of that protocol. */
  readonly upgrade: string | null;
  readonly neverIndexed: NeverIndexed;
}

/** What an exchange hears from the upstream that carries it. */
export interface UpstreamUser {
  /** `lines`: its fields without what is ours to say. */
  upstreamHead(head: ResponseHead, lines: FieldLines): void;
  /** The bytes are overwritten after this has returned, unless `loan` is held. */
  upstreamData(bytes: Buffer, loan: Loan): void;
  upstreamEnd(trailers: Trailers): void;
  /** What one read from the upstream brought has been handed over, and it was not the end. */
  upstreamFlush(): void;
  upstreamFailed(refusal: Refusal): void;
  upstreamDrained(): void;
}

/** Someone who was told to wait; called back once, unless it cancels. */
export interface UpstreamWaiter {
  /** @returns false when it does not want it any more, and has not used it. */
  upstreamReady(stream: UpstreamStream): boolean;
  upstreamRefused(refusal: Refusal): void;
}

/** What carries one exchange at a time: a connection, or a stream of one. */
export interface UpstreamStream {
  /** True when what it stands on has carried an exchange before and nothing came back for this one: the upstream may never have seen it. */
  readonly mayHaveDiedIdle: boolean;
  /** The upstream has said that it has not looked at this one, and nothing of it has come back. */
  readonly isUnprocessed: boolean;
  /** What its server proved itself by and does so no longer; asked as often as the peer's own lease. Null where it has nothing to prove. */
  lapse(): LapseReason | null;
  begin(user: UpstreamUser, request: UpstreamRequest): void;
  /** Takes `bytes` over: they are gone once they have been sent. @returns false when the caller should wait for upstreamDrained(). */
  writeBody(bytes: Buffer): boolean;
  endBody(trailers: Trailers): void;
  /** Stops reading from the upstream: the peer is slower than it. Only from upstreamFlush(), so that none ends while paused. */
  pause(): void;
  resume(): void;
  /** The exchange is over on both sides; what it stood on may serve another. */
  release(nowMs: number): void;
  /** Ends it without a word to the exchange it carries. */
  destroy(): void;
}

/** Where a route leads. */
export interface Upstream {
  /** One that can be used at once, or null. */
  takeIdle(): UpstreamStream | null;
  /** Calls the waiter back with a stream, or refuses it, perhaps before this returns. */
  acquire(waiter: UpstreamWaiter): void;
  /** The waiter no longer wants one. */
  cancel(waiter: UpstreamWaiter): void;
  /** Enforces the deadlines that no request watches; called a few times a second. */
  sweep(nowMs: number): void;
  /** For when no listener uses it any more. */
  close(): void;
}
