// What must hold between the keys that say where requests go, and who has to be there.

import { isLoopbackHost } from '../core/loopback.ts';
import { quote } from '../core/quote.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { findRepeated, findWrongPattern } from './config-admission-rules.ts';
import type { Conflict, Path, RuleSource } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import type { ConfigDocument } from './config-schema.ts';
import { findLongSocketPath } from './config-socket-rules.ts';
import { isEncrypted, type Upstream } from './config-upstreams.ts';

interface Destination {
  /** Of the route, or of the listener. */
  readonly path: Path;
  readonly upstream: Upstream | undefined;
  readonly serverId: readonly (string | undefined)[] | undefined;
  /** Also when what it says was refused. */
  readonly hasServerId: boolean;
  readonly allowsPlaintext: boolean;
}

export function* findUpstreamConflicts(
  { trustDomain, listeners }: Sound<ConfigDocument>,
  source: RuleSource,
): Iterable<Conflict> {
  for (const [at, listener] of (listeners ?? []).entries()) {
    const path = ['listeners', at];
    const ofListener = listener?.allowPlaintextUpstream ?? false;
    const destinations: readonly Destination[] = [
      {
        path,
        upstream: listener?.upstream,
        serverId: listener?.serverId,
        hasServerId: listener !== undefined && 'serverId' in listener,
        allowsPlaintext: ofListener,
      },
      ...(listener?.routes ?? []).map((route, index) => ({
        path: [...path, 'routes', index],
        upstream: route?.upstream,
        serverId: route?.serverId,
        hasServerId: route !== undefined && 'serverId' in route,
        allowsPlaintext: route?.allowPlaintextUpstream ?? ofListener,
      })),
    ];
    for (const destination of destinations) {
      yield* findAddressConflicts(destination, source);
      yield* findServerIdConflicts(destination, trustDomain);
    }
  }
}

function* findAddressConflicts(
  { path, upstream, allowsPlaintext }: Destination,
  source: RuleSource,
): Iterable<Conflict> {
  if (upstream === undefined) return;
  const { address } = upstream;
  const upstreamPath = [...path, 'upstream'];
  if (address.kind === 'unix') yield* findLongSocketPath(upstreamPath, address, source);
  if (isEncrypted(upstream) || address.kind === 'unix' || isLoopbackHost(address.host) || allowsPlaintext) return;
  const message =
    `${quote(address.host)} is not on this machine, and what is forwarded there is neither encrypted nor tied to an identity; ` +
    'use `https://` with a `serverId`, loopback or a unix socket, or write `allowPlaintextUpstream: true`';
  yield { code: 'plaintext-upstream', path: upstreamPath, message };
}

/** Where there is a server to prove itself, it is said which one. */
function* findServerIdConflicts(
  { path, upstream, serverId = [], hasServerId }: Destination,
  trustDomain: TrustDomain | undefined,
): Iterable<Conflict> {
  const idPath = [...path, 'serverId'];
  yield* findRepeated(serverId, idPath);
  for (const [at, pattern] of serverId.entries()) {
    // One alone may stand there without a list.
    const patternPath = serverId.length === 1 ? idPath : [...idPath, at];
    if (pattern !== undefined) yield* findWrongPattern(patternPath, pattern, trustDomain);
  }
  if (upstream === undefined) return;
  if (isEncrypted(upstream) && !hasServerId) {
    const message =
      '`serverId` is missing; over TLS nothing is sent but to a server that proves its SPIFFE ID, such as `serverId: /registry/server`';
    yield { code: 'missing-key', path: idPath, message };
  } else if (!isEncrypted(upstream) && hasServerId) {
    const message =
      'a server proves who it is over TLS only; write an `upstream` such as `https://host:port`, or leave this out';
    yield { code: 'conflict', path: idPath, message };
  }
}
