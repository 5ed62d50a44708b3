// Flow collections in the fast reader, on one line or several.
// https://yaml.org/spec/1.2.2/#74-flow-collection-styles

import {
  BEYOND,
  codeAt,
  COLON,
  COMMA,
  CR,
  type Cursor,
  enter,
  HASH,
  isBlank,
  isPlaceKept,
  keepsPlaces,
  leave,
  LF,
  nextLine,
  SPACE,
} from './lenient-cursor.ts';
import { addEntry, toKey } from './lenient-key.ts';
import type { PlainValue } from './lenient-plain.ts';
import type { Entry, Place } from './lenient-place.ts';
import { canBeginPlain, findPlainEnd, QUESTION_MARK, toJsonValue } from './lenient-plain-line.ts';
import { isQuote, readQuoted } from './lenient-quoted.ts';

const OPENING_BRACKET = 91;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;

/** The collection at the cursor, which is then behind it. */
export function readFlow(cursor: Cursor): unknown {
  enter(cursor);
  const value = codeAt(cursor, cursor.at) === OPENING_BRACKET ? readFlowSequence(cursor) : readFlowMapping(cursor);
  leave(cursor);
  return value;
}

function readFlowSequence(cursor: Cursor): readonly unknown[] {
  const start = cursor.at;
  const items: unknown[] = [];
  const inside: Place[] | null = keepsPlaces(cursor) ? [] : null;
  cursor.at += 1;
  while (skipFlowSpace(cursor) !== CLOSING_BRACKET) {
    items.push(readFlowValue(cursor));
    if (inside !== null && cursor.place !== null) inside.push(cursor.place);
    finishFlowItem(cursor, CLOSING_BRACKET);
  }
  cursor.at += 1;
  if (isPlaceKept(cursor)) cursor.place = { at: start, inside };
  return items;
}

function readFlowMapping(cursor: Cursor): Record<string, unknown> {
  const start = cursor.at;
  const mapping: Record<string, unknown> = {};
  const inside: Map<string, Entry> | null = keepsPlaces(cursor) ? new Map() : null;
  cursor.at += 1;
  while (skipFlowSpace(cursor) !== CLOSING_BRACE) {
    const keyAt = cursor.at;
    const key = readFlowKey(cursor);
    const value = readFlowEntryValue(cursor, keyAt);
    addEntry(cursor, mapping, { key, keyAt, value });
    if (inside !== null && cursor.place !== null) inside.set(key, { keyAt, place: cursor.place });
    finishFlowItem(cursor, CLOSING_BRACE);
  }
  cursor.at += 1;
  if (isPlaceKept(cursor)) cursor.place = { at: start, inside };
  return mapping;
}

function readFlowKey(cursor: Cursor): string {
  const start = cursor.at;
  if (isQuote(codeAt(cursor, start))) return readQuoted(cursor);
  return toKey(readFlowText(cursor));
}

/** Of the key that ends at the cursor. There may be none: `{a, b: c}`. */
function readFlowEntryValue(cursor: Cursor, keyAt: number): unknown {
  const isPlainKey = !isQuote(codeAt(cursor, keyAt));
  const code = skipFlowSpace(cursor);
  if (code === COLON) {
    // JSON's `"key":value`; a plain scalar goes on with such a colon.
    if (isPlainKey && !isBlank(codeAt(cursor, cursor.at + 1))) throw BEYOND;
    if (cursor.text.slice(keyAt, cursor.at).includes('\n')) throw BEYOND;
    cursor.at += 1;
    const next = skipFlowSpace(cursor);
    if (next !== COMMA && next !== CLOSING_BRACE) return readFlowValue(cursor);
  }
  if (keepsPlaces(cursor)) cursor.place = { at: keyAt, inside: null };
  return null;
}

function readFlowValue(cursor: Cursor): unknown {
  const at = cursor.at;
  const code = codeAt(cursor, at);
  if (code === OPENING_BRACKET || code === OPENING_BRACE) return readFlow(cursor);
  const value = isQuote(code) ? readQuoted(cursor) : readFlowPlain(cursor);
  if (keepsPlaces(cursor)) cursor.place = { at, inside: null };
  return value;
}

function readFlowPlain(cursor: Cursor): PlainValue {
  return toJsonValue(readFlowText(cursor));
}

function readFlowText(cursor: Cursor): string {
  const start = cursor.at;
  const code = codeAt(cursor, start);
  if (code === COLON || code === QUESTION_MARK || !canBeginPlain(cursor, start)) throw BEYOND;
  const { at, trimmed } = findPlainEnd(cursor, start, 'flow');
  cursor.at = at;
  return cursor.text.slice(start, trimmed);
}

/** Past the comma behind an item; there may be none behind the last. */
function finishFlowItem(cursor: Cursor, closing: number): void {
  const code = skipFlowSpace(cursor);
  if (code === COMMA) cursor.at += 1;
  else if (code !== closing) throw BEYOND;
}

/** What comes next, past spaces, line breaks and comments. */
function skipFlowSpace(cursor: Cursor): number {
  const start = cursor.at;
  for (;;) {
    const code = cursor.at < cursor.end ? cursor.text.charCodeAt(cursor.at) : -1;
    if (code === SPACE || code === LF || code === CR) {
      cursor.at += 1;
    } else if (code === HASH && cursor.at > start) {
      cursor.at = nextLine(cursor, cursor.at);
    } else {
      if (code < 0) throw BEYOND;
      return code;
    }
  }
}
