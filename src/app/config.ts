// The configuration file as the program uses it: every default applied, every path absolute, every rule checked.

import type { SourcePosition } from '../core/source-position.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TcpAddress, UnixAddress, Upstream } from './config-values.ts';

export interface Config {
  readonly trustDomain: TrustDomain;
  readonly identity: IdentityConfig;
  readonly policy: PolicyConfig;
  /** At least one. */
  readonly listeners: readonly ListenerConfig[];
  /** Null when the file says `admin: none`. */
  readonly admin: AdminConfig | null;
  readonly probes: ProbesConfig | null;
  readonly decisionLog: DecisionLogConfig;
  readonly log: LogConfig;
  readonly cache: CacheConfig;
  readonly drain: DrainConfig;
  readonly upstream: UpstreamConfig;
  /** What every listener starts from; a listener's own `limits` are already merged. */
  readonly limits: Limits;
}

export interface IdentityConfig {
  readonly files: IdentityFilesConfig;
}

/** Absolute paths of PEM files. */
export interface IdentityFilesConfig {
  readonly certificate: string;
  readonly privateKey: string;
  /** Has an entry for the configuration's own trust domain. */
  readonly trustBundles: ReadonlyMap<TrustDomain, string>;
}

export interface PolicyConfig {
  /** Absolute path of a policy directory or file. */
  readonly path: string;
  readonly mode: 'enforce' | 'shadow';
}

export interface ListenerConfig {
  readonly name: string;
  readonly bind: TcpAddress;
  /** The component served when there are no `routes:`; null when the routes name theirs. */
  readonly component: string | null;
  /** Never empty; the first route that matches wins, and none is unreachable. Without `routes:` one route that matches everything. */
  readonly routes: readonly RouteConfig[];
  readonly limits: Limits;
}

export interface RouteConfig {
  /** Exact host in lower case without port (IPv6 without brackets), or null for every host. */
  readonly host: string | null;
  /** `/a/b` matches itself and what is below it; unreserved characters and `/` only, no trailing slash; null for every path. */
  readonly pathPrefix: string | null;
  readonly component: string;
  readonly upstream: Upstream;
  /** Where the configuration names the component. */
  readonly position: SourcePosition;
}

export interface AdminConfig {
  readonly bind: TcpAddress | UnixAddress;
}

export interface ProbesConfig {
  readonly bind: TcpAddress;
}

export interface DecisionLogConfig {
  /** Which allowed requests are logged after the first of each principal, target and verb; a number is the sampled share. */
  readonly allow: 'all' | 'none' | number;
  readonly queueEntries: number;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface LogConfig {
  readonly level: LogLevel;
}

export interface CacheConfig {
  readonly maxEntries: number;
  readonly maxEntriesPerPrincipal: number;
  /** Every how many hits a decision is made again and compared; 0 is never. */
  readonly verifyEvery: number;
}

export interface DrainConfig {
  readonly timeoutMs: number;
}

/** Bounds and deadlines towards one upstream address. */
export interface UpstreamConfig {
  readonly connectTimeoutMs: number;
  readonly responseHeadTimeoutMs: number;
  /** How long a pooled connection is kept without a request. */
  readonly idleTimeoutMs: number;
  /** How long a response body may stand still. */
  readonly bodyIdleTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxIdleConnections: number;
  readonly maxPending: number;
  /** Consecutive failures after which the upstream is left alone for `ejectMs`. */
  readonly failuresToEject: number;
  readonly ejectMs: number;
}

/** Bounds on what peers may use of one listener. */
export interface Limits {
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
  readonly maxPipelinedRequests: number;
  readonly maxConnectionAgeMs: number;
}
