// The registered claims of a token that a JWT-SVID rests on, each of its one type; other claims are nobody's business here.
// JWT-SVID.md §3, RFC 7519 §2, §4.1

import { quote } from '../core/quote.ts';
import type { JsonObject, JsonValue } from '../json/json.ts';
import { JwtSvidError } from './jwt-svid-error.ts';
import { parseSpiffeId, pathOf, type SpiffeId, SpiffeIdError } from './spiffe-id.ts';

type Claims = JsonObject['members'];

/** 9999-12-31T23:59:59Z, the last second a certificate can name as well. */
const MAX_SECONDS = 253_402_300_799;
/** RFC 7519 §2 allows a fraction, which no issuer of JWT-SVIDs uses; the other ways of JSON to write a number are how absurd times are written. */
const NUMERIC_DATE = /^(?:0|[1-9][0-9]{0,11})$/;

/** @throws {JwtSvidError} */
export function readSubject(claims: Claims): SpiffeId {
  const subject = claims.get('sub');
  if (subject === undefined) throw new JwtSvidError('subject', 'the token has no `sub`');
  if (subject.kind !== 'string') throw new JwtSvidError('subject', '`sub` is not a string');
  let id: SpiffeId;
  try {
    id = parseSpiffeId(subject.value);
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error;
    throw new JwtSvidError('subject', `\`sub\` is not a SPIFFE ID: ${error.message}`, { cause: error });
  }
  if (pathOf(id) !== '') return id;
  throw new JwtSvidError('subject', `\`sub\` is ${quote(id)}, which names a trust domain and no workload`);
}

/**
 * At least one, none empty.
 * @throws {JwtSvidError}
 */
export function readAudiences(claims: Claims): readonly string[] {
  const claim = claims.get('aud');
  if (claim === undefined) throw new JwtSvidError('audience-missing', 'the token has no `aud`');
  const elements = claim.kind === 'array' ? claim.items : [claim];
  if (elements.length === 0) throw new JwtSvidError('audience-missing', '`aud` is an empty array');
  return elements.map((element) => {
    if (element.kind === 'string' && element.value !== '') return element.value;
    throw new JwtSvidError('audience-missing', '`aud` is neither a string nor an array of strings, or one is empty');
  });
}

/**
 * `jti`
 * @throws {JwtSvidError}
 */
export function readTokenId(claims: Claims): string | null {
  const tokenId = claims.get('jti');
  if (tokenId === undefined) return null;
  if (tokenId.kind === 'string') return tokenId.value;
  throw new JwtSvidError('malformed-claims', '`jti` is not a string');
}

export interface TokenTimes {
  /** -Infinity without the claim. */
  readonly issuedMs: number;
  readonly notBeforeMs: number;
  readonly expiresMs: number;
}

/** @throws {JwtSvidError} */
export function readTimes(claims: Claims): TokenTimes {
  const expires = claims.get('exp');
  if (expires === undefined) throw new JwtSvidError('time-claim', 'the token has no `exp`');
  const beginningAt = (name: string): number => {
    const claim = claims.get(name);
    return claim === undefined ? -Infinity : milliseconds(claim, name);
  };
  return {
    issuedMs: beginningAt('iat'),
    notBeforeMs: beginningAt('nbf'),
    expiresMs: milliseconds(expires, 'exp'),
  };
}

function milliseconds(claim: JsonValue, name: string): number {
  if (claim.kind !== 'number') throw new JwtSvidError('time-claim', `\`${name}\` is not a number`);
  const seconds = NUMERIC_DATE.test(claim.text) ? Number(claim.text) : Infinity;
  if (seconds <= MAX_SECONDS) return seconds * 1000;
  const message = `\`${name}\` is ${quote(claim.text)}; expected are whole seconds since 1970, before the year 10000`;
  throw new JwtSvidError('time-claim', message);
}
