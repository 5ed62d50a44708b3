// What must hold of a listener for the own program, and of the keys that only such a listener has.

import { isLoopbackHost } from '../core/loopback.ts';
import { quote } from '../core/quote.ts';
import type { Conflict, Path, RuleSource } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import type { ConfigDocument } from './config-schema.ts';
import { findLongSocketPath } from './config-socket-rules.ts';

type SoundListener = NonNullable<NonNullable<Sound<ConfigDocument>['listeners']>[number]>;

export function* findEgressConflicts(
  { workers, listeners }: Sound<ConfigDocument>,
  source: RuleSource,
): Iterable<Conflict> {
  for (const [at, listener] of (listeners ?? []).entries()) {
    if (listener?.mode === undefined) continue;
    const path = ['listeners', at];
    if (listener.mode === 'egress' || listener.mode === 'tcp-egress')
      yield* findUnfit(listener, path, { workers, source });
    else yield* findMisplaced(listener, path);
  }
}

function* findUnfit(
  listener: SoundListener,
  path: Path,
  { workers, source }: { readonly workers: number | undefined; readonly source: RuleSource },
): Iterable<Conflict> {
  const { bind, allowNonLoopback = false, openTo } = listener;
  const bindPath = [...path, 'bind'];
  if (bind?.kind === 'unix') {
    yield* findLongSocketPath(bindPath, bind, source);
    if (workers !== undefined && workers > 1) {
      const message =
        'a unix socket is of one process, and `workers` is above 1; write an address such as `127.0.0.1:15001`';
      yield { code: 'conflict', path: bindPath, message };
    }
  }
  if (bind?.kind === 'tcp') {
    if (openTo !== undefined) {
      const message = 'only a unix socket has an owner and a group; leave this out, or bind to `unix:/path`';
      yield { code: 'conflict', path: [...path, 'openTo'], message };
    }
    if (!isLoopbackHost(bind.host) && !allowNonLoopback) {
      const message =
        `whoever reaches ${quote(bind.host)} could go out in the name of our SVID, so an egress listener stays on loopback or a unix socket; ` +
        'or write `allowNonLoopback: true`';
      yield { code: 'exposed-egress', path: bindPath, message };
    }
  }
  for (const key of ['authenticate', 'jwt'] as const) {
    if (listener[key] === undefined) continue;
    const message =
      'an egress listener asks nobody who they are: whoever may connect to it is the program; leave this out';
    yield { code: 'conflict', path: [...path, key], message };
  }
}

function* findMisplaced({ bind, allowNonLoopback, openTo, routes }: SoundListener, path: Path): Iterable<Conflict> {
  if (bind?.kind === 'unix') {
    const message =
      'only `mode: egress`, `tcp-egress`, `admin` and `authorization` can bind a unix socket; write an address such as `127.0.0.1:8443`';
    yield { code: 'invalid-bind', path: [...path, 'bind'], message };
  }
  for (const [key, value] of Object.entries({ allowNonLoopback, openTo })) {
    if (value === undefined) continue;
    const message = `${quote(key)} goes with \`mode: egress\` and \`tcp-egress\` only`;
    yield { code: 'conflict', path: [...path, key], message };
  }
  for (const [at, route] of (routes ?? []).entries()) {
    if (route?.port === undefined || route.port === null) continue;
    const message = 'only requests of an egress listener are routed by port, since peers come to the one we listen at';
    yield { code: 'conflict', path: [...path, 'routes', at, 'port'], message };
  }
}
