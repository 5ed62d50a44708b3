// The configuration file's shape: every key, its notation, its bounds and its default, and nothing about how keys fit together.

import { z } from 'zod';
import { authenticate, DEFAULT_AUTHENTICATION, jwt, leases } from './config-admission-schema.ts';
import { authorizationService } from './config-authorization-schema.ts';
import {
  choice,
  count,
  describeMismatch,
  duration,
  flag,
  list,
  listOrNone,
  mapping,
  oneOrMore,
  size,
  text,
  trustDomain,
} from './config-fields.ts';
import { identity } from './config-identity-schema.ts';
import { revocation } from './config-revocation-schema.ts';
import { trust } from './config-trust-schema.ts';
import { parseUpstream } from './config-upstreams.ts';
import {
  parseAdminBind,
  parseBind,
  parseDuration,
  parseName,
  parsePath,
  parsePathPrefix,
  parseRouteHost,
  parseServiceBind,
  parseSize,
} from './config-values.ts';

const logAllow = z.unknown().transform((value, context): 'all' | 'none' | number => {
  if (value === 'all' || value === 'none') return value;
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  const message = describeMismatch('`all`, `none` or a share from 0 to 1 such as `0.01`', value, 'allow');
  context.addIssue({ code: 'custom', message, params: { code: 'wrong-type' } });
  return z.NEVER;
});

/** Of one listener, each key optional: the listener's own come before the file's `limits`, those before `LIMIT_DEFAULTS`. */
const limits = mapping({
  maxConnections: count(1, 1_000_000).exactOptional(),
  maxConnectionsPerPrincipal: count(1, 1_000_000).exactOptional(),
  handshakeTimeout: duration('10ms', '5m').exactOptional(),
  maxHeadBytes: size('1KiB', '1MiB').exactOptional(),
  maxFieldCount: count(8, 10_000).exactOptional(),
  headTimeout: duration('10ms', '5m').exactOptional(),
  idleTimeout: duration('10ms', '24h').exactOptional(),
  tunnelIdleTimeout: duration('10ms', '168h').exactOptional(),
  minBodyBytesPerSecond: count(0, 1_000_000_000).exactOptional(),
  bodyGrace: duration('10ms', '10m').exactOptional(),
  maxBodyBytes: size('0B', '1024TiB').exactOptional(),
  maxPipelinedRequests: count(1, 1_000).exactOptional(),
  maxConcurrentStreams: count(1, 10_000).exactOptional(),
  maxConnectionAge: duration('100ms', '168h').exactOptional(),
});

export const LIMIT_DEFAULTS = {
  maxConnections: 10_000,
  maxConnectionsPerPrincipal: 1_000,
  handshakeTimeout: parseDuration('10s'),
  maxHeadBytes: parseSize('16KiB'),
  maxFieldCount: 100,
  headTimeout: parseDuration('10s'),
  idleTimeout: parseDuration('75s'),
  tunnelIdleTimeout: parseDuration('1h'),
  minBodyBytesPerSecond: 240,
  bodyGrace: parseDuration('5s'),
  maxBodyBytes: 0,
  maxPipelinedRequests: 16,
  maxConcurrentStreams: 100,
  maxConnectionAge: parseDuration('1h'),
} as const satisfies Required<z.output<typeof limits>>;

/** Each is a process with memory of its own; no machine that a sidecar runs on has more processors to spare. */
const MAX_WORKERS = 64;

const component = text('the name of a component', parseName);
const upstream = text('an upstream such as `http://127.0.0.1:5000`', parseUpstream);

// Read by the rules, since `/path` means a path of the own trust domain.
const serverId = oneOrMore(
  text('a SPIFFE ID or a pattern such as `/registry/**`', (value) => value),
  'a SPIFFE ID, a pattern such as `/registry/**`, or a list of them',
);

const route = mapping({
  host: text('a host name', parseRouteHost)
    .optional()
    .transform((host) => host ?? null),
  port: count(1, 65_535)
    .optional()
    .transform((port) => port ?? null),
  pathPrefix: text('a path prefix such as `/api`', parsePathPrefix)
    .optional()
    .transform((prefix) => prefix ?? null),
  component,
  upstream,
  serverId: serverId.optional(),
  allowPlaintextUpstream: flag().optional(),
});

const listener = mapping({
  name: text('a name', parseName),
  bind: text('an address such as `127.0.0.1:8443`', parseServiceBind),
  mode: choice('http', 'egress', 'tcp', 'tcp-egress').prefault('http'),
  allowNonLoopback: flag().optional(),
  openTo: choice('owner', 'group').optional(),
  component: component.optional(),
  upstream: upstream.optional(),
  serverId: serverId.optional(),
  routes: list(route, 'a list of routes').optional(),
  allowPlaintextUpstream: flag().optional(),
  proxyProtocol: choice('v2').optional(),
  http2: flag().optional(),
  authenticate: authenticate.optional(),
  jwt: jwt.optional(),
  limits: limits.prefault({}),
  leases: leases.prefault({}),
})
  .superRefine(checkHowItAuthenticates, { when: ({ value }) => typeof value === 'object' && value !== null })
  .superRefine(checkWhatItServes, { when: ({ value }) => typeof value === 'object' && value !== null });

/** What zod proves about one file; durations are milliseconds and sizes bytes, paths are still as written. */
export const documentSchema = mapping({
  trustDomain: trustDomain(),
  identity: identity.prefault({}),
  trust: trust.prefault({}),
  revocation: revocation.prefault({}),
  policy: mapping({
    path: text('the path of a directory or file', parsePath),
    mode: choice('enforce', 'shadow').prefault('enforce'),
  }),
  workers: count(1, MAX_WORKERS).prefault(1),
  listeners: listOrNone(listener, 'a list of listeners'),
  authorization: listOrNone(authorizationService, 'a list of authorization services').prefault([]),
  admin: mapping({
    bind: text('an address such as `127.0.0.1:9901`, `unix:/path` or `none`', parseAdminBind).prefault(
      '127.0.0.1:9901',
    ),
    allowNonLoopback: flag().prefault(false),
  }).prefault({}),
  probes: mapping({ bind: text('an address such as `0.0.0.0:9902`', parseBind) }).optional(),
  decisionLog: mapping({
    allow: logAllow.prefault(0.01),
    queueEntries: count(64, 1_000_000).prefault(8_192),
  }).prefault({}),
  log: mapping({ level: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal').prefault('info') }).prefault({}),
  cache: mapping({
    maxEntries: count(1, 10_000_000).prefault(100_000),
    maxEntriesPerPrincipal: count(1, 10_000_000).optional(),
    verifyEvery: count(0, 1_000_000_000).prefault(1_000),
  }).prefault({}),
  drain: mapping({ timeout: duration('0ms', '1h').prefault('30s') }).prefault({}),
  upstream: mapping({
    connectTimeout: duration('10ms', '5m').prefault('5s'),
    responseHeadTimeout: duration('10ms', '24h').prefault('300s'),
    idleTimeout: duration('10ms', '1h').prefault('60s'),
    bodyIdleTimeout: duration('10ms', '24h').prefault('60s'),
    maxConnections: count(1, 65_535).prefault(256),
    maxIdleConnections: count(0, 65_535).optional(),
    maxPending: count(0, 1_000_000).prefault(1_024),
    failuresToEject: count(1, 1_000_000).prefault(5),
    eject: duration('10ms', '10m').prefault('1s'),
  }).prefault({}),
  limits: limits.prefault({}),
  leases: leases.prefault({}),
});

/** Defaults of a part that must not be more than its whole, wherever the file sets the whole lower. */
export const PART_DEFAULTS = { cacheEntriesPerPrincipal: 10_000, idleUpstreamConnections: 64 } as const;

export type ConfigDocument = z.output<typeof documentSchema>;
export type LimitsDocument = z.output<typeof limits>;

/** Either `component` and `upstream`, or `routes`: here, since only here a key that is wrong differs from one that is not there. */
function checkWhatItServes(value: object, context: z.RefinementCtx): void {
  const refuse = (key: string, code: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [key], message, params: { code } });
  };
  const [hasComponent, hasUpstream, hasRoutes] = ['component', 'upstream', 'routes'].map((key) => key in value);
  if (hasRoutes && (hasComponent || hasUpstream)) {
    const message = 'a listener has either `component` and `upstream` or `routes`, not both';
    refuse(hasComponent ? 'component' : 'upstream', 'conflict', message);
  } else if (!hasRoutes && !hasComponent && !hasUpstream) {
    refuse('component', 'missing-key', 'the listener serves nothing; add `component` and `upstream`, or `routes`');
  } else if (!hasRoutes && !hasComponent) {
    refuse('component', 'missing-key', '`component` is missing; expected the name of the component that `upstream` is');
  } else if (!hasRoutes && !hasUpstream) {
    refuse('upstream', 'missing-key', '`upstream` is missing; expected an upstream such as `http://127.0.0.1:5000`');
  }
}

/** `jwt` says how tokens are read, so it stands exactly where tokens are. */
function checkHowItAuthenticates(value: object, context: z.RefinementCtx): void {
  const methods: unknown = 'authenticate' in value ? value.authenticate : DEFAULT_AUTHENTICATION;
  if (!Array.isArray(methods)) return;
  const takesTokens = methods.includes('jwt');
  if (takesTokens === 'jwt' in value) return;
  const [code, message] = takesTokens
    ? [
        'missing-key',
        '`jwt` is missing; tokens are taken only for the audiences it lists, such as `jwt: { audiences: [spiffe://ai.example/registry] }`',
      ]
    : [
        'conflict',
        'the listener takes no tokens; add `jwt` to `authenticate`, such as `authenticate: [x509, jwt]`, or leave this out',
      ];
  context.addIssue({ code: 'custom', path: ['jwt'], message, params: { code } });
}
