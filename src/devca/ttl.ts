// How long a certificate lives, as people write it: 30s, 10m, 24h, 90d.

import { quote } from '../core/quote.ts';
import { DevCaError } from './error.ts';

const MILLISECONDS = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const MAX_DAYS = 3650;

/**
 * A whole number and one of `s`, `m`, `h`, `d`, in milliseconds.
 * @throws {DevCaError} `invalid-ttl`: another form, zero, or more than ten years
 */
export function parseTtl(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ttlMs = Number(digits) * (MILLISECONDS.get(unit) ?? 0);
  if (ttlMs > 0 && ttlMs <= MAX_DAYS * 86_400_000) return ttlMs;
  throw new DevCaError(
    'invalid-ttl',
    `${quote(text)} is not a lifetime; write a whole number above zero and s, m, h or d, at most ${MAX_DAYS}d, such as 30s, 10m, 24h, 90d`,
  );
}
