// The configuration's section on where it is told what is revoked.

import { duration, filePath, flag, mapping, text } from './config-fields.ts';
import { parseRedisKey, parseRedisUser } from './config-names.ts';
import { parseRedisUrl } from './config-urls.ts';

const redis = mapping({
  url: text('a URL such as `redis://127.0.0.1:6379/0`', parseRedisUrl),
  username: text('the name of a Redis user', parseRedisUser).optional(),
  passwordFile: filePath().optional(),
  ca: filePath().optional(),
  allowPlaintext: flag().prefault(false),
  key: text('the key of the list', parseRedisKey).prefault('sallyport:revocations'),
  startTimeout: duration('100ms', '10m').prefault('10s'),
  maxAge: duration('1s', '24h').optional(),
});

export const revocation = mapping({
  file: filePath().optional(),
  redis: redis.optional(),
});
