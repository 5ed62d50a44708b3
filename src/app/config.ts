// The configuration file as the program uses it: every default applied, every path absolute, every rule checked.

import { dirname, resolve } from 'node:path';
import type { Problem, SourcePosition } from '../core/source-position.ts';
import type { ListenerLimits, UpstreamDeadlines } from '../proxy/context.ts';
import type { LeaseTerms } from '../proxy/lease.ts';
import type { UpstreamPoolOptions } from '../proxy/upstream-pool.ts';
import { type IdPattern, parseIdPattern } from '../spiffe/id-pattern.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { LogLevel } from '../telemetry/logger.ts';
import { DocumentError, positionAt, readYaml, toPlain, withoutEchoes, type YamlNode } from '../yaml/located.ts';
import { type AuthenticateConfig, toAuthenticateConfig, toLeaseTerms } from './config-admission.ts';
import { type AuthorizationServiceConfig, toAuthorizationConfig } from './config-authorization.ts';
import type { Path, RuleSource } from './config-conflict.ts';
import { parseDocument } from './config-document.ts';
import { type IdentityConfig, toIdentityConfig } from './config-identity.ts';
import { type Origin, resolveAddress } from './config-origin.ts';
import { type ConfigPositions, findPositions } from './config-positions.ts';
import { findNode, toProblems } from './config-problems.ts';
import { type RevocationConfig, toRevocationConfig } from './config-revocation.ts';
import { findConflicts } from './config-rules.ts';
import { LIMIT_DEFAULTS, PART_DEFAULTS, type ConfigDocument, type LimitsDocument } from './config-schema.ts';
import { toTrustConfig, type TrustConfig } from './config-trust.ts';
import type { Upstream } from './config-upstreams.ts';
import type { TcpAddress, UnixAddress } from './config-values.ts';

export interface Config {
  readonly trustDomain: TrustDomain;
  readonly identity: IdentityConfig;
  readonly trust: TrustConfig;
  readonly revocation: RevocationConfig;
  readonly policy: PolicyConfig;
  /** Processes that serve; with 1 the one there is. */
  readonly workers: number;
  /** At least one, or else at least one of `authorization`. */
  readonly listeners: readonly ListenerConfig[];
  readonly authorization: readonly AuthorizationServiceConfig[];
  /** Null when the file says `admin: none`. */
  readonly admin: AdminConfig | null;
  readonly probes: ProbesConfig | null;
  readonly decisionLog: DecisionLogConfig;
  readonly log: LogConfig;
  readonly cache: CacheConfig;
  readonly drain: DrainConfig;
  readonly upstream: UpstreamConfig;
  /** What every listener starts from; a listener's own `limits` are already merged. */
  readonly limits: ListenerLimits;
  /** What every listener starts from; a listener's own `leases` are already merged. */
  readonly leases: LeaseTerms;
  readonly positions: ConfigPositions;
}

interface PolicyConfig {
  /** Absolute path of a policy directory or file. */
  readonly path: string;
  readonly mode: 'enforce' | 'shadow';
}

export interface ListenerConfig {
  readonly name: string;
  /** A Unix socket only where it lets the own program out. */
  readonly bind: TcpAddress | UnixAddress;
  /** Where the configuration gives the address. */
  readonly position: SourcePosition;
  readonly mode: ListenerMode;
  /** Who may open a Unix socket. */
  readonly openTo: 'owner' | 'group';
  /** The component served when there are no `routes:`; null when the routes name theirs. */
  readonly component: string | null;
  /** Never empty; the first one that matches wins, and every one can. Without `routes:` one route that matches everything. */
  readonly routes: readonly RouteConfig[];
  readonly authenticate: AuthenticateConfig;
  /** Whether a TCP upstream is told who connects, by a header before anything else. */
  readonly proxyProtocol: 'v2' | null;
  /** Whether peers are offered HTTP/2. */
  readonly http2: boolean;
  readonly limits: ListenerLimits;
  readonly leases: LeaseTerms;
}

/** `http` and `tcp` let peers in, `egress` and `tcp-egress` the own program out. */
export type ListenerMode = 'http' | 'egress' | 'tcp' | 'tcp-egress';

/** Whether what is carried there is not looked at. */
export function isOverTcp(mode: ListenerMode): boolean {
  return mode === 'tcp' || mode === 'tcp-egress';
}

/** Whether it lets the own program out, and asks nobody who they are. */
export function isEgress(mode: ListenerMode): boolean {
  return mode === 'egress' || mode === 'tcp-egress';
}

export interface RouteConfig {
  /** Exact host in lower case without port, IPv6 without brackets; null for every host. */
  readonly host: string | null;
  /** Of the authority asked for; null for every port. */
  readonly port: number | null;
  /** `/a/b` matches itself and what is below it; unreserved characters and `/` only, no trailing slash; null for every path. */
  readonly pathPrefix: string | null;
  readonly component: string;
  readonly upstream: Upstream;
  /** Where the upstream is reached by mTLS, at least one, which its SVID has to match; otherwise none. */
  readonly serverIds: readonly IdPattern[];
  /** Where the configuration names the component. */
  readonly position: SourcePosition;
}

interface AdminConfig {
  readonly bind: TcpAddress | UnixAddress;
  /** Where the configuration gives the address. */
  readonly position: SourcePosition;
}

interface ProbesConfig {
  readonly bind: TcpAddress;
  /** Where the configuration gives the address. */
  readonly position: SourcePosition;
}

interface DecisionLogConfig {
  /** Which allowed requests are logged after the first of each principal, target and verb; a number is the sampled share. */
  readonly allow: 'all' | 'none' | number;
  readonly queueEntries: number;
}

interface LogConfig {
  readonly level: LogLevel;
}

interface CacheConfig {
  readonly maxEntries: number;
  readonly maxEntriesPerPrincipal: number;
  /** Every how many hits a decision is made again and compared; 0 is never. */
  readonly verifyEvery: number;
}

interface DrainConfig {
  readonly timeoutMs: number;
}

/** Bounds and deadlines towards one upstream address. */
type UpstreamConfig = UpstreamPoolOptions & UpstreamDeadlines;

/**
 * Reads a configuration file. Relative paths in it begin at the directory of `file`.
 * @throws {DocumentError} with everything that is wrong with it.
 */
export function parseConfig(bytes: Uint8Array, file: string): Config {
  const { root, problems: refused } = readYaml(bytes, file);
  const directory = dirname(resolve(file));
  const parsed = parseDocument(toPlain(root));
  const source: RuleSource = { directory, locate: (path) => locate(root, path) };
  const problems = withoutEchoes([
    ...refused,
    ...toProblems(parsed.issues, root),
    ...findConflicts(parsed.sound, source).map(({ code, path, message }) => ({
      code,
      message,
      position: positionAt(root, path),
    })),
  ]);
  if (parsed.document === null || problems.length > 0) throw new DocumentError(problems.toSorted(byPosition));
  return toConfig(parsed.document, { directory, root, trustDomain: parsed.document.trustDomain });
}

function locate(root: YamlNode, path: Path): string {
  return findNode(root, path) === null ? 'by default' : `on line ${positionAt(root, path).line}`;
}

function byPosition(a: Problem, b: Problem): number {
  return a.position.line - b.position.line || a.position.column - b.position.column;
}

function toConfig(document: ConfigDocument, origin: Origin): Config {
  const { trustDomain, policy, workers, admin, probes, decisionLog, log, cache, drain } = document;
  const { directory, root } = origin;
  return {
    trustDomain,
    identity: toIdentityConfig(document.identity, origin),
    trust: toTrustConfig(document.trust, origin),
    revocation: toRevocationConfig(document.revocation, origin),
    policy: { path: resolve(directory, policy.path), mode: policy.mode },
    workers,
    listeners: document.listeners.map((listener, at) => ({
      name: listener.name,
      bind: resolveAddress(origin, listener.bind),
      position: positionAt(root, ['listeners', at, 'bind']),
      mode: listener.mode,
      openTo: listener.openTo ?? 'owner',
      component: listener.component ?? null,
      routes: toRoutes(listener, ['listeners', at], origin),
      authenticate: toAuthenticateConfig(listener, origin),
      proxyProtocol: listener.proxyProtocol ?? null,
      http2: listener.http2 ?? listener.mode === 'http',
      limits: toLimits({ ...document.limits, ...listener.limits }),
      leases: toLeaseTerms({ ...document.leases, ...listener.leases }),
    })),
    authorization: toAuthorizationConfig(document.authorization, origin),
    admin:
      admin.bind === null
        ? null
        : { bind: resolveAddress(origin, admin.bind), position: positionAt(root, ['admin', 'bind']) },
    probes: probes === undefined ? null : { ...probes, position: positionAt(root, ['probes', 'bind']) },
    decisionLog,
    log,
    cache: {
      ...cache,
      maxEntriesPerPrincipal:
        cache.maxEntriesPerPrincipal ?? Math.min(PART_DEFAULTS.cacheEntriesPerPrincipal, cache.maxEntries),
    },
    drain: { timeoutMs: drain.timeout },
    upstream: toUpstreamConfig(document.upstream),
    limits: toLimits(document.limits),
    leases: toLeaseTerms(document.leases),
    positions: findPositions(document, origin),
  };
}

type ListenerDocument = ConfigDocument['listeners'][number];

function toRoutes(listener: ListenerDocument, path: Path, origin: Origin): readonly RouteConfig[] {
  const { root } = origin;
  const { component, upstream, serverId, routes } = listener;
  if (routes !== undefined) {
    return routes.map((route, at) => ({
      host: route.host,
      port: route.port,
      pathPrefix: route.pathPrefix,
      component: route.component,
      upstream: resolveUpstream(origin, route.upstream),
      serverIds: toServerIds(origin, route.serverId),
      position: positionAt(root, [...path, 'routes', at, 'component']),
    }));
  }
  // The schema has proven that a listener without routes has both.
  if (component === undefined || upstream === undefined) return [];
  const position = positionAt(root, [...path, 'component']);
  return [
    {
      host: null,
      port: null,
      pathPrefix: null,
      component,
      upstream: resolveUpstream(origin, upstream),
      serverIds: toServerIds(origin, serverId),
      position,
    },
  ];
}

function toServerIds({ trustDomain }: Origin, patterns: readonly string[] | undefined): readonly IdPattern[] {
  return patterns?.map((text) => parseIdPattern(text, trustDomain)) ?? [];
}

function resolveUpstream(origin: Origin, upstream: Upstream): Upstream {
  return { ...upstream, address: resolveAddress(origin, upstream.address) };
}

function toUpstreamConfig(document: ConfigDocument['upstream']): UpstreamConfig {
  return {
    connectTimeoutMs: document.connectTimeout,
    responseHeadTimeoutMs: document.responseHeadTimeout,
    idleTimeoutMs: document.idleTimeout,
    bodyIdleTimeoutMs: document.bodyIdleTimeout,
    maxConnections: document.maxConnections,
    maxIdleConnections:
      document.maxIdleConnections ?? Math.min(PART_DEFAULTS.idleUpstreamConnections, document.maxConnections),
    maxPending: document.maxPending,
    failuresToEject: document.failuresToEject,
    ejectMs: document.eject,
  };
}

function toLimits(own: LimitsDocument): ListenerLimits {
  const limits = { ...LIMIT_DEFAULTS, ...own };
  return {
    maxConnections: limits.maxConnections,
    maxConnectionsPerPrincipal: Math.min(limits.maxConnectionsPerPrincipal, limits.maxConnections),
    handshakeTimeoutMs: limits.handshakeTimeout,
    maxHeadBytes: limits.maxHeadBytes,
    maxFieldCount: limits.maxFieldCount,
    headTimeoutMs: limits.headTimeout,
    idleTimeoutMs: limits.idleTimeout,
    tunnelIdleTimeoutMs: limits.tunnelIdleTimeout,
    minBodyBytesPerSecond: limits.minBodyBytesPerSecond,
    bodyGraceMs: limits.bodyGrace,
    maxBodyBytes: limits.maxBodyBytes,
    maxPipelinedRequests: limits.maxPipelinedRequests,
    maxConcurrentStreams: limits.maxConcurrentStreams,
    maxConnectionAgeMs: limits.maxConnectionAge,
  };
}
