import { execFileSync } from 'node:child_process';
import { gzipSync, deflateSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sourceOf } from '../../../src/artifact/content/byte-source.ts';
import type { ContentReading } from '../../../src/artifact/content/content-reading.ts';
import { inspectContent } from '../../../src/artifact/content/inspect.ts';
import { readPickle } from '../../../src/artifact/content/pickle.ts';
import { inflate } from '../../../src/artifact-files/file-reading.ts';
import { safetensors } from '../run-fixture.ts';
import { type MemberTerms, writeZip } from './zip-writer.ts';

function look(content: Buffer, name = 'file.bin'): ContentReading {
  return inspectContent(sourceOf(content), { name, inflate });
}

function tell(content: Buffer, name?: string): readonly string[] {
  return look(content, name).hazards.map((hazard) => {
    const where = hazard.member === null ? '' : ` in ${hazard.member}`;
    return 'names' in hazard ? `${hazard.kind} ${hazard.names.join(',')}${where}` : `${hazard.kind}${where}`;
  });
}

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const SYSTEM = ascii("cos\nsystem\n(S'id'\ntR.");
const SYSTEM_4 = ascii('\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.');
const WEIGHTS = ascii('\x80\x02ccollections\nOrderedDict\n)R.');
const UNKNOWN = ascii('\x80\x02csklearn.svm\nSVC\n)\x81.');
const PLAIN = ascii('\x80\x04}\x8c\x01aK\x01s.');

describe('what loading a file runs', () => {
  it.each<[string, Buffer, readonly string[]]>([
    ['a pickle of protocol 0, without a mark', SYSTEM, ['dangerous-import os.system']],
    ['STACK_GLOBAL', SYSTEM_4, ['dangerous-import os.system']],
    [
      'names from the memo',
      ascii('\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93)R.'),
      ['dangerous-import os.system'],
    ],
    ['INST', ascii("(S'id'\nios\nsystem\n."), ['dangerous-import os.system']],
    ['OBJ', ascii("(cos\nsystem\nS'id'\no."), ['dangerous-import os.system']],
    ['a name in escapes', ascii("\x80\x04S'\\x6f\\163'\nV\\u0073ystem\n\x93)R."), ['dangerous-import os.system']],
    ['a name that is computed', ascii('\x80\x04\x8c\x02os)R\x8c\x06system\x93)R.'), ['dangerous-import ?.system']],
    [
      'a name through the attributes of a harmless one',
      ascii('\x80\x04\x8c\x0bcollections\x8c\x20OrderedDict.__init__.__globals__\x93.'),
      ['dangerous-import collections.OrderedDict.__init__.__globals__'],
    ],
    ['the names of Python 2', ascii("c__builtin__\neval\n(S'1'\ntR."), ['dangerous-import __builtin__.eval']],
    ['an extension code', ascii('\x80\x02\x82\x07.'), ['dangerous-import copyreg extension.7']],
    ['getattr', ascii('\x80\x02cbuiltins\ngetattr\n.'), ['dangerous-import builtins.getattr']],
    ['pip', ascii('\x80\x02cpip\nmain\n.'), ['dangerous-import pip.main']],
    [
      'a loader of pickles',
      ascii('\x80\x02ctorch.storage\n_load_from_bytes\n.'),
      ['dangerous-import torch.storage._load_from_bytes'],
    ],
    ['a name of nobody', UNKNOWN, ['unknown-import sklearn.svm.SVC']],
    [
      'what stands before it breaks off',
      Buffer.concat([SYSTEM_4.subarray(0, -1), ascii('\xff')]),
      ['dangerous-import os.system', 'unread'],
    ],
    ['a second pickle behind a harmless one', Buffer.concat([WEIGHTS, SYSTEM_4]), ['dangerous-import os.system']],
    ['a pickle in gzip', gzipSync(SYSTEM), ['dangerous-import os.system']],
    ['a second one without a mark', Buffer.concat([WEIGHTS, SYSTEM]), ['dangerous-import os.system']],
    [
      'one behind others of plain values, as torch wrote them',
      Buffer.concat([PLAIN, PLAIN, PLAIN, SYSTEM_4]),
      ['dangerous-import os.system'],
    ],
    ['protocol 4 without a mark', SYSTEM_4.subarray(2), ['dangerous-import os.system']],
    [
      'numbers that only Python takes',
      Buffer.concat([ascii('I0x10\n0L1_0\n0F 1\n0Np1_0\n0g10\n0'), SYSTEM]),
      ['dangerous-import os.system'],
    ],
    ['what hides behind more than is followed', Buffer.concat([Buffer.alloc(2_200_000, 'N'), SYSTEM]), ['unread']],
    ['what hides behind much', Buffer.concat([Buffer.alloc(2_200_000, 'N0'), SYSTEM]), ['dangerous-import os.system']],
    [
      'a pickle with the frames of protocol 4',
      ascii('\x80\x04\x95\x0c\0\0\0\0\0\0\0\x8c\x02os\x8c\x06system\x93.'),
      ['dangerous-import os.system'],
    ],
  ])('B15 tells %s', (_name, content, expected) => {
    expect(tell(content)).toEqual(expected);
  });

  it.each<[string, Buffer, string]>([
    ['the names that torch needs', WEIGHTS, 'weights.pt'],
    ['plain values', PLAIN, 'values.pkl'],
    [
      'tensors',
      ascii('\x80\x02ctorch._utils\n_rebuild_tensor_v2\nctorch\nFloatStorage\nctorch\nfloat32\n000N.'),
      'weights.pth',
    ],
    ['text', ascii('hello\nworld\n'), 'notes.txt'],
    ['text that begins like an import', ascii('cos\nsin\ntan\n'), 'functions.txt'],
    ['nothing', Buffer.alloc(0), 'model.pkl'],
    ['safetensors', safetensors(), 'model.safetensors'],
    [
      'an archive of harmless members',
      writeZip([
        { name: 'a/data.pkl', content: WEIGHTS },
        { name: 'a/data/0', content: Buffer.alloc(64) },
      ]),
      'model.pt',
    ],
    [
      'an array of numbers',
      numpy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", Buffer.alloc(12)),
      'x.npy',
    ],
  ])('B15 has nothing against %s', (_name, content, name) => {
    expect(tell(content, name)).toEqual([]);
  });

  const members = (content: Buffer, more: Partial<MemberTerms> = {}): Buffer =>
    writeZip([{ name: 'm/data.pkl', content, ...more }]);
  it.each<[string, Buffer, readonly string[]]>([
    ['a member of an archive', members(SYSTEM_4), ['dangerous-import os.system in m/data.pkl']],
    ['a compressed member', members(SYSTEM_4, { isDeflated: true }), ['dangerous-import os.system in m/data.pkl']],
    ['a member with any name', members(SYSTEM_4, { name: 'README.md' }), ['dangerous-import os.system in README.md']],
    ['an archive in an archive', members(members(SYSTEM_4)), ['dangerous-import os.system in m/data.pkl » m/data.pkl']],
    ['a member that has two names', members(WEIGHTS, { localName: 'm/data.txt' }), ['ambiguous']],
    [
      'a member that says it is encrypted',
      members(SYSTEM_4, { flags: 1 }),
      ['ambiguous', 'dangerous-import os.system in m/data.pkl'],
    ],
    [
      'a member that is smaller than it says',
      members(WEIGHTS, { isDeflated: true, size: 7 }),
      ['unread in m/data.pkl'],
    ],
    ['a bomb', members(Buffer.alloc(80 * 1024 * 1024), { isDeflated: true }), ['unread in m/data.pkl']],
    ['a way of compression that is not read', members(WEIGHTS, { method: 12 }), ['unread in m/data.pkl']],
    ['bytes before the archive', writeZip([{ name: 'a', content: PLAIN }], ascii('x')), ['ambiguous']],
    [
      'a pickle before the archive',
      writeZip([{ name: 'a', content: PLAIN }], SYSTEM_4),
      ['ambiguous', 'dangerous-import os.system', 'ambiguous'],
    ],
    ['an archive that was cut', members(SYSTEM_4).subarray(0, -8), ['unread']],
    [
      'an array of objects',
      numpy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", SYSTEM_4),
      ['dangerous-import os.system'],
    ],
    [
      'an array with a field of objects',
      numpy("{'descr': [('a', '<f4'), ('b', 'O')], 'fortran_order': False, 'shape': (1,), }", SYSTEM_4),
      ['dangerous-import os.system'],
    ],
    [
      'a Lambda layer',
      writeZip([{ name: 'config.json', content: ascii('{"class_name": "Lambda"}') }]),
      ['program in config.json'],
    ],
    [
      'a Lambda layer in escapes',
      writeZip([{ name: 'config.json', content: ascii('{"class_name":"\\u004cambda"}') }]),
      ['program in config.json'],
    ],
    [
      'a Lambda layer in HDF5',
      Buffer.concat([ascii('\x89HDF\r\n\x1a\n'), Buffer.alloc(3 * 1024 * 1024), ascii('{"class_name": "Lambda"}')]),
      ['program'],
    ],
    ['TorchScript', writeZip([{ name: 'm/code/__torch__.py', content: ascii('def f(): pass') }]), ['program']],
    ['LZ4', ascii('\x04\x22\x4d\x18abc'), ['unread']],
    ['a tar archive', Buffer.concat([Buffer.alloc(257), ascii('ustar'), Buffer.alloc(300)]), ['unread']],
  ])('B15 tells of %s', (_name, content, expected) => {
    expect(tell(content)).toEqual(expected);
  });

  it('B15 takes no name for what it is not', () => {
    expect(tell(SYSTEM_4, 'model.safetensors')).toEqual(['dangerous-import os.system', 'ambiguous', 'ambiguous']);
    expect(tell(ascii('hello'), 'model.pkl')).toEqual(['unread']);
    expect(tell(deflateSync(SYSTEM), 'model.joblib')).toEqual(['dangerous-import os.system']);
  });

  const header = (text: string, data: number): Buffer => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, ascii(text), Buffer.alloc(data)]);
  };
  const tensor = (begin: number, end: number, shape = '[4]', dtype = 'F32'): string =>
    `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
  it.each<[string, Buffer]>([
    ['is shorter than its header', header('{}', 0).subarray(0, 9)],
    ['has a gap', header(`{"a":${tensor(4, 20)}}`, 20)],
    ['has tensors that overlap', header(`{"a":${tensor(0, 16)},"b":${tensor(8, 24)}}`, 24)],
    ['has more bytes than tensors', header(`{"a":${tensor(0, 16)}}`, 17)],
    ['has a tensor of another size than its shape', header(`{"a":${tensor(0, 16, '[5]')}}`, 16)],
    ['has an unknown type', header(`{"a":${tensor(0, 16, '[4]', 'OBJ')}}`, 16)],
    ['has a name twice', header(`{"a":${tensor(0, 16)},"a":${tensor(0, 16)}}`, 16)],
    ['has metadata that are no strings', header(`{"__metadata__":{"a":1}}`, 0)],
    ['has a negative offset', header(`{"a":${tensor(-16, 0)}}`, 16)],
    ['is a list', header('[]', 0)],
  ])('B15 refuses a safetensors file that %s', (_name, content) => {
    expect(tell(content, 'model.safetensors')).toEqual(['ambiguous']);
  });

  it('reads any bytes to an end, and the same bytes alike', () => {
    const marked = fc
      .tuple(
        fc.constantFrom(SYSTEM_4, WEIGHTS, members(PLAIN), safetensors(), ascii('\x93NUMPY\x01\0')),
        fc.uint8Array({ maxLength: 64 }),
        fc.nat(200),
      )
      .map(([base, noise, at]) => {
        const mixed = Buffer.from(base);
        mixed.set(noise.subarray(0, Math.max(0, mixed.length - (at % mixed.length))), at % mixed.length);
        return mixed;
      });
    fc.assert(
      fc.property(
        fc.oneof(
          marked,
          fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
        ),
        (content) => {
          expect(look(content, 'x.pt')).toEqual(look(content, 'x.pt'));
        },
      ),
      { numRuns: 500 },
    );
  });
});

function numpy(text: string, data: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length);
  return Buffer.concat([ascii('\x93NUMPY\x01\0'), length, ascii(text), data]);
}

function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'import pickletools'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

// One line of JSON for each line of base64: whether pickletools reads it to its end, how many opcodes that takes, and its GLOBALs.
const PICKLETOOLS = `
import sys, json, base64, pickletools
for line in sys.stdin:
    data = base64.b64decode(line)
    try:
        ops = list(pickletools.genops(data))
        print(json.dumps({'good': True, 'count': len(ops), 'globals': [arg for op, arg, pos in ops if op.name in ('GLOBAL', 'INST')]}))
    except Exception as error:
        print(json.dumps({'good': False}))
`;
// Pickles of values that a seeded generator makes, in every protocol.
const RANDOM_PICKLES = `
import random, pickle, base64, collections, datetime, decimal
r = random.Random(7)
def value(depth):
    kind = r.randrange(14)
    if depth > 3: kind %= 7
    return [lambda: r.randrange(-2**70, 2**70), lambda: r.random(), lambda: ''.join(chr(r.randrange(32, 0x2ff)) for _ in range(r.randrange(300))),
      lambda: bytes(r.randrange(256) for _ in range(r.randrange(300))), lambda: None, lambda: r.random() < .5, lambda: r.randrange(300),
      lambda: [value(depth + 1) for _ in range(r.randrange(6))], lambda: tuple(value(depth + 1) for _ in range(r.randrange(5))),
      lambda: {str(i): value(depth + 1) for i in range(r.randrange(6))}, lambda: set(range(r.randrange(9))), lambda: frozenset(range(r.randrange(9))),
      lambda: collections.OrderedDict(a=value(depth + 1)), lambda: r.choice([datetime.date(2026, 1, 1), decimal.Decimal('1.5'), bytearray(b'abc')])][kind]()
for i in range(600): print(base64.b64encode(pickle.dumps(value(0), protocol=i % 6)).decode())
`;

describe.skipIf(!hasPython())('held against pickletools (not tested without python3)', () => {
  const python = (program: string, input = ''): readonly string[] =>
    execFileSync('python3', ['-c', program], { input, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
      .trimEnd()
      .split('\n');

  it('B15 reads what Python pickles to its end, opcode for opcode', () => {
    const pickles = python(RANDOM_PICKLES);
    const theirs = python(PICKLETOOLS, pickles.join('\n'));
    for (const [index, line] of pickles.entries()) {
      const reading = readPickle(sourceOf(Buffer.from(line, 'base64')), 0, { budget: { opcodes: 1e9 } });
      const their: { good: boolean; count: number; globals: readonly string[] } = JSON.parse(theirs[index] ?? '');
      expect(reading.end.kind).toBe('stop');
      expect(reading.opcodes).toBe(their.count);
      const named = new Set(reading.imports.map(({ module, name }) => `${module} ${name}`));
      for (const each of their.globals) expect(named).toContain(each);
      expect(tell(Buffer.from(line, 'base64'), 'x.pkl')).toEqual([]);
    }
  });

  it('B15 passes nothing that pickletools does not read to its end', () => {
    const mutants = fc.sample(
      fc
        .tuple(fc.constantFrom(SYSTEM, SYSTEM_4, WEIGHTS, UNKNOWN, PLAIN), fc.nat(), fc.nat(255))
        .map(([base, at, byte]) => {
          const mutant = Buffer.from(base);
          mutant[at % mutant.length] = byte;
          return mutant;
        }),
      1000,
    );
    const theirs = python(PICKLETOOLS, mutants.map((mutant) => mutant.toString('base64')).join('\n'));
    for (const [index, mutant] of mutants.entries()) {
      const { end } = readPickle(sourceOf(mutant), 0, { budget: { opcodes: 1e9 } });
      const their: { good: boolean } = JSON.parse(theirs[index] ?? '');
      // Names that are no ASCII are no names to pickletools; ours reads on, and tells of them.
      if (end.kind === 'stop' && !their.good)
        expect([mutant.toString('hex'), tell(mutant, 'x.pkl').length > 0]).toEqual([mutant.toString('hex'), true]);
    }
  });
});
