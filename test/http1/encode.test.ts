// Heads as they go on the wire, and that nothing can be smuggled into one.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_END, chunkPrefix, encodeRequestHead, encodeResponseHead, LAST_CHUNK } from '../../src/http1/encode.ts';
import { encodeFields, RepeatedField } from '../../src/http1/field-lines.ts';
import type { RequestHead } from '../../src/http1/request-head.ts';
import { decodeRequests, decodeResponses, type Expected, latin1 } from './decode.ts';
import { canonicalTarget, fieldName, fieldValue } from './generators.ts';

const REFUSED_FIELD = expect.objectContaining({ code: 'unencodable-field', status: 500 });
const REFUSED_START_LINE = expect.objectContaining({ code: 'unencodable-start-line', status: 500 });

describe('heads', () => {
  it('writes a request head', () => {
    const head = encodeRequestHead({
      method: 'GET',
      target: '/a?b',
      lines: encodeFields(['host', 'x', 'cookie', 'a', 'cookie', 'b']),
    });
    expect(head).toBe('GET /a?b HTTP/1.1\r\nhost: x\r\ncookie: a\r\ncookie: b\r\n\r\n');
  });

  it('writes a response head', () => {
    expect(encodeResponseHead({ status: 204, reason: 'No Content', lines: encodeFields([]) })).toBe(
      'HTTP/1.1 204 No Content\r\n\r\n',
    );
    expect(encodeResponseHead({ status: 200, reason: '', lines: encodeFields(['x', '']) })).toBe(
      'HTTP/1.1 200 \r\nx: \r\n\r\n',
    );
  });

  it('passes obs-text on byte-exact', () => {
    const head = encodeRequestHead({ method: 'GET', target: '/', lines: encodeFields(['x', '\x80\xff']) });
    expect(latin1(head).includes(Buffer.of(0x80, 0xff))).toBe(true);
  });

  it('writes a field of which the value repeats as it is each time, and refuses what breaks its line each time', () => {
    const field = new RepeatedField('x');
    for (const value of ['', 'a', 'a', 'b', 'a']) expect(field.line(value)).toBe(`x: ${value}\r\n`);
    for (const value of ['b\r\ny: 1', 'b\r\ny: 1', '\u010a']) expect(() => field.line(value)).toThrow(REFUSED_FIELD);
    expect(field.line('a')).toBe('x: a\r\n');
  });

  it.each([
    ['CR', '\r'],
    ['LF', '\n'],
    ['CR LF', '\r\n'],
    ['NUL', '\0'],
    ['a character that latin1 turns into LF', '\u010a'],
    ['a character that latin1 turns into CR', '\u010d'],
    ['a character that latin1 turns into NUL', '\u0100'],
    ['a character beyond the basic plane', '\u{1f600}'],
  ])('H2-87 refuses %s wherever it stands', (_name, octet) => {
    for (const text of [octet, `a${octet}`, `${octet}b`, `a${octet}b: c`]) {
      expect(() => encodeRequestHead({ method: 'GET', target: '/', lines: encodeFields(['x', text]) })).toThrow(
        REFUSED_FIELD,
      );
      expect(() => encodeRequestHead({ method: 'GET', target: '/', lines: encodeFields([text, 'x']) })).toThrow(
        REFUSED_FIELD,
      );
      expect(() => encodeResponseHead({ status: 200, reason: 'OK', lines: encodeFields(['x', text]) })).toThrow(
        REFUSED_FIELD,
      );
      expect(() => encodeResponseHead({ status: 200, reason: 'OK', lines: encodeFields([text, 'x']) })).toThrow(
        REFUSED_FIELD,
      );
      expect(() => encodeRequestHead({ method: 'GET', target: `/${text}`, lines: encodeFields([]) })).toThrow(
        expect.objectContaining({ status: 500 }),
      );
      expect(() => encodeRequestHead({ method: text, target: '/', lines: encodeFields([]) })).toThrow(
        REFUSED_START_LINE,
      );
      expect(() => encodeResponseHead({ status: 200, reason: text, lines: encodeFields([]) })).toThrow(
        REFUSED_START_LINE,
      );
    }
  });

  it.each([
    ['a colon', 'x:y'],
    ['a space', 'x y'],
    ['a leading space, which is a fold', ' x'],
    ['nothing', ''],
    ['an octet above ASCII', 'x\xe9'],
  ])('H2-87 refuses %s in a name', (_name, name) => {
    expect(() => encodeRequestHead({ method: 'GET', target: '/', lines: encodeFields([name, 'x']) })).toThrow(
      REFUSED_FIELD,
    );
  });

  it('refuses a name without a value', () => {
    expect(() => encodeRequestHead({ method: 'GET', target: '/', lines: encodeFields(['x']) })).toThrow(REFUSED_FIELD);
  });

  it.each([
    ['a space in the target', 'GET', '/a HTTP/1.1'],
    ['an empty target', 'GET', ''],
    ['a space in the method', 'GET /x', '/'],
    ['an empty method', '', '/'],
  ])('refuses %s', (_name, method, target) => {
    expect(() => encodeRequestHead({ method, target, lines: encodeFields([]) })).toThrow(REFUSED_START_LINE);
  });

  it.each([99, 600, 200.5, Number.NaN])('refuses the status %s', (status) => {
    expect(() => encodeResponseHead({ status, reason: '', lines: encodeFields([]) })).toThrow(REFUSED_START_LINE);
  });

  it('is what the decoder reads: any request head', () => {
    const head = fc.record({
      method: fc.constantFrom('GET', 'POST', 'M-SEARCH', 'x'),
      target: canonicalTarget,
      fields: fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 20 }).map((pairs) => pairs.flat()),
    });
    fc.assert(
      fc.property(head, ({ method, target, fields }) => {
        const text = encodeRequestHead({ method, target, lines: encodeFields(['host', 'a.example', ...fields]) });
        const { messages, refusal } = decodeRequests([latin1(text)]);
        expect(refusal).toBeNull();
        const [path = '', ...query] = target.split('?');
        const expected: Expected<RequestHead> = {
          method,
          authority: 'a.example',
          host: 'a.example',
          path,
          query: target.includes('?') ? query.join('?') : null,
          fields,
          body: { kind: 'none' },
          persistent: true,
          expectsContinue: false,
          upgrade: null,
          version: '1.1',
          neverIndexed: [],
        };
        expect(messages).toEqual([{ head: expected, body: '', isComplete: true }]);
      }),
    );
  });

  it('is what the decoder reads: any response head and chunked body', () => {
    const response = fc.record({
      status: fc.integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304),
      reason: fieldValue,
      fields: fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 20 }).map((pairs) => pairs.flat()),
      chunks: fc.array(fc.string({ unit: 'binary-ascii', minLength: 1 })),
    });
    fc.assert(
      fc.property(response, ({ status, reason, fields, chunks }) => {
        const head = encodeResponseHead({
          status,
          reason,
          lines: encodeFields([...fields, 'transfer-encoding', 'chunked']),
        });
        const body = chunks.map((chunk) => chunkPrefix(chunk.length) + chunk + CHUNK_END).join('');
        const { messages, refusal } = decodeResponses([latin1(head + body + LAST_CHUNK)], { ending: 'stays-open' });
        expect(refusal).toBeNull();
        expect(messages).toMatchObject([{ head: { status, reason, fields }, body: chunks.join(''), isComplete: true }]);
      }),
    );
  });

  it('writes exactly one head whatever the fields hold, or throws', () => {
    const text = fc.string({ unit: fc.constantFrom('\r', '\n', '\0', ':', ' ', 'a', '\u010a', '\u010d', '\xff') });
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), text, (fields, reason) => {
        let head: string;
        try {
          head = encodeResponseHead({ status: 200, reason, lines: encodeFields(fields) });
        } catch {
          return;
        }
        const lines = latin1(head).toString('latin1').split('\r\n');
        expect(lines).toHaveLength(fields.length / 2 + 3);
        expect(head).not.toMatch(/\0|\r(?!\n)|(?<!\r)\n/);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('chunks', () => {
  it.each([
    [1, '1\r\n'],
    [255, 'ff\r\n'],
    [65_536, '10000\r\n'],
  ])('writes the size %i', (bytes, prefix) => {
    expect(chunkPrefix(bytes)).toBe(prefix);
  });

  it.each([0, -1, Number.NaN])('refuses the size %s, which would end the body', (bytes) => {
    expect(() => chunkPrefix(bytes)).toThrow(RangeError);
  });
});
