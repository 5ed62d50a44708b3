import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ascii, hasPython, numpy, PLAIN, python, SYSTEM_4, tell } from './look-at.ts';

function array(descr: string, data: Buffer, shape = '(1,)'): Buffer {
  return numpy(`{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }\n`, data);
}

describe('a NumPy array', () => {
  it.each([
    ["'3O'"],
    ["'f8,O8'"],
    ["'obj' 'ect'"],
    ["'|O' ''"],
    ["'\\x4f'"],
    ["'\\117'"],
    ["u'O'"],
    ["'O'"],
    ["'object'"],
    ['("O", (1,))'],
    ["[('a', '<f8'), ('b', 'O')]"],
    ["[('a', [('b', '|O8')])]"],
    ["[('a', 'f4,O', (1,))]"],
    ["'<f8' if 0 else 'O'"],
  ])('B15 of type %s is followed as a pickle', (descr) => {
    expect(tell(array(descr, SYSTEM_4), 'a.npy')).toEqual(['dangerous-import os.system']);
    expect(tell(array(descr, Buffer.alloc(8)), 'a.npy')).toEqual(['unread']);
  });

  it.each([
    ["{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'descr': 'O'}"],
    ["{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} | {'descr': 'O'}"],
    ["{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"],
    ["{'descr': '<f8', 'fortran_order': False, 'shape': (1)}"],
    ["{'descr': '<f8', 'fortran_order': False}"],
    ["{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}"],
    ['O'],
    [''],
    ['['.repeat(5000)],
  ])('B15 with the header %s is not taken for numbers', (header) => {
    expect(tell(numpy(header, Buffer.alloc(8)), 'a.npy')).toEqual(['unread']);
  });

  it.each<[string, string, number]>([
    ["'<f8'", '(2, 3)', 48],
    ["'|b1'", '()', 1],
    ["'?'", '(3,)', 3],
    ["'<U5'", '(2,)', 40],
    ["'|S3'", '(2L,)', 6],
    ["'|V2'", '(4,)', 8],
    ["'<M8[ns]'", '(1,)', 8],
    ["'<m8[25s]'", '(1,)', 8],
    ["'>c16'", '(0, 7)', 0],
    ["[('a', '<f4'), ('', '|V4'), (('title', 'b'), '<i2', (2, 2)), ('c', [('d', '|u1')])]", '(2,)', 34],
  ])('B15 of type %s and shape %s passes with just its values', (descr, shape, bytes) => {
    expect(tell(array(descr, Buffer.alloc(bytes), shape), 'a.npy')).toEqual([]);
    if (bytes > 0) expect(tell(array(descr, Buffer.alloc(bytes - 1), shape), 'a.npy')).toEqual(['unread']);
    expect(tell(array(descr, Buffer.alloc(bytes + 1), shape), 'a.npy')).toEqual(['ambiguous']);
  });

  it('B15 is read on behind its values', () => {
    const numbers = array("'<f8'", Buffer.alloc(8));
    const objects = array("'|O'", SYSTEM_4);
    expect(tell(Buffer.concat([numbers, objects]), 'a.npy')).toEqual(['dangerous-import os.system']);
    expect(tell(Buffer.concat([numbers, SYSTEM_4]), 'a.npy')).toEqual(['dangerous-import os.system', 'ambiguous']);
    expect(tell(Buffer.concat([array("'|O'", PLAIN), objects]), 'a.npy')).toEqual(['dangerous-import os.system']);
    expect(tell(Buffer.concat([numbers, numbers]), 'a.npy')).toEqual([]);
    expect(tell(Buffer.concat([numbers, numbers, numbers, numbers, objects]), 'a.npy')).toEqual(['unread']);
    expect(tell(array("'|O'", PLAIN), 'a.npy')).toEqual([]);
  });
});

// For each line of base64, whether loading the arrays in it, one behind the other, would unpickle anything.
const LOAD = `
import sys, io, base64, pickle, numpy, warnings
warnings.simplefilter('ignore')
class Ran(BaseException): pass
def load(*args, **more): raise Ran()
pickle.load = load
for line in sys.stdin:
    file = io.BytesIO(base64.b64decode(line))
    try:
        while True: numpy.load(file, allow_pickle=True)
    except Ran: print('runs')
    except Exception: print('stops')
`;

describe.skipIf(!hasPython('numpy'))('held against NumPy (not tested without python3 and numpy)', () => {
  it('B15 passes no array that NumPy would unpickle', () => {
    const type = fc.oneof(
      fc.constantFrom('<f8', 'O', '|O', '|O8', 'f8', '3O', 'f8,O8', 'object', 'V8', 'U2', 'S3', 'M8[ns]', '?', '8V'),
      fc.string({ unit: fc.constantFrom(...'<>|=fiuOVSU,0123489()[]'.split('')), maxLength: 5 }),
    );
    const quoted = type.chain((text) =>
      fc.constantFrom(`'${text}'`, `"${text}"`, `'${text.slice(0, 1)}' '${text.slice(1)}'`, `u'${text}'`),
    );
    const descr = fc.oneof(
      { weight: 3, arbitrary: quoted },
      fc.array(quoted, { maxLength: 3 }).map((types) => `[${types.map((each, at) => `('${at}', ${each}),`).join('')}]`),
      fc.tuple(quoted, fc.nat(3)).map(([each, count]) => `[('a', ${each}, (${count},))]`),
    );
    const files = fc.sample(
      fc
        .tuple(
          descr,
          fc.constantFrom('(1,)', '()', '(0,)', '(2, 1)', '(1)', '(1L,)', '(-1,)'),
          fc.nat(20),
          fc.boolean(),
        )
        .map(([each, shape, bytes, isTwo]) => {
          const first = array(each, Buffer.alloc(bytes), shape);
          return isTwo ? Buffer.concat([first, array("'O'", SYSTEM_4)]) : first;
        }),
      600,
    );
    const theirs = python(LOAD, files.map((file) => file.toString('base64')).join('\n'));
    const ours = files.map((file) => tell(file, 'a.npy').length === 0);
    expect(theirs).toHaveLength(files.length);
    expect(theirs).toContain('runs');
    expect(ours).toContain(true);
    for (const [index, answer] of theirs.entries()) {
      const text = files[index]?.toString('latin1') ?? '';
      expect([text, answer === 'runs' && ours[index]]).toEqual([text, false]);
    }
  });
});

it('B15 reads a header of text beyond ASCII', () => {
  const named = ascii("{'descr': [('\xc3\xa4', '<f8')], 'fortran_order': False, 'shape': (1,), }").toString('latin1');
  expect(tell(numpy(named, Buffer.alloc(8)), 'a.npy')).toEqual([]);
});
