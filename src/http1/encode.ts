// Heads and chunk framing as text: one string per message, and no way for a name or value to break out of its line.

import { breaksLine, type FieldLines } from './field-lines.ts';
import { Http1Error } from './http1-error.ts';
import { isToken } from './octets.ts';

/** All strings are to be written as latin1. */
export interface EncodableRequestHead {
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly target: string;
  readonly lines: FieldLines;
}

export interface EncodableResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly lines: FieldLines;
}

export const CHUNK_END = '\r\n';
/** The last chunk and an empty trailer section. */
export const LAST_CHUNK = '0\r\n\r\n';

export function encodeRequestHead({ method, target, lines }: EncodableRequestHead): string {
  if (!isToken(method) || target === '' || target.includes(' ') || breaksLine(target)) {
    throw new Http1Error('unencodable-start-line', 'request');
  }
  return method + ' ' + target + ' HTTP/1.1\r\n' + lines + '\r\n';
}

export function encodeResponseHead({ status, reason, lines }: EncodableResponseHead): string {
  if (!Number.isInteger(status) || status < 100 || status > 599 || breaksLine(reason)) {
    throw new Http1Error('unencodable-start-line', 'request');
  }
  return `HTTP/1.1 ${status} ${reason}\r\n${lines}\r\n`;
}

/** What stands before the octets of a chunk. `bytes` is at least 1: the chunk of size 0 is LAST_CHUNK. */
export function chunkPrefix(bytes: number): string {
  if (!(bytes > 0)) throw new RangeError('a chunk of no octets would end the body');
  return `${bytes.toString(16)}\r\n`;
}
