// One entry of a revocation list as named texts, whichever format carries them, and back.

import { findNearestName } from '../core/nearest-name.ts';
import { quote } from '../core/quote.ts';
import { formatRfc3339, parseRfc3339, Rfc3339Error } from '../core/rfc3339.ts';
import { IdPatternError, parseIdPattern } from '../spiffe/id-pattern.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { parseReason, parseSerialNumber, parseSha256, parseTokenId, RevocationTextError } from './entry-text.ts';
import { formatIdPattern, type Revocation, type RevocationTarget } from './revocation.ts';

const ENTRY_KEYS = ['id', 'serial', 'issuer', 'spki', 'jti', 'reason', 'at', 'expires'] as const;

export type EntryKey = (typeof ENTRY_KEYS)[number];

/** By key; null is a value that is no text. */
export type EntryTexts = ReadonlyMap<string, string | null>;

export interface EntryProblem {
  /** Kebab-case, stable. */
  readonly code: string;
  readonly message: string;
  readonly place: EntryPlace;
}

/** The whole entry is where something is missing. */
export type EntryPlace = { readonly part: 'name' | 'value'; readonly key: string } | { readonly part: 'entry' };

export type EntryReading =
  | { readonly kind: 'revocation'; readonly revocation: Revocation }
  | { readonly kind: 'problems'; readonly problems: readonly EntryProblem[] };

/** `own` is the trust domain of patterns written without one; null where there is no such thing, and they are refused. */
export function readEntry(texts: EntryTexts, own: TrustDomain | null): EntryReading {
  const problems: EntryProblem[] = [];
  const entry: Entry = {
    texts,
    refuse: (code, message, place) => problems.push({ code, message, place }),
  };
  problems.push(...unknownKeys(texts));
  const target = readTarget(entry, own);
  const reason = readRequired(entry, 'reason', parseReason);
  const atMs = readRequired(entry, 'at', parseInstant);
  const expiresMs = readOptional(entry, 'expires', parseInstant);
  if (atMs !== null && expiresMs !== null && expiresMs <= atMs) {
    entry.refuse('bad-expiry', '`expires` is not after `at`', { part: 'value', key: 'expires' });
  }
  if (problems.length > 0 || target === null || reason === null || atMs === null) return { kind: 'problems', problems };
  return { kind: 'revocation', revocation: { target, reason, atMs, expiresMs } };
}

/** In the order in which people read them. */
export function formatEntry({ target, reason, atMs, expiresMs }: Revocation): readonly (readonly [EntryKey, string])[] {
  return [
    ...formatTarget(target),
    ['reason', reason],
    ['at', formatRfc3339(atMs)],
    ...(expiresMs === null ? [] : [['expires', formatRfc3339(expiresMs)] as const]),
  ];
}

const WHOLE: EntryPlace = { part: 'entry' };

interface Entry {
  readonly texts: EntryTexts;
  readonly refuse: (code: string, message: string, place: EntryPlace) => void;
}

function unknownKeys(texts: EntryTexts): readonly EntryProblem[] {
  const known: readonly string[] = ENTRY_KEYS;
  const unknown = [...texts.keys()].filter((key) => !known.includes(key));
  return unknown.map((key) => {
    const nearest = findNearestName(key, known);
    const help = nearest === null ? `known keys are ${known.join(', ')}` : `did you mean ${quote(nearest)}?`;
    return { code: 'unknown-key', message: `unknown key ${quote(key)}; ${help}`, place: { part: 'name', key } };
  });
}

function readRequired<T>(entry: Entry, key: EntryKey, parse: (text: string) => T): T | null {
  if (!entry.texts.has(key)) entry.refuse('missing-key', `a revocation needs \`${key}\``, WHOLE);
  return readOptional(entry, key, parse);
}

/** Null where there is none, or where it is wrong, which has been said then. */
function readOptional<T>(entry: Entry, key: EntryKey, parse: (text: string) => T): T | null {
  const text = entry.texts.get(key);
  if (text === undefined) return null;
  if (text === null) {
    entry.refuse('wrong-type', `\`${key}\` must be a string; quote it`, { part: 'value', key });
    return null;
  }
  try {
    return parse(text);
  } catch (error) {
    const isExpected =
      error instanceof RevocationTextError || error instanceof IdPatternError || error instanceof Rfc3339Error;
    if (!isExpected) throw error;
    entry.refuse(error.code, `\`${key}\`: ${error.message}`, { part: 'value', key });
    return null;
  }
}

function readTarget(entry: Entry, own: TrustDomain | null): RevocationTarget | null {
  const present = (['id', 'serial', 'issuer', 'spki', 'jti'] as const).filter((key) => entry.texts.has(key));
  const [first, second] = present.filter((key) => key !== 'issuer' || !entry.texts.has('serial'));
  if (first === undefined) {
    entry.refuse('no-target', 'a revocation needs `id`, `serial` and `issuer`, `spki` or `jti`', WHOLE);
    return null;
  }
  if (second !== undefined) {
    const message = `a revocation is of one thing; it has \`${first}\` and \`${second}\`, which are two`;
    entry.refuse('several-targets', message, { part: 'name', key: second });
    return null;
  }
  switch (first) {
    case 'id': {
      const pattern = readOptional(entry, 'id', (text) => readIdPattern(text, own));
      return pattern === null ? null : { kind: 'id', pattern };
    }
    case 'serial':
    case 'issuer': {
      const serialNumber = readRequired(entry, 'serial', parseSerialNumber);
      const issuer = readRequired(entry, 'issuer', parseSha256);
      return serialNumber === null || issuer === null ? null : { kind: 'certificate', issuer, serialNumber };
    }
    case 'spki': {
      const spkiSha256 = readOptional(entry, 'spki', parseSha256);
      return spkiSha256 === null ? null : { kind: 'key', spkiSha256 };
    }
    case 'jti': {
      const tokenId = readOptional(entry, 'jti', parseTokenId);
      return tokenId === null ? null : { kind: 'token', tokenId };
    }
  }
}

function readIdPattern(text: string, own: TrustDomain | null): ReturnType<typeof parseIdPattern> {
  if (own !== null) return parseIdPattern(text, own);
  if (text.startsWith('/')) {
    throw new IdPatternError('bad-id-pattern', `ID pattern ${quote(text)} has no trust domain; write \`spiffe://…\``);
  }
  // Looked at for patterns that begin with a slash only.
  return parseIdPattern(text, parseTrustDomain('none'));
}

/** Those that can be written again. */
const LAST_INSTANT_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function parseInstant(text: string): number {
  const ms = parseRfc3339(text);
  if (ms >= 0 && ms <= LAST_INSTANT_MS) return ms;
  throw new RevocationTextError('bad-instant', `${quote(text)} is not in the years 1970 to 9999`);
}

function formatTarget(target: RevocationTarget): readonly (readonly [EntryKey, string])[] {
  switch (target.kind) {
    case 'id':
      return [['id', formatIdPattern(target.pattern)]];
    case 'certificate':
      return [
        ['serial', `0x${target.serialNumber}`],
        ['issuer', target.issuer],
      ];
    case 'key':
      return [['spki', target.spkiSha256]];
    case 'token':
      return [['jti', target.tokenId]];
  }
}
