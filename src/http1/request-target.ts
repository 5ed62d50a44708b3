// The one spelling of a path and query that is let through: what is forwarded cannot mean something else to the upstream.
//
// A path (RFC 3986 §3.3) is refused when another reader could take it for a different path: a second spelling of the same
// characters, dot segments, empty segments, path parameters, separators or controls in disguise, escapes within escapes,
// octets that are not UTF-8. Nothing is normalised. Encoded sub-delims, `:`, `@`, space and non-ASCII UTF-8 pass in either hex
// case: the policy compares decoded segments. The rules hold for HTTP/1.1 and HTTP/2 alike.

import type { Http1ErrorCode } from './http1-error.ts';
import { BACKSLASH, DEL, DOT, HEX, NOT_HEX, PERCENT, SEMICOLON, SLASH, SP, tableOf } from './octets.ts';

/** Why a path or query is not canonical. */
export type TargetFlaw = Extract<
  Http1ErrorCode,
  'target-form' | 'target-fragment' | `path-${string}` | `query-${string}`
>;

const HASH = 0x23;

const REFUSED = 0;
const PLAIN = 1;
const SEPARATOR = 2;
const ESCAPE = 3;

/** pchar without `;`, which servers take for a parameter or for part of the name (RFC 3986 §3.3). */
const PATH_OCTETS = tableOf((character) => {
  if (/[0-9A-Za-z\-._~!$&'()*+,=:@]/.test(character)) return PLAIN;
  if (character === '/') return SEPARATOR;
  return character === '%' ? ESCAPE : REFUSED;
});

/** Visible ASCII except what no browser sends raw; a second `?` belongs to the query. */
const QUERY_OCTETS = tableOf((character) => {
  if (character === '%') return ESCAPE;
  return /[!-~]/.test(character) && !'#"<>\\`'.includes(character) ? PLAIN : REFUSED;
});

const UNRESERVED = tableOf((character) => (/[0-9A-Za-z\-._~]/.test(character) ? 1 : 0));

/** Null when `path` is canonical. */
export function findPathFlaw(path: string): TargetFlaw | null {
  // absolute-form, authority-form and asterisk-form name another authority or none (RFC 9112 §3.2).
  if (path.charCodeAt(0) !== SLASH) return 'target-form';
  let segmentStart = 1;
  let at = 1;
  while (at < path.length) {
    switch (PATH_OCTETS[path.charCodeAt(at)] ?? REFUSED) {
      case PLAIN:
        at += 1;
        break;
      case SEPARATOR:
        if (at === segmentStart) return 'path-empty-segment';
        if (isDotSegment(path, segmentStart, at)) return 'path-dot-segment';
        at += 1;
        segmentStart = at;
        break;
      case ESCAPE: {
        const end = endOfEscape(path, at);
        if (typeof end === 'string') return end;
        at = end;
        break;
      }
      default:
        return flawOfRawOctet(path.charCodeAt(at));
    }
  }
  // An empty last segment is the one trailing `/`.
  return isDotSegment(path, segmentStart, path.length) ? 'path-dot-segment' : null;
}

/** Null when `query`, without its `?`, is canonical; the empty one is. */
export function findQueryFlaw(query: string): TargetFlaw | null {
  for (let at = 0; at < query.length; at += 1) {
    const unit = query.charCodeAt(at);
    const kind = QUERY_OCTETS[unit];
    if (kind === PLAIN) continue;
    if (kind !== ESCAPE) return unit === HASH ? 'target-fragment' : 'query-octet';
    const octet = escapedOctet(query, at);
    if (octet === null) return 'query-percent';
    // What ends a string, a line or a header in the upstream's language.
    if (octet === 0x00 || octet === 0x0a || octet === 0x0d) return 'query-control';
    at += 2;
  }
  return null;
}

export function isCanonicalPath(path: string): boolean {
  return findPathFlaw(path) === null;
}

export function isCanonicalQuery(query: string): boolean {
  return findQueryFlaw(query) === null;
}

function flawOfRawOctet(unit: number): TargetFlaw {
  switch (unit) {
    case HASH:
      return 'target-fragment';
    case SEMICOLON:
      return 'path-parameter';
    case BACKSLASH:
      return 'path-backslash';
    default:
      return 'path-octet';
  }
}

/** The index after the character that the escapes from `at` spell, or why they are refused. */
function endOfEscape(path: string, at: number): number | TargetFlaw {
  const octet = escapedOctet(path, at);
  if (octet === null) return 'path-percent';
  if (octet >= 0x80) return endOfUtf8(path, at, octet);
  if (UNRESERVED[octet] === 1) return 'path-encoded-unreserved';
  if (octet < SP || octet === DEL) return 'path-encoded-control';
  switch (octet) {
    case SLASH:
      return 'path-encoded-slash';
    case BACKSLASH:
      return 'path-backslash';
    case SEMICOLON:
      return 'path-parameter';
    case PERCENT:
      // `%252e` is `%2e` to whoever decodes once and `.` to whoever decodes twice.
      return escapedOctet(path, at + 2) !== null ? 'path-double-encoding' : at + 3;
    default:
      return at + 3;
  }
}

/** RFC 3629 §4: shortest form, no surrogates, at most U+10FFFF; C1 controls (C2 80 to C2 9F) are controls too. */
function endOfUtf8(path: string, at: number, lead: number): number | TargetFlaw {
  let low = 0x80;
  let high = 0xbf;
  let following: number;
  if (lead >= 0xc2 && lead <= 0xdf) following = 1;
  else if (lead >= 0xe0 && lead <= 0xef) following = 2;
  else if (lead >= 0xf0 && lead <= 0xf4) following = 3;
  else return 'path-utf8';
  if (lead === 0xe0) low = 0xa0;
  if (lead === 0xed) high = 0x9f;
  if (lead === 0xf0) low = 0x90;
  if (lead === 0xf4) high = 0x8f;
  let end = at + 3;
  for (let index = 0; index < following; index += 1) {
    if (path.charCodeAt(end) !== PERCENT) return 'path-utf8';
    const octet = escapedOctet(path, end);
    if (octet === null) return 'path-percent';
    if (octet < low || octet > high) return 'path-utf8';
    if (lead === 0xc2 && octet < 0xa0) return 'path-encoded-control';
    low = 0x80;
    high = 0xbf;
    end += 3;
  }
  return end;
}

/** The octet that `%XX` at `at` spells; null when two hex digits do not follow the `%`. */
function escapedOctet(text: string, at: number): number | null {
  const high = HEX[text.charCodeAt(at + 1)] ?? NOT_HEX;
  const low = HEX[text.charCodeAt(at + 2)] ?? NOT_HEX;
  return high === NOT_HEX || low === NOT_HEX ? null : high * 16 + low;
}

function isDotSegment(path: string, from: number, to: number): boolean {
  const length = to - from;
  if (length !== 1 && length !== 2) return false;
  return path.charCodeAt(from) === DOT && path.charCodeAt(to - 1) === DOT;
}
