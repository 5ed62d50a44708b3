// The members of a ZIP archive as its central directory has them, held against what stands before each of them.
// APPNOTE.TXT 6.3.10, §4.3

import { type ByteSource, readUint64, windowOf } from './byte-source.ts';

export interface ZipMember {
  readonly name: string;
  readonly method: number;
  readonly size: number;
  /** As it is stored. */
  readonly data: ByteSource;
}

export interface ZipReading {
  readonly members: readonly ZipMember[];
  /** What two readers of the archive could see differently, or what could not be read. */
  readonly problems: readonly string[];
}

const END = 0x0605_4b50;
const END_64_LOCATOR = 0x0706_4b50;
const END_64 = 0x0606_4b50;
const CENTRAL = 0x0201_4b50;
const LOCAL = 0x0403_4b50;
const MAX_COMMENT = 65_535;
const END_BYTES = 22;
const MAX_MEMBERS = 100_000;
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
const UINT_32 = 0xffff_ffff;
const UINT_16 = 0xffff;

/** Null when there is no archive in the source, wherever it begins. */
export function readZip(source: ByteSource): ZipReading | null {
  const end = findEnd(source);
  if (end === null) return null;
  const { at, count, directorySize, directoryAt } = end;
  const problems = [...end.problems];
  if (count > MAX_MEMBERS || directorySize > MAX_DIRECTORY_BYTES) {
    return { members: [], problems: [...problems, `more than the ${MAX_MEMBERS} members that are looked at`] };
  }
  // What was put before the archive moves it; Python's reader allows for that.
  const base = at - directorySize - directoryAt;
  if (base < 0) return { members: [], problems: [...problems, 'the directory does not lie before its end'] };
  if (base > 0) problems.push(`${base} bytes stand before the archive`);
  const directory = Uint8Array.from(source.read(base + directoryAt, directorySize));
  const members: ZipMember[] = [];
  const names = new Set<string>();
  const spans: Span[] = [];
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    const entry = readEntry(directory, offset);
    if (entry === null) {
      problems.push(`the directory is broken at member ${index + 1}`);
      break;
    }
    offset = entry.end;
    if (names.has(entry.name)) problems.push('two members have one name');
    names.add(entry.name);
    const member = locateMember(source, base, entry);
    if (typeof member === 'string') problems.push(member);
    else {
      if (member.problem !== null) problems.push(member.problem);
      members.push(member.member);
      spans.push(member.span);
    }
  }
  if (offset < directory.length) problems.push('something stands behind the last member of the directory');
  if (hasGap(source, spans, { from: base, to: base + directoryAt }))
    problems.push('bytes of it belong to no member, or to two; readers that look for members find others');
  return { members, problems: [...new Set(problems)].slice(0, MAX_PROBLEMS) };
}

const MAX_PROBLEMS = 16;

interface Span {
  readonly begin: number;
  readonly end: number;
  readonly compressedSize: number;
  readonly size: number;
  /** Sizes may stand behind the member once more. */
  readonly hasDescriptor: boolean;
}

function hasGap(
  source: ByteSource,
  spans: readonly Span[],
  { from, to }: { readonly from: number; readonly to: number },
): boolean {
  let at = from;
  for (const span of spans.toSorted((left, right) => left.begin - right.begin)) {
    if (span.begin !== at) return true;
    at = span.end + (span.hasDescriptor ? descriptorLength(source, span) : 0);
  }
  return at !== to;
}

/** §4.3.9: with or without a signature, in 4 or 8 bytes each; zero where none stands. */
function descriptorLength(source: ByteSource, { end, compressedSize, size }: Span): number {
  const bytes = Uint8Array.from(source.read(end, 24));
  const view = viewOf(bytes);
  const signed = bytes.length >= 16 && view.getUint32(0, true) === DESCRIPTOR ? 4 : 0;
  const isAt = (at: number, width: 4 | 8): boolean => {
    if (bytes.length < at + 2 * width) return false;
    const [first, second] = [at, at + width].map((field) =>
      width === 4 ? view.getUint32(field, true) : Number(view.getBigUint64(field, true)),
    );
    return first === compressedSize && second === size;
  };
  if (isAt(signed + 4, 8)) return signed + 20;
  return isAt(signed + 4, 4) ? signed + 12 : 0;
}

const DESCRIPTOR = 0x0807_4b50;
const HAS_DESCRIPTOR = 8;

interface EndFields {
  readonly count: number;
  readonly directorySize: number;
  readonly directoryAt: number;
}

interface End extends EndFields {
  /** Where the directory ends. */
  readonly at: number;
  readonly problems: readonly string[];
}

function findEnd(source: ByteSource): End | null {
  const start = Math.max(0, source.size - END_BYTES - MAX_COMMENT);
  const tail = Uint8Array.from(source.read(start, source.size - start));
  const view = viewOf(tail);
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    if (view.getUint32(at, true) !== END) continue;
    const fields = {
      count: view.getUint16(at + 10, true),
      directorySize: view.getUint32(at + 12, true),
      directoryAt: view.getUint32(at + 16, true),
    };
    const endAt = start + at;
    const problems =
      endAt + END_BYTES + view.getUint16(at + 20, true) === source.size
        ? []
        : ['the comment of the archive does not end where the file does'];
    const big = readEnd64(source, endAt, fields);
    if (big !== null) return { ...big, problems: [...problems, ...big.problems] };
    const { count, directorySize, directoryAt } = fields;
    if (count === UINT_16 || directorySize === UINT_32 || directoryAt === UINT_32) continue;
    if (directorySize + directoryAt > endAt) continue;
    return { at: endAt, ...fields, problems };
  }
  return null;
}

const LOCATOR_BYTES = 20;
const END_64_BYTES = 56;

/** Python takes the record right before the locator, others the one that the locator names. */
function readEnd64(source: ByteSource, endAt: number, fields: EndFields): End | null {
  if (endAt < LOCATOR_BYTES) return null;
  const locator = Uint8Array.from(source.read(endAt - LOCATOR_BYTES, LOCATOR_BYTES));
  if (viewOf(locator).getUint32(0, true) !== END_64_LOCATOR) return null;
  const at = endAt - LOCATOR_BYTES - END_64_BYTES;
  if (at < 0) return null;
  const record = Uint8Array.from(source.read(at, END_64_BYTES));
  const [length, count, directorySize, directoryAt, named] = [
    ...[4, 32, 40, 48].map((field) => readUint64(record.subarray(field, field + 8))),
    readUint64(locator.subarray(8, 16)),
  ].map(Number);
  const isWhole = [count, directorySize, directoryAt].every(Number.isSafeInteger);
  if (viewOf(record).getUint32(0, true) !== END_64 || !isWhole || (directorySize ?? 0) + (directoryAt ?? 0) > at) {
    return { at, count: 0, directorySize: 0, directoryAt: at, problems: [SECOND_END] };
  }
  const big = { count: count ?? 0, directorySize: directorySize ?? 0, directoryAt: directoryAt ?? 0 };
  const base = at - big.directorySize - big.directoryAt;
  const isSame =
    named !== undefined &&
    named + base === at &&
    length === END_64_BYTES - 12 &&
    (fields.count === UINT_16 || fields.count === big.count) &&
    (fields.directorySize === UINT_32 || fields.directorySize === big.directorySize) &&
    (fields.directoryAt === UINT_32 || fields.directoryAt === big.directoryAt);
  return { at, ...big, problems: isSame ? [] : [SECOND_END] };
}

const SECOND_END = 'it has two ends that say different things; which members it has depends on who reads it';

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly localAt: number;
  readonly end: number;
}

function readEntry(directory: Uint8Array, at: number): Entry | null {
  if (at + 46 > directory.length) return null;
  const view = viewOf(directory);
  if (view.getUint32(at, true) !== CENTRAL) return null;
  const nameLength = view.getUint16(at + 28, true);
  const extraLength = view.getUint16(at + 30, true);
  const end = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true);
  if (end > directory.length) return null;
  const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
  const sizes = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  const [size, compressedSize, localAt] = widen(sizes, extra);
  if (size === undefined || compressedSize === undefined || localAt === undefined) return null;
  return {
    name: Buffer.from(directory.subarray(at + 46, at + 46 + nameLength)).toString('utf8'),
    method: view.getUint16(at + 10, true),
    compressedSize,
    size,
    localAt,
    end,
  };
}

/** §4.5.3: fields that are full stand in the extra field, in this order. */
function widen(sizes: readonly number[], extra: Uint8Array): readonly (number | undefined)[] {
  const big = findExtra(extra);
  let at = 0;
  return sizes.map((size) => {
    if (size !== UINT_32) return size;
    if (big === null || at + 8 > big.length) return undefined;
    const wide = Number(readUint64(big.subarray(at, at + 8)));
    at += 8;
    return Number.isSafeInteger(wide) ? wide : undefined;
  });
}

function findExtra(extra: Uint8Array): Uint8Array | null {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1) return extra.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return null;
}

function locateMember(
  source: ByteSource,
  base: number,
  { name, method, compressedSize, size, localAt }: Entry,
): string | { readonly member: ZipMember; readonly problem: string | null; readonly span: Span } {
  const at = base + localAt;
  if (at + 30 > source.size) return 'a member lies behind the end of the archive';
  const header = Uint8Array.from(source.read(at, 30));
  const view = viewOf(header);
  if (view.getUint32(0, true) !== LOCAL) return 'a member does not begin where the directory says';
  const nameLength = view.getUint16(26, true);
  const dataAt = at + 30 + nameLength + view.getUint16(28, true);
  if (dataAt + compressedSize > source.size) return 'a member reaches behind the end of the archive';
  const localName = Buffer.from(source.read(at + 30, nameLength)).toString('utf8');
  const member = { name, method, size, data: windowOf(source, dataAt, compressedSize) };
  const hasDescriptor = (view.getUint16(6, true) & HAS_DESCRIPTOR) !== 0;
  const span = { begin: at, end: dataAt + compressedSize, compressedSize, size, hasDescriptor };
  return { member, span, problem: differenceOf({ name, method }, { name: localName, view }) };
}

/** Readers that go by one and scanners that go by the other are told different things on purpose. */
function differenceOf(
  { name, method }: Pick<Entry, 'name' | 'method'>,
  local: { readonly name: string; readonly view: DataView },
): string | null {
  if (local.name !== name) return 'a member has another name in the directory than at its place';
  if (local.view.getUint16(8, true) !== method)
    return 'a member is compressed one way by the directory and another at its place';
  return (local.view.getUint16(6, true) & ENCRYPTED) === 0 ? null : 'a member says that it is encrypted';
}

const ENCRYPTED = 1;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
