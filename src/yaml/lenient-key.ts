// Keys of block and flow mappings in the fast reader.

import { BEYOND, codeAt, COLON, type Cursor, type DuplicateKey, isBlank, skipSpaces } from './lenient-cursor.ts';
import { formatKey, resolvePlain } from './lenient-plain.ts';
import { canBeginPlain, findPlainEnd } from './lenient-plain-line.ts';
import { isQuote, readQuoted } from './lenient-quoted.ts';

// libyaml looks no further for the colon behind a key.
const MAX_KEY_LENGTH = 1000;

/** The key at the cursor, which is then behind its colon; null when there is none, and the cursor where it was. */
export function readKey(cursor: Cursor): string | null {
  const start = cursor.at;
  const isQuoted = isQuote(cursor.text.charCodeAt(start));
  let key: string | null;
  if (isQuoted) {
    key = readQuoted(cursor);
    cursor.at = skipSpaces(cursor, cursor.at);
  } else {
    if (!canBeginPlain(cursor, start)) return null;
    const end = findPlainEnd(cursor, start, 'block');
    key = cursor.text.slice(start, end.trimmed);
    cursor.at = end.at;
  }
  if (codeAt(cursor, cursor.at) !== COLON || !isBlank(codeAt(cursor, cursor.at + 1))) {
    cursor.at = start;
    return null;
  }
  if (cursor.at - start > MAX_KEY_LENGTH || (isQuoted && cursor.text.slice(start, cursor.at).includes('\n')))
    throw BEYOND;
  cursor.at += 1;
  return isQuoted ? key : toKey(key);
}

/** A plain text as the key it is. */
export function toKey(text: string): string {
  if (text === '<<') throw BEYOND;
  const key = resolvePlain(text);
  if (key === null) throw BEYOND;
  return formatKey(key);
}

export interface NewEntry {
  readonly key: string;
  readonly keyAt: number;
  readonly value: unknown;
}

/** Of several entries of the same key the last one counts, as it does for kubectl. */
export function addEntry(cursor: Cursor, mapping: Record<string, unknown>, { key, keyAt, value }: NewEntry): void {
  if (Object.hasOwn(mapping, key)) addDuplicate(cursor.duplicates, { key, at: keyAt });
  setOwn(mapping, key, value);
}

// Whoever has so many does not need to be told of all.
const MAX_DUPLICATES = 32;

export function addDuplicate(duplicates: DuplicateKey[], duplicate: DuplicateKey): void {
  if (duplicates.length < MAX_DUPLICATES) duplicates.push(duplicate);
}

/** `__proto__` is a key as any other. */
export function setOwn(mapping: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(mapping, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    mapping[key] = value;
  }
}
