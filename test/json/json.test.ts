// Strict JSON: what is read, what is refused and where, and that JSON.parse never sees anything else in it.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonLimits, type JsonValue, parseJson } from '../../src/json/json.ts';
import { JsonError } from '../../src/json/json-error.ts';

const LIMITS: JsonLimits = { maxBytes: 100_000, maxDepth: 16 };

const read = (text: string | Uint8Array, limits: JsonLimits = LIMITS): JsonValue =>
  parseJson(typeof text === 'string' ? Buffer.from(text) : text, limits);

function refusal(text: string | Uint8Array, limits: JsonLimits = LIMITS): string {
  try {
    read(text, limits);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    expect(error.message.startsWith(`${error.line}:${error.column}: `)).toBe(true);
    return `${error.code} ${error.message}`;
  }
  return 'accepted';
}

/** Into what JSON.parse gives, name by name, so that `__proto__` stays a name. */
function toNative(value: JsonValue): unknown {
  switch (value.kind) {
    case 'null':
      return null;
    case 'boolean':
    case 'string':
      return value.value;
    case 'number':
      return Number(value.text);
    case 'array':
      return value.items.map(toNative);
    case 'object': {
      const native: Record<string, unknown> = {};
      for (const [name, member] of value.members) {
        Object.defineProperty(native, name, {
          value: toNative(member),
          enumerable: true,
          writable: true,
          configurable: true,
        });
      }
      return native;
    }
  }
}

const string = (value: string): JsonValue => ({ kind: 'string', value });
const number = (text: string): JsonValue => ({ kind: 'number', text });

describe('parseJson', () => {
  it.each<readonly [string, JsonValue]>([
    ['null', { kind: 'null' }],
    [' true ', { kind: 'boolean', value: true }],
    ['\t\r\nfalse\n', { kind: 'boolean', value: false }],
    ['""', string('')],
    ['"a\\u0041\\n\\"\\\\\\/\\b\\f\\r\\t"', string('aA\n"\\/\b\f\r\t')],
    ['"ü€😀\u007f\u2028"', string('ü€😀\u007f\u2028')],
    ['"\\uD83D\\ude00"', string('😀')],
    ['"\\u0000"', string('\0')],
    ['"\ufeff"', string('\ufeff')],
    ['[]', { kind: 'array', items: [] }],
    ['[ 1 , [ ] ]', { kind: 'array', items: [number('1'), { kind: 'array', items: [] }] }],
    ['{}', { kind: 'object', members: new Map() }],
    [
      '{ "a" : 1 , "" : 2 }',
      {
        kind: 'object',
        members: new Map([
          ['a', number('1')],
          ['', number('2')],
        ]),
      },
    ],
  ])('reads %j', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each(['0', '-0', '9223372036854775807', '18446744073709551616', '0.10', '-1.5e+400', '1E-2', '1e5'])(
    'keeps the number %s as written',
    (text) => {
      expect(read(text)).toEqual(number(text));
    },
  );

  it('keeps the names of Object.prototype as names', () => {
    const value = read('{"__proto__":{"a":1},"constructor":2,"toString":3}');
    expect(value.kind === 'object' && [...value.members.keys()]).toEqual(['__proto__', 'constructor', 'toString']);
  });
});

describe('parseJson refuses', () => {
  it.each([
    ['{"a":1,"a":1}', 'json-duplicate-name 1:8: '],
    ['{"a":1,\n  "\\u0061":2}', 'json-duplicate-name 2:3: the name `a` stands twice'],
    ['{"__proto__":1,"b":2,"__proto__":3}', 'json-duplicate-name 1:22: '],
    ['[{"a":{"b":1,"b":1}}]', 'json-duplicate-name 1:14: '],
  ])('a name that stands twice: %s', (text, expected) => {
    expect(refusal(text)).toContain(expected);
  });

  it.each([
    ['', 'json-truncated 1:1: '],
    [' \n ', 'json-truncated 2:2: '],
    ['[1', 'json-truncated 1:3: '],
    ['[1,', 'json-truncated 1:4: '],
    ['{"a"', 'json-truncated 1:5: '],
    ['{"a":', 'json-truncated 1:6: '],
    ['{', 'json-truncated 1:2: '],
    ['"abc', 'json-truncated 1:5: '],
    ['"abc\\', 'json-truncated 1:6: '],
    ['"\\u', 'json-truncated 1:4: '],
    ['1 2', 'json-trailing-text 1:3: '],
    ['{}{}', 'json-trailing-text 1:3: '],
    ['null\0', 'json-nul 1:5: '],
    ['01', 'json-trailing-text 1:2: '],
    ['1.', 'json-trailing-text 1:2: '],
    ['1e', 'json-trailing-text 1:2: '],
    ['1_000', 'json-trailing-text 1:2: '],
    ['0x10', 'json-trailing-text 1:2: '],
    ['+1', 'json-syntax 1:1: '],
    ['.5', 'json-syntax 1:1: '],
    ['-', 'json-syntax 1:1: '],
    ['--1', 'json-syntax 1:1: '],
    ['NaN', 'json-syntax 1:1: '],
    ['-Infinity', 'json-syntax 1:1: '],
    ['nul', 'json-syntax 1:1: '],
    ['True', 'json-syntax 1:1: '],
    ['nullx', 'json-syntax 1:1: '],
    ['[1,]', 'json-syntax 1:4: '],
    ['[,1]', 'json-syntax 1:2: '],
    ['[1 2]', 'json-syntax 1:4: '],
    ['[1}', 'json-syntax 1:3: '],
    ['{"a":1,}', 'json-syntax 1:8: '],
    ['{"a" 1}', 'json-syntax 1:6: '],
    ['{a:1}', 'json-syntax 1:2: '],
    ["{'a':1}", 'json-syntax 1:2: '],
    ['{1:1}', 'json-syntax 1:2: '],
    ['{"a":1]', 'json-syntax 1:7: '],
    ['{"a":1 "b":2}', 'json-syntax 1:8: '],
    ['"a\nb"', 'json-syntax 1:3: '],
    ['"\t"', 'json-syntax 1:2: '],
    ['"\\x41"', 'json-syntax 1:3: '],
    ['"\\u12g4"', 'json-syntax 1:4: '],
    ['"\\u12"', 'json-syntax 1:4: '],
    ['"\\u12', 'json-syntax 1:4: '],
    ['"\\U0041"', 'json-syntax 1:3: '],
    ['// a\n1', 'json-syntax 1:1: '],
    ['/**/1', 'json-syntax 1:1: '],
    ['\u00a01', 'json-syntax 1:1: '],
    ['\v1', 'json-syntax 1:1: '],
    ['[\n1,\n  x]', 'json-syntax 3:3: `x` where a JSON value was expected'],
    ['<!DOCTYPE html>', 'json-syntax 1:1: `<` where'],
  ])('%j', (text, expected) => {
    expect(refusal(text)).toContain(expected);
  });

  it.each([
    '"\\ud800"',
    '"\\udc00"',
    '"\\ud800\\ud800"',
    '"\\ud800x"',
    '"\\ud800\\n"',
    '"\\udc00\\ud800"',
    '"\\udc00\\udc00"',
    '"\\ud800\\ue000"',
    '"x\\uDBFF"',
  ])('half of a surrogate pair: %s', (text) => {
    expect(refusal(text)).toMatch(/^json-lone-surrogate 1:[23]: /);
    expect(refusal(`{${text}:1}`)).toMatch(/^json-lone-surrogate 1:[34]: /);
  });

  it('bytes that are not UTF-8, and says where', () => {
    const cases = [
      [[0xff], '1:2'],
      [[0xc0, 0x80], '1:2'],
      [[0xed, 0xa0, 0x80], '1:2'],
      [[0xf4, 0x90, 0x80, 0x80], '1:2'],
      [[0x0a, 0x78, 0x80], '2:2'],
    ] as const;
    for (const [bytes, position] of cases) {
      const source = Buffer.from([0x22, ...bytes, 0x22]);
      expect(refusal(source)).toContain(`json-not-utf8 ${position}: `);
    }
    expect(refusal(Buffer.from([0x22, 0xc3]))).toMatch(/^json-not-utf8 /);
  });

  it('a byte order mark of any kind', () => {
    expect(refusal('\ufeff{}')).toContain('json-byte-order-mark 1:1: ');
    expect(refusal(Buffer.from('\ufeff{}', 'utf16le'))).not.toBe('accepted');
    expect(refusal('{}\ufeff')).toContain('json-trailing-text');
  });

  it('more bytes, levels or values than allowed, and nothing below', () => {
    expect(refusal('[[]]', { maxBytes: 4, maxDepth: 2 })).toBe('accepted');
    expect(refusal('[[]]', { maxBytes: 3, maxDepth: 2 })).toContain('json-too-large 1:1: ');
    expect(refusal('[[]]', { maxBytes: 4, maxDepth: 1 })).toContain('json-too-deep 1:2: ');
    expect(refusal('{"a":{}}', { maxBytes: 9, maxDepth: 1 })).toContain('json-too-deep 1:6: ');
    expect(refusal('1', { maxBytes: 1, maxDepth: 0 })).toBe('accepted');
    const deep = { maxBytes: 1_000_000, maxDepth: 16 };
    expect(refusal('['.repeat(500_000), deep)).toContain('json-too-deep 1:17: ');
    const many = (count: number): string => `[${Array.from({ length: count }, () => '0').join(',')}]`;
    expect(refusal(many(65_535), deep)).toBe('accepted');
    expect(refusal(many(65_536), deep)).toContain('json-too-many-values');
  });

  it('without ever a control character in the message', () => {
    for (const text of ['\u001b[2J', '{"\\u001b[2J":1,"\\u001b[2J":2}', '\u009b']) {
      expect(refusal(text)).toMatch(/^[ -~]+$/);
    }
  });
});

const PIECES = [
  ...Array.from('{}[],:"-.e+ \n\t\\x/é'),
  '"a"',
  '"b"',
  '"a":',
  '"b":1',
  '0',
  '1',
  '00',
  'true',
  'false',
  'null',
  '\\u',
  '\\ud83d',
  '\\ude00',
  'd800',
  '\\n',
  '\u{1f600}',
];

describe('beside JSON.parse', () => {
  const native = (text: string): unknown => {
    try {
      return { value: JSON.parse(text) as unknown };
    } catch {
      return null;
    }
  };
  const isSame = (text: string): void => {
    const expected = native(text);
    const found = refusal(text);
    if (found === 'accepted') expect({ value: toNative(read(text)) }).toEqual(expected);
    else if (expected !== null) expect(found).toMatch(/^json-(?:duplicate-name|lone-surrogate|too-deep) /);
  };

  it('reads whatever JSON.stringify writes, with the same meaning', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, noUnicodeString: false }), fc.nat(4), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(toNative(read(text))).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it('accepts nothing that JSON.parse refuses, and refuses nothing but what two readers could differ about', () => {
    const pieces = fc.constantFrom(...PIECES);
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => isSame(parts.join(''))),
      { numRuns: 1000 },
    );
  });

  it('still agrees when valid text is damaged', () => {
    const damage = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.string({ unit: 'binary', maxLength: 3 }) });
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), damage, (text, { at, remove, insert }) => {
        const index = at % (text.length + 1);
        const damaged = text.slice(0, index) + insert + text.slice(index + remove);
        // What cannot be written in UTF-8 never arrives.
        if (damaged.isWellFormed() && !damaged.includes('\0') && !damaged.startsWith('\ufeff')) isSame(damaged);
      }),
      { numRuns: 1000 },
    );
  });

  it('throws nothing but JsonError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        refusal(bytes);
        refusal(Buffer.concat([Buffer.from('{"a":"'), bytes, Buffer.from('"}')]));
      }),
      { numRuns: 500 },
    );
  });

  it('knows that JSON.parse takes half a surrogate pair, and why that is refused', () => {
    expect(JSON.parse('"\\ud800"')).toBe('\ud800');
    expect(refusal('"\\ud800"')).toContain('which is no character');
  });
});
