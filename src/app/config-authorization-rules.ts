// What must hold between the keys of an authorization service, and between it and the rest of the file.

import { isLoopbackHost } from '../core/loopback.ts';
import { quote } from '../core/quote.ts';
import { findRepeated, findWrongPattern } from './config-admission-rules.ts';
import type { Conflict, Path } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import type { AuthorizationServiceDocument } from './config-authorization-schema.ts';
import type { ConfigDocument } from './config-schema.ts';

export function* findAuthorizationConflicts(document: Sound<ConfigDocument>): Iterable<Conflict> {
  for (const [at, service] of (document.authorization ?? []).entries()) {
    if (service === undefined) continue;
    const path = ['authorization', at];
    yield* findBindConflicts(service, path);
    yield* findRepeated(service.components ?? [], [...path, 'components']);
    for (const [index, pattern] of (service.callers ?? []).entries()) {
      if (pattern !== undefined) yield* findWrongPattern([...path, 'callers', index], pattern, document.trustDomain);
    }
  }
  yield* findIdleWorkers(document);
}

function* findBindConflicts(
  { protocol, bind, openTo, callers }: Sound<AuthorizationServiceDocument>,
  path: Path,
): Iterable<Conflict> {
  if (bind === undefined || protocol === undefined) return;
  if (bind.kind === 'tcp' && openTo !== undefined) {
    const message = 'only a unix socket has an owner and a group; leave this out, or bind to `unix:/path`';
    yield { code: 'conflict', path: [...path, 'openTo'], message };
  }
  if (bind.kind === 'tcp' && protocol !== 'envoy' && !isLoopbackHost(bind.host)) {
    const message =
      `${quote(protocol)} proves nothing about who asks, so it stays on loopback or a unix socket: ` +
      'whoever can ask learns what the policy decides';
    yield { code: 'exposed-authorization', path: [...path, 'bind'], message };
  }
  if (bind.kind === 'tcp' && protocol === 'envoy') {
    if (callers !== undefined) return;
    const message =
      '`callers` is missing; over TCP only callers with an SVID may ask, and they have to be named, such as `callers: [/gateway/*]`';
    yield { code: 'missing-key', path: [...path, 'callers'], message };
  } else if (callers !== undefined) {
    const message = 'callers prove who they are only to `protocol: envoy` over TCP, which is mTLS; leave this out';
    yield { code: 'conflict', path: [...path, 'callers'], message };
  }
}

function* findIdleWorkers({ workers, listeners, authorization }: Sound<ConfigDocument>): Iterable<Conflict> {
  if (workers === undefined || workers === 1 || listeners === undefined || listeners.length > 0) return;
  if (authorization === undefined || authorization.length === 0) return;
  const message = 'workers serve listeners, and there is none; authorization services are served by the first process';
  yield { code: 'conflict', path: ['workers'], message };
}
