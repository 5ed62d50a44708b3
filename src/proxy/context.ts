// What every connection of one listener works with, handed in by whoever composes the program.

import type { Clock } from '../core/clock.ts';
import type { EveryNth } from '../core/every-nth.ts';
import type { Snapshot, SnapshotView } from '../core/snapshot.ts';
import type { Decision } from '../policy/decision.ts';
import type { AuthzRequest } from '../policy/decide.ts';
import type { AdmittedLeaf, CachePartition } from '../policy/decision-cache.ts';
import type { Revocations } from '../revocation/revocations.ts';
import type { JwtSvid } from '../spiffe/jwt-svid.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { VerifiedSvids } from '../spiffe/verified-svids.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { IdentityFieldFilter } from './identity-fields.ts';
import type { LeaseTerms } from './lease.ts';
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
  /** How long nothing may move in either direction of a tunnel, be it one of HTTP or a TCP connection. */
  readonly tunnelIdleTimeoutMs: number;
  /** 0 is no minimum. */
  readonly minBodyBytesPerSecond: number;
  /** How long a request body may be slower than that. */
  readonly bodyGraceMs: number;
  /** 0 is no maximum. */
  readonly maxBodyBytes: number;
  /** Requests that may be waiting behind one another in what one read brought. */
  readonly maxPipelinedRequests: number;
  /** Of one HTTP/2 connection. */
  readonly maxConcurrentStreams: number;
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
  admit(leaf: AdmittedLeaf, trustEpoch: number): CachePartition;
  decide(partition: CachePartition, request: AuthzRequest): Decision;
}

/** What peers are admitted on, as it is now. */
export interface AdmissionSources {
  readonly clock: Clock;
  /** Null while we have none that we may use. */
  readonly identity: SnapshotView<OwnIdentity | null>;
  readonly trust: SnapshotView<TrustBundles>;
  readonly revocations: SnapshotView<Revocations>;
  readonly verified: VerifiedSvids;
}

export interface TokenVerifier {
  /** @throws {JwtSvidError} */
  verify(token: string, trust: Snapshot<TrustBundles>, nowMs: number): JwtSvid;
}

/** Who may ask on a listener, and by what they prove who they are. */
export interface Authentication {
  /** False: no certificate is asked of the peer. */
  readonly x509: boolean;
  /** Null: a bearer token is none of our business. */
  readonly tokens: TokenTerms | null;
}

export interface TokenTerms {
  readonly verifier: TokenVerifier;
  /** Whether the connection of mTLS peer `peer` may carry a token of another, `subject`. */
  mayCarry(peer: SpiffeId, subject: SpiffeId): boolean;
}

/** Where our own program goes out. */
export interface EgressTerms {
  /** It asked for a destination that no route knows. */
  unrouted(principal: SpiffeId, authority: string): void;
}

export interface ListenerContext {
  readonly name: string;
  /** The one component behind this listener, or null when the routes name several. */
  readonly component: string | null;
  readonly routes: RouteTable;
  readonly limits: ListenerLimits;
  readonly deadlines: UpstreamDeadlines;
  readonly leases: LeaseTerms;
  readonly clock: Clock;
  readonly authorizer: Authorizer;
  readonly recorder: Recorder;
  /** Which decisions are timed: timing one costs about as much as making it. */
  readonly timedDecisions: EveryNth;
  readonly decisionIds: DecisionIds;
  readonly identityFields: IdentityFieldFilter;
  /** Null where peers come in. */
  readonly egress: EgressTerms | null;
}
