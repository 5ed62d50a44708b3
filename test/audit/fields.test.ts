import { describe, expect, it } from 'vitest';
import { MalformedNotes, type Field } from '../../src/audit/fields.ts';
import { formatPath } from '../../src/audit/path.ts';
import { objectOf } from './inventory.ts';

function rootOf(spec: unknown): { readonly spec: Field; readonly notes: () => readonly string[] } {
  const notes = new MalformedNotes();
  const object = objectOf({ apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, spec });
  return {
    spec: notes.fieldOf(object).get('spec'),
    notes: () => notes.of(object).map(({ path, expected, found }) => `${formatPath(path)}: ${expected}, not ${found}`),
  };
}

describe('fields', () => {
  it('reads what is there, by its type', () => {
    const { spec, notes } = rootOf({ a: 'x', b: 1.5, c: 2, d: false, e: ['x', 'y'], f: { k: 'v' }, g: '8080' });
    expect(spec.get('a').asText()).toBe('x');
    expect(spec.get('b').asNumber()).toBe(1.5);
    expect(spec.get('c').asInteger()).toBe(2);
    expect(spec.get('d').asBoolean()).toBe(false);
    expect(spec.get('e').asTexts()).toEqual(['x', 'y']);
    expect([...spec.get('f').asTextMap()]).toEqual([['k', 'v']]);
    expect(spec.get('f', 'k').path).toEqual(['spec', 'f', 'k']);
    expect([spec.get('c').asIntegerOrText(), spec.get('g').asIntegerOrText()]).toEqual([2, '8080']);
    expect([spec.get('c').asQuantity(), spec.get('g').asQuantity()]).toEqual(['2', '8080']);
    expect(notes()).toEqual([]);
  });

  it('takes absence and null for the same, without a note', () => {
    const { spec, notes } = rootOf({ nothing: null });
    for (const field of [spec.get('nothing'), spec.get('absent'), spec.get('absent', 'further', 0)]) {
      expect(field.isPresent).toBe(false);
      expect([field.asText(), field.asNumber(), field.asInteger(), field.asBoolean(), field.asIntegerOrText()]).toEqual(
        [null, null, null, null, null],
      );
      expect([field.asList(), field.asTexts(), field.asMap().size, field.asTextMap().size]).toEqual([[], [], 0, 0]);
    }
    expect(notes()).toEqual([]);
  });

  it.each<[string, (spec: Field) => unknown, unknown, string]>([
    ['a number for a text', (spec) => spec.get('number').asText(), null, 'spec.number: a string, not a number'],
    ['a text for a boolean', (spec) => spec.get('text').asBoolean(), null, 'spec.text: true or false, not a string'],
    [
      'a fraction for a whole number',
      (spec) => spec.get('number').asInteger(),
      null,
      'spec.number: a whole number, not a number',
    ],
    ['a mapping for a list', (spec) => spec.get('map').asList(), [], 'spec.map: a list, not a mapping'],
    ['a list for a mapping', (spec) => spec.get('list').asMap().size, 0, 'spec.list: a mapping, not a list'],
    [
      'a text for a mapping, on the way',
      (spec) => spec.get('text', 'a', 'b').asText(),
      null,
      'spec.text: a mapping, not a string',
    ],
    [
      'a mapping for a list, on the way',
      (spec) => spec.get('map', 0).asText(),
      null,
      'spec.map: a list, not a mapping',
    ],
    ['a number among texts', (spec) => spec.get('list').asTexts(), ['a'], 'spec.list[1]: a string, not a number'],
    ['null among texts', (spec) => spec.get('nulls').asTexts(), [], 'spec.nulls[0]: a string, not null'],
    [
      'a number among labels',
      (spec) => [...spec.get('map').asTextMap()],
      [['a', 'b']],
      'spec.map["x/y"]: a string, not a number',
    ],
    [
      'nothing where there must be a text',
      (spec) => spec.get('absent').requireText(),
      null,
      'spec.absent: a string, not nothing',
    ],
  ])('notes %s', (_name, read, value, note) => {
    const { spec, notes } = rootOf({
      number: 1.5,
      text: 'x',
      map: { a: 'b', 'x/y': 1 },
      list: ['a', 2],
      nulls: [null],
    });
    expect(read(spec)).toEqual(value);
    expect(notes()).toEqual([note]);
    read(spec);
    expect(notes()).toHaveLength(1);
  });

  it('reaches no property that an object has by its prototype', () => {
    const { spec } = rootOf(JSON.parse('{"a": {}, "__proto__": {"polluted": "x"}, "constructor": "own"}'));
    expect(spec.get('a', 'constructor').isPresent).toBe(false);
    expect(spec.get('toString').isPresent).toBe(false);
    expect(spec.get('__proto__', 'polluted').asText()).toBe('x');
    expect(spec.get('constructor').asText()).toBe('own');
    expect([...spec.asMap().keys()]).toEqual(['a', '__proto__', 'constructor']);
  });

  it('keeps the number of notes of one object within bounds', () => {
    const { spec, notes } = rootOf(Array.from({ length: 1000 }, () => 1));
    spec.asTexts();
    expect(notes()).toHaveLength(32);
  });

  it('lays entries over a mapping, each of which keeps its own place', () => {
    const { spec, notes } = rootOf({ base: { a: 'a', b: 'b' }, other: { c: 'c' }, list: [{ x: 1 }] });
    const laid = spec.get('base').overlay([
      ['b', spec.get('other', 'c')],
      ['items', [spec.get('list', 0), spec.get('other')]],
      ['literal', spec.get('base').literal('given')],
    ]);
    expect(laid.value).toEqual({ a: 'a', b: 'c', items: [{ x: 1 }, { c: 'c' }], literal: 'given' });
    expect(laid.path).toEqual(['spec', 'base']);
    expect(laid.get('b').path).toEqual(['spec', 'other', 'c']);
    expect(laid.get('items', 1, 'c').path).toEqual(['spec', 'other', 'c']);
    expect(laid.get('items', 2).isPresent).toBe(false);
    expect(
      laid
        .get('items')
        .asList()
        .map(({ path }) => path.join('.')),
    ).toEqual(['spec.list.0', 'spec.other']);
    expect([...laid.asMap().keys()]).toEqual(['a', 'b', 'items', 'literal']);
    expect(laid.get('literal').asText()).toBe('given');
    expect(laid.get('absent').isPresent).toBe(false);
    expect(notes()).toEqual([]);
  });

  it('notes of an overlay what is wrong where it really stands', () => {
    const { spec, notes } = rootOf({ base: 'text', other: 1 });
    const laid = spec.get('base').overlay([['a', spec.get('other')]]);
    expect(laid.get('a').asText()).toBeNull();
    expect(notes()).toEqual(['spec.base: a mapping, not a string', 'spec.other: a string, not a number']);
  });
});
