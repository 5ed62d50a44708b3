// What a file can do to whoever loads it, told by its content: its name decides nothing but what it claims to be.

import { hasMagic, hasTarMark, nameOfCompression } from './archive-marks.ts';
import { type ByteSource, sourceOf, windowOf } from './byte-source.ts';
import {
  type ContentReading,
  type Hazard,
  type InspectTerms,
  type Place,
  unread,
  withHazards,
} from './content-reading.ts';
import { inspectPickle, isNamedPickle, readPickles } from './inspect-pickle.ts';
import { type KerasReading, readKerasConfig, searchKerasConfig } from './keras.ts';
import { readNumpyHeader } from './numpy.ts';
import { looksLikeSafetensors, readSafetensors } from './safetensors.ts';
import { readZip, type ZipMember } from './zip.ts';

export function inspectContent(source: ByteSource, terms: InspectTerms): ContentReading {
  return inspect(source, {
    ...terms,
    member: null,
    depth: 0,
    budget: { bytes: MAX_INFLATED_TOTAL, opcodes: MAX_OPCODES_TOTAL },
  });
}

const MAX_DEPTH = 3;
const MAX_INFLATED = 64 * 1024 * 1024;
const MAX_INFLATED_TOTAL = 512 * 1024 * 1024;
/** Some seconds of them. */
const MAX_OPCODES_TOTAL = 24_000_000;

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
  if (!isNamedPickle(name)) return [];
  return [
    {
      kind: 'unread',
      detail: 'its name says that it is loaded as a pickle, and its content is none that is known',
      member,
    },
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
  const other = nameOfCompression(head);
  return other === null ? null : unread('compressed', `compressed with ${other}, which is not unpacked`, place);
}

function inspectArchive(head: Uint8Array, place: Place): ContentReading | null {
  return hasTarMark(head)
    ? unread('archive', 'a tar archive, which is not looked into; give the directory it was made of', place)
    : null;
}
