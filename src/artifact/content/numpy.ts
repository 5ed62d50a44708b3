// The header of a NumPy array file: an array of anything but plain numbers and texts is a pickle in disguise.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import type { ByteSource } from './byte-source.ts';
import { type PythonLiteral, parsePythonLiteral } from './python-literal.ts';

export type NumpyHeader =
  /** Of values that are what their bytes are; `dataBytes` of them. */
  | { readonly kind: 'plain'; readonly dataAt: number; readonly dataBytes: bigint }
  /** Of objects, or of nobody knows what: NumPy may unpickle what stands there. */
  | { readonly kind: 'objects'; readonly dataAt: number }
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
  const dataBytes = sizeOf(parsePythonLiteral(text));
  return dataBytes === null ? { kind: 'objects', dataAt } : { kind: 'plain', dataAt, dataBytes };
}

/** Null for whatever is not known to be plain. */
function sizeOf(header: PythonLiteral | null): bigint | null {
  if (header?.kind !== 'dict' || header.entries.size !== 3) return null;
  const [descr, order, shape] = ['descr', 'fortran_order', 'shape'].map((key) => header.entries.get(key));
  if (descr === undefined || order?.kind !== 'bool' || shape?.kind !== 'tuple') return null;
  const [itemBytes, count] = [itemSizeOf(descr), countOf(shape)];
  return itemBytes === null || count === null ? null : itemBytes * count;
}

const PLAIN_TYPE =
  /^[<>|=]?(?:(?<fixed>\?|b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[mM]8(?:\[\d{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as|generic)\])?)|(?<counted>[SaUV]\d{1,9}))$/;

function itemSizeOf(descr: PythonLiteral): bigint | null {
  if (descr.kind === 'list') return sum(descr.items.map(fieldSizeOf));
  const type = descr.kind === 'text' ? PLAIN_TYPE.exec(descr.value)?.groups : undefined;
  if (type === undefined) return null;
  const { fixed, counted } = type;
  if (counted !== undefined) return BigInt(counted.slice(1)) * (counted.startsWith('U') ? 4n : 1n);
  return BigInt(/^.(\d{1,2})/.exec(fixed ?? '')?.[1] ?? '1');
}

/** (name, type) or (name, type, shape); the name may be a title and a name. */
function fieldSizeOf(field: PythonLiteral): bigint | null {
  if (field.kind !== 'tuple') return null;
  const [name, type, shape, more] = field.items;
  if (name === undefined || type === undefined || more !== undefined) return null;
  const names = name.kind === 'tuple' && name.items.length === 2 ? name.items : [name];
  if (!names.every(({ kind }) => kind === 'text')) return null;
  const [size, count] = [itemSizeOf(type), shape === undefined ? 1n : countOf(shape)];
  return size === null || count === null ? null : size * count;
}

function countOf(shape: PythonLiteral): bigint | null {
  if (shape.kind !== 'tuple') return null;
  let count = 1n;
  for (const each of shape.items) {
    if (each.kind !== 'integer') return null;
    count *= each.value;
  }
  return count;
}

function sum(sizes: readonly (bigint | null)[]): bigint | null {
  return sizes.reduce((total, size) => (total === null || size === null ? null : total + size), 0n);
}
