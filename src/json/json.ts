// Strict JSON: bytes to values that lose nothing, in which no two readers could see different things.
// RFC 8259

import { quote } from '../core/quote.ts';
import { JsonError, type JsonErrorCode } from './json-error.ts';

export type JsonValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** As written: a double would lose the end of a 64-bit number. */
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly JsonValue[] }
  | JsonObject;

export interface JsonObject {
  readonly kind: 'object';
  /** In the order of the text. A Map, so that `__proto__` is a name as any other. */
  readonly members: ReadonlyMap<string, JsonValue>;
}

export interface JsonLimits {
  readonly maxBytes: number;
  /** Of arrays and objects in each other: `[]` is 1 deep, `[[]]` 2. */
  readonly maxDepth: number;
}

/** A value takes two bytes of text and dozens of memory; no document this program reads comes near. */
const MAX_VALUES = 65_536;

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
// oxlint-disable-next-line no-control-regex -- the control characters are what a string must not have
const PLAIN_CHARACTERS = /[^"\\\u0000-\u001f]*/y;
const WORD = /[A-Za-z0-9_$.+-]*/y;
const FOUR_HEX_DIGITS = /^[0-9A-Fa-f]{4}$/;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);
const WORDS: ReadonlyMap<string, JsonValue> = new Map([
  ['null', { kind: 'null' }],
  ['true', { kind: 'boolean', value: true }],
  ['false', { kind: 'boolean', value: false }],
]);

/**
 * Reads one JSON text.
 * @throws {JsonError} whose message begins with `line:column: `
 */
export function parseJson(source: Uint8Array, { maxBytes, maxDepth }: JsonLimits): JsonValue {
  if (source.length > maxBytes) {
    const message = `the text has ${source.length} bytes; at most ${maxBytes} are read`;
    throw new JsonError('json-too-large', message, START);
  }
  const cursor: Cursor = { text: decode(source), at: 0, maxDepth, values: 0 };
  skipSpace(cursor);
  const value = readValue(cursor, 0);
  skipSpace(cursor);
  if (cursor.at < cursor.text.length) throw failure(cursor, 'json-trailing-text', 'more text behind the JSON value');
  return value;
}

const START = { line: 1, column: 1 };

function decode(source: Uint8Array): string {
  if (source[0] === 0xef && source[1] === 0xbb && source[2] === 0xbf) {
    throw new JsonError('json-byte-order-mark', 'the text begins with a byte order mark', START);
  }
  const buffer = Buffer.from(source.buffer, source.byteOffset, source.length);
  const nul = buffer.indexOf(0);
  if (nul >= 0) {
    const message = 'a NUL byte; the text may have been cut while it was written';
    throw new JsonError('json-nul', message, positionAt(buffer.toString('latin1'), nul));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source);
  } catch {
    const position = positionAt(buffer.toString('latin1'), firstInvalidByte(buffer));
    throw new JsonError('json-not-utf8', 'the text is not valid UTF-8', position);
  }
}

/** What the lenient decoder replaces does not encode to itself. */
function firstInvalidByte(source: Buffer): number {
  const replaced = Buffer.from(source.toString('utf8'));
  const at = source.findIndex((byte, index) => byte !== replaced[index]);
  return at < 0 ? source.length : at;
}

interface Cursor {
  readonly text: string;
  readonly maxDepth: number;
  at: number;
  /** Read so far. */
  values: number;
}

function readValue(cursor: Cursor, depth: number): JsonValue {
  cursor.values += 1;
  if (cursor.values > MAX_VALUES) throw failure(cursor, 'json-too-many-values', `more than ${MAX_VALUES} values`);
  switch (cursor.text.charAt(cursor.at)) {
    case '{':
      return readObject(cursor, depth + 1);
    case '[':
      return readArray(cursor, depth + 1);
    case '"':
      return { kind: 'string', value: readString(cursor) };
    default:
      return readNumberOrWord(cursor);
  }
}

function readObject(cursor: Cursor, depth: number): JsonObject {
  enter(cursor, depth);
  const members = new Map<string, JsonValue>();
  if (isNext(cursor, '}')) return { kind: 'object', members };
  do {
    skipSpace(cursor);
    const start = cursor.at;
    if (cursor.text.charAt(start) !== '"') throw unexpected(cursor, 'a name in double quotes');
    const name = readString(cursor);
    if (members.has(name)) {
      const message = `the name ${quote(name)} stands twice in one object; two readers may take different ones`;
      throw failure({ text: cursor.text, at: start }, 'json-duplicate-name', message);
    }
    skipSpace(cursor);
    if (!isNext(cursor, ':')) throw unexpected(cursor, '`:`');
    skipSpace(cursor);
    members.set(name, readValue(cursor, depth));
    skipSpace(cursor);
  } while (isNext(cursor, ','));
  if (!isNext(cursor, '}')) throw unexpected(cursor, '`,` or `}`');
  return { kind: 'object', members };
}

function readArray(cursor: Cursor, depth: number): JsonValue {
  enter(cursor, depth);
  const items: JsonValue[] = [];
  if (isNext(cursor, ']')) return { kind: 'array', items };
  do {
    skipSpace(cursor);
    items.push(readValue(cursor, depth));
    skipSpace(cursor);
  } while (isNext(cursor, ','));
  if (!isNext(cursor, ']')) throw unexpected(cursor, '`,` or `]`');
  return { kind: 'array', items };
}

/** Past the opening bracket and the space behind it. */
function enter(cursor: Cursor, depth: number): void {
  if (depth > cursor.maxDepth) {
    throw failure(cursor, 'json-too-deep', `nested more than ${cursor.maxDepth} levels deep`);
  }
  cursor.at += 1;
  skipSpace(cursor);
}

function readString(cursor: Cursor): string {
  cursor.at += 1;
  let value = take(cursor, PLAIN_CHARACTERS);
  while (!isNext(cursor, '"')) {
    if (cursor.text.charAt(cursor.at) !== '\\') throw unexpected(cursor, 'the end of the string, or an escape,');
    value += readEscape(cursor) + take(cursor, PLAIN_CHARACTERS);
  }
  return value;
}

function readEscape(cursor: Cursor): string {
  const start = cursor.at;
  const letter = cursor.text.charAt(start + 1);
  if (letter !== 'u') {
    const character = ESCAPES.get(letter);
    cursor.at += 1;
    if (character === undefined) throw unexpected(cursor, 'one of `"\\/bfnrtu`');
    cursor.at += 1;
    return character;
  }
  const unit = readUnit(cursor);
  if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
  // The text itself is UTF-8, which has no halves: the other half can only be an escape as well.
  const isPair = unit < 0xdc00 && cursor.text.startsWith('\\u', cursor.at);
  const low = isPair ? readUnit(cursor) : 0;
  if (low >= 0xdc00 && low <= 0xdfff) return String.fromCharCode(unit, low);
  const at = { text: cursor.text, at: start };
  throw failure(at, 'json-lone-surrogate', 'half of a surrogate pair, which is no character');
}

/** The UTF-16 code unit of `\uXXXX`. */
function readUnit(cursor: Cursor): number {
  const digits = cursor.text.slice(cursor.at + 2, cursor.at + 6);
  if (!FOUR_HEX_DIGITS.test(digits)) {
    cursor.at = Math.min(cursor.at + 2, cursor.text.length);
    throw unexpected(cursor, 'four hexadecimal digits');
  }
  cursor.at += 6;
  return Number.parseInt(digits, 16);
}

function readNumberOrWord(cursor: Cursor): JsonValue {
  const start = cursor.at;
  const text = take(cursor, NUMBER);
  if (text !== '') return { kind: 'number', text };
  const word = WORDS.get(take(cursor, WORD));
  if (word !== undefined) return word;
  cursor.at = start;
  throw unexpected(cursor, 'a JSON value');
}

function skipSpace(cursor: Cursor): void {
  take(cursor, SPACE);
}

/** What the sticky `pattern` matches here, which may be nothing. */
function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0] ?? '';
  cursor.at += found.length;
  return found;
}

function isNext(cursor: Cursor, character: string): boolean {
  if (cursor.text.charAt(cursor.at) !== character) return false;
  cursor.at += 1;
  return true;
}

type Place = Pick<Cursor, 'text' | 'at'>;

function unexpected(place: Place, expected: string): JsonError {
  const found = place.text.codePointAt(place.at);
  if (found === undefined) return failure(place, 'json-truncated', `the end where ${expected} was expected`);
  return failure(place, 'json-syntax', `${quote(String.fromCodePoint(found))} where ${expected} was expected`);
}

function failure({ text, at }: Place, code: JsonErrorCode, message: string): JsonError {
  return new JsonError(code, message, positionAt(text, at));
}

function positionAt(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at);
  return { line: before.split('\n').length, column: at - before.lastIndexOf('\n') };
}
