// The reading position of the fast reader, and what it does with lines.

import type { Place } from './lenient-place.ts';

export interface Cursor {
  readonly text: string;
  /** Of the document in the text; a document ends with a line break or with the text. */
  readonly end: number;
  at: number;
  /** Where the line of `at` begins. */
  lineStart: number;
  /** Of the next content, when `at` stands there; -1 behind the last. */
  column: number;
  depth: number;
  /** Of the value that was read last; null unless places are wanted. */
  place: Place | null;
  /** How deep places are kept; below that, a collection has them for itself only. */
  readonly placeDepth: number;
  readonly duplicates: DuplicateKey[];
}

export interface DuplicateKey {
  readonly key: string;
  readonly at: number;
}

/** Thrown where a document leaves the part of YAML that the fast reader knows; another reader then begins it again. */
export const BEYOND = new Error('beyond the part of YAML that the fast reader knows');

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const QUOTE = 34;
export const HASH = 35;
export const APOSTROPHE = 39;
export const COMMA = 44;
export const HYPHEN = 45;
export const COLON = 58;

const MAX_DEPTH = 200;

export function enter(cursor: Cursor): void {
  cursor.depth += 1;
  if (cursor.depth > MAX_DEPTH) throw BEYOND;
}

/** Whether the places inside of the collection that was entered last are wanted. */
export function keepsPlaces({ place, placeDepth, depth }: Cursor): boolean {
  return place !== null && depth <= placeDepth;
}

/** Whether the place of the collection that was entered last is wanted by the one around it. */
export function isPlaceKept({ place, placeDepth, depth }: Cursor): boolean {
  return place !== null && depth - 1 <= placeDepth;
}

export function leave(cursor: Cursor): void {
  cursor.depth -= 1;
}

/** At the end of the document there is none. */
export function codeAt(cursor: Cursor, at: number): number {
  return at < cursor.end ? cursor.text.charCodeAt(at) : LF;
}

export function isBlank(code: number): boolean {
  return code === SPACE || code === LF || code === CR || code === TAB;
}

/** From the beginning of a line to the first content there is, past empty lines and comments. */
export function toContent(cursor: Cursor): void {
  const { text, end } = cursor;
  let lineStart = cursor.at;
  while (lineStart < end) {
    let at = lineStart;
    while (at < end && text.charCodeAt(at) === SPACE) at += 1;
    const code = codeAt(cursor, at);
    if (code === LF || code === HASH || code === CR) {
      lineStart = nextLine(cursor, at);
    } else {
      if (code === TAB) throw BEYOND;
      cursor.lineStart = lineStart;
      cursor.at = at;
      cursor.column = at - lineStart;
      return;
    }
  }
  cursor.at = end;
  cursor.lineStart = end;
  cursor.column = -1;
}

/** From behind a value to the next content. */
export function finishLine(cursor: Cursor): void {
  passLineEnd(cursor);
  toContent(cursor);
}

/** To the beginning of the next line; nothing but a comment may be left on this one. */
export function passLineEnd(cursor: Cursor): void {
  const start = cursor.at;
  const at = skipSpaces(cursor, start);
  const code = codeAt(cursor, at);
  if (code !== LF && code !== CR && !(code === HASH && at > start)) throw BEYOND;
  cursor.at = nextLine(cursor, at);
}

export function skipSpaces(cursor: Cursor, from: number): number {
  let at = from;
  while (at < cursor.end && cursor.text.charCodeAt(at) === SPACE) at += 1;
  if (at < cursor.end && cursor.text.charCodeAt(at) === TAB) throw BEYOND;
  return at;
}

/** The beginning of the next line, from anywhere in a line. */
export function nextLine(cursor: Cursor, from: number): number {
  const { text, end } = cursor;
  const lineFeed = text.indexOf('\n', from);
  return lineFeed < 0 || lineFeed >= end ? end : lineFeed + 1;
}

/** Where the content of the line ends: before its break. */
export function lineEnd(cursor: Cursor, from: number): number {
  const { text, end } = cursor;
  const lineFeed = text.indexOf('\n', from);
  const at = lineFeed < 0 || lineFeed >= end ? end : lineFeed;
  return at > from && text.charCodeAt(at - 1) === CR ? at - 1 : at;
}
