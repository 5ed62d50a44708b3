import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { integer, octets, outcome, text } from '../support/hpack-blocks.ts';
import { heldBytes } from '../support/memory.ts';

const LIMITS = { maxTableBytes: 4096, maxFieldSectionBytes: 2000, maxFieldCount: 20 };
const NOTHING = Buffer.alloc(0);
/** `x-a: b`, to be kept. */
const KEEP = '4003782d610162';
/** The newest field of the table. */
const KEPT = 'be';

describe('a block that was read before', () => {
  it('is the same array as long as nothing was kept', () => {
    const decoder = new HpackDecoder(LIMITS);
    const [one, other] = [octets('82860003782d610162'), octets('82860003782d610163')];
    const first = decoder.decode(one);
    expect(decoder.decode(other)).not.toBe(first);
    expect(decoder.decode(Buffer.from(one))).toBe(first);
    decoder.decode(octets(KEEP));
    expect(decoder.decode(one)).toEqual(first);
    expect(decoder.decode(one)).not.toBe(first);
  });

  it.each<readonly [name: string, between: string, fields: readonly string[]]>([
    ['a field that was kept since', '4003782d630164', ['x-c', 'd']],
    ['a size of the table that lost them all', '203fe11f4003782d630164', ['x-c', 'd']],
  ])('has another meaning after %s', (_name, between, fields) => {
    const decoder = new HpackDecoder(LIMITS);
    decoder.decode(octets(KEEP));
    expect(decoder.decode(octets(KEPT))).toEqual(['x-a', 'b']);
    decoder.decode(octets(between));
    expect(decoder.decode(octets(KEPT))).toEqual(fields);
  });

  it('has none after the table was emptied', () => {
    const decoder = new HpackDecoder(LIMITS);
    decoder.decode(octets(KEEP));
    decoder.decode(octets(KEPT));
    decoder.decode(octets('20'));
    expect(outcome(decoder, octets(KEPT))).toBe('field-index');
  });

  it('is too large again', () => {
    const decoder = new HpackDecoder(LIMITS);
    expect(decoder.decode(octets('82'.repeat(21)))).toBe('too-large');
    expect(decoder.decode(octets('82'.repeat(21)))).toBe('too-large');
  });

  it('is one of a few that are remembered', () => {
    const decoder = new HpackDecoder(LIMITS);
    const blocks = Array.from({ length: 1000 }, (_, at) => Buffer.concat([octets('000178'), text(`${at}`)]));
    const first = blocks.map((block) => decoder.decode(block));
    const again = blocks.map((block) => decoder.decode(block));
    expect(again).toEqual(first);
    expect(again).toEqual(blocks.map((_, at) => ['x', `${at}`]));
    expect(blocks.filter((_, at) => first[at] === again[at]).length).toBeLessThanOrEqual(64);
  });

  it('is forgotten with all others, also when others are remembered since', () => {
    const decoder = new HpackDecoder(LIMITS);
    decoder.decode(octets(KEEP));
    decoder.decode(octets(KEPT));
    decoder.decode(octets('4003782d630164'));
    decoder.decode(octets('82'));
    expect(decoder.decode(octets(KEPT))).toEqual(['x-c', 'd']);
  });

  // A size of the table that it has anyway keeps a block from being remembered and changes nothing else.
  it('means what it means to a decoder that remembers none', () => {
    const reading = fc.constantFrom(
      '82',
      'be',
      'bf',
      '0003782d610162',
      '1001790161',
      '0f2e811f',
      '80',
      'be820001780278',
    );
    const keeping = fc.constantFrom(KEEP, '4003782d630164', '7e0161', '400000');
    const size = fc.constantFrom(0, 40, 100, 4096);
    const steps = fc.array(
      fc.oneof(
        { weight: 12, arbitrary: fc.tuple(fc.constant(null), reading) },
        { weight: 3, arbitrary: fc.tuple(fc.constant(null), keeping) },
        { weight: 1, arbitrary: fc.tuple(size, reading) },
      ),
      { maxLength: 60, size: 'max' },
    );
    let same = 0;
    fc.assert(
      fc.property(steps, (steps) => {
        const [remembering, other] = [new HpackDecoder(LIMITS), new HpackDecoder(LIMITS)];
        const arrays = new Set<unknown>();
        let tableBytes = 4096;
        // So that most of what follows has something to name.
        const prepared = [[null, KEEP] as const, [null, KEEP] as const, ...steps];
        for (const [bytes, hex] of prepared) {
          const update = bytes === null ? NOTHING : integer(0x20, 0x1f, bytes);
          const block = Buffer.concat([update, octets(hex)]);
          const got = outcome(remembering, block);
          expect(got).toEqual(outcome(other, Buffer.concat([integer(0x20, 0x1f, tableBytes), block])));
          if (typeof got === 'string') return;
          if (arrays.has(got)) same += 1;
          arrays.add(got);
          tableBytes = bytes ?? tableBytes;
        }
      }),
      { numRuns: 1000 },
    );
    expect(same).toBeGreaterThan(300);
  });
});

describe('H2 90 what a decoder remembers', () => {
  const DECODERS = 10;
  const KIB = 1024;

  /** `count` blocks, no two alike. */
  function each(count: number, block: (at: number) => Buffer): (decoder: HpackDecoder) => void {
    return (decoder) => {
      for (let at = 0; at < count; at += 1) decoder.decode(block(at));
    };
  }

  it.each<readonly [kib: number, name: string, attack: (decoder: HpackDecoder) => void]>([
    [
      120,
      'the largest blocks',
      each(300, (at) => Buffer.concat([octets('000178'), text(`${at}.`.repeat(500).slice(0, 500))])),
    ],
    [30, 'larger blocks', each(200, (at) => Buffer.concat([octets('000178'), text(`${at}.`.repeat(8000))]))],
    [
      30,
      'blocks of fields of one octet',
      each(300, (at) =>
        Buffer.concat([Buffer.of(0x81 + (at % 61), 0x81 + Math.floor(at / 61)), Buffer.alloc(510, 0x82)]),
      ),
    ],
    [160, 'blocks of small fields', each(300, (at) => octets(`0f0102${(0x6161 + at).toString(16)}`.repeat(32)))],
    [
      190,
      'blocks of small fields for no table',
      each(300, (at) => octets(`1f0102${(0x6161 + at).toString(16)}`.repeat(32))),
    ],
    [
      30,
      'large strings with Huffman codes',
      each(2, () => Buffer.concat([octets('000178'), integer(0x80, 127, 200 * KIB), Buffer.alloc(200 * KIB)])),
    ],
    [
      50,
      'large fields, kept and lost',
      each(96, (at) => Buffer.concat([Buffer.of(0x40), text(`${at}`.padEnd(4000, 'n')), text('v')])),
    ],
    [30, 'small fields, kept and lost', (decoder) => void decoder.decode(Buffer.alloc(300 * KIB, '400000', 'hex'))],
  ])('is not more than %i KiB after %s', async (kib, _name, attack) => {
    const limits = { maxTableBytes: 4096, maxFieldSectionBytes: 2 ** 24, maxFieldCount: 1000 };
    const decoders = Array.from({ length: DECODERS }, () => new HpackDecoder(limits));
    const before = await heldBytes();
    for (const decoder of decoders) attack(decoder);
    const bytes = (await heldBytes()) - before;
    // Still in use: what nobody needs any more would be gone as well.
    expect(decoders.map((decoder) => decoder.decode(octets('82')))).toHaveLength(DECODERS);
    expect(bytes / DECODERS).toBeLessThan(kib * KIB);
  });
});
