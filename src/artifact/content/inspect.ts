// What a file can do to whoever loads it, told by its content: its name decides nothing but what it claims to be.

import { type ByteSource, sourceOf, windowOf } from './byte-source.ts';
import { type KerasReading, readKerasConfig, searchKerasConfig } from './keras.ts';
import { readNumpyHeader } from './numpy.ts';
import { type OpcodeBudget, readPickle, type PickleReading } from './pickle.ts';
import { judgeImport } from './pickle-names.ts';
import { looksLikeSafetensors, readSafetensors } from './safetensors.ts';
import { findUnmarked, MAX_PICKLES } from './unmarked-pickle.ts';
import { readZip, type ZipMember } from './zip.ts';

export type Hazard =
  /** Loading it runs what these names stand for. */
  | { readonly kind: 'dangerous-import'; readonly names: readonly string[]; readonly member: string | null }
  /** Neither known to only build data, nor known to be dangerous. */
  | { readonly kind: 'unknown-import'; readonly names: readonly string[]; readonly member: string | null }
  /** A program of another kind: a Lambda layer, TorchScript. */
  | { readonly kind: 'program'; readonly detail: string; readonly member: string | null }
  /** Readers could take it for different things. */
  | { readonly kind: 'ambiguous'; readonly detail: string; readonly member: string | null }
  /** Not looked into, or not to its end: nothing can be said. */
  | { readonly kind: 'unread'; readonly detail: string; readonly member: string | null };

export type ContentFormat = 'pickle' | 'zip' | 'numpy' | 'safetensors' | 'hdf5' | 'compressed' | 'archive' | 'other';

export interface ContentReading {
  readonly format: ContentFormat;
  readonly hazards: readonly Hazard[];
  /** Strings of pickles, for what they may say. */
  readonly texts: readonly string[];
}

export type Inflated =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'broken' };

export interface InspectTerms {
  /** Of the file; only its ending is looked at. */
  readonly name: string;
  readonly inflate: (bytes: Uint8Array, form: 'raw' | 'gzip' | 'zlib', maxBytes: number) => Inflated;
}

export function inspectContent(source: ByteSource, terms: InspectTerms): ContentReading {
  return inspect(source, {
    ...terms,
    member: null,
    depth: 0,
    budget: { bytes: MAX_INFLATED_TOTAL, opcodes: MAX_OPCODES_TOTAL },
  });
}

interface Place extends InspectTerms {
  readonly member: string | null;
  /** Of archives in each other. */
  readonly depth: number;
  /** What may still be inflated and followed, of the whole file. */
  readonly budget: OpcodeBudget & { bytes: number };
}

const MAX_DEPTH = 3;
const MAX_INFLATED = 64 * 1024 * 1024;
const MAX_INFLATED_TOTAL = 512 * 1024 * 1024;
const MAX_NAMES = 16;
/** Some seconds of them. */
const MAX_OPCODES_TOTAL = 24_000_000;
const PICKLE_NAMES = /\.(?:pkl|pickle|joblib|dill|pt|pth|ckpt)$/i;

const COMPRESSED: readonly (readonly [magic: string, name: string])[] = [
  ['425a68', 'bzip2'],
  ['fd377a585a00', 'xz'],
  ['04224d18', 'LZ4'],
  ['28b52ffd', 'Zstandard'],
  ['5d0000', 'LZMA'],
  ['377abcaf271c', '7-Zip'],
];

function inspect(source: ByteSource, place: Place): ContentReading {
  if (source.size === 0) return { format: 'other', hazards: [], texts: [] };
  const head = Uint8Array.from(source.read(0, 512));
  // First, while the budget is whole: what lies in an archive may use it up.
  const pickle = inspectPickle(source, head, place);
  const readings = [
    inspectZip(source, place),
    pickle,
    inspectNumpy(source, head, place),
    inspectSafetensors(source, place),
    inspectHdf5(source, place),
    inspectCompressed(source, head, place),
    inspectArchive(head, place),
  ].filter((reading) => reading !== null);
  const [first] = readings;
  if (first === undefined) return { format: 'other', hazards: claimHazards(place), texts: [] };
  const hazards = readings.flatMap((reading) => reading.hazards);
  const formats = readings.map(({ format }) => format).join(' and ');
  if (readings.length > 1) {
    hazards.push({
      kind: 'ambiguous',
      detail: `it is ${formats} at once; what it is depends on who reads it`,
      member: place.member,
    });
  }
  return { format: first.format, hazards, texts: readings.flatMap(({ texts }) => texts) };
}

/** Of a file in which nothing was recognised. */
function claimHazards({ name, member }: Place): readonly Hazard[] {
  if (!PICKLE_NAMES.test(name)) return [];
  return [
    {
      kind: 'unread',
      detail: 'its name says that it is loaded as a pickle, and its content is none that is known',
      member,
    },
  ];
}

function inspectPickle(source: ByteSource, head: Uint8Array, place: Place): ContentReading | null {
  const hasMark = head[0] === 0x80 && (head[1] ?? 6) <= 5;
  if (hasMark || PICKLE_NAMES.test(place.name)) return readPickles(source, 0, { place, isSure: hasMark });
  const unmarked = findUnmarked(source, 0, place.budget);
  switch (unmarked.kind) {
    case 'pickle':
      return readPickles(source, 0, { place, isSure: true });
    case 'doubtful':
      return unread(
        'pickle',
        `it can be read as a pickle to byte ${unmarked.at} (${unmarked.detail}), and Python may read on`,
        place,
      );
    case 'none':
      return null;
  }
}

/** Torch's old form is several in a row, and Python's loader can be called for each. */
function readPickles(
  source: ByteSource,
  start: number,
  { place, isSure }: { readonly place: Place; readonly isSure: boolean },
): (ContentReading & { readonly endAt: number }) | null {
  const readings: PickleReading[] = [];
  const hazards: Hazard[] = [];
  let at = start;
  for (;;) {
    const reading = readPickle(source, at, { budget: place.budget });
    const isFirst = readings.length === 0;
    const { end, imports } = reading;
    if (end.kind === 'broken' && imports.length === 0 && !(isFirst && isSure)) break;
    // Weights behind a pickle may look like the beginning of one without a mark.
    if (!isFirst && source.read(at, 1)[0] !== 0x80 && findUnmarked(source, at, place.budget).kind === 'none') break;
    readings.push(reading);
    if (end.kind !== 'stop') {
      const detail =
        end.kind === 'broken'
          ? `the pickle breaks off at byte ${end.at} (${end.detail}); a reader runs what stands before`
          : `the pickle goes on behind byte ${end.at}, further than is followed`;
      hazards.push({ kind: 'unread', detail, member: place.member });
      break;
    }
    at = end.at;
    if (at >= source.size) break;
    if (readings.length >= MAX_PICKLES) {
      hazards.push({ kind: 'unread', detail: `more than ${MAX_PICKLES} pickles in a row`, member: place.member });
      break;
    }
  }
  if (readings.length === 0) return null;
  return {
    format: 'pickle',
    hazards: [...importHazards(readings, place), ...hazards],
    texts: readings.flatMap(({ texts }) => texts),
    endAt: at,
  };
}

function importHazards(readings: readonly PickleReading[], { member }: Place): readonly Hazard[] {
  const imports = readings.flatMap((reading) => reading.imports);
  const namesOf = (verdict: 'dangerous' | 'unknown'): readonly string[] => [
    ...new Set(imports.filter((each) => judgeImport(each) === verdict).map(({ module, name }) => `${module}.${name}`)),
  ];
  const [dangerous, unknown] = [namesOf('dangerous'), namesOf('unknown')];
  return [
    ...(dangerous.length === 0
      ? []
      : [{ kind: 'dangerous-import', names: dangerous.slice(0, MAX_NAMES), member } as const]),
    ...(unknown.length === 0 ? [] : [{ kind: 'unknown-import', names: unknown.slice(0, MAX_NAMES), member } as const]),
  ];
}

function inspectZip(source: ByteSource, place: Place): ContentReading | null {
  const zip = readZip(source);
  if (zip === null) {
    const isCut = Buffer.from(source.read(0, 4)).toString('latin1') === 'PK\u0003\u0004';
    return isCut ? unread('zip', 'it begins as a ZIP archive and has no directory at its end', place) : null;
  }
  if (place.depth >= MAX_DEPTH) return unread('zip', 'archives in archives, deeper than is looked', place);
  const hazards: Hazard[] = zip.problems.map((detail) => ({ kind: 'ambiguous', detail, member: place.member }));
  const texts: string[] = [];
  for (const member of zip.members) {
    if (member.name.endsWith('/') && member.size === 0) continue;
    if (place.budget.opcodes === 0) {
      const detail = 'its pickles have more opcodes than are followed; members behind them are not looked into';
      hazards.push({ kind: 'unread', detail, member: place.member });
      break;
    }
    const reading = inspectMember(member, place);
    hazards.push(...reading.hazards);
    texts.push(...reading.texts);
  }
  const isScript = zip.members.some(({ name }) => /^[^/]+\/code\/.+\.py$/.test(name));
  if (isScript)
    hazards.push({
      kind: 'program',
      detail: 'TorchScript: it holds a program that loading it prepares to run',
      member: place.member,
    });
  return { format: 'zip', hazards, texts };
}

function inspectMember(member: ZipMember, place: Place): ContentReading {
  const path = place.member === null ? member.name : `${place.member} » ${member.name}`;
  const within: Place = { ...place, name: member.name, member: path, depth: place.depth + 1 };
  const content = contentOf(member, within);
  if (typeof content === 'string') return unread('other', content, within);
  const reading = inspect(content, within);
  if (!isConfig(member.name)) return reading;
  return withHazards(reading, kerasHazards(readKerasConfig(content), within));
}

function kerasHazards(reading: KerasReading, { member }: Place): readonly Hazard[] {
  return reading.kind === 'good' ? [] : [{ kind: reading.kind, detail: reading.detail, member }];
}

function isConfig(name: string): boolean {
  return name === 'config.json' || name.endsWith('/config.json');
}

/** Or why it cannot be had. */
function contentOf({ method, size, data }: ZipMember, { inflate, budget }: Place): ByteSource | string {
  if (method === 0) return data.size === size ? data : 'a stored member that has two sizes';
  if (method !== 8) return `a member compressed in a way that is not read (${method})`;
  const most = Math.min(MAX_INFLATED, budget.bytes);
  if (size > most || data.size > most) return 'a compressed member larger than is unpacked';
  // One byte more than there may be shows that the size is not the one that was told.
  const inflated = inflate(Uint8Array.from(data.read(0, data.size)), 'raw', size + 1);
  if (inflated.kind === 'too-large') return 'a member that unpacks to more than it says';
  if (inflated.kind === 'broken') return 'a member that cannot be unpacked';
  budget.bytes -= inflated.bytes.length;
  return inflated.bytes.length === size
    ? sourceOf(inflated.bytes)
    : 'a member that unpacks to another size than it says';
}

function inspectNumpy(source: ByteSource, head: Uint8Array, place: Place): ContentReading | null {
  const header = readNumpyHeader(source, head);
  if (header === null) return null;
  if (header.kind === 'broken') return unread('numpy', header.detail, place);
  if (header.kind === 'plain') {
    const end = BigInt(header.dataAt) + header.dataBytes;
    if (end > BigInt(source.size)) return unread('numpy', 'a NumPy array that ends within its values', place);
    return withRest({ format: 'numpy', hazards: [], texts: [] }, { source, end: Number(end), place });
  }
  const pickles = readPickles(source, header.dataAt, { place, isSure: true });
  if (pickles === null) return unread('numpy', 'a NumPy array of an unknown type', place);
  return withRest({ ...pickles, format: 'numpy' }, { source, end: pickles.endAt, place });
}

/** What is loaded from one file can be loaded again from where the first ended. */
function withRest(
  reading: ContentReading,
  { source, end, place }: { readonly source: ByteSource; readonly end: number; readonly place: Place },
): ContentReading {
  if (end >= source.size) return reading;
  if (place.depth >= MAX_DEPTH)
    return withHazards(reading, unread('numpy', 'more arrays in a row than are looked at', place).hazards);
  const rest = inspect(windowOf(source, end, source.size - end), { ...place, depth: place.depth + 1 });
  const isNamed = rest.format === 'numpy' || reading.hazards.some(({ kind }) => kind === 'unread');
  const behind: readonly Hazard[] = isNamed
    ? []
    : [{ kind: 'ambiguous', detail: 'bytes stand behind the values of the array', member: place.member }];
  return { ...withHazards(reading, [...rest.hazards, ...behind]), texts: [...reading.texts, ...rest.texts] };
}

function withHazards(reading: ContentReading, hazards: readonly Hazard[]): ContentReading {
  return { ...reading, hazards: [...reading.hazards, ...hazards] };
}

function inspectSafetensors(source: ByteSource, place: Place): ContentReading | null {
  const isClaimed = /\.safetensors$/i.test(place.name);
  if (!isClaimed && !looksLikeSafetensors(source)) return null;
  const reading = readSafetensors(source);
  switch (reading.kind) {
    case 'good':
      return { format: 'safetensors', hazards: [], texts: [] };
    case 'too-large':
      return unread('safetensors', reading.detail, place);
    case 'bad':
      // Whatever begins like one by chance is something else.
      if (!isClaimed) return null;
      return {
        format: 'safetensors',
        hazards: [{ kind: 'ambiguous', detail: `no valid safetensors: ${reading.detail}`, member: place.member }],
        texts: [],
      };
  }
}

function inspectHdf5(source: ByteSource, place: Place): ContentReading | null {
  // Behind a block of the user's, of 512 bytes or any power of two above.
  for (let at = 0; at < source.size; at = at === 0 ? 512 : at * 2) {
    if (!hasMagic(source.read(at, 8), '894844460d0a1a0a')) continue;
    return { format: 'hdf5', hazards: kerasHazards(searchKerasConfig(source), place), texts: [] };
  }
  return null;
}

function inspectCompressed(source: ByteSource, head: Uint8Array, place: Place): ContentReading | null {
  const isGzip = hasMagic(head, '1f8b08');
  const isZlib = head[0] === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(head[1] ?? 0);
  if (isGzip || isZlib) {
    if (place.depth >= MAX_DEPTH) return unread('compressed', 'archives in archives, deeper than is looked', place);
    const most = Math.min(MAX_INFLATED, place.budget.bytes);
    if (source.size > most) return unread('compressed', 'compressed, and larger than is unpacked', place);
    const inflated = place.inflate(Uint8Array.from(source.read(0, source.size)), isGzip ? 'gzip' : 'zlib', most);
    if (inflated.kind !== 'bytes')
      return unread('compressed', 'compressed, and could not be unpacked within 64 MiB', place);
    place.budget.bytes -= inflated.bytes.length;
    const name = place.name.replace(/\.g?z$/i, '');
    const reading = inspect(sourceOf(inflated.bytes), { ...place, name, depth: place.depth + 1 });
    return { ...reading, format: 'compressed' };
  }
  const other = COMPRESSED.find(([magic]) => hasMagic(head, magic));
  return other === undefined ? null : unread('compressed', `compressed with ${other[1]}, which is not unpacked`, place);
}

function inspectArchive(head: Uint8Array, place: Place): ContentReading | null {
  const isTar = Buffer.from(head.subarray(257, 262)).toString('latin1') === 'ustar';
  return isTar || hasTarChecksum(head)
    ? unread('archive', 'a tar archive, which is not looked into; give the directory it was made of', place)
    : null;
}

/** The oldest form has no mark: only the sum of its first block, in octal, where spaces are added up instead of it. */
function hasTarChecksum(head: Uint8Array): boolean {
  const field = Buffer.from(head.subarray(148, 156)).toString('latin1');
  const digits = /^ *([0-7]{1,8})[\0 ]*$/.exec(field)?.[1];
  if (head.length < 512 || digits === undefined) return false;
  const told = Number.parseInt(digits, 8);
  const isChecksum = (at: number): boolean => at >= 148 && at < 156;
  const [unsigned, signed] = [
    (byte: number): number => byte,
    // As some wrote it for names beyond ASCII.
    (byte: number): number => (byte < 128 ? byte : byte - 256),
  ].map((valueOf) => head.reduce((sum, byte, at) => sum + (isChecksum(at) ? 0x20 : valueOf(byte)), 0));
  return told === unsigned || told === signed;
}

function unread(format: ContentFormat, detail: string, { member }: Place): ContentReading {
  return { format, hazards: [{ kind: 'unread', detail, member }], texts: [] };
}

function hasMagic(head: Uint8Array, magic: string): boolean {
  return Buffer.from(head.subarray(0, magic.length / 2)).toString('hex') === magic;
}
