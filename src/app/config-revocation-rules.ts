// What must hold between the keys that say how to reach the shared revocation list.

import { isLoopbackHost } from '../core/loopback.ts';
import { quote } from '../core/quote.ts';
import type { Conflict } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import type { ConfigDocument } from './config-schema.ts';

export function* findRevocationConflicts({ revocation }: Sound<ConfigDocument>): Iterable<Conflict> {
  const redis = revocation?.redis;
  if (redis === undefined) return;
  const path = ['revocation', 'redis'];
  if (redis.username !== undefined && !('passwordFile' in redis)) {
    const message = 'a user without a password is not logged in; add `passwordFile: FILE`, or leave `username` out';
    yield { code: 'missing-key', path: [...path, 'username'], message };
  }
  if (redis.url === undefined) return;
  const { host, isEncrypted } = redis.url;
  if ('ca' in redis && !isEncrypted) {
    const message = '`ca` is what a TLS certificate is verified with, and `redis://` has none; write `rediss://`';
    yield { code: 'conflict', path: [...path, 'ca'], message };
  }
  if (isEncrypted || isLoopbackHost(host) || redis.allowPlaintext !== false) return;
  const message =
    `${quote(host)} is not on this machine, and whoever is on the way could take entries out of the list; ` +
    'use `rediss://`, or write `allowPlaintext: true`';
  yield { code: 'plaintext-redis', path: [...path, 'url'], message };
}
