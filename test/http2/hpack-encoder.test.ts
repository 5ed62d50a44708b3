import { describe, expect, it } from 'vitest';
import { type RawFields, withNeverIndexed } from '../../src/http2/endpoint-ports.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { HpackEncoder, maxBlockBytes } from '../../src/http2/hpack-encoder.ts';
import { heldBytes } from '../support/memory.ts';

const LIMITS = { maxTableBytes: 4096, maxFieldSectionBytes: 100_000, maxFieldCount: 1000 };
/** `x-a: b`: as it is, to be kept, as it was kept last. */
const PLAIN = '0003782d610162';
const KEEP = '4003782d610162';
const KEPT = 'be';

function block(encoder: HpackEncoder, fields: RawFields): Buffer {
  const into = Buffer.alloc(maxBlockBytes(fields));
  return into.subarray(0, encoder.encodeInto(fields, into, 0));
}

function hex(encoder: HpackEncoder, ...fields: RawFields): string {
  return block(encoder, fields).toString('hex');
}

/** Which has kept `x-a: b`. */
function keeper(): HpackEncoder {
  const encoder = new HpackEncoder();
  expect([hex(encoder, 'x-a', 'b'), hex(encoder, 'x-a', 'b'), hex(encoder, 'x-a', 'b')]).toEqual([PLAIN, KEEP, KEPT]);
  return encoder;
}

describe('an encoder', () => {
  it('keeps a field when it is sent again, and names it from then on', () => {
    const encoder = keeper();
    expect(hex(encoder, 'x-a', 'b', 'x-a', 'c')).toBe('be0f2f0163');
    expect(hex(encoder, 'x-a', 'c', 'x-a', 'b', 'x-a', 'c')).toBe('7e0163bfbe');
  });

  it('writes requests as RFC 7541 C.3 does, but for what is kept only when it comes again', () => {
    const encoder = new HpackEncoder();
    const get = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
    expect([hex(encoder, ...get), hex(encoder, ...get), hex(encoder, ...get)]).toEqual([
      '828684010f7777772e6578616d706c652e636f6d',
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be',
    ]);
  });

  it('names what both ends know', () => {
    const encoder = new HpackEncoder();
    expect(hex(encoder, ':status', '200', ':status', '500', 'accept-encoding', 'gzip, deflate', 'date', '')).toBe(
      '888e90a1',
    );
    expect(hex(encoder, ':status', '201', 'date', 'a')).toBe('08033230310f120161');
  });

  it('puts what no table may hold into none, and names it by none, even what both ends know', () => {
    const encoder = keeper();
    const marked = withNeverIndexed(['x-a', 'b', 'x-c', 'd', ':path', '/'], ['x-a', 'x-c', ':path']);
    for (let times = 0; times < 3; times += 1)
      expect(block(encoder, marked).toString('hex')).toBe('1f2f01621003782d63016414012f');
    expect(hex(encoder, 'x-a', 'b')).toBe(KEPT);
  });

  it('writes lengths of any size', () => {
    const encoder = new HpackEncoder();
    expect(hex(encoder, 'x', 'v'.repeat(126))).toMatch(/^0001787e(?:76){126}$/);
    expect(hex(encoder, 'x', 'v'.repeat(127))).toMatch(/^0001787f00(?:76){127}$/);
    expect(hex(encoder, 'x', 'v'.repeat(127 + 128))).toMatch(/^0001787f8001(?:76){255}$/);
    expect(hex(encoder, 'n'.repeat(127), 'v')).toMatch(/^007f00(?:6e){127}0176$/);
  });

  it.each<readonly [name: string, field: string]>([
    ['authorization', '1f08'],
    ['cookie', '1f11'],
    ['set-cookie', '1f28'],
    ['proxy-authorization', '1f22'],
    ['x-api-key', '1009782d6170692d6b6579'],
  ])('forbids anybody to keep %s, however often it is sent', (name, field) => {
    const encoder = new HpackEncoder();
    for (let time = 0; time < 4; time += 1) expect(hex(encoder, name, 's3')).toBe(`${field}027333`);
    expect(hex(encoder, name, '')).toBe(`${field}00`);
  });

  it('does not lose what is sent again and again to what is sent once', () => {
    const encoder = keeper();
    for (let at = 0; at < 2000; at += 1) {
      expect(hex(encoder, 'x-a', 'b')).toBe(KEPT);
      expect(hex(encoder, 'x-request-id', `${at}-${at * 7}`)).toMatch(/^000c/);
    }
  });

  it('keeps nothing large', () => {
    const encoder = new HpackEncoder();
    const largest = 'v'.repeat(1024 - 32 - 1);
    for (const value of [largest, `${largest}v`]) for (let time = 0; time < 3; time += 1) hex(encoder, 'x', value);
    expect(hex(encoder, 'x', largest)).toBe(KEPT);
    expect(block(encoder, ['x', `${largest}v`]).length).toBeGreaterThan(990);
    const name = 'n'.repeat(65);
    for (let time = 0; time < 3; time += 1) expect(hex(encoder, name, 'v')).toMatch(/^0041/);
  });

  it('keeps as much as 4096 octets and no more, whatever the other end allows', () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(65_536);
    const decoder = new HpackDecoder(LIMITS);
    // 41 octets each.
    const fields = Array.from({ length: 120 }, (_, at) => [`name-${100 + at}`, 'v']);
    for (const field of fields) {
      decoder.decode(block(encoder, field));
      decoder.decode(block(encoder, field));
    }
    // From the last on: one that is not known would be kept again, instead of another.
    const known = fields.toReversed().map((field) => {
      const bytes = block(encoder, field);
      expect(decoder.decode(bytes)).toEqual(field);
      return bytes.length <= 2;
    });
    expect(known.indexOf(false)).toBe(Math.floor(4096 / 41));
  });

  it('starts again when it has seen more names than anybody sends', () => {
    const encoder = keeper();
    const decoder = new HpackDecoder(LIMITS);
    decoder.decode(Buffer.from(KEEP, 'hex'));
    for (let at = 0; at < 1000; at += 1) {
      const field = [`x-${at}`, 'v'];
      for (let time = 0; time < 3; time += 1) expect(decoder.decode(block(encoder, field))).toEqual(field);
    }
    expect(hex(encoder, 'x-a', 'b')).toBe(PLAIN);
  });

  it('keeps eight values of a name that has many', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    const send = (value: string) => {
      const bytes = block(encoder, ['x', value]);
      expect(decoder.decode(bytes)).toEqual(['x', value]);
      return bytes.length;
    };
    const values = Array.from({ length: 20 }, (_, at) => `${at}`);
    for (const value of values) for (let time = 0; time < 3; time += 1) send(value);
    // From the last on: one that is not known would be kept again, instead of another.
    expect(values.toReversed().findIndex((value) => send(value) > 1)).toBe(8);
  });
});

describe('H2 90 what an encoder remembers', () => {
  const ENCODERS = 10;
  const KIB = 1024;
  /** A short string may be a piece of a long one, which lives as long. */
  const cutOut = (at: number) => `${at}, a value or a name of its own`.padEnd(64 * KIB).slice(0, 30);

  it.each<readonly [name: string, times: number, field: (at: number) => RawFields]>([
    ['many names', 5000, (at) => [`${at}`, 'v']],
    ['large names', 300, (at) => [`${at}`.padEnd(8 * KIB, 'n'), 'v']],
    ['large values', 300, (at) => ['n', `${at}`.padEnd(8 * KIB, 'v')]],
    ['names cut out of a larger text', 300, (at) => [cutOut(at), 'v']],
    ['values cut out of a larger text', 300, (at) => ['n', cutOut(at)]],
  ])('is not more than 80 KiB after %s', async (_name, times, field) => {
    const encoders = Array.from({ length: ENCODERS }, () => new HpackEncoder());
    const before = await heldBytes();
    for (const encoder of encoders)
      for (let at = 0; at < times; at += 1) for (let time = 0; time < 3; time += 1) block(encoder, field(at));
    const bytes = (await heldBytes()) - before;
    // Still in use: what nobody needs any more would be gone as well.
    expect(encoders.map((encoder) => hex(encoder, ':status', '200'))).toEqual(encoders.map(() => '88'));
    expect(bytes / ENCODERS).toBeLessThan(80 * KIB);
  });
});

describe('the size of the table', () => {
  it.each<readonly [name: string, sizes: readonly number[], update: string, then: string]>([
    ['that the other end allows anyway is no news', [4096], '', KEPT],
    ['that the other end allows beyond ours is no news', [65_536, 4_294_967_295], '', KEPT],
    ['of 0 is told, and all is lost', [0], '20', PLAIN],
    ['that was 0 for a moment is told twice, and all is lost', [0, 4096], '203fe11f', PLAIN],
    ['is told with the lowest that it was', [100, 50, 60, 100], '3f133f45', KEPT],
    ['that became lower and lower is told once', [100, 60, 50], '3f13', KEPT],
    ['that is too small for what is kept loses it', [35], '3f04', PLAIN],
    ['that is as small as what is kept does not', [36], '3f05', KEPT],
  ])('%s', (_name, sizes, update, then) => {
    const encoder = keeper();
    for (const bytes of sizes) encoder.setMaxTableBytes(bytes);
    expect(hex(encoder)).toBe(update);
    expect(hex(encoder, 'x-a', 'b').replace(KEEP, PLAIN)).toBe(then);
  });

  it('of 0 leaves nothing to be kept', () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(0);
    expect(hex(encoder, 'x-a', 'b')).toBe(`20${PLAIN}`);
    for (let time = 0; time < 3; time += 1) expect(hex(encoder, 'x-a', 'b')).toBe(PLAIN);
  });

  it('is told once', () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(0);
    encoder.setMaxTableBytes(1000);
    expect([hex(encoder), hex(encoder), hex(encoder)]).toEqual(['203fc907', '', '']);
    encoder.setMaxTableBytes(4096);
    expect([hex(encoder), hex(encoder)]).toEqual(['3fe11f', '']);
  });
});
