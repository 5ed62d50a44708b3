// What stands behind the opcodes of a pickle, as Python reads it: numbers, texts, names.

import { isUtf8 } from 'node:buffer';
import { type ByteCursor, readUint64 } from './byte-source.ts';
import type { PickleArgument, PickleOpcode } from './pickle-opcodes.ts';

/** A text, or null for anything else. */
export type Item = string | null;

export interface ArgumentReading {
  readonly number: number;
  readonly text: Item;
  readonly lines: readonly [Item, Item];
}

/** Thrown where a pickle cannot be followed any further. */
export class Broken {
  readonly detail: string;
  readonly isSure: boolean;
  constructor(detail: string, certainty: 'python-stops' | 'python-may-read-on' = 'python-stops') {
    this.detail = detail;
    this.isSure = certainty === 'python-stops';
  }
}

const MAX_NAME = 1024;
const MAX_LINE = 65_536;
const UNICODE_NAMES: ReadonlySet<string> = new Set(['SHORT_BINUNICODE', 'BINUNICODE', 'BINUNICODE8']);
const NO_ARGUMENT: ArgumentReading = { number: 0, text: null, lines: [null, null] };

export function readArgument(cursor: ByteCursor, { name, argument }: PickleOpcode): ArgumentReading {
  switch (argument.kind) {
    case 'none':
      return NO_ARGUMENT;
    case 'bytes':
      return { ...NO_ARGUMENT, number: littleEndian(take(cursor, argument.length), argument.length > 4) };
    case 'counted':
      return readCounted(cursor, argument, UNICODE_NAMES.has(name));
    case 'line':
      return readLine(cursor, argument.form);
    case 'two-lines':
      return { ...NO_ARGUMENT, lines: [nameLine(cursor), nameLine(cursor)] };
  }
}

function readCounted(
  cursor: ByteCursor,
  { lengthBytes, isText, isSigned }: Extract<PickleArgument, { kind: 'counted' }>,
  isUnicode: boolean,
): ArgumentReading {
  const bytes = take(cursor, lengthBytes);
  const length = lengthBytes === 8 ? Number(readUint64(bytes)) : littleEndian(bytes, false);
  if (isSigned && length > 0x7fff_ffff) throw new Broken('a negative length');
  if (isText && length <= MAX_NAME) return { ...NO_ARGUMENT, text: decode(take(cursor, length), isUnicode) };
  if (!cursor.skip(length)) throw new Broken('it ends within a value');
  return NO_ARGUMENT;
}

function readLine(cursor: ByteCursor, form: Extract<PickleArgument, { kind: 'line' }>['form']): ArgumentReading {
  const line = takeLine(cursor);
  if (line === null) {
    if (form === 'memo') throw new Broken('a place in the memo of many digits', 'python-may-read-on');
    return NO_ARGUMENT;
  }
  const text = decode(line, false);
  switch (form) {
    case 'number':
    case 'float':
      // Whether it is one, Python decides in more ways than one; to read on shows more than to stop.
      return NO_ARGUMENT;
    case 'memo':
      return { ...NO_ARGUMENT, number: memoPlace(text) };
    case 'quoted':
      return { ...NO_ARGUMENT, text: unescape(unquote(text), PYTHON_ESCAPE) };
    case 'unicode':
      return { ...NO_ARGUMENT, text: unescape(text, UNICODE_ESCAPE) };
    case 'persistent-id':
      return NO_ARGUMENT;
  }
}

function nameLine(cursor: ByteCursor): Item {
  const line = takeLine(cursor);
  const text = line === null ? null : decode(line, true);
  return text === null || text.length > MAX_NAME ? null : text;
}

/** Null for one longer than is kept, which is passed: Python reads lines of any length. */
function takeLine(cursor: ByteCursor): Uint8Array | null {
  const line = cursor.takeLine(MAX_LINE);
  if (line === null && !cursor.skipLine()) throw new Broken('a line that does not end');
  return line;
}

function take(cursor: ByteCursor, length: number): Uint8Array {
  const bytes = cursor.take(length);
  if (bytes === null) throw new Broken('it ends within a value');
  return bytes;
}

/** Python takes signs, spaces, zeros in front, and what a NUL ends; as a place it has none beyond 63 bits. */
function memoPlace(text: string): number {
  const digits = (text.split('\0', 1)[0] ?? '').replaceAll(/[\s_+-]/g, '').replace(/^0+(?=\d)/, '');
  if (!/^\d+$/.test(digits)) throw new Broken('no place in the memo');
  const place = Number(digits);
  if (!Number.isSafeInteger(place)) throw new Broken('a place in the memo of many digits', 'python-may-read-on');
  return place;
}

/** Strings of Python 2 are bytes in any encoding; what is Unicode is UTF-8, where Python lets half a pair stand alone. */
function decode(bytes: Uint8Array, isUnicode: boolean): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isUnicode || isUtf8(buffer)) return buffer.toString('utf8');
  const mended = Buffer.from(buffer.toString('latin1').replaceAll(LONE_SURROGATE, '???'), 'latin1');
  if (!isUtf8(mended)) throw new Broken('a text that is not UTF-8');
  return mended.toString('utf8');
}

const LONE_SURROGATE = /\u00ed[\u00a0-\u00bf][\u0080-\u00bf]/g;

/** Of eight bytes only the fact that there are some matters. */
function littleEndian(bytes: Uint8Array, isLong: boolean): number {
  if (isLong) return 0;
  let value = 0;
  for (let index = bytes.length - 1; index >= 0; index -= 1) value = value * 256 + (bytes[index] ?? 0);
  return value;
}

function unquote(text: string): string {
  const trimmed = text.trim();
  const quote = trimmed.charAt(0);
  const isQuoted = trimmed.length >= 2 && (quote === "'" || quote === '"') && trimmed.endsWith(quote);
  if (!isQuoted) throw new Broken('a string without quotes');
  return trimmed.slice(1, -1);
}

const PYTHON_ESCAPE = /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([\\'"abfnrtv]))/g;
const UNICODE_ESCAPE = /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g;
const LETTERS: Readonly<Record<string, string>> = { a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** A name may be written so that whoever searches for it does not find it. */
function unescape(text: string, form: typeof PYTHON_ESCAPE): string {
  return text.replaceAll(form, (_whole, first?: string, second?: string, letter?: string) => {
    if (typeof letter === 'string') return LETTERS[letter] ?? letter;
    const code =
      form === PYTHON_ESCAPE && second !== undefined
        ? Number.parseInt(second, 8)
        : Number.parseInt(first ?? second ?? '', 16);
    return code <= 0x10_ffff ? String.fromCodePoint(code) : '\uFFFD';
  });
}
