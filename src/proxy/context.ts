// What every connection of one listener works with, handed in by whoever composes the program.

import type { Clock } from '../core/clock.ts';
import type { EveryNth } from '../core/every-nth.ts';
import type { Decision } from '../policy/decision.ts';
import type { AuthzRequest } from '../policy/decide.ts';
import type { CachePartition } from '../policy/decision-cache.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { IdentityFieldFilter } from './identity-fields.ts';
import type { RouteTable } from './route.ts';
import type { DecisionIds } from './trace-context.ts';

/** Bounds on what peers may use of one listener. */
export interface ListenerLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerPrincipal: number;
  readonly handshakeTimeoutMs: number;
  readonly maxHeadBytes: number;
  readonly maxFieldCount: number;
  readonly headTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** 0 is no minimum. */
  readonly minBodyBytesPerSecond: number;
  /** How long a request body may be slower than that. */
  readonly bodyGraceMs: number;
  /** 0 is no maximum. */
  readonly maxBodyBytes: number;
  /** Requests that may be waiting behind one another in what one read brought. */
  readonly maxPipelinedRequests: number;
  readonly maxConnectionAgeMs: number;
}

export interface UpstreamDeadlines {
  /** From the last byte of the request to the first of the response. */
  readonly responseHeadTimeoutMs: number;
  /** How long a body may stand still in either direction. */
  readonly bodyIdleTimeoutMs: number;
}

/** The one decide, as the data plane sees it. */
export interface Authorizer {
  admit(svid: X509Svid, trustEpoch: number): CachePartition;
  decide(partition: CachePartition, request: AuthzRequest): Decision;
}

export interface ListenerContext {
  readonly name: string;
  /** The one component behind this listener, or null when the routes name several. */
  readonly component: string | null;
  readonly routes: RouteTable;
  readonly limits: ListenerLimits;
  readonly deadlines: UpstreamDeadlines;
  readonly clock: Clock;
  readonly authorizer: Authorizer;
  readonly recorder: Recorder;
  /** Which decisions are timed: timing one costs about as much as making it. */
  readonly timedDecisions: EveryNth;
  readonly decisionIds: DecisionIds;
  readonly identityFields: IdentityFieldFilter;
}
