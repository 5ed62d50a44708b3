import { describe, expect, it } from 'vitest';
import { ascii, hasPython, PLAIN, python, SYSTEM_4, tell } from './look-at.ts';
import { writeZip } from './zip-writer.ts';

const GOOD = writeZip([{ name: 'a', content: PLAIN }]);

interface Parts {
  readonly members: Buffer;
  readonly directory: Buffer;
}

function split(zip: Buffer): Parts {
  const at = zip.readUInt32LE(zip.length - 6);
  return { members: zip.subarray(0, at), directory: zip.subarray(at, zip.length - 22) };
}

function record64(count: number, size: number, at: number, length = 44): Buffer {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(length), 4);
  record.writeBigUInt64LE(BigInt(count), 24);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(size), 40);
  record.writeBigUInt64LE(BigInt(at), 48);
  return record;
}

function locator64(at: number): Buffer {
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at), 8);
  locator.writeUInt32LE(1, 16);
  return locator;
}

function end(count: number, size: number, at: number): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(count, 8);
  record.writeUInt16LE(count, 10);
  record.writeUInt32LE(size, 12);
  record.writeUInt32LE(at, 16);
  return record;
}

const FULL = end(0xffff, 0xffff_ffff, 0xffff_ffff);

function wide(
  content: Buffer,
  more: { readonly length?: number; readonly last?: Buffer; readonly named?: number } = {},
): Buffer {
  const { members, directory } = split(writeZip([{ name: 'a', content }]));
  const at = members.length + directory.length;
  return Buffer.concat([
    members,
    directory,
    record64(1, directory.length, members.length, more.length),
    locator64(more.named ?? at),
    more.last ?? FULL,
  ]);
}

/** One directory for whoever follows the locator, another for whoever looks right before it. */
function twoEnds(): Buffer {
  const first = split(GOOD);
  const firstEnd = first.members.length + first.directory.length;
  const before = Buffer.concat([
    first.members,
    first.directory,
    record64(1, first.directory.length, first.members.length),
  ]);
  const second = split(writeZip([{ name: 'a', content: SYSTEM_4 }]));
  second.directory.writeUInt32LE(before.length, 42);
  const at = before.length + second.members.length;
  return Buffer.concat([
    before,
    second.members,
    second.directory,
    record64(1, second.directory.length, at),
    locator64(firstEnd),
    FULL,
  ]);
}

function insert(zip: Buffer, bytes: Buffer): Buffer {
  const { members, directory } = split(zip);
  const at = members.length + bytes.length;
  return Buffer.concat([members, bytes, directory, end(1, directory.length, at)]);
}

const DESCRIPTOR = ascii(
  `PK\x07\x08\0\0\0\0${String.fromCharCode(PLAIN.length)}\0\0\0${String.fromCharCode(PLAIN.length)}\0\0\0`,
);
const STREAMED = writeZip([{ name: 'a', content: PLAIN, flags: 8 }]);

describe('an archive', () => {
  it.each<[string, Buffer]>([
    ['with one end', GOOD],
    ['with the ends of a large one', wide(PLAIN)],
    [
      'with both ends the same',
      wide(PLAIN, { last: end(1, split(GOOD).directory.length, split(GOOD).members.length) }),
    ],
    ['whose sizes stand behind the member', insert(STREAMED, DESCRIPTOR)],
    ['whose sizes stand behind the member without a signature', insert(STREAMED, DESCRIPTOR.subarray(4))],
    ['without members', end(0, 0, 0)],
  ])('B15 passes %s', (_name, zip) => {
    expect(tell(zip)).toEqual([]);
  });

  it.each<[string, Buffer]>([
    ['whose ends say different things', wide(PLAIN, { last: end(1, split(GOOD).directory.length, 0) })],
    ['whose ends have different numbers of members', wide(PLAIN, { last: end(2, 0xffff_ffff, 0xffff_ffff) })],
    ['whose locator names another end than stands before it', wide(PLAIN, { named: 0 })],
    ['whose end is longer than Python takes', wide(PLAIN, { length: 60 })],
    ['with bytes before its directory', insert(GOOD, ascii('x'))],
    ['with other bytes than sizes behind a member', insert(STREAMED, ascii('x'.repeat(16)))],
    ['with sizes behind a member that has none', insert(GOOD, DESCRIPTOR)],
    ['with a comment that is cut', Buffer.concat([GOOD, ascii('x')])],
    [
      'with two members of one name',
      writeZip([
        { name: 'a', content: PLAIN },
        { name: 'a', content: PLAIN },
      ]),
    ],
  ])('B15 refuses one %s', (_name, zip) => {
    expect(tell(zip)).toEqual(['ambiguous']);
  });

  it('B15 is told by the end that Python takes', () => {
    expect(tell(wide(SYSTEM_4))).toEqual(['dangerous-import os.system in a']);
    const told = tell(twoEnds());
    expect(told).toContain('ambiguous');
    expect(told).toContain('dangerous-import os.system in a');
  });
});

// For each line of base64, the members that Python's own reader finds, each in hexadecimal.
const MEMBERS = `
import sys, io, base64, zipfile
for line in sys.stdin:
    try:
        archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(line)))
        for each in archive.infolist(): each.CRC = None
        found = []
        for each in archive.infolist():
            file = archive.open(each); file._expected_crc = None; found.append(file.read().hex())
        print('found ' + ' '.join(found))
    except Exception: print('stops')
`;

describe.skipIf(!hasPython('zipfile'))('held against zipfile (not tested without python3)', () => {
  it('B15 passes no archive in which Python finds what ours did not look at', () => {
    const bases = [twoEnds(), wide(SYSTEM_4), wide(PLAIN), Buffer.concat([wide(PLAIN), wide(SYSTEM_4)])];
    const archives = bases.flatMap((base) =>
      [...base.keys()].slice(-160).flatMap((at) =>
        [0, 1, 0xff].map((byte) => {
          const mutant = Buffer.from(base);
          mutant[at] = byte;
          return mutant;
        }),
      ),
    );
    const theirs = python(MEMBERS, [...bases, ...archives].map((each) => each.toString('base64')).join('\n'));
    expect(theirs[0]).toContain(SYSTEM_4.toString('hex'));
    for (const [index, archive] of [...bases, ...archives].entries()) {
      const isFound = theirs[index]?.includes(SYSTEM_4.toString('hex')) === true;
      expect([archive.toString('hex'), isFound && tell(archive).length === 0]).toEqual([
        archive.toString('hex'),
        false,
      ]);
    }
  });
});

describe('a tar archive of the oldest form', () => {
  const header = (name: string): Buffer => {
    const block = Buffer.alloc(1024);
    block.write(name, 0, 'latin1');
    block.write('0000644\0', 100);
    block.write('        ', 148);
    const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return block;
  };

  it('B15 is not looked into, and told', () => {
    expect(tell(header('a.pkl'), 'a.tar')).toEqual(['unread']);
    expect(tell(header('\u00e4'))).toEqual(['unread']);
  });

  it('B15 is no tar archive with another sum', () => {
    const wrong = header('a.pkl');
    wrong[0] = 0x62;
    expect(tell(wrong)).toEqual([]);
    expect(tell(Buffer.alloc(1024))).toEqual([]);
  });
});
