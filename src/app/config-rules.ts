// What must hold between keys of the configuration file; each rule looks only at values that are sound in themselves.

import { resolve } from 'node:path';
import { isLoopbackHost } from '../core/loopback.ts';
import { quote } from '../core/quote.ts';
import { findAdmissionConflicts } from './config-admission-rules.ts';
import { findAuthorizationConflicts } from './config-authorization-rules.ts';
import { type Conflict, type Path, type RuleSource, showPath } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import { findEgressConflicts } from './config-egress-rules.ts';
import { findIdentityConflicts } from './config-identity-rules.ts';
import { findModeConflicts } from './config-mode-rules.ts';
import { findRevocationConflicts } from './config-revocation-rules.ts';
import { LIMIT_DEFAULTS, type ConfigDocument } from './config-schema.ts';
import { findLongSocketPath } from './config-socket-rules.ts';
import { findTrustConflicts } from './config-trust-rules.ts';
import { findUpstreamConflicts } from './config-upstream-rules.ts';
import { EMPTY_LIST } from './config-fields.ts';
import type { TcpAddress, UnixAddress } from './config-values.ts';

/** Every rule that the document breaks, in no particular order. */
export function findConflicts(document: Sound<ConfigDocument>, source: RuleSource): readonly Conflict[] {
  return [
    ...findIdentityConflicts(document),
    ...findTrustConflicts(document, source),
    ...findRevocationConflicts(document),
    ...findAdmissionConflicts(document),
    ...findModeConflicts(document),
    ...findAuthorizationConflicts(document),
    ...findNothingServed(document),
    ...findRepeatedNames(document, source),
    ...findSharedBinds(document, source),
    ...findAdminConflicts(document, source),
    ...findLongServiceSockets(document, source),
    ...findUpstreamConflicts(document, source),
    ...findEgressConflicts(document, source),
    ...findUnreachableRoutes(document, source),
    ...findOversizedParts(document),
    ...findUnsharableBounds(document),
  ];
}

/** What is empty is told apart from what was refused, of which something else is told. */
function* findNothingServed({ listeners, authorization }: Sound<ConfigDocument>): Iterable<Conflict> {
  if (listeners?.length !== 0 || authorization?.length !== 0) return;
  yield { code: 'out-of-range', path: ['listeners'], message: EMPTY_LIST };
}

/** Metrics and logs tell services and listeners apart by their names alone. */
function* findRepeatedNames(
  { listeners, authorization }: Sound<ConfigDocument>,
  source: RuleSource,
): Iterable<Conflict> {
  const firstByName = new Map<string, { readonly path: Path; readonly kind: string }>();
  const named = [
    ...(listeners ?? []).map((listener, at) => ({
      path: ['listeners', at, 'name'],
      kind: 'listener',
      name: listener?.name,
    })),
    ...(authorization ?? []).map((service, at) => ({
      path: ['authorization', at, 'name'],
      kind: 'service',
      name: service?.name,
    })),
  ];
  for (const { path, kind, name } of named) {
    if (name === undefined) continue;
    const first = firstByName.get(name);
    if (first === undefined) firstByName.set(name, { path, kind });
    else {
      const message = `the name ${quote(name)} is already that of the ${first.kind} ${source.locate(first.path)}`;
      yield { code: 'duplicate-name', path, message };
    }
  }
}

function* findSharedBinds(document: Sound<ConfigDocument>, source: RuleSource): Iterable<Conflict> {
  const binds: { readonly path: Path; readonly bind: TcpAddress | UnixAddress | null | undefined }[] = [
    { path: ['admin', 'bind'], bind: document.admin?.bind },
    { path: ['probes', 'bind'], bind: document.probes?.bind },
    ...(document.listeners ?? []).map((listener, at) => ({ path: ['listeners', at, 'bind'], bind: listener?.bind })),
    { path: ['trust', 'endpoint', 'bind'], bind: document.trust?.endpoint?.bind },
    ...(document.authorization ?? []).map((service, at) => ({
      path: ['authorization', at, 'bind'],
      bind: service?.bind,
    })),
  ];
  for (const [at, { path, bind }] of binds.entries()) {
    const earlier = binds
      .slice(0, at)
      .find((other) => overlap(other.bind, bind) || isSameSocket(other.bind, bind, source));
    if (earlier === undefined) continue;
    const owner = `${quote(showPath(earlier.path))} ${source.locate(earlier.path)}`;
    yield { code: 'duplicate-bind', path, message: `this address is already taken by ${owner}` };
  }
}

function isSameSocket(
  a: TcpAddress | UnixAddress | null | undefined,
  b: TcpAddress | UnixAddress | null | undefined,
  { directory }: RuleSource,
): boolean {
  return a?.kind === 'unix' && b?.kind === 'unix' && resolve(directory, a.path) === resolve(directory, b.path);
}

/** A wildcard takes the port of every address; `::` also that of IPv4, since Node listens on both. */
function overlap(
  a: TcpAddress | UnixAddress | null | undefined,
  b: TcpAddress | UnixAddress | null | undefined,
): boolean {
  if (a?.kind !== 'tcp' || b?.kind !== 'tcp' || a.port !== b.port || a.port === 0) return false;
  if (a.host === b.host || a.host === '::' || b.host === '::') return true;
  return (a.host === '0.0.0.0' && !b.host.includes(':')) || (b.host === '0.0.0.0' && !a.host.includes(':'));
}

function* findAdminConflicts({ admin }: Sound<ConfigDocument>, source: RuleSource): Iterable<Conflict> {
  const path = ['admin', 'bind'];
  if (admin?.bind?.kind === 'unix') yield* findLongSocketPath(path, admin.bind, source);
  if (admin?.bind?.kind !== 'tcp' || isLoopbackHost(admin.bind.host) || admin.allowNonLoopback === true) return;
  const message =
    'the admin endpoints show configuration and policy and ask for no identity, so they stay on loopback or a unix socket; ' +
    'let the kubelet and Prometheus use `probes`, or write `allowNonLoopback: true`';
  yield { code: 'exposed-admin', path, message };
}

function* findLongServiceSockets({ authorization }: Sound<ConfigDocument>, source: RuleSource): Iterable<Conflict> {
  for (const [at, service] of (authorization ?? []).entries()) {
    if (service?.bind?.kind === 'unix') yield* findLongSocketPath(['authorization', at, 'bind'], service.bind, source);
  }
}

// The first route that matches wins, so a route is out of reach when an earlier one takes all that it would.
function* findUnreachableRoutes({ listeners }: Sound<ConfigDocument>, source: RuleSource): Iterable<Conflict> {
  for (const [at, listener] of (listeners ?? []).entries()) {
    const routes = listener?.routes ?? [];
    for (const [index, route] of routes.entries()) {
      const earlier = routes.slice(0, index).findIndex((other) => covers(other, route));
      if (earlier < 0) continue;
      const path = ['listeners', at, 'routes', index];
      const place = source.locate(['listeners', at, 'routes', earlier]);
      const message = `\`routes[${index}]\` is never reached: \`routes[${earlier}]\` ${place} takes all of its requests first; move it up or take it out`;
      yield { code: 'unreachable-route', path, message };
    }
  }
}

type SoundRoute = Sound<NonNullable<ConfigDocument['listeners'][number]['routes']>[number]> | undefined;

function covers(earlier: SoundRoute, later: SoundRoute): boolean {
  if (earlier?.host === undefined || earlier.port === undefined || earlier.pathPrefix === undefined) return false;
  if (later?.host === undefined || later.port === undefined || later.pathPrefix === undefined) return false;
  if (earlier.host !== null && earlier.host !== later.host) return false;
  if (earlier.port !== null && earlier.port !== later.port) return false;
  return earlier.pathPrefix === null || `${later.pathPrefix ?? ''}/`.startsWith(`${earlier.pathPrefix}/`);
}

function* findOversizedParts({ cache, upstream, limits, listeners }: Sound<ConfigDocument>): Iterable<Conflict> {
  const parts: readonly { path: Path; part: number | undefined; whole: number | undefined; wholeKey: string }[] = [
    {
      path: ['cache', 'maxEntriesPerPrincipal'],
      part: cache?.maxEntriesPerPrincipal,
      whole: cache?.maxEntries,
      wholeKey: 'maxEntries',
    },
    {
      path: ['upstream', 'maxIdleConnections'],
      part: upstream?.maxIdleConnections,
      whole: upstream?.maxConnections,
      wholeKey: 'maxConnections',
    },
    ...[
      { path: [] as Path, own: limits },
      ...(listeners ?? []).map((listener, at) => ({ path: ['listeners', at], own: listener?.limits })),
    ].map(({ path, own }) => ({
      path: [...path, 'limits', 'maxConnectionsPerPrincipal'],
      part: own?.maxConnectionsPerPrincipal,
      whole: own?.maxConnections ?? limits?.maxConnections ?? LIMIT_DEFAULTS.maxConnections,
      wholeKey: 'maxConnections',
    })),
  ];
  for (const { path, part, whole, wholeKey } of parts) {
    if (part === undefined || whole === undefined || part <= whole) continue;
    yield { code: 'part-above-whole', path, message: `\`${part}\` is above \`${wholeKey}\`, which is \`${whole}\`` };
  }
}

/** Each worker has an equal share of what bounds them all; of less than one for each, some would have nothing or all together too much. */
function* findUnsharableBounds({ workers, upstream, limits, listeners }: Sound<ConfigDocument>): Iterable<Conflict> {
  if (workers === undefined) return;
  const bounds: readonly { readonly path: Path; readonly bound: number | undefined }[] = [
    { path: ['upstream', 'maxConnections'], bound: upstream?.maxConnections },
    { path: ['upstream', 'maxPending'], bound: upstream?.maxPending },
    ...[
      { path: [] as Path, own: limits },
      ...(listeners ?? []).map((listener, at) => ({ path: ['listeners', at], own: listener?.limits })),
    ].flatMap(({ path, own }) => [
      { path: [...path, 'limits', 'maxConnections'], bound: own?.maxConnections },
      { path: [...path, 'limits', 'maxConnectionsPerPrincipal'], bound: own?.maxConnectionsPerPrincipal },
    ]),
  ];
  for (const { path, bound } of bounds) {
    // None at all is as well for each of them.
    if (bound === undefined || bound === 0 || bound >= workers) continue;
    const message = `\`${bound}\` cannot be shared by \`workers\`, which is \`${workers}\`; write at least \`${workers}\``;
    yield { code: 'bound-below-workers', path, message };
  }
}
