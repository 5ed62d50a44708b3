// The header of a NumPy array file: an array of objects is a pickle in disguise.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import type { ByteSource } from './byte-source.ts';

export type NumpyHeader =
  | { readonly kind: 'header'; readonly text: string; readonly dataAt: number }
  | { readonly kind: 'broken'; readonly detail: string };

const MAX_HEADER = 1024 * 1024;

/** Null when it is no such file. */
export function readNumpyHeader(source: ByteSource, head: Uint8Array): NumpyHeader | null {
  if (Buffer.from(head.subarray(0, 6)).toString('latin1') !== '\u0093NUMPY') return null;
  const major = head[6] ?? 0;
  if (major < 1 || major > 3) return { kind: 'broken', detail: `a NumPy array of version ${major}, which is not read` };
  const lengthBytes = major === 1 ? 2 : 4;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (head.length < 8 + lengthBytes) return { kind: 'broken', detail: 'a NumPy array that ends within its header' };
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataAt = 8 + lengthBytes + length;
  if (length > MAX_HEADER || dataAt > source.size) {
    return { kind: 'broken', detail: 'a NumPy array whose header is longer than the file or than is read' };
  }
  const text = Buffer.from(source.read(8 + lengthBytes, length)).toString('latin1');
  if (!/^\s*\{.*'descr'\s*:.*\}\s*$/s.test(text))
    return { kind: 'broken', detail: 'a NumPy array without a description of its type' };
  return { kind: 'header', text, dataAt };
}

/** Also of a structured type with one field of objects, however it is written. */
export function isObjectArray(header: string): boolean {
  return /['"](?:[<>|=]?O\d*|object_?)['"]/.test(header) || /\\|\bO\b/.test(header);
}
