// SPIFFE IDs and trust domain names: one canonical spelling each, compared byte by byte, never given to a URL parser.
// SPIFFE-ID.md §2

import type { Brand } from '../core/brand.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

/** `spiffe://<trust domain>` with an optional path, at most 2048 bytes of ASCII; made by `parseSpiffeId` only. */
export type SpiffeId = Brand<string, 'SpiffeId'>;

/** A trust domain name without scheme: 1 to 255 bytes of `a-z 0-9 . - _`; opaque, so `127.0.0.1`, `a..b` and `__proto__` are names too. */
export type TrustDomain = Brand<string, 'TrustDomain'>;

export type SpiffeIdErrorCode =
  /** No bytes at all. */
  | 'empty-id'
  /** Over 2048 bytes (§2.3). */
  | 'id-too-long'
  /** Does not begin with exactly `spiffe://`, in lower case (§2). */
  | 'wrong-scheme'
  /** Nothing between `spiffe://` and the path (§2.1). */
  | 'empty-trust-domain'
  /** Over 255 bytes (§2.3). */
  | 'trust-domain-too-long'
  /** A byte that is not `a-z 0-9 . - _`, upper case included (§2.1). */
  | 'trust-domain-character'
  /** `@` in the authority (§2.1). */
  | 'user-info'
  /** `:` in the authority, also with nothing behind it (§2.1). */
  | 'port'
  /** `%` anywhere (§2.1, §2.2). */
  | 'percent-encoding'
  /** `?` anywhere, also as the last byte (§2). */
  | 'query'
  /** `#` anywhere, also as the last byte (§2). */
  | 'fragment'
  /** A byte of the path that is not `a-z A-Z 0-9 . - _ /` (§2.2). */
  | 'path-character'
  /** `//` in the path (§2.2). */
  | 'empty-segment'
  /** A segment that is `.` or `..` (§2.2). */
  | 'dot-segment'
  /** The path ends with `/` (§2.2). */
  | 'trailing-slash';

export class SpiffeIdError extends SallyportError<SpiffeIdErrorCode> {}

const SCHEME = 'spiffe://';
const MAX_ID_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;

const URI_PARTS: ReadonlyMap<string, SpiffeIdErrorCode> = new Map([
  ['?', 'query'],
  ['#', 'fragment'],
  ['%', 'percent-encoding'],
]);
const URI_PARTS_IN_AUTHORITY: ReadonlyMap<string, SpiffeIdErrorCode> = new Map([
  ['@', 'user-info'],
  [':', 'port'],
]);

const SLASH = 0x2f;
const DOT = 0x2e;
const TRUST_DOMAIN_BYTE = byteSet('abcdefghijklmnopqrstuvwxyz0123456789.-_');
const SEGMENT_BYTE = byteSet('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_');

/**
 * Accepts a SPIFFE ID with or without a path. Bytes of a certificate are passed decoded as Latin-1, so that one character is one byte.
 * @throws {SpiffeIdError}
 */
export function parseSpiffeId(text: string): SpiffeId {
  if (text === '') throw new SpiffeIdError('empty-id', 'a SPIFFE ID cannot be empty');
  // Every accepted character is ASCII, so the length in UTF-16 units decides about bytes for all that could be accepted.
  if (text.length > MAX_ID_BYTES) {
    throw new SpiffeIdError('id-too-long', `a SPIFFE ID has at most ${MAX_ID_BYTES} bytes; ${quote(text)} has more`);
  }
  if (!text.startsWith(SCHEME)) {
    throw new SpiffeIdError('wrong-scheme', `${quote(text)} does not begin with \`${SCHEME}\` in lower case`);
  }
  const slash = text.indexOf('/', SCHEME.length);
  const pathStart = slash < 0 ? text.length : slash;
  checkTrustDomain(text, SCHEME.length, pathStart);
  if (pathStart < text.length) checkPath(text, pathStart);
  return text as SpiffeId;
}

/**
 * Accepts a trust domain name as it stands in a SPIFFE ID, without `spiffe://`.
 * @throws {SpiffeIdError}
 */
export function parseTrustDomain(text: string): TrustDomain {
  checkTrustDomain(text, 0, text.length);
  return text as TrustDomain;
}

export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf('/', SCHEME.length);
  return id.slice(SCHEME.length, slash < 0 ? id.length : slash) as TrustDomain;
}

/** The path with its leading `/`, or the empty string for the ID of a trust domain itself. */
export function pathOf(id: SpiffeId): string {
  const slash = id.indexOf('/', SCHEME.length);
  return slash < 0 ? '' : id.slice(slash);
}

function checkTrustDomain(text: string, start: number, end: number): void {
  if (start === end) throw new SpiffeIdError('empty-trust-domain', `${quote(text)} has no trust domain`);
  for (let at = start; at < end; at += 1) {
    if (TRUST_DOMAIN_BYTE[text.charCodeAt(at)] !== 1) throw refusedCharacter(text, at, 'trust-domain');
  }
  if (end - start > MAX_TRUST_DOMAIN_BYTES) {
    const message = `a trust domain name has at most ${MAX_TRUST_DOMAIN_BYTES} bytes; that of ${quote(text)} has ${end - start}`;
    throw new SpiffeIdError('trust-domain-too-long', message);
  }
}

function checkPath(text: string, start: number): void {
  let segmentStart = start + 1;
  for (let at = segmentStart; at <= text.length; at += 1) {
    const atEnd = at === text.length;
    if (!atEnd && text.charCodeAt(at) !== SLASH) {
      if (SEGMENT_BYTE[text.charCodeAt(at)] !== 1) throw refusedCharacter(text, at, 'path');
      continue;
    }
    checkSegment(text, segmentStart, at);
    segmentStart = at + 1;
  }
}

function checkSegment(text: string, start: number, end: number): void {
  const length = end - start;
  if (length === 0) {
    if (end === text.length) throw new SpiffeIdError('trailing-slash', `${quote(text)} ends with \`/\``);
    throw new SpiffeIdError('empty-segment', `the path of ${quote(text)} has an empty segment`);
  }
  const isDot = length === 1 && text.charCodeAt(start) === DOT;
  const isDotDot = length === 2 && text.charCodeAt(start) === DOT && text.charCodeAt(start + 1) === DOT;
  if (isDot || isDotDot) {
    throw new SpiffeIdError('dot-segment', `the path of ${quote(text)} has the segment \`${text.slice(start, end)}\``);
  }
}

/** Names the part of a URI that the ID's author most likely meant to write, since SPIFFE IDs have none of them. */
function refusedCharacter(text: string, at: number, part: 'trust-domain' | 'path'): SpiffeIdError {
  const character = text.charAt(at);
  const uriPart =
    (part === 'trust-domain' ? URI_PARTS_IN_AUTHORITY.get(character) : undefined) ?? URI_PARTS.get(character);
  if (uriPart !== undefined) {
    return new SpiffeIdError(uriPart, `${quote(text)} has a ${uriPart.replace('-', ' ')}, which a SPIFFE ID never has`);
  }
  const found = `${quote(text)} has ${quote(character)} at offset ${at}`;
  return part === 'trust-domain'
    ? new SpiffeIdError(
        'trust-domain-character',
        `${found}; a trust domain name has only \`a-z\`, \`0-9\`, \`.\`, \`-\` and \`_\``,
      )
    : new SpiffeIdError(
        'path-character',
        `${found}; a path segment has only \`a-z\`, \`A-Z\`, \`0-9\`, \`.\`, \`-\` and \`_\``,
      );
}

function byteSet(characters: string): Uint8Array {
  const set = new Uint8Array(128);
  for (const character of characters) set[character.charCodeAt(0)] = 1;
  return set;
}
