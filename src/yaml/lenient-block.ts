// The fast reader: the part of YAML that manifests are written in. Whatever is beyond it (anchors, tags, explicit keys, broken text) is left
// to a reader of all of YAML, so that this one need not be able to judge it.
// https://yaml.org/spec/1.2.2/#chapter-8-block-style-productions

import { readBlockScalar } from './lenient-block-scalar.ts';
import {
  BEYOND,
  codeAt,
  CR,
  type Cursor,
  type DuplicateKey,
  enter,
  finishLine,
  HASH,
  HYPHEN,
  isBlank,
  isPlaceKept,
  keepsPlaces,
  leave,
  LF,
  nextLine,
  skipSpaces,
  toContent,
} from './lenient-cursor.ts';
import { readFlow } from './lenient-flow.ts';
import { addEntry, readKey } from './lenient-key.ts';
import type { Entry, Place } from './lenient-place.ts';
import { readPlain } from './lenient-plain-line.ts';
import { isQuote, readQuoted } from './lenient-quoted.ts';

export interface FastReading {
  readonly value: unknown;
  readonly duplicates: readonly DuplicateKey[];
  /** Null unless places were wanted. */
  readonly root: Place | null;
}

/** Of one document in a text. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** Undefined when the document is beyond this reader. */
export function readFast(text: string, extent: Extent, wanted: 'values' | 'places'): FastReading | undefined {
  return read(createCursor(text, extent, wanted === 'values' ? -1 : Number.POSITIVE_INFINITY));
}

/** The places of the topmost two levels alone: the keys of a document, and where the items of its lists begin. */
export function readOutline(text: string, extent: Extent): Place | undefined {
  return read(createCursor(text, extent, 2))?.root ?? undefined;
}

/** The places within an item of a sequence in a document that this reader has read; `at` is where the outline says that the item begins. */
export function readItemPlaces(text: string, { end }: Extent, at: number): Place | undefined {
  const cursor = createCursor(text, { start: at, end }, Number.POSITIVE_INFINITY);
  cursor.lineStart = text.lastIndexOf('\n', at) + 1;
  try {
    readBlock(cursor, at - cursor.lineStart - 1);
    return cursor.place ?? undefined;
  } catch (error) {
    if (error === BEYOND) return undefined;
    throw error;
  }
}

function createCursor(text: string, { start, end }: Extent, placeDepth: number): Cursor {
  const place = placeDepth < 0 ? null : { at: start, inside: null };
  return { text, end, at: start, lineStart: start, column: -1, depth: 0, place, placeDepth, duplicates: [] };
}

function read(cursor: Cursor): FastReading | undefined {
  // What stands on the line of its marker.
  if (cursor.text.startsWith('---', cursor.at)) return undefined;
  try {
    toContent(cursor);
    const value = cursor.column < 0 ? null : readBlock(cursor, -1);
    if (cursor.column >= 0) return undefined;
    return { value, duplicates: cursor.duplicates, root: cursor.place };
  } catch (error) {
    if (error === BEYOND) return undefined;
    throw error;
  }
}

/** What begins at the cursor, inside of something in column `parent`. Leaves the cursor at the next content. */
function readBlock(cursor: Cursor, parent: number): unknown {
  const column = cursor.at - cursor.lineStart;
  if (isItem(cursor)) return readSequence(cursor, column);
  const keyAt = cursor.at;
  const key = readKey(cursor);
  return key === null ? readInline(cursor, parent) : readMapping(cursor, column, { key, keyAt });
}

function readSequence(cursor: Cursor, column: number): readonly unknown[] {
  enter(cursor);
  const items: unknown[] = [];
  const at = cursor.at;
  const inside: Place[] | null = keepsPlaces(cursor) ? [] : null;
  do {
    const itemAt = cursor.at;
    cursor.at += 1;
    items.push(hasNested(cursor) ? readNested(cursor, column, { of: 'item', at: itemAt }) : readBlock(cursor, column));
    if (inside !== null && cursor.place !== null) inside.push(cursor.place);
    if (cursor.column > column) throw BEYOND;
  } while (cursor.column === column && isItem(cursor));
  if (isPlaceKept(cursor)) cursor.place = { at, inside };
  leave(cursor);
  return items;
}

interface Key {
  readonly key: string;
  readonly keyAt: number;
}

function readMapping(cursor: Cursor, column: number, first: Key): Record<string, unknown> {
  enter(cursor);
  const mapping: Record<string, unknown> = {};
  const inside: Map<string, Entry> | null = keepsPlaces(cursor) ? new Map() : null;
  let { key, keyAt } = first;
  for (;;) {
    const value = hasNested(cursor)
      ? readNested(cursor, column, { of: 'value', at: keyAt })
      : readEntryValue(cursor, column);
    addEntry(cursor, mapping, { key, keyAt, value });
    if (inside !== null && cursor.place !== null) inside.set(key, { keyAt, place: cursor.place });
    if (cursor.column > column) throw BEYOND;
    if (cursor.column < column) break;
    keyAt = cursor.at;
    const next = isItem(cursor) ? null : readKey(cursor);
    if (next === null) throw BEYOND;
    key = next;
  }
  if (isPlaceKept(cursor)) cursor.place = { at: first.keyAt, inside };
  leave(cursor);
  return mapping;
}

/** Whether the line ends behind a hyphen or a colon; else the cursor is put where the value begins. */
function hasNested(cursor: Cursor): boolean {
  const at = skipSpaces(cursor, cursor.at);
  const code = codeAt(cursor, at);
  if (code === LF || code === CR || (code === HASH && at > cursor.at)) return true;
  cursor.at = at;
  return false;
}

interface Owner {
  readonly of: 'item' | 'value';
  /** The key, or the hyphen. */
  readonly at: number;
}

function readNested(cursor: Cursor, column: number, { of, at }: Owner): unknown {
  cursor.at = nextLine(cursor, cursor.at);
  toContent(cursor);
  if (cursor.column > column) return readBlock(cursor, column);
  // A sequence may stand in the column of the key that it belongs to.
  if (of === 'value' && cursor.column === column && isItem(cursor)) return readSequence(cursor, column);
  if (keepsPlaces(cursor)) cursor.place = { at, inside: null };
  return null;
}

function readEntryValue(cursor: Cursor, column: number): unknown {
  if (isItem(cursor)) throw BEYOND;
  return readInline(cursor, column);
}

const BLOCK_SCALAR = /[|>]/;

function readInline(cursor: Cursor, parent: number): unknown {
  const at = cursor.at;
  const character = cursor.text.charAt(at);
  if (BLOCK_SCALAR.test(character)) {
    const value = readBlockScalar(cursor, parent);
    if (keepsPlaces(cursor)) cursor.place = { at, inside: null };
    return value;
  }
  if (character === '[' || character === '{') {
    const value = readFlow(cursor);
    finishLine(cursor);
    return value;
  }
  let value: unknown;
  if (isQuote(cursor.text.charCodeAt(at))) {
    value = readQuoted(cursor);
    finishLine(cursor);
  } else {
    value = readPlain(cursor, parent);
  }
  if (keepsPlaces(cursor)) cursor.place = { at, inside: null };
  return value;
}

function isItem(cursor: Cursor): boolean {
  const { text, at } = cursor;
  return text.charCodeAt(at) === HYPHEN && isBlank(codeAt(cursor, at + 1));
}
