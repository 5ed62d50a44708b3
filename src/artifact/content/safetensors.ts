// The header of a safetensors file, as strictly as its specification has it: it is what makes the format safe.
// https://github.com/huggingface/safetensors#format

import { parseJson, type JsonObject, type JsonValue } from '../../json/json.ts';
import { JsonError } from '../../json/json-error.ts';
import { type ByteSource, readUint64 } from './byte-source.ts';

const MAX_HEADER_BYTES = 100_000_000;
const MAX_READ_BYTES = 16 * 1024 * 1024;
const OPENING_BRACE = 0x7b;

const BITS: ReadonlyMap<string, number> = new Map([
  ['BOOL', 8],
  ['U8', 8],
  ['I8', 8],
  ['F8_E4M3', 8],
  ['F8_E5M2', 8],
  ['F8_E8M0', 8],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['F4', 4],
  ['U16', 16],
  ['I16', 16],
  ['F16', 16],
  ['BF16', 16],
  ['U32', 32],
  ['I32', 32],
  ['F32', 32],
  ['C64', 64],
  ['U64', 64],
  ['I64', 64],
  ['F64', 64],
]);

export function looksLikeSafetensors(source: ByteSource): boolean {
  const head = Uint8Array.from(source.read(0, 9));
  if (head.length < 9 || head[8] !== OPENING_BRACE) return false;
  return readUint64(head) <= BigInt(Math.max(0, source.size - 8));
}

export type SafetensorsReading =
  | { readonly kind: 'good' }
  | { readonly kind: 'bad'; readonly detail: string }
  /** More than is read of a header. */
  | { readonly kind: 'too-large'; readonly detail: string };

export function readSafetensors(source: ByteSource): SafetensorsReading {
  const head = Uint8Array.from(source.read(0, 8));
  if (head.length < 8) return bad('it is shorter than the length of its header');
  const length = Number(readUint64(head));
  if (length > MAX_HEADER_BYTES || length > source.size - 8)
    return bad('its header is longer than the format or the file allows');
  if (length > MAX_READ_BYTES)
    return { kind: 'too-large', detail: 'its header is longer than the 16 MiB that are read' };
  let header: JsonValue;
  try {
    const bytes = Uint8Array.from(source.read(8, length));
    header = parseJson(bytes, { maxBytes: MAX_READ_BYTES, maxDepth: 8 });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    if (error.code === 'json-too-many-values')
      return { kind: 'too-large', detail: 'its header has more tensors than are read' };
    return bad(`its header is not strict JSON (${error.code})`);
  }
  if (header.kind !== 'object') return bad('its header is not an object');
  return readTensors(header, source.size - 8 - length);
}

function readTensors(header: JsonObject, dataBytes: number): SafetensorsReading {
  const spans: { readonly begin: number; readonly end: number }[] = [];
  for (const [name, value] of header.members) {
    if (name === '__metadata__') {
      const isTexts = value.kind === 'object' && [...value.members.values()].every(({ kind }) => kind === 'string');
      if (!isTexts) return bad('its metadata is not a map of strings');
      continue;
    }
    const span = value.kind === 'object' ? spanOf(value) : null;
    if (span === null) return bad('a tensor whose type, shape and offsets do not fit each other');
    spans.push(span);
  }
  spans.sort((left, right) => left.begin - right.begin || left.end - right.end);
  let at = 0;
  for (const { begin, end } of spans) {
    // A gap or an overlap holds what no reader of tensors sees.
    if (begin !== at) return bad('its tensors leave gaps or overlap');
    at = end;
  }
  return at === dataBytes ? { kind: 'good' } : bad('its tensors do not fill the file to its end');
}

function spanOf({ members }: JsonObject): { readonly begin: number; readonly end: number } | null {
  if (members.size !== 3) return null;
  const dtype = members.get('dtype');
  const bits = dtype?.kind === 'string' ? BITS.get(dtype.value) : undefined;
  const shape = integersOf(members.get('shape'));
  const offsets = integersOf(members.get('data_offsets'));
  const [begin, end] = offsets ?? [];
  if (bits === undefined || shape === null || offsets?.length !== 2 || begin === undefined || end === undefined)
    return null;
  const size = (shape.reduce((product, dimension) => product * BigInt(dimension), 1n) * BigInt(bits) + 7n) / 8n;
  return end >= begin && BigInt(end - begin) === size ? { begin, end } : null;
}

function integersOf(value: JsonValue | undefined): readonly number[] | null {
  if (value?.kind !== 'array') return null;
  const numbers = value.items.map((item) =>
    item.kind === 'number' && /^\d{1,15}$/.test(item.text) ? Number(item.text) : null,
  );
  return numbers.includes(null) ? null : numbers.flatMap((number) => number ?? []);
}

function bad(detail: string): SafetensorsReading {
  return { kind: 'bad', detail };
}
