import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFast } from '../../src/yaml/lenient-block.ts';
import { MAX_SLOW_LENGTH, readSlowly } from '../../src/yaml/lenient-library.ts';
import { type LenientDocument, readLenientYaml, unifyLineBreaks } from '../../src/yaml/lenient.ts';
import { type Choose, writeYaml } from './yaml-writer.ts';

function valuesOf(text: string): readonly unknown[] {
  return readLenientYaml(unifyLineBreaks(text)).map((document) =>
    document.kind === 'value' ? document.value : `broken: ${document.problem.message}`,
  );
}

function valueOf(text: string): unknown {
  const values = valuesOf(text);
  expect(values).toHaveLength(1);
  return values[0];
}

function only(text: string): LenientDocument {
  const [document, second] = readLenientYaml(unifyLineBreaks(text));
  if (document === undefined || second !== undefined) throw new Error('not one document');
  return document;
}

/** Both readers, of what is in the reach of both. */
function bothValues(text: string): unknown {
  const extent = { start: 0, end: text.length };
  const fast = readFast(text, extent, 'values');
  const slow = readSlowly(text, extent);
  if (fast !== undefined) expect(fast.value).toEqual(slow.value);
  return slow.value;
}

describe('the lenient reader', () => {
  it.each<[string, unknown]>([
    ['yes', true],
    ['Yes', true],
    ['y', true],
    ['on', true],
    ['TRUE', true],
    ['no', false],
    ['n', false],
    ['Off', false],
    ['yEs', 'yEs'],
    ['"yes"', 'yes'],
    ['~', null],
    ['NULL', null],
    ['nULL', 'nULL'],
    ['12', 12],
    ['-0', 0],
    ['+12', 12],
    ['0644', 420],
    ['0o644', 420],
    ['-010', -8],
    ['0x1F', 31],
    ['-0b11', -3],
    ['089', 89],
    ['1_000', 1000],
    ['1e3', 1000],
    ['1.', 1],
    ['.5', 0.5],
    ['1.5e-2', 0.015],
    ['1e999', '1e999'],
    ['1:30', '1:30'],
    ['2020-01-01', '2020-01-01'],
    ['0x', '0x'],
    ['1.2.3', '1.2.3'],
    ['500m', '500m'],
    ['-', 'broken'],
    ['.inf', 'broken'],
    ['-.INF', 'broken'],
    ['.nan', 'broken'],
    ['<<', '<<'],
    ['=', '='],
  ])('takes the plain scalar %s for what kubectl does', (text, expected) => {
    if (expected === 'broken') {
      const [value] = valuesOf(`a: ${text}\n`);
      expect(text === '-' ? value : String(value)).toEqual(
        text === '-' ? expect.anything() : expect.stringMatching(/^broken/),
      );
      return;
    }
    expect(valueOf(`key: ${text}\n`)).toEqual({ key: expected });
    expect(bothValues(`key: ${text}\n`)).toEqual({ key: expected });
  });

  it.each<[string, string]>([
    ['yes: 1', 'true'],
    ['010: 1', '8'],
    ['1.20: 1', '1.2'],
    ['0.1: 1', '0.1'],
    ['"yes": 1', 'yes'],
    ['__proto__: 1', '__proto__'],
    ['a b : 1', 'a b'],
    ['http://x: 1', 'http://x'],
    ['-x: 1', '-x'],
  ])('takes the key of `%s` for %j', (text, key) => {
    expect(Object.entries(valueOf(text) ?? {})).toEqual([[key, 1]]);
  });

  it('reads documents apart, and loses none to a broken one', () => {
    const text = 'a: 1\n--- # second\nb: [\n---\nc: 3\n...\nd: 4\n';
    expect(valuesOf(text)).toEqual([{ a: 1 }, expect.stringMatching(/^broken/), { c: 3 }, { d: 4 }]);
  });

  it('tells where a document is broken', () => {
    const text = 'a: 1\n---\nb: 1\nc: @x\n---\nd: 1\n';
    const [, broken] = readLenientYaml(text);
    if (broken?.kind !== 'broken') throw new Error('it is not broken');
    expect(text.slice(0, broken.problem.at).split('\n')).toHaveLength(4);
  });

  it.each([
    ['nothing', ''],
    ['comments', '# a\n\n  # b\n'],
    ['markers', '---\n---\n...\n---'],
    ['null', '---\nnull\n---\n~\n'],
    ['a directive', '%YAML 1.1\n# x\n---\n'],
  ])('has no document in %s', (_name, text) => {
    expect(readLenientYaml(text)).toEqual([]);
  });

  it('reads what stands on the line of a marker, and behind directives', () => {
    expect(valuesOf('--- {a: 1}\n--- |\n text\n')).toEqual([{ a: 1 }, 'text\n']);
    expect(valuesOf('%YAML 1.2\n%TAG ! tag:x,2000:\n---\na: yes\n')).toEqual([{ a: true }]);
    expect(valuesOf('\ufeffa: 1\n')).toEqual([{ a: 1 }]);
  });

  it('sees a line break wherever Kubernetes sees one, so that nothing hides behind a comment', () => {
    expect(valuesOf('a: 1 # x\rb: 2 # y\u2028c: 3 # z\u0085d: 4 # w\u2029e: 5\r\nf: 6\n')).toEqual([
      { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 },
    ]);
  });

  it('takes the last of two equal keys, and says where it stands', () => {
    const text = 'a: 1\nb:\n  c: 1\n  c: 2\n"a": 3\n';
    const document = only(text);
    if (document.kind !== 'value') throw new Error(document.problem.message);
    expect(document.value).toEqual({ a: 3, b: { c: 2 } });
    expect(document.problems.map(({ at }) => text.slice(at, at + 3))).toEqual(['c: ', '"a"']);
    expect(only('x: &a {k: 1, k: 2}\n')).toMatchObject({ value: { x: { k: 2 } }, problems: [{ at: 13 }] });
  });

  it('reads anchors, aliases, merges and tags', () => {
    expect(valueOf('a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  l: 3\n')).toEqual({
      a: { k: 1, l: 2 },
      b: { k: 1, l: 2 },
      c: { k: 1, l: 3 },
    });
    expect(valueOf('a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc: {<<: [*x, *y], m: 3}\n')).toMatchObject({
      c: { k: 1, l: 2, m: 3 },
    });
    expect(valueOf('a: !!str 5\nb: !!int "7"\nc: !secret x\nd: !!binary aGk=\ne: !include {x: 1}\n')).toEqual({
      a: '5',
      b: 7,
      c: 'x',
      d: 'hi',
      e: { x: 1 },
    });
  });

  it.each([
    ['an alias without an anchor', 'a: *x'],
    ['an anchor within itself', 'a: &x [*x]'],
    ['a merge with a scalar', 'a: {<<: 1}'],
    ['a tag that is not true', 'a: !!int secret-word'],
    ['a list as a key', '? [a]\n: 1'],
    ['null as a key', '~: 1'],
    ['a control character', 'a: x\u0007'],
    ['a string without an end', "a: 'secret-word"],
    ['a tab for indentation', 'a:\n\tb: 1'],
    ['two colons', 'a: b: secret-word'],
    ['a template', 'a: {{ .Values.x }}\nb: {{- y }}\n'],
    ['less indentation than anything above', 'a:\n    b: 1\n  c: 1'],
  ])('cannot read %s, and says so without quoting it', (_name, text) => {
    const document = only(text);
    expect(document.kind).toBe('broken');
    if (document.kind === 'broken') expect(document.problem.message).not.toContain('secret-word');
  });

  it('bounds what aliases add', () => {
    const rows = Array.from(
      { length: 12 },
      (_, row) => `a${row + 1}: &a${row + 1} [${Array(9).fill(`*a${row}`).join(', ')}]`,
    );
    expect(only(`a0: &a0 [x]\n${rows.join('\n')}\n`)).toMatchObject({
      kind: 'broken',
      problem: { message: expect.stringMatching(/^aliases repeat so much/) },
    });
    const long = 'x'.repeat(1_000_000);
    expect(only(`a: &a ${long}\nb: [${Array(100).fill('*a').join(', ')}]\n`).kind).toBe('broken');
    expect(only(`a: &a {x: 1}\n${Array.from({ length: 500 }, (_, index) => `k${index}: *a`).join('\n')}\n`).kind).toBe(
      'value',
    );
  });

  it('bounds nesting, and the size of what only the slow reader can read', () => {
    expect(only('['.repeat(100_000)).kind).toBe('broken');
    expect(only(`${'- '.repeat(5000)}x\n`).kind).toBe('broken');
    expect(only(Array.from({ length: 1000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')).kind).toBe('broken');
    expect(valueOf(`${'['.repeat(100)}${']'.repeat(100)}`)).toEqual(expect.any(Array));
    expect(only(`a: &x 1\nb: ${'x'.repeat(MAX_SLOW_LENGTH)}\n`)).toMatchObject({
      kind: 'broken',
      problem: { message: expect.stringMatching(/^a document of more than/) },
    });
  });

  it.each<[string, string, unknown]>([
    ['a literal', 'a: |\n  x\n   y\n\n  z\n', { a: 'x\n y\n\nz\n' }],
    ['a literal without its last break', 'a: |-\n  x\n\n', { a: 'x' }],
    ['a literal with all its breaks', 'a: |+\n  x\n\n\nb: 1\n', { a: 'x\n\n\n', b: 1 }],
    ['a literal with its indentation', 'a: |2\n    x\n', { a: '  x\n' }],
    ['a literal that begins with empty lines', 'a: |\n\n\n  x\n', { a: '\n\nx\n' }],
    ['a literal with a comment in it', 'a: |\n  # x\n  y\n# z\n', { a: '# x\ny\n' }],
    ['an empty literal', 'a: |\nb: >-\n', { a: '', b: '' }],
    ['a folded scalar', 'a: >\n  x\n  y\n\n  z\n    w\n  v\n', { a: 'x y\nz\n  w\nv\n' }],
    ['a literal in a list', 'a:\n- |\n  x\n- >-\n  y\n', { a: ['x\n', 'y'] }],
    ['a literal with tabs', 'a: |\n  \tx\n', { a: '\tx\n' }],
    ['a plain scalar on several lines', 'a: b\n  c\n\n  d # e\nf: 1\n', { a: 'b c\nd', f: 1 }],
    ['a double-quoted scalar on several lines', 'a: "b\n  c\\\n  d\n\n  e "\n', { a: 'b cd\ne ' }],
    ['a single-quoted scalar on several lines', "a: 'b\n\n\n  c'\n", { a: 'b\n\nc' }],
    ['escapes', 'a: "\\x41\\u00e9\\U0001F600\\t\\\\\\"\\/"\n', { a: 'Aé😀\t\\"/' }],
    ['a list in the column of its key', 'a:\n- 1\n- b: 2\n  c:\n  - 3\nd: 4\n', { a: [1, { b: 2, c: [3] }], d: 4 }],
    ['lists in lists', '- - 1\n  - 2\n-\n  - 3\n-\n', [[1, 2], [3], null]],
    ['flow collections', 'a: [1, "b", {c: d, "e": [f]}, ]\n', { a: [1, 'b', { c: 'd', e: ['f'] }] }],
    [
      'flow collections on several lines',
      'a: {b: [\n1, # x\n2\n  ],\n  c: 3 }\nd: 1\n',
      { a: { b: [1, 2], c: 3 }, d: 1 },
    ],
    ['JSON', '{"a":{"b":[1,true,null,"x"]}}', { a: { b: [1, true, null, 'x'] } }],
    ['keys without values', 'a:\nb: # x\n  # y\nc: {d, e: }\n', { a: null, b: null, c: { d: null, e: null } }],
    ['hash signs and colons in words', 'a: b#c\nd: e:f\ng: ::1\nh: x # y\n', { a: 'b#c', d: 'e:f', g: '::1', h: 'x' }],
  ])('reads %s', (_name, text, expected) => {
    expect(valueOf(text)).toEqual(expected);
    expect(valueOf(text.replaceAll('\n', '\r\n'))).toEqual(expected);
  });

  it('reads what was written, in every style, with the fast reader', () => {
    fc.assert(
      fc.property(fc.gen(), (gen) => {
        const choose: Choose = (from) => from[gen(fc.nat, { max: from.length - 1 })] ?? raise();
        const { text, value } = writeYaml(choose);
        expect(readFast(text, { start: 0, end: text.length }, 'values')?.value).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('survives every text', () => {
    const fragments = fc.constantFrom(
      ...'a: |b:|- |\n|  |\n  |>-\n|"|\'|[|]|{|}|, |#| # c|&a |*a|<<: |!!int |---\n|...\n|%TAG\n|\t|\r|\u2028|? |: |x|1|~|\\|\\u00|\ud83d'.split(
        '|',
      ),
      '|\n',
    );
    const texts = fc.oneof(
      fc.array(fragments, { maxLength: 30 }).map((parts) => parts.join('')),
      fc.string({ unit: 'binary', maxLength: 60 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        for (const document of readLenientYaml(unifyLineBreaks(text))) {
          const { start, end } = document.extent;
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeLessThanOrEqual(text.length);
          if (document.kind === 'broken') expect(document.problem.at).toBeLessThanOrEqual(text.length);
          else expect(() => JSON.stringify(document.value)).not.toThrow();
        }
      }),
      { numRuns: 1000 },
    );
  });
});

function raise(): never {
  throw new Error('there is nothing to choose from');
}
