// Where we are told what is revoked, as the program uses it.

import type { SourcePosition } from '../core/source-position.ts';
import { type Origin, placeOf, resolveFile } from './config-origin.ts';
import type { ConfigDocument } from './config-schema.ts';
import type { RedisServer } from './config-urls.ts';

/** With both, what either of them says is revoked. */
export interface RevocationConfig {
  /** Absolute path. */
  readonly file: string | null;
  readonly redis: RedisConfig | null;
}

export interface RedisConfig {
  readonly server: RedisServer;
  /** Absolute path of the PEM file of the authorities to use instead of the system's; null: the system's, or no TLS at all. */
  readonly ca: string | null;
  /** Only with `passwordFile`. */
  readonly username: string | null;
  /** Absolute path. */
  readonly passwordFile: string | null;
  readonly key: string;
  /** How long the start waits for the first list. */
  readonly startTimeoutMs: number;
  /** Away for longer, we are not ready; null: however long it is away. */
  readonly maxAgeMs: number | null;
  /** Of the URL. */
  readonly position: SourcePosition;
}

export function toRevocationConfig({ file, redis }: ConfigDocument['revocation'], origin: Origin): RevocationConfig {
  if (redis === undefined) return { file: resolveFile(origin, file), redis: null };
  return {
    file: resolveFile(origin, file),
    redis: {
      server: redis.url,
      ca: resolveFile(origin, redis.ca),
      username: redis.username ?? null,
      passwordFile: resolveFile(origin, redis.passwordFile),
      key: redis.key,
      startTimeoutMs: redis.startTimeout,
      maxAgeMs: redis.maxAge ?? null,
      position: placeOf(origin, 'revocation', 'redis', 'url'),
    },
  };
}
