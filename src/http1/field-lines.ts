// Field lines as text, and the proof that none of them can end before it should: whoever puts a head together checks nothing again.

import type { Brand } from '../core/brand.ts';
import { isKnownName } from './field-names.ts';
import { Http1Error } from './http1-error.ts';
import { isToken } from './octets.ts';

/** Any number of whole lines, each with its CR LF, to be written as latin1. */
export type FieldLines = Brand<string, 'FieldLines'>;

/** Flat name, value, name, value … as a parser read them: names are tokens in lower case, no value holds what ends a line. */
export type ParsedFields = Brand<readonly string[], 'ParsedFields'>;

export const NO_LINES = '' as FieldLines;

/** A character above U+00FF counts too: written as latin1, U+010A becomes LF. */
const BREAKS_LINE = /[\r\n\0\u0100-\uffff]/;

/** Fields that nobody has parsed, such as what we say of ourselves. @throws {Http1Error} for what does not fit on a line. */
export function encodeFields(fields: readonly string[]): FieldLines {
  let lines = NO_LINES;
  for (let at = 0; at < fields.length; at += 2) {
    const [name = '', value] = [fields[at], fields[at + 1]];
    if (value === undefined || (!isKnownName(name) && !isToken(name)))
      throw new Http1Error('unencodable-field', 'request');
    lines = addField(lines, name, value);
  }
  return lines;
}

/** `lines` and one more, whose `name` is ours. @throws {Http1Error} */
export function addField(lines: FieldLines, name: string, value: string): FieldLines {
  if (breaksLine(value)) throw new Http1Error('unencodable-field', 'request');
  return (lines + name + ': ' + value + '\r\n') as FieldLines;
}

/** A field of ours that mostly says what it said before: the same value is looked at once. */
export class RepeatedField {
  readonly #name: string;
  #value: string | null = null;
  #line = NO_LINES;

  constructor(name: string) {
    this.#name = name;
  }

  /** @throws {Http1Error} */
  line(value: string): FieldLines {
    if (value !== this.#value) {
      this.#line = inOnePiece(addField(NO_LINES, this.#name, value));
      this.#value = value;
    }
    return this.#line;
  }
}

/** `lines` and the parsed field whose name is at `at`, which has been looked at octet by octet when it was parsed. */
export function addParsedField(lines: FieldLines, fields: ParsedFields, at: number): FieldLines {
  return `${lines}${fields[at]}: ${fields[at + 1]}\r\n` as FieldLines;
}

/** The fields of `lines`, flat name, value, name, value …, for a protocol that has no lines. */
export function fieldsOf(lines: FieldLines): string[] {
  const fields: string[] = [];
  pushFields(fields, lines);
  return fields;
}

/** Puts the fields of `lines` behind those that are in `fields`. */
export function pushFields(fields: string[], lines: FieldLines): void {
  for (let at = 0; at < lines.length; ) {
    const colon = lines.indexOf(': ', at);
    const end = lines.indexOf('\r\n', colon);
    fields.push(lines.slice(at, colon), lines.slice(colon + 2, end));
    at = end + 2;
  }
}

export function joinLines(lines: FieldLines, more: FieldLines): FieldLines {
  return (lines + more) as FieldLines;
}

/** The same lines in one piece: V8 strings concatenations together only when somebody looks, and these are looked at again and again. */
export function inOnePiece(lines: FieldLines): FieldLines {
  lines.charCodeAt(0);
  return lines;
}

/** Whether `text` holds what ends a line or a string somewhere, now or once it is written as latin1. */
export function breaksLine(text: string): boolean {
  return BREAKS_LINE.test(text);
}
