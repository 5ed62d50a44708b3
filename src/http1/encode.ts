// Heads and chunk framing as bytes: one string per message, and no way for a name or value to break out of its line.

import { Http1Error } from './http1-error.ts';

const CR = 0x0d;
const LF = 0x0a;
const NUL = 0x00;

export interface EncodableRequestHead {
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly target: string;
  readonly fields: readonly string[];
}

export interface EncodableResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly string[];
}

export const LAST_CHUNK = '0\r\n\r\n';
export const CHUNK_END = '\r\n';

/** To be written as latin1. */
export function encodeRequestHead(head: EncodableRequestHead): string {
  return encodeFields(`${head.method} ${head.target} HTTP/1.1\r\n`, head.fields);
}

/** To be written as latin1. */
export function encodeResponseHead(head: EncodableResponseHead): string {
  return encodeFields(`HTTP/1.1 ${head.status} ${head.reason}\r\n`, head.fields);
}

export function chunkPrefix(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

function encodeFields(startLine: string, fields: readonly string[]): string {
  let head = startLine;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    for (const text of [name, value]) {
      for (let i = 0; i < text.length; i += 1) {
        const unit = text.charCodeAt(i);
        if (unit === CR || unit === LF || unit === NUL || unit > 0xff)
          throw new Http1Error('unencodable-field', 'request');
      }
    }
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}
