import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FETCH_JWT_BUNDLES,
  FETCH_JWT_SVID,
  FETCH_X509_BUNDLES,
  FETCH_X509_SVID,
  type X509SvidResponse,
} from '../../src/workload-api/messages.ts';
import { type Codec, MAX_ENTRIES, MessageError } from '../../src/protobuf/protobuf-message.ts';

const RESPONSE = FETCH_X509_SVID.response;

/** Fields as any protobuf encoder would write them, by number and content. */
function wire(...fields: readonly [number: number, content: Uint8Array | string][]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, content] of fields) {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    writer.tag(number, WireType.LengthDelimited).bytes(bytes);
  }
  return writer.finish();
}

function errorCodeOf(decode: () => unknown): string {
  try {
    decode();
  } catch (error) {
    if (error instanceof MessageError) return error.code;
    throw error;
  }
  return 'none';
}

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const hexOf = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

describe('messages: fields', () => {
  it('reads every field of an X509SVIDResponse by its number', () => {
    const svid = wire([1, 'spiffe://a/x'], [2, 'chain'], [3, 'key'], [4, 'bundle'], [5, 'internal']);
    const bytes = wire([1, svid], [1, wire([1, 'spiffe://a/y'])], [2, 'crl'], [3, wire([1, 'spiffe://b'], [2, 'B'])]);
    expect(withHex(RESPONSE.decode(bytes))).toEqual({
      svids: [
        {
          spiffeId: 'spiffe://a/x',
          chain: hexOf('chain'),
          privateKey: hexOf('key'),
          bundle: hexOf('bundle'),
          hint: 'internal',
        },
        { spiffeId: 'spiffe://a/y', chain: '', privateKey: '', bundle: '', hint: '' },
      ],
      crls: [hexOf('crl')],
      federatedBundles: [['spiffe://b', hexOf('B')]],
    });
  });

  it('reads every field of the other messages by its number', () => {
    const bundles = wire([1, 'crl'], [2, wire([1, 'spiffe://a'], [2, 'A'])]);
    expect(withHex(FETCH_X509_BUNDLES.response.decode(bundles))).toEqual({
      crls: [hexOf('crl')],
      bundles: [['spiffe://a', hexOf('A')]],
    });
    const request = FETCH_JWT_SVID.request.decode(wire([1, 'one'], [1, 'two'], [2, 'spiffe://a/x']));
    expect(request).toEqual({ audiences: ['one', 'two'], spiffeId: 'spiffe://a/x' });
    const svids = FETCH_JWT_SVID.response.decode(wire([1, wire([1, 'spiffe://a/x'], [2, 'e.y.J'], [3, 'h'])]));
    expect(svids).toEqual({ svids: [{ spiffeId: 'spiffe://a/x', svid: 'e.y.J', hint: 'h' }] });
    const jwks = FETCH_JWT_BUNDLES.response.decode(wire([1, wire([1, 'spiffe://a'], [2, '{}'])]));
    expect(withHex(jwks)).toEqual({ bundles: [['spiffe://a', hexOf('{}')]] });
  });

  it('reads no bytes as a message of defaults', () => {
    const nothing = new Uint8Array(0);
    expect(RESPONSE.decode(nothing)).toEqual({ svids: [], crls: [], federatedBundles: new Map() });
    expect(FETCH_JWT_SVID.request.decode(nothing)).toEqual({ audiences: [], spiffeId: '' });
    expect(FETCH_X509_SVID.request.decode(nothing)).toEqual({});
  });

  it('keeps the last of a field, and of a map key, that occurs twice', () => {
    const svid = wire([1, 'first'], [2, 'first'], [2, 'second'], [1, 'second']);
    const [decoded] = RESPONSE.decode(wire([1, svid])).svids;
    expect([decoded?.spiffeId, withHex(decoded?.chain)]).toEqual(['second', hexOf('second')]);
    const entries = wire([3, wire([1, 'td'], [2, 'old'])], [3, wire([1, 'td'], [2, 'new'])]);
    expect(withHex(RESPONSE.decode(entries).federatedBundles)).toEqual([['td', hexOf('new')]]);
  });

  it('holds a map entry without key or value for one with defaults', () => {
    const decoded = RESPONSE.decode(wire([3, wire()], [3, wire([1, 'td'])])).federatedBundles;
    expect([...decoded].map(([key, value]) => [key, value.length])).toEqual([
      ['', 0],
      ['td', 0],
    ]);
  });

  it('gives keys of object properties no meaning', () => {
    const decoded = RESPONSE.decode(wire([3, wire([1, '__proto__'], [2, 'x'])])).federatedBundles;
    expect([...decoded.keys()]).toEqual(['__proto__']);
  });

  it('skips fields that it does not know, of every wire type', () => {
    // 9: varint, fixed64, bytes, group with a varint, fixed32
    const unknown = '48 ff01 49 0102030405060708 4a 02 6869 4b 08 01 4c 4d 01020304';
    const bytes = Buffer.concat([hex(unknown), wire([2, 'crl']), hex(unknown)]);
    expect(withHex(RESPONSE.decode(bytes).crls)).toEqual([hexOf('crl')]);
  });

  it('keeps a byte-order mark, which is a character of the string', () => {
    expect(FETCH_JWT_SVID.request.decode(wire([2, '\xef\xbb\xbfx'])).spiffeId).toBe('\ufeffx');
  });
});

describe('messages: refusals', () => {
  const svid = (content: Uint8Array): Uint8Array => wire([1, content]);

  it.each<[string, Uint8Array, string]>([
    ['a varint for svids', hex('08 01'), 'wire-type'],
    ['a fixed32 for a CRL', hex('15 01020304'), 'wire-type'],
    ['a group for the bundles', hex('1b 1c'), 'wire-type'],
    ['a varint for the SPIFFE ID', svid(hex('08 01')), 'wire-type'],
    ['a tag and no more', hex('0a'), 'truncated-message'],
    ['a length beyond the end', hex('0a 05 00'), 'truncated-message'],
    ['a length beyond 32 bits that ends within if cut', hex('12 8180808010 41'), 'truncated-message'],
    ['a length of 2^63', hex('12 80808080808080808001'), 'truncated-message'],
    ['an SVID whose field ends beyond it', svid(hex('12 7f 00')), 'truncated-message'],
    ['a length that does not end', hex('0a ff'), 'truncated-message'],
    ['a length of eleven octets', hex('0a 8080808080808080808001'), 'malformed-message'],
    ['an unknown varint of eleven octets', hex('48 8080808080808080808001'), 'malformed-message'],
    ['an unknown fixed64 that ends early', hex('49 010203'), 'truncated-message'],
    ['an unknown group that does not end', hex('4b 08 01'), 'truncated-message'],
    ['an unknown group that another number ends', hex('4b 54'), 'malformed-message'],
    ['the end of a group that did not begin', hex('4c'), 'malformed-message'],
    ['a field number of zero', hex('02 00'), 'malformed-message'],
    ['wire type 6', hex('0e'), 'malformed-message'],
    ['wire type 7', hex('0f'), 'malformed-message'],
    ['a tag of more than 32 bits', hex('8a8080808001 00'), 'malformed-message'],
    ['groups nested a hundred deep', hex('4b'.repeat(100)), 'malformed-message'],
    ['a SPIFFE ID that is not UTF-8', svid(wire([1, '\xff'])), 'invalid-utf8'],
    ['a short SPIFFE ID with an overlong encoding', svid(wire([1, 'a\xc0\xaf'])), 'invalid-utf8'],
    ['a hint with a lone surrogate', svid(wire([5, '\xed\xa0\x80'])), 'invalid-utf8'],
    ['a SPIFFE ID that is not UTF-8 before one that is', svid(wire([1, '\xff'], [1, 'x'])), 'invalid-utf8'],
    ['a map key that is not UTF-8', wire([3, wire([1, 'td\x80'], [2, 'x'])]), 'invalid-utf8'],
  ])('refuses %s', (_name, bytes, code) => {
    expect(errorCodeOf(() => RESPONSE.decode(bytes))).toBe(code);
  });

  it.each<[string, readonly [number, Uint8Array]]>([
    ['SVIDs', [1, wire()]],
    ['CRLs', [2, wire()]],
    ['bundles of one and the same key', [3, wire()]],
    ['fields that it does not know', [9, wire()]],
  ])('WA-161 refuses one more than a thousand %s, and takes a thousand', (_name, [number, content]) => {
    const entries = Array.from({ length: MAX_ENTRIES }, (): [number, Uint8Array] => [number, content]);
    expect(errorCodeOf(() => RESPONSE.decode(wire(...entries)))).toBe('none');
    expect(errorCodeOf(() => RESPONSE.decode(wire(...entries, [number, content])))).toBe('too-many-entries');
  });

  it('WA-161 refuses ten thousand bundles', () => {
    const federatedBundles = new Map(
      Array.from({ length: 10_000 }, (_, index) => [`spiffe://td-${index}`, Buffer.from('x')]),
    );
    const bytes = RESPONSE.encode({ svids: [], crls: [], federatedBundles });
    expect(errorCodeOf(() => RESPONSE.decode(bytes))).toBe('too-many-entries');
  });

  it('names the message at fault', () => {
    expect(() => RESPONSE.decode(svid(hex('08 01')))).toThrow('X509SVID: field 1 has wire type 0 instead of 2');
  });
});

const bytes = fc.uint8Array({ maxLength: 200 }).map((octets) => Buffer.from(octets));
const text = fc.string({ unit: 'binary', maxLength: 60 });
const bundleMap = fc.array(fc.tuple(text, bytes), { maxLength: 5 }).map((entries) => new Map(entries));
const x509SvidResponse = fc.record({
  svids: fc.array(fc.record({ spiffeId: text, chain: bytes, privateKey: bytes, bundle: bytes, hint: text }), {
    maxLength: 4,
  }),
  crls: fc.array(bytes, { maxLength: 3 }),
  federatedBundles: bundleMap,
});

describe('messages: for all inputs', () => {
  it.each<[string, Codec<unknown>, fc.Arbitrary<unknown>]>([
    ['X509SVIDResponse', RESPONSE, x509SvidResponse],
    ['X509BundlesResponse', FETCH_X509_BUNDLES.response, fc.record({ crls: fc.array(bytes), bundles: bundleMap })],
    ['JWTSVIDRequest', FETCH_JWT_SVID.request, fc.record({ audiences: fc.array(text), spiffeId: text })],
    [
      'JWTSVIDResponse',
      FETCH_JWT_SVID.response,
      fc.record({ svids: fc.array(fc.record({ spiffeId: text, svid: text, hint: text })) }),
    ],
    ['JWTBundlesResponse', FETCH_JWT_BUNDLES.response, fc.record({ bundles: bundleMap })],
  ])('decodes an encoded %s to what it was', (_name, codec, messages) => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(withHex(codec.decode(codec.encode(message)))).toEqual(withHex(message));
      }),
      { numRuns: 200 },
    );
  });

  it('decodes any bytes to a message or a MessageError, and what it takes encodes to what it takes again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (input) => {
        let message: X509SvidResponse;
        try {
          message = RESPONSE.decode(input);
        } catch (error) {
          expect(error).toBeInstanceOf(MessageError);
          return;
        }
        expect(withHex(RESPONSE.decode(RESPONSE.encode(message)))).toEqual(withHex(message));
      }),
      { numRuns: 1000 },
    );
  });

  it('never takes a message whose end is cut within a field, and never throws anything but a MessageError', () => {
    fc.assert(
      fc.property(x509SvidResponse, fc.nat(), (message, cut) => {
        const encoded = RESPONSE.encode(message);
        const shortened = encoded.subarray(0, encoded.length === 0 ? 0 : cut % encoded.length);
        const code = errorCodeOf(() => RESPONSE.decode(shortened));
        expect(code).toBe(fieldEnds(encoded).has(shortened.length) ? 'none' : 'truncated-message');
      }),
      { numRuns: 300 },
    );
  });

  it('survives one changed byte with a message or a MessageError', () => {
    fc.assert(
      fc.property(x509SvidResponse, fc.nat(), fc.nat(255), (message, at, octet) => {
        const encoded = Buffer.from(RESPONSE.encode(message));
        if (encoded.length > 0) encoded[at % encoded.length] = octet;
        expect(errorCodeOf(() => RESPONSE.decode(encoded))).toMatch(
          /^(?:none|truncated-message|wire-type|invalid-utf8|malformed-message)$/,
        );
      }),
      { numRuns: 500 },
    );
  });
});

/** Where a reader of the outer fields alone stands after each of them. */
function fieldEnds(encoded: Uint8Array): Set<number> {
  const reader = new BinaryReader(encoded);
  const ends = new Set([0]);
  while (reader.pos < reader.len) {
    reader.tag();
    reader.bytes();
    ends.add(reader.pos);
  }
  return ends;
}

/** Bytes as hex and maps as entries, so that equality does not hinge on which kind of Uint8Array a side holds. */
function withHex(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map) return [...value].map(withHex);
  if (Array.isArray(value)) return value.map(withHex);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withHex(inner)]));
}
