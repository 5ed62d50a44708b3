// The DER reader: one encoding for each value, and a typed error with its place for everything else.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DerError, type DerErrorCode } from '../../src/pki/der-error.ts';
import { DerReader, TAG } from '../../src/pki/der-reader.ts';
import { readTime } from '../../src/pki/der-time.ts';
import {
  bitString,
  boolean,
  generalizedTime,
  integer,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  tlv,
  utcTime,
} from '../support/der-writer.ts';

const reader = (hex: string | Buffer): DerReader =>
  new DerReader(typeof hex === 'string' ? Buffer.from(hex, 'hex') : hex);

function refusal(read: () => unknown): readonly [DerErrorCode, number] | 'accepted' {
  try {
    read();
  } catch (error) {
    if (error instanceof DerError) return [error.code, error.offset];
    throw error;
  }
  return 'accepted';
}

describe('headers', () => {
  it('reads short and long lengths', () => {
    for (const length of [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000]) {
      expect(reader(octetString(Buffer.alloc(length))).readContent(TAG.octetString)).toHaveLength(length);
    }
  });

  const refused: readonly (readonly [name: string, hex: string, code: DerErrorCode])[] = [
    ['nothing', '', 'unexpected-tag'],
    ['another tag', '020100', 'unexpected-tag'],
    ['a tag without length', '04', 'truncated'],
    ['a length without its octets', '0482', 'truncated'],
    ['a length with some of its octets', '048201', 'truncated'],
    ['content that is cut', '040201', 'truncated'],
    ['no content at all', '0401', 'truncated'],
    ['CE-39 the indefinite form', '0480010000', 'indefinite-length'],
    ['CE-39 a long form for a short length', '04810100', 'non-minimal-length'],
    ['CE-39 a long form for 127', `04817f${'00'.repeat(127)}`, 'non-minimal-length'],
    ['CE-39 a leading zero in the length', `0482008000${'00'.repeat(128)}`, 'non-minimal-length'],
    ['a length in five octets', '04850000000001', 'length-too-large'],
    ['the reserved length octet', '04ff', 'length-too-large'],
    ['a length of 4 GiB', '0484ffffffff', 'truncated'],
  ];
  it.each(refused)('refuses %s', (_name, hex, code) => {
    expect(refusal(() => reader(hex).readContent(TAG.octetString))).toEqual([code, 0]);
  });

  it('never reads beyond what holds the element', () => {
    const outer = reader('3003040200ff').enter(TAG.sequence);
    expect(refusal(() => outer.readContent(TAG.octetString))).toEqual(['truncated', 2]);
    const cutLength = reader('30020482ffff').enter(TAG.sequence);
    expect(refusal(() => cutLength.readContent(TAG.octetString))).toEqual(['truncated', 2]);
    const cutTag = reader('30010402').enter(TAG.sequence);
    expect(refusal(() => cutTag.readContent(TAG.octetString))).toEqual(['truncated', 2]);
  });

  it('says at which byte of the whole something is wrong', () => {
    const inner = reader('30050403020205').enter(TAG.sequence);
    expect(refusal(() => inner.enterOctetString().readInteger())).toEqual(['truncated', 4]);
  });
});

describe('any element', () => {
  const refused: readonly (readonly [name: string, hex: string, code: DerErrorCode])[] = [
    ['the end', '', 'unexpected-tag'],
    ['a high tag number', '1f8101', 'high-tag-number'],
    ['an end-of-contents mark', '0000', 'unexpected-tag'],
    ['a string in pieces', '2403040100', 'wrong-construction'],
    ['a primitive sequence', '1000', 'wrong-construction'],
    ['CE-39 something not DER inside', '30040480010000', 'indefinite-length'],
    ['CE-39 the indefinite form inside a list', '300430800000', 'indefinite-length'],
    ['rest inside', '3003050004', 'truncated'],
    ['a wrong BOOLEAN inside', '3003010101', 'invalid-boolean'],
    ['a wrong INTEGER inside', '300402020001', 'invalid-integer'],
    ['a wrong BIT STRING inside', '3003030101', 'invalid-bit-string'],
    ['a wrong NULL inside', '3003050100', 'invalid-null'],
    ['a wrong OBJECT IDENTIFIER inside', '30020600', 'invalid-object-identifier'],
  ];
  it.each(refused)('is not %s', (_name, hex, code) => {
    expect(refusal(() => reader(hex).readAny())).toEqual([code, expect.any(Number)]);
  });

  it('is given whole, as a view', () => {
    const bytes = sequence(integer(1), tlv(0xa1, nullValue()));
    const whole = reader(Buffer.concat([bytes, nullValue()]));
    expect(whole.readAny()).toEqual(bytes);
    expect(whole.offset).toBe(bytes.length);
    expect(refusal(() => whole.finish())).toEqual(['trailing-bytes', bytes.length]);
  });

  it('is nested at most 16 levels deep', () => {
    const nested = (levels: number): Buffer => {
      let bytes = nullValue();
      for (let level = 0; level < levels; level += 1) bytes = sequence(bytes);
      return bytes;
    };
    expect(refusal(() => reader(nested(16)).readAny())).toBe('accepted');
    expect(refusal(() => reader(nested(17)).readAny())).toEqual(['too-deep', expect.any(Number)]);
    expect(refusal(() => reader(nested(10_000)).readAny())).toEqual(['too-deep', expect.any(Number)]);
  });
});

describe('values', () => {
  const refused: readonly (readonly [
    name: string,
    read: (reader: DerReader) => unknown,
    hex: string,
    code: DerErrorCode,
  ])[] = [
    ['an empty INTEGER', (from) => from.readInteger(), '0200', 'invalid-integer'],
    ['an INTEGER with a needless zero', (from) => from.readInteger(), '02020001', 'invalid-integer'],
    ['an INTEGER with a needless sign octet', (from) => from.readInteger(), '0202ff80', 'invalid-integer'],
    ['a negative small INTEGER', (from) => from.readSmallInteger(), '0201ff', 'invalid-integer'],
    ['an INTEGER of 2^31', (from) => from.readSmallInteger(), '02050080000000', 'invalid-integer'],
    ['a BOOLEAN of 0x01', (from) => from.readDefaultFalse(), '010101', 'invalid-boolean'],
    ['an encoded default', (from) => from.readDefaultFalse(), '010100', 'invalid-boolean'],
    ['an empty BOOLEAN', (from) => from.readDefaultFalse(), '0100', 'invalid-boolean'],
    ['a BOOLEAN of two octets', (from) => from.readDefaultFalse(), '0102ffff', 'invalid-boolean'],
    ['an empty OBJECT IDENTIFIER', (from) => from.readObjectIdentifier(), '0600', 'invalid-object-identifier'],
    ['an OBJECT IDENTIFIER cut off', (from) => from.readObjectIdentifier(), '06022a86', 'invalid-object-identifier'],
    ['an arc with a leading zero', (from) => from.readObjectIdentifier(), '06032a8001', 'invalid-object-identifier'],
    ['a first arc with a leading zero', (from) => from.readObjectIdentifier(), '0602802a', 'invalid-object-identifier'],
    [
      'an arc of 64 bits',
      (from) => from.readObjectIdentifier(),
      '060b2a81ffffffffffffffff7f',
      'invalid-object-identifier',
    ],
    [
      '65 octets of OBJECT IDENTIFIER',
      (from) => from.readObjectIdentifier(),
      `0641${'2a'.repeat(65)}`,
      'invalid-object-identifier',
    ],
    ['a BIT STRING without octets', (from) => from.readBitString(), '0300', 'invalid-bit-string'],
    ['8 unused bits', (from) => from.readBitString(), '03020800', 'invalid-bit-string'],
    ['unused bits of nothing', (from) => from.readBitString(), '030101', 'invalid-bit-string'],
    ['unused bits that are set', (from) => from.readBitString(), '03020101', 'invalid-bit-string'],
    ['bits where octets are due', (from) => from.readBitStringOctets(), '03020102', 'invalid-bit-string'],
    ['a NULL with content', (from) => from.readNull(), '050100', 'invalid-null'],
  ];
  it.each(refused)('refuses %s', (_name, read, hex, code) => {
    expect(refusal(() => read(reader(hex)))).toEqual([code, 0]);
  });

  it('reads those that are right', () => {
    expect(reader('020200ff').readInteger()).toEqual(Buffer.from('00ff', 'hex'));
    expect(reader('02047fffffff').readSmallInteger()).toBe(2 ** 31 - 1);
    expect(reader(boolean(true)).readDefaultFalse()).toBe(true);
    expect(reader('0500').readDefaultFalse()).toBe(false);
    expect(reader(bitString(Buffer.of(0xa0), 5)).readBitString()).toEqual({ unusedBits: 5, octets: Buffer.of(0xa0) });
    expect(reader(bitString(Buffer.of())).readBitString()).toEqual({ unusedBits: 0, octets: Buffer.of() });
  });

  it.each([
    '2.5.29.17',
    '1.2.840.113549.1.1.11',
    '0.9.2342.19200300.100.1.25',
    '2.999.3',
    '2.16.840.1.101.3.4.2.1',
    '1.39.0',
  ])('reads the OBJECT IDENTIFIER %s', (dotted) => {
    expect(reader(objectIdentifier(dotted)).readObjectIdentifier()).toBe(dotted);
  });
});

describe('times (RFC 5280 §4.1.2.5)', () => {
  it.each([
    [utcTime('260301120000Z'), Date.UTC(2026, 2, 1, 12)],
    [utcTime('491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59)],
    [utcTime('500101000000Z'), Date.UTC(1950, 0, 1)],
    [utcTime('240229000000Z'), Date.UTC(2024, 1, 29)],
    [generalizedTime('20500101000000Z'), Date.UTC(2050, 0, 1)],
    [generalizedTime('99991231235959Z'), Date.UTC(9999, 11, 31, 23, 59, 59)],
  ])('reads %s', (der, ms) => {
    expect(readTime(reader(der))).toBe(ms);
  });

  it.each([
    ['GeneralizedTime before 2050', generalizedTime('20491231235959Z')],
    ['UTCTime without seconds', utcTime('2603011200Z')],
    ['UTCTime with an offset', utcTime('260301120000+0000')],
    ['UTCTime without zone', utcTime('260301120000')],
    ['GeneralizedTime with a fraction', generalizedTime('20500101000000.5Z')],
    ['the 29th of February of 2025', utcTime('250229000000Z')],
    ['the 31st of April', utcTime('260431000000Z')],
    ['the month 13', utcTime('261301000000Z')],
    ['the month 0', utcTime('260001000000Z')],
    ['the day 0', utcTime('260100000000Z')],
    ['the hour 24', utcTime('260101240000Z')],
    ['the minute 60', utcTime('260101006000Z')],
    ['a leap second', utcTime('161231235960Z')],
    ['something that is no number', utcTime('2603011200 0Z')],
    ['a trailing line feed', utcTime('260301120000Z\n')],
  ])('refuses %s', (_name, der) => {
    expect(refusal(() => readTime(reader(der)))).toEqual(['invalid-time', 0]);
  });

  it('refuses another type', () => {
    expect(refusal(() => readTime(reader(octetString(Buffer.from('260301120000Z')))))).toEqual(['unexpected-tag', 0]);
  });
});

describe('properties', () => {
  const element: fc.Arbitrary<Buffer> = fc.letrec<{ element: Buffer }>((tie) => ({
    element: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.uint8Array({ maxLength: 200 }).map((bytes) => octetString(bytes)),
      fc.nat().map((value) => integer(value)),
      fc.array(tie('element'), { maxLength: 4 }).map((parts) => sequence(...parts)),
    ),
  })).element;

  it('gives back what the writer wrote', () => {
    fc.assert(
      fc.property(element, (bytes) => {
        const whole = reader(bytes);
        expect(whole.readAny().equals(bytes)).toBe(true);
        expect(whole.isAtEnd).toBe(true);
      }),
    );
  });

  it('meets any bytes with a value or a DerError whose offset is inside them', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(element, fc.nat(), fc.nat({ max: 255 })).map(([der, at, octet]) => {
        const edited = Buffer.from(der);
        edited[at % edited.length] = octet;
        return edited;
      }),
    );
    fc.assert(
      fc.property(bytes, (source) => {
        const buffer = Buffer.from(source);
        const outcome = refusal(() => {
          const whole = reader(buffer);
          whole.readAny();
          whole.finish();
        });
        if (outcome === 'accepted') return;
        expect(outcome[1]).toBeGreaterThanOrEqual(0);
        expect(outcome[1]).toBeLessThanOrEqual(buffer.length);
      }),
      { numRuns: 1000 },
    );
  });
});
