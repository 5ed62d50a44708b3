// Words of the configuration file that are compared as they stand, and so must be what they look like: SPIFFE IDs, audiences, hints, Redis keys and users.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { parseSpiffeId, pathOf, type SpiffeId } from '../spiffe/spiffe-id.ts';

type ConfigNameErrorCode =
  | 'missing-path'
  | 'invalid-audience'
  | 'invalid-hint'
  | 'invalid-redis-key'
  | 'invalid-redis-user';

class ConfigNameError extends SallyportError<ConfigNameErrorCode> {}

const MAX_AUDIENCE_CHARACTERS = 2_048;
const MAX_HINT_CHARACTERS = 1_024;
const MAX_REDIS_WORD_CHARACTERS = 256;

/** An audience of JWT-SVIDs, compared character by character: no pattern, and no part of one. */
export function parseAudience(text: string): string {
  return parseExact(text, { code: 'invalid-audience', what: 'an audience', most: MAX_AUDIENCE_CHARACTERS });
}

/** The SPIFFE ID of a workload. */
export function parseWorkloadId(text: string): SpiffeId {
  const id = parseSpiffeId(text);
  if (pathOf(id) !== '') return id;
  throw new ConfigNameError(
    'missing-path',
    `${quote(id)} has no path; the ID of a trust domain itself names no workload`,
  );
}

export function parseHint(text: string): string {
  return parseExact(text, { code: 'invalid-hint', what: 'a hint', most: MAX_HINT_CHARACTERS });
}

export function parseRedisKey(text: string): string {
  return parseRedisWord(text, 'invalid-redis-key', 'a key of Redis');
}

export function parseRedisUser(text: string): string {
  return parseRedisWord(text, 'invalid-redis-user', 'a user of Redis');
}

interface Expectation {
  readonly code: ConfigNameErrorCode;
  readonly what: string;
  readonly most: number;
}

function parseExact(text: string, { code, what, most }: Expectation): string {
  const refuse = (why: string): never => {
    throw new ConfigNameError(code, why);
  };
  if (text === '') return refuse(`${what} cannot be empty`);
  if (text.length > most) return refuse(`${what} has at most ${most} characters; ${quote(text)} has more`);
  if (text.trim() !== text) return refuse(`${quote(text)} begins or ends with a blank, which would be compared too`);
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)) return refuse(`${quote(text)} holds characters that do not show`);
  return text;
}

function parseRedisWord(text: string, code: ConfigNameErrorCode, what: string): string {
  if (/^[\x21-\x7e]+$/.test(text) && text.length <= MAX_REDIS_WORD_CHARACTERS) return text;
  const message = `${quote(text)} is not ${what}; use 1 to ${MAX_REDIS_WORD_CHARACTERS} characters of ASCII without blanks`;
  throw new ConfigNameError(code, message);
}
