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
  const problems: string[] = [];
  if (count > MAX_MEMBERS || directorySize > MAX_DIRECTORY_BYTES) {
    return { members: [], problems: [`more than the ${MAX_MEMBERS} members that are looked at`] };
  }
  // What was put before the archive moves it; Python's reader allows for that.
  const base = at - directorySize - directoryAt;
  if (base < 0) return { members: [], problems: ['the directory does not lie before its end'] };
  if (base > 0) problems.push(`${base} bytes stand before the archive`);
  const directory = Uint8Array.from(source.read(base + directoryAt, directorySize));
  const members: ZipMember[] = [];
  const names = new Set<string>();
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
    }
  }
  if (offset < directory.length) problems.push('something stands behind the last member of the directory');
  return { members, problems: [...new Set(problems)].slice(0, MAX_PROBLEMS) };
}

const MAX_PROBLEMS = 16;

interface End {
  /** Where the directory ends. */
  readonly at: number;
  readonly count: number;
  readonly directorySize: number;
  readonly directoryAt: number;
}

function findEnd(source: ByteSource): End | null {
  const start = Math.max(0, source.size - END_BYTES - MAX_COMMENT);
  const tail = Uint8Array.from(source.read(start, source.size - start));
  const view = viewOf(tail);
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    if (view.getUint32(at, true) !== END) continue;
    const count = view.getUint16(at + 10, true);
    const directorySize = view.getUint32(at + 12, true);
    const directoryAt = view.getUint32(at + 16, true);
    const big = readEnd64(source, start + at);
    if (big !== null) return big;
    if (count === UINT_16 || directorySize === UINT_32 || directoryAt === UINT_32) continue;
    if (directorySize + directoryAt > start + at) continue;
    return { at: start + at, count, directorySize, directoryAt };
  }
  return null;
}

function readEnd64(source: ByteSource, endAt: number): End | null {
  if (endAt < 20) return null;
  const locator = Uint8Array.from(source.read(endAt - 20, 20));
  if (viewOf(locator).getUint32(0, true) !== END_64_LOCATOR) return null;
  const declared = Number(readUint64(locator.subarray(8, 16)));
  // Usually right before the locator, whatever was put before the archive.
  for (const at of [declared, endAt - 20 - 56]) {
    if (!Number.isSafeInteger(at) || at < 0 || at + 56 > source.size) continue;
    const end = Uint8Array.from(source.read(at, 56));
    if (viewOf(end).getUint32(0, true) !== END_64) continue;
    const [count, directorySize, directoryAt] = [32, 40, 48].map((field) =>
      Number(readUint64(end.subarray(field, field + 8))),
    );
    if (count === undefined || directorySize === undefined || directoryAt === undefined) continue;
    if (![count, directorySize, directoryAt].every(Number.isSafeInteger) || directorySize + directoryAt > at) continue;
    return { at, count, directorySize, directoryAt };
  }
  return null;
}

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
): string | { readonly member: ZipMember; readonly problem: string | null } {
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
  return { member, problem: differenceOf({ name, method }, { name: localName, view }) };
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
