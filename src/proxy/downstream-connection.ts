// A connection as its session and its listener watch over it, whatever protocol it speaks.

import type { RequestHead } from '../http1/request-head.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { ExchangePeer } from './downstream.ts';
import type { LapseReason } from './lease.ts';
import type { Refusal, Termination } from './refusal.ts';

/** Who asks in one request; `termination`, when the connection ends with the refusal, is why. */
export type Identification =
  | { readonly kind: 'peer'; readonly peer: ExchangePeer }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly termination: Termination | null };

/** What a connection asks of its session. */
export interface ConnectionOwner {
  /** Of the connection itself, whatever its requests carry. */
  readonly principal: SpiffeId | null;
  /** Before each request: continuous verification of the connection, and of what the request brings. */
  identify(head: RequestHead): Identification;
  /** What the connection will lapse for in a moment, or null. */
  readonly endsSoon: LapseReason | null;
  readonly isDraining: boolean;
}

export interface DownstreamConnection {
  /** Whether a request is in flight. */
  readonly hasExchange: boolean;
  /** Policy has changed: decides what is in flight again. */
  redecide(): void;
  /** What requests in flight were admitted on, looked at again. */
  recheck(): void;
  /** What the connection was admitted on has lapsed: nothing more is taken, and requests in flight have what their terms grant. */
  lapsed(reason: LapseReason): void;
  /** Ends everything at once. */
  terminate(termination: Termination): void;
  /** Enforces deadlines; called a few times a second. */
  sweep(nowMs: number, elapsedMs: number): void;
}
