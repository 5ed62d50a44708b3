import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DocumentError, parseYaml, positionAt, readYaml, toPlain, withoutEchoes } from '../../src/yaml/located.ts';

const parse = (text: string): unknown => toPlain(parseYaml(Buffer.from(text), 'a.yaml'));

function problemsOf(source: string | Uint8Array): readonly string[] {
  try {
    parseYaml(typeof source === 'string' ? Buffer.from(source) : source, 'a.yaml');
  } catch (error) {
    if (error instanceof DocumentError) {
      return error.problems.map(({ code, position }) => `${position.line}:${position.column} ${code}`);
    }
    throw error;
  }
  return [];
}

describe('parseYaml', () => {
  it.each<[string, string, unknown]>([
    [
      'scalars of the core schema',
      'a: 1\nb: 1.5\nc: true\nd: null\ne: text\nf: "no"\n',
      { a: 1, b: 1.5, c: true, d: null, e: 'text', f: 'no' },
    ],
    ['flow and block collections', 'a: [1, { b: c }]\nd:\n  - e\n', { a: [1, { b: 'c' }], d: ['e'] }],
    ['a key without a value', 'a:\n', { a: null }],
    ['zero and negative numbers', '[0, -1, 0.5]', [0, -1, 0.5]],
  ])('reads %s', (_name, text, expected) => {
    expect(JSON.stringify(parse(text))).toBe(JSON.stringify(expected));
  });

  it('reads names of Object.prototype as keys like any other', () => {
    expect(JSON.stringify(parse('__proto__: 1\nconstructor: 2\n'))).toBe('{"__proto__":1,"constructor":2}');
  });

  it.each<[string, string | Uint8Array, string]>([
    ['PF-123 an empty file', '', '1:1 yaml-empty'],
    ['PF-123 only a comment', '# nothing\n', '1:1 yaml-empty'],
    ['PF-123 a byte order mark', '\ufeffa: 1\n', '1:1 yaml-byte-order-mark'],
    ['PF-123 a NUL byte', 'a: 1\n\u0000\n', '1:1 yaml-nul'],
    ['bytes that are not UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xff]), '1:1 yaml-not-utf8'],
    ['two documents', 'a: 1\n---\nb: 2\n', '2:1 yaml-multiple-documents'],
    ['PF-124 a duplicate key', 'a: 1\nb: 2\na: 3\n', '3:1 yaml-duplicate-key'],
    ['PF-124 a duplicate key in a flow mapping', '{ x: { a: 1, a: 2 } }', '1:14 yaml-duplicate-key'],
    ['PF-124 an anchor', 'a: &x 1\n', '1:7 yaml-anchor'],
    ['PF-124 `no`', 'a: no\n', '1:4 yaml-ambiguous-scalar'],
    ['PF-124 `On`', 'a: On\n', '1:4 yaml-ambiguous-scalar'],
    ['PF-124 a leading zero', 'a: 010\n', '1:4 yaml-ambiguous-scalar'],
    ['a tag', 'a: !!str 1\n', '1:10 yaml-tag'],
    ['a number as key', '1: a\n', '1:1 yaml-key'],
    ['a collection as key', '[a]: b\n', '1:1 yaml-key'],
  ])('refuses %s', (_name, source, problem) => {
    expect(problemsOf(source)).toContain(problem);
  });

  it('PF-124 refuses a bomb of aliases without unfolding it', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `l${i}: &l${i} [${i === 0 ? 'x' : `*l${i - 1},*l${i - 1}`}]`);
    expect(problemsOf(levels.join('\n')).length).toBeGreaterThan(0);
  });

  it('refuses what is nested too deeply, at any depth', () => {
    expect(problemsOf(`${'['.repeat(40)}${']'.repeat(40)}`).join()).toContain('yaml-too-deep');
    expect(problemsOf('['.repeat(200_000)).length).toBeGreaterThan(0);
    expect(problemsOf(`${'['.repeat(20_000)}${']'.repeat(20_000)}`).length).toBeGreaterThan(0);
  });

  it('tells every problem of a file at once', () => {
    expect(problemsOf('a: no\nb: &x 1\na: 2\n')).toEqual([
      '1:4 yaml-ambiguous-scalar',
      '2:7 yaml-anchor',
      '3:1 yaml-duplicate-key',
    ]);
  });

  it('reads ten thousand keys in one mapping', () => {
    const text = Array.from({ length: 10_000 }, (_, i) => `k${i}: ${i}`).join('\n');
    expect(Object.keys(Object(parse(text)))).toHaveLength(10_000);
  });

  it('throws nothing but DocumentError, whatever the bytes', () => {
    const fragments = fc.constantFrom(
      'a: ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '!',
      '"',
      "'",
      '|',
      '>',
      '\n',
      '\n  ',
      '#',
      '---\n',
      '? ',
      ': ',
      'no',
      '\t',
      '%',
      '\u0000',
      '\ufeff',
      '0x1',
      '<<: ',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(fragments, fc.string()), { maxLength: 30 }), (parts) => {
        problemsOf(parts.join(''));
      }),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void problemsOf(bytes)));
  });
});

describe('positionAt', () => {
  const root = parseYaml(Buffer.from('a:\n  - b: 1\n  - c: text\n'), 'a.yaml');

  it.each<[string, readonly PropertyKey[], string]>([
    ['a scalar', ['a', 1, 'c'], '3:8'],
    ['a collection, at its key', ['a'], '1:1'],
    ['an element', ['a', 0], '2:5'],
    ['something missing, at its nearest ancestor', ['a', 1, 'nothing'], '3:5'],
    ['the whole', [], '1:1'],
  ])('finds %s', (_name, path, expected) => {
    const { line, column } = positionAt(root, path);
    expect(`${line}:${column}`).toBe(expected);
  });
});

describe('readYaml', () => {
  it('gives a document to go on with, and the echoes of what was refused in it can be left out', () => {
    const { root, problems } = readYaml(Buffer.from('a: no\nb: yes\n'), 'a.yaml');
    expect(toPlain(root)).toEqual(Object.assign(Object.create(null), { a: null, b: null }));
    const found = { code: 'wrong-type', message: 'must be a flag', position: positionAt(root, ['a']) };
    const other = { code: 'missing', message: 'is missing', position: root.position };
    expect(withoutEchoes([...problems, found, other])).toEqual([...problems, other]);
  });
});
