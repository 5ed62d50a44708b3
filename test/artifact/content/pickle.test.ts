import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ascii, hasPython, PLAIN, python, SYSTEM, SYSTEM_4, tell } from './look-at.ts';
import { writeZip } from './zip-writer.ts';

describe('a pickle without a mark', () => {
  it.each<[string, string]>([
    ['half a surrogate pair', 'X\x03\0\0\0\xed\xa0\x800'],
    ['half a surrogate pair among others', '\x8c\x07a\xed\xbf\xbf\xc3\xa4b0'],
    ['a place in the memo with zeros in front', 'I1\np00000000000000000000000000001\n0'],
    ['a place in the memo that a NUL ends', 'I1\np1\0x\n0g1\n0'],
    ['a place in the memo with a sign', 'I1\np-0\n0g+0\n0'],
    ['a line of any length', `I${'1'.repeat(70_000)}\n0`],
    ['a persistent name of any length', `P${'1'.repeat(700_000)}\n0`],
    ['a pickle of a plain value', 'N.'],
    ['a pickle that only imports', 'cmodule\nname\n.'],
  ])('B15 is followed behind %s', (_name, before) => {
    expect(tell(Buffer.concat([ascii(before), SYSTEM])).join(' ')).toContain('os.system');
  });

  it.each<[string, string]>([
    ['a place in the memo beyond all numbers', 'Np99999999999999999999\n'],
    ['a place in the memo longer than a line', `Np${'0'.repeat(70_000)}1\n`],
    ['a protocol of the future', 'N0\x80\x06'],
  ])('B15 is unknown where it ends in %s, which some reader may take', (_name, before) => {
    expect(tell(Buffer.concat([ascii(before), SYSTEM]))).toEqual(['unread']);
  });

  it.each<[string, Buffer]>([
    ['a list of files', ascii('coverage\ndist\n.env\n')],
    ['a list of files that begin with a c', ascii('coverage\ndist\n.env\ncache\nbuild\n.git\n')],
    ['words', ascii('cats and dogs\nare nice\n.')],
    ['an image in base64 on one line', ascii(`iVBORw0KGgo${'AbC/dEfG'.repeat(20_000)}`)],
    ['an archive without a line feed', writeZip([{ name: 'a', content: Buffer.alloc(100_000, 'x') }])],
    ['Not a pickle', ascii('Not a pickle\n')],
    ['a date', ascii('2026-01-01\n')],
    ['parentheses', ascii('(hello) world\n')],
    ['a byte that begins no protocol', ascii('N0\x80\x30')],
    ['one line', ascii(`S${'a'.repeat(200_000)}`)],
  ])('B15 is not found in %s', (_name, content) => {
    expect(tell(content)).toEqual([]);
  });

  it('B15 is found in a list of files that calls something', () => {
    expect(tell(ascii('coverage\ndist\n)R.env\n'))).toEqual(['unknown-import overage.dist']);
    expect(tell(ascii('cos\nsystem\n.env\n'))).toEqual(['dangerous-import os.system']);
    expect(tell(ascii('coverage\ndist\n.'))).toEqual(['unknown-import overage.dist']);
  });

  it('B15 is unknown behind more plain pickles than are read', () => {
    expect(tell(Buffer.concat([ascii('N.'.repeat(65)), SYSTEM]))).toEqual(['unread']);
  });
});

it.each(
  (
    'yaml unsafe_load|yaml load|psutil Popen|pandas.io.pickle read_pickle|pandas read_pickle|pandas.core.computation.eval eval|' +
    '_pyrepl.pager pipe_pager|_osx_support _read_output|_aix_support _read_cmd_output|sklearn.externals.joblib load|joblib load|' +
    'tornado.process Subprocess|mlflow.projects run|torch.utils.model_zoo load_url|torch.hub load|numpy load|' +
    'numpy.lib.npyio load|numpy.lib._npyio_impl load|numpy.lib.format read_array|keras.models load_model|sympy sympify|' +
    'transformers.pipelines pipeline|keras.utils get_file|pandas.io.pytables read_hdf'
  )
    .split('|')
    .map((each) => each.split(' ')),
)('B15 knows that %s.%s runs or loads what it is given', (module, name) => {
  expect(tell(ascii(`\x80\x02c${module}\n${name}\n.`))).toEqual([`dangerous-import ${module}.${name}`]);
});

// For each line of base64, whether Python reads a pickle of it to its end.
const LOAD = `
import sys, base64, pickle
for line in sys.stdin:
    try: pickle.loads(base64.b64decode(line)); print('reads')
    except Exception: print('stops')
`;

describe.skipIf(!hasPython('pickle'))('held against pickle (not tested without python3)', () => {
  it('B15 reads every text that Python reads, and no other', () => {
    const bytes = fc.array(fc.constantFrom('a', '\xed', '\xa0', '\x80', '\xbf', '\xf0', '\x9f', '\xe1', '\xc3'), {
      maxLength: 8,
    });
    const pickles = fc
      .sample(bytes, 1000)
      .map((each) => ascii(`\x80\x04\x8c${String.fromCharCode(each.length)}${each.join('')}.`));
    const theirs = python(LOAD, pickles.map((each) => each.toString('base64')).join('\n'));
    for (const [index, each] of pickles.entries())
      expect([each.toString('hex'), tell(each).length > 0]).toEqual([each.toString('hex'), theirs[index] === 'stops']);
  });
});

describe('many pickles', () => {
  it('B15 share one number of opcodes that is followed', () => {
    const content = Buffer.concat([ascii('\x80\x04'), Buffer.alloc(10_000_000, 'N0'), ascii('N.')]);
    const members = [1, 2, 3, 4].map((at) => ({ name: `${at}.pkl`, content, isDeflated: true }));
    const zip = writeZip([...members, { name: '5.pkl', content: SYSTEM_4 }]);
    expect(tell(zip)).toEqual(['unread in 3.pkl', 'unread']);
    expect(tell(writeZip(members.slice(0, 2)))).toEqual([]);
  });
});

describe('compressed content', () => {
  it.each([0, 1, 6, 9])('B15 is unpacked whatever the name (zlib, level %s)', (level) => {
    for (const name of ['model.pkl.z', 'model.z', 'model.bin', 'README']) {
      expect(tell(deflateSync(SYSTEM_4, { level }), name)).toEqual(['dangerous-import os.system']);
      expect(tell(deflateSync(PLAIN, { level }), name)).toEqual([]);
    }
    expect(tell(gzipSync(SYSTEM_4), 'README')).toEqual(['dangerous-import os.system']);
  });

  it('B15 is unknown where it breaks off: a reader unpickles before it comes there', () => {
    const packed = deflateSync(SYSTEM_4);
    expect(tell(packed.subarray(0, -2))).toEqual(['unread']);
    expect(tell(Buffer.concat([packed.subarray(0, -2), ascii('xx')]))).toEqual(['unread']);
    expect(tell(deflateRawSync(PLAIN), 'x.pkl')).toEqual(['unread']);
  });
});
