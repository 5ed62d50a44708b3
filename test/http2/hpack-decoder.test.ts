import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReceivedFields } from '../../src/http2/endpoint-ports.ts';
import { withNeverIndexed } from '../../src/http2/endpoint-ports.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { HpackError } from '../../src/http2/hpack-error.ts';
import { integer, octets, outcome, text } from '../support/hpack-blocks.ts';

const LIMITS = { maxTableBytes: 4096, maxFieldSectionBytes: 2000, maxFieldCount: 20 };
const MIB = 2 ** 20;

/** `x-a: b`, to be kept. */
const KEEP = '4003782d610162';
/** The newest field of the table. */
const KEPT = 'be';

function decoded(...blocks: readonly string[]): ReceivedFields {
  const decoder = new HpackDecoder(LIMITS);
  return blocks.map((hex) => decoder.decode(octets(hex))).at(-1) ?? [];
}

function filled(hex: string): Buffer {
  return Buffer.alloc(MIB - (MIB % (hex.length / 2)), hex, 'hex');
}

/** Fields that come again and again, some of them kept; now and then something that is none. */
const blockOfParts = fc
  .array(
    fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom('82', '88', '0003782d610162', '1001790161', '0f2e811f') },
      { weight: 6, arbitrary: fc.constantFrom('be', 'bf', '7e0161', KEEP, '4003782d630164', '400000') },
      { weight: 1, arbitrary: fc.constantFrom('80', 'c5', '8220', '7f', 'ff', '0f2f', '81ff', '0001780278') },
    ),
    { maxLength: 4 },
  )
  .map((parts) => octets(parts.join('')));

describe('a field block', () => {
  it.each<readonly [name: string, hex: string, fields: readonly string[]]>([
    ['nothing', '', []],
    ['the first field of the static table', '81', [':authority', '']],
    ['the last field of the static table', 'bd', ['www-authenticate', '']],
    ['the last name of the static table', '0f2e0161', ['www-authenticate', 'a']],
    ['a name and a value without octets', '000000', ['', '']],
    ['a name and a value that no reader would take', '000341203a 030d0a00', ['A :', '\r\n\0']],
    ['octets that are not ASCII', '000180 02ffe9', ['\x80', '\xff\xe9']],
    ['an integer in more octets than it needs', '0f8000 0161', ['accept-charset', 'a']],
    ['an integer in as many octets as may be', '0f80808000 0161', ['accept-charset', 'a']],
  ])('of %s is read', (_name, hex, fields) => {
    expect(decoded(hex)).toEqual(fields);
  });

  it('says which fields no table may hold, also when it comes again', () => {
    const decoder = new HpackDecoder(LIMITS);
    const block = octets('0003782d610162 1003782d620162 14012f 1003782d620163');
    for (let times = 0; times < 3; times += 1) {
      const fields = ['x-a', 'b', 'x-b', 'b', ':path', '/', 'x-b', 'c'];
      expect(decoder.decode(block)).toEqual(withNeverIndexed(fields, ['x-b', ':path', 'x-b']));
    }
    expect(decoder.decode(octets('0003782d620162'))).toEqual(['x-b', 'b']);
  });

  it.each<readonly [name: string, code: string, text: string]>([
    ['five bits', '1f', 'a'],
    ['no padding', '18c6318c63', 'aaaaaaaa'],
    ['seven bits of padding', '18c631ff', 'aaaaa'],
    ['NUL', 'ffc7', '\0'],
    ['LF', 'fffffff3', '\n'],
    ['CR', 'fffffff7', '\r'],
    ['SYN', 'fffffffb', '\x16'],
    ['DEL', 'ffffffcf', '\x7f'],
    ['0x01', 'ffffb1', '\x01'],
    ['0xf9', 'ffffffef', '\xf9'],
    ['0xff', 'fffffbbf', '\xff'],
    ['a short code after a long one', 'fffffff0 7f', '\na'],
  ])('with Huffman codes of %s is read', (_name, code, text) => {
    const bytes = octets(code);
    const block = Buffer.concat([Buffer.of(0, 1, 0x78, 0x80 | bytes.length), bytes]);
    expect(new HpackDecoder(LIMITS).decode(block)).toEqual(['x', text]);
  });

  it.each<readonly [name: string, hex: string, code: string]>([
    ['index 0', '80', 'field-index'],
    ['an index beyond the static table while the dynamic one is empty', 'be', 'field-index'],
    ['an index that is far beyond', 'ffffff7f', 'field-index'],
    ['a name with an index beyond the tables', '7e00', 'field-index'],
    ['a name with an index beyond the tables, not to be kept', '0f2f00', 'field-index'],
    ['an integer that overflows', 'ffffffffffffffffff7f', 'integer-size'],
    ['an integer of 0 in five octets', 'ff8080808000', 'integer-size'],
    ['a length that overflows', '00 7fffffffffff7f', 'integer-size'],
    ['half an integer', 'ff', 'truncated-block'],
    ['half an integer that goes on', 'ff80', 'truncated-block'],
    ['no name', '00', 'truncated-block'],
    ['half a name', '000278', 'truncated-block'],
    ['no value', '000178', 'truncated-block'],
    ['half a value', '0001780278', 'truncated-block'],
    ['a value that would be larger than memory', '000178 7f80ffff7f', 'truncated-block'],
    ['half a value with Huffman codes', '0001788218', 'truncated-block'],
    ['EOS', '000178 84ffffffff', 'huffman-code'],
    ['EOS with its padding', '000178 85fffffffffc', 'huffman-code'],
    ['eight bits of padding', '000178 81ff', 'huffman-code'],
    ['eleven bits of padding', '000178 821fff', 'huffman-code'],
    ['padding of zeros', '000178 8118', 'huffman-code'],
    ['padding of ones and a zero', '000178 811e', 'huffman-code'],
    ['a code without its end', '000178 81fe', 'huffman-code'],
    ['a wrong name with Huffman codes', '0081ff00', 'huffman-code'],
    ['a size of the table after a field', '8220', 'table-size-update'],
    ['a size of the table beyond the limit', '3fe21f', 'table-size-update'],
    ['a third size of the table', '203fe11f3fe11f', 'table-size-update'],
  ])('with %s is an error of the connection', (_name, hex, code) => {
    expect(outcome(new HpackDecoder(LIMITS), octets(hex))).toBe(code);
  });

  it('may keep fields for those that follow, the newest first', () => {
    expect(decoded(KEEP, '4003782d630164', 'bfbe')).toEqual(['x-a', 'b', 'x-c', 'd']);
    expect(decoded(KEEP, '7e0163', 'bebf')).toEqual(['x-a', 'c', 'x-a', 'b']);
  });

  it('may change the size of the table twice before its first field', () => {
    expect(decoded(KEEP, `203fe11f${KEEP}${KEPT}`)).toEqual(['x-a', 'b', 'x-a', 'b']);
    expect(() => decoded(KEEP, `203fe11f${KEPT}`)).toThrow(HpackError);
  });

  it('loses the oldest field for one that fits only without it', () => {
    const fill = Buffer.concat([Buffer.of(0x40), text('n'), text('v'.repeat(4096 - 2 * 32 - 5))]);
    const decoder = new HpackDecoder({ ...LIMITS, maxFieldSectionBytes: MIB });
    decoder.decode(octets(KEEP));
    decoder.decode(fill);
    expect(decoder.decode(octets('bf'))).toEqual(['x-a', 'b']);
    decoder.decode(octets('400000'));
    expect(outcome(decoder, octets('c0'))).toBe('field-index');
  });

  it.each([
    [256, 256],
    [4096, 4096],
    [65_536, 4096],
  ])('finds, where %i octets are allowed, a table of %i before it says otherwise', (maxTableBytes, tableBytes) => {
    const field = Buffer.concat([Buffer.of(0x40), text('n'), text('v'.repeat(tableBytes / 2 - 32 - 1))]);
    const decoder = new HpackDecoder({ ...LIMITS, maxTableBytes, maxFieldSectionBytes: MIB });
    for (let time = 0; time < 3; time += 1) decoder.decode(field);
    expect(decoder.decode(octets('bebf'))).toHaveLength(4);
    expect(outcome(decoder, octets('c0'))).toBe('field-index');
  });

  it('finds as many fields as there is room for, however many were lost', () => {
    // 36 octets each: 113 of them.
    const count = Math.floor(4096 / 36);
    const decoder = new HpackDecoder(LIMITS);
    for (let at = 0; at < 1000; at += 1) {
      decoder.decode(octets(`40 0161 03${(0x313030 + at).toString(16)}`));
      const held = Math.min(at + 1, count);
      const oldest = Buffer.from((0x313030 + at + 1 - held).toString(16), 'hex').toString('latin1');
      expect(decoder.decode(integer(0x80, 0x7f, 61 + held))).toEqual(['a', oldest]);
    }
    expect(outcome(decoder, integer(0x80, 0x7f, 61 + count + 1))).toBe('field-index');
  });

  it('loses all fields to one that is larger than the table', () => {
    const decoder = new HpackDecoder({ ...LIMITS, maxFieldSectionBytes: MIB });
    decoder.decode(octets(KEEP));
    expect(decoder.decode(Buffer.concat([Buffer.of(0x7e), text('v'.repeat(4096))]))).toEqual(['x-a', 'v'.repeat(4096)]);
    expect(outcome(decoder, octets(KEPT))).toBe('field-index');
  });

  it('may be overwritten once it has been read', () => {
    const decoder = new HpackDecoder(LIMITS);
    const block = octets('0003782d610162');
    const first = decoder.decode(block);
    block.fill('00');
    expect(first).toEqual(['x-a', 'b']);
    expect(decoder.decode(octets('0003782d610162'))).toBe(first);
  });
});

describe('H2 90 a section of fields that is larger than was announced', () => {
  it('is told from one that is as large', () => {
    const limits = { ...LIMITS, maxFieldSectionBytes: 3 * 32 + 10 };
    const block = (value: string) => Buffer.concat([octets('0001780179 0001780179 00'), text('x'), text(value)]);
    expect(new HpackDecoder(limits).decode(block('z'.repeat(5)))).toHaveLength(6);
    expect(new HpackDecoder(limits).decode(block('z'.repeat(6)))).toBe('too-large');
  });

  it('is also one of too many fields', () => {
    expect(decoded('82'.repeat(20))).toHaveLength(40);
    expect(decoded('82'.repeat(21))).toBe('too-large');
  });

  it('is not taken back by what comes after it', () => {
    const large = Buffer.concat([octets('000178'), text('v'.repeat(2000)), octets('82')]);
    expect(new HpackDecoder(LIMITS).decode(large)).toBe('too-large');
  });

  it('costs nothing for each octet that stands for a large field', () => {
    const decoder = new HpackDecoder(LIMITS);
    expect(decoder.decode(Buffer.concat([Buffer.of(0x40), text('n'), text('v'.repeat(4000))]))).toBe('too-large');
    expect(decoder.decode(filled(KEPT))).toBe('too-large');
    expect(decoder.decode(octets('82'))).toEqual([':method', 'GET']);
  });

  it('keeps what it says is to be kept', () => {
    const decoder = new HpackDecoder(LIMITS);
    expect(decoder.decode(octets('82'.repeat(21) + KEEP))).toBe('too-large');
    expect(decoder.decode(octets(KEPT))).toEqual(['x-a', 'b']);
  });

  it('is refused for what is wrong after the limit', () => {
    expect(outcome(new HpackDecoder(LIMITS), octets(`${'82'.repeat(21)}80`))).toBe('field-index');
  });
});

describe('octets of any kind', () => {
  const block = fc.oneof(
    blockOfParts,
    fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
  );

  it('are fields within the limits, too many of them, or refused', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), (blocks) => {
        const decoder = new HpackDecoder(LIMITS);
        for (const each of blocks) {
          const fields = outcome(decoder, each);
          seen.add(typeof fields === 'string' ? fields : 'fields');
          if (typeof fields !== 'string') {
            const octets = fields.reduce((sum, text) => sum + text.length, 0);
            expect(fields.length % 2).toBe(0);
            expect(fields.length).toBeLessThanOrEqual(2 * LIMITS.maxFieldCount);
            expect(octets + 16 * fields.length).toBeLessThanOrEqual(LIMITS.maxFieldSectionBytes);
          } else if (fields !== 'too-large') return;
        }
      }),
      { numRuns: 1000 },
    );
    expect(seen).toContain('fields');
    // Which of the refusals come up is up to chance, but never one alone.
    expect(seen.size).toBeGreaterThan(2);
  });

  // A decoder that looked at anything again for each of them would not come to the end in time.
  it.each<readonly [name: string, block: Buffer]>([
    ['indexed fields', filled('82')],
    ['empty fields', filled('000000')],
    ['empty fields to be kept', filled('400000')],
    ['fields to be kept with the name of one that is', Buffer.concat([octets(KEEP), filled('7e00')])],
    ['large fields to be kept', filled(Buffer.concat([octets('400161'), text('v'.repeat(2000))]).toString('hex'))],
    ['short strings with Huffman codes', filled('000178811f')],
    ['one string', Buffer.concat([octets('000178'), text('v'.repeat(MIB))])],
    [
      'one string with Huffman codes',
      Buffer.concat([octets('000178'), integer(0x80, 127, MIB - 1), Buffer.alloc(MIB - 1)]),
    ],
  ])('H2 90 cost no more than their number when they are a MiB of %s', (_name, block) => {
    const decoder = new HpackDecoder({ ...LIMITS, maxTableBytes: 65_536 });
    expect(decoder.decode(octets('3fe1ff03'))).toEqual([]);
    expect(decoder.decode(block)).toBe('too-large');
  });
});
