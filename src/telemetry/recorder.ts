// What the data plane reports and to whom: one call for each event, made where the event ends.

import type { Decision } from '../policy/decision.ts';

/** The one refusal that is the peer's own doing: it went away before it had its answer. */
export const PEER_ABORTED = 'peer-aborted';
/** Reason of a request with neither a decision nor a refusal: the peer went away before there was one. */
export const ABANDONED = 'abandoned';

/** Everything said about one request, once, when it is over: answered in full, refused or cut off. */
export interface RequestRecord {
  /** Name of the listener in the configuration. */
  readonly listener: string;
  /** Null when the proxy refused before it decided; such a request counts as denied for the reason `refusal`. */
  readonly decision: Decision | null;
  /**
   * Component the request was routed to, or the listener's only one; null when that was not known yet. Read only when
   * `decision` is null.
   */
  readonly target: string | null;
  /** Why the proxy answered in the upstream's place or cut the answer off, kebab-case from its closed list; null when it did not. */
  readonly refusal: string | null;
  readonly decisionId: string;
  /** The peer's SPIFFE ID; null when it proved none. */
  readonly principal: string | null;
  /** The mTLS peer that carried the token of `principal`; null when they are the same, or there was none. */
  readonly actor: string | null;
  readonly method: string;
  /** As received, without the query. */
  readonly path: string;
  readonly authority: string;
  /** The protocol it asks to switch to, be it let or not. */
  readonly upgrade: string | null;
  /** What the peer was sent; 499 when it went away before that, 0 when it was sent none for another reason. */
  readonly status: number;
  /** As sent to the upstream; empty when there is none. */
  readonly traceparent: string;
  /** NaN when not timed: timing a decision costs about as much as making it. */
  readonly decisionSeconds: number;
  /** Time inside the proxy, without waiting for the upstream or the peer; NaN when not known. */
  readonly overheadSeconds: number;
  readonly durationSeconds: number;
  /** NaN when no upstream was asked. */
  readonly upstreamSeconds: number;
  /** Body bytes received from the peer. */
  readonly requestBytes: number;
  /** Body bytes sent to the peer. */
  readonly responseBytes: number;
}

/** What is read from files and read again when they change. */
export type WatchedMaterial =
  | 'policy'
  | 'identity'
  | 'trust-bundle'
  | 'revocation'
  | 'redis-password'
  | 'redis-ca'
  | 'bundle-endpoint';

export interface Recorder {
  /** Once for each request. Reads `record` before it returns and keeps no reference, so the caller may use one object again. */
  request(record: RequestRecord): void;
  handshake(result: 'accepted' | 'refused', reason: string): void;
  connectionOpened(): void;
  connectionClosed(): void;
  /** A connection the proxy ended for a reason of its own; `connectionClosed` is called for it as well. */
  connectionTerminated(reason: string): void;
  reload(what: WatchedMaterial, result: 'success' | 'failure'): void;
  /** The wall clock was set, or time has passed while the machine was asleep. */
  clockJump(direction: 'forward' | 'backward'): void;
  cacheDisagreement(): void;
  /** Our own program asked for a destination that no route knows, and was refused. */
  newDestination(listener: string): void;
}
