// Heads and chunk framing as text: one string per message, and no way for a name or value to break out of its line.

import { isKnownName } from './field-names.ts';
import { Http1Error } from './http1-error.ts';
import { isToken } from './octets.ts';

/** All strings are to be written as latin1. */
export interface EncodableRequestHead {
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly target: string;
  /** Flat name, value, name, value …. */
  readonly fields: readonly string[];
}

export interface EncodableResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly string[];
}

export const CHUNK_END = '\r\n';
/** The last chunk and an empty trailer section. */
export const LAST_CHUNK = '0\r\n\r\n';

/** On a one-byte string, which nearly every head is, V8 knows that the second alternative cannot occur. */
const NUL_OR_WIDE = /[\0\u0100-\uffff]/;

export function encodeRequestHead(head: EncodableRequestHead): string {
  if (!isToken(head.method) || head.target === '' || head.target.includes(' ')) {
    throw new Http1Error('unencodable-start-line', 'request');
  }
  return encodeHead(`${head.method} ${head.target} HTTP/1.1\r\n`, head.fields);
}

export function encodeResponseHead(head: EncodableResponseHead): string {
  if (!Number.isInteger(head.status) || head.status < 100 || head.status > 599) {
    throw new Http1Error('unencodable-start-line', 'request');
  }
  return encodeHead(`HTTP/1.1 ${head.status} ${head.reason}\r\n`, head.fields);
}

/** What stands before the octets of a chunk. `bytes` is at least 1: the chunk of size 0 is LAST_CHUNK. */
export function chunkPrefix(bytes: number): string {
  if (!(bytes > 0)) throw new RangeError('a chunk of no octets would end the body');
  return `${bytes.toString(16)}\r\n`;
}

function encodeHead(startLine: string, fields: readonly string[]): string {
  let head = startLine;
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = fields[at] ?? '';
    if (!isKnownName(name) && !isToken(name)) throw new Http1Error('unencodable-field', 'request');
    head += `${name}: ${fields[at + 1] ?? ''}\r\n`;
  }
  head += '\r\n';
  // Looked for once in the whole head, not in each value: it has as many CR and LF as it has lines, or one was smuggled in. A
  // character above U+00FF counts too: written as latin1, U+010A becomes LF.
  const lines = fields.length / 2 + 2;
  if (count(head, '\r') !== lines || count(head, '\n') !== lines || NUL_OR_WIDE.test(head)) {
    throw new Http1Error('unencodable-field', 'request');
  }
  return head;
}

function count(text: string, character: '\r' | '\n'): number {
  let found = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) found += 1;
  return found;
}
