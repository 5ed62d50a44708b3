import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Http1Error } from '../../src/http1/http1-error.ts';
import type { RawFields } from '../../src/http2/endpoint-ports.ts';
import { Http2Error } from '../../src/http2/http2-error.ts';
import { RequestFieldsReader, type StreamEnd } from '../../src/http2/request-fields.ts';

const LIMITS = { maxHeadBytes: 1024, maxFieldCount: 16 };
const HEAD = [':method', 'GET', ':scheme', 'https', ':authority', 'a.example', ':path', '/x?y'];
const CONNECT = [':method', 'CONNECT', ':protocol', 'websocket', ...HEAD.slice(2)];

function reader(): RequestFieldsReader {
  return new RequestFieldsReader(LIMITS, (name) => name !== 'x-spiffe-id', 'https');
}

function codeOf(raw: RawFields, end: StreamEnd = 'ends'): string {
  try {
    reader().read(raw, end);
  } catch (error) {
    if (error instanceof Http1Error || error instanceof Http2Error) return error.code;
    throw error;
  }
  return 'accepted';
}

function replaced(name: string, value: string): RawFields {
  return HEAD.map((text, at) => (HEAD[at - 1] === name && at % 2 === 1 ? value : text));
}

describe('the fields of an HTTP/2 request', () => {
  it('become a head', () => {
    const fields = reader();
    const head = fields.read(
      [...HEAD, 'x-mine', 'a: b', 'cookie', 'c=d', 'x-spiffe-id', 'forged', 'cookie', 'e=f'],
      'goes-on',
    );
    expect(head).toMatchObject({
      method: 'GET',
      authority: 'a.example',
      path: '/x',
      query: 'y',
      version: '2',
      persistent: true,
      body: { kind: 'chunked' },
    });
    expect(head.fields).toEqual(['x-mine', 'a: b', 'x-spiffe-id', 'forged', 'cookie', 'c=d; e=f']);
    expect(fields.lines).toBe('x-mine: a: b\r\ncookie: c=d; e=f\r\n');
  });

  it.each<readonly [raw: RawFields, end: StreamEnd, body: object]>([
    [HEAD, 'ends', { kind: 'none' }],
    [[...HEAD, 'content-length', '0'], 'ends', { kind: 'length', bytes: 0 }],
    [[...HEAD, 'content-length', '5'], 'goes-on', { kind: 'length', bytes: 5 }],
  ])('frame their body: %j, which %s', (raw, end, body) => {
    expect(reader().read(raw, end).body).toEqual(body);
  });

  it.each<readonly [name: string, raw: RawFields, code: string]>([
    ['H2-87 CR in a value', [...HEAD, 'x', 'a\rb'], 'field-break'],
    ['H2-87 LF in a value', [...HEAD, 'x', 'a\nb: c'], 'field-break'],
    ['H2-87 NUL in a value', [...HEAD, 'x', 'a\0b'], 'field-break'],
    ['H2-87 what is LF as latin1', [...HEAD, 'x', 'a\u010ab'], 'field-break'],
    ['H2-87 LF in :path', replaced(':path', '/x HTTP/1.1\r\nx: y'), 'field-break'],
    ['H2-87 LF in :authority', replaced(':authority', 'a\r\nx: y'), 'field-break'],
    ['H2-87 a colon in a name', [...HEAD, 'x: y', 'z'], 'field-name'],
    ['H2-87 CR and LF in a name', [...HEAD, 'x\r\ny', 'z'], 'field-name'],
    ['H2-87 a space in a name', [...HEAD, 'x ', 'z'], 'field-name'],
    ['H2-87 no name', [...HEAD, '', 'z'], 'field-name'],
    ['H2-87 a control in a value', [...HEAD, 'x', 'a\x01b'], 'invalid-field-value'],
    ['whitespace before a value', [...HEAD, 'x', ' a'], 'field-value-space'],
    ['whitespace behind a value', [...HEAD, 'x', 'a\t'], 'field-value-space'],
    ['H2-85 a name in upper case', [...HEAD, 'X', 'a'], 'field-name-case'],
    ['H2-85 a pseudo-header field twice', [...HEAD, ':path', '/'], 'pseudo-field'],
    ['H2-85 one behind a field', [...HEAD.slice(2), 'x', 'y', ':method', 'GET'], 'pseudo-field'],
    ['H2-85 an unknown one', [':x', 'y', ...HEAD], 'pseudo-field'],
    ['H2-83 an empty :path', replaced(':path', ''), 'pseudo-field'],
    ['H2-83 :path without a slash', replaced(':path', 'x'), 'path-form'],
    ['H2-83 :path in absolute form', replaced(':path', 'http://other/x'), 'path-form'],
    ['H2-83 :path that is no path', replaced(':path', '*'), 'target-form'],
    ['H2-88 a length and no body', [...HEAD, 'content-length', '5'], 'length-mismatch'],
    ['a space in :path', replaced(':path', '/x y'), 'path-octet'],
    ['a space in :method', replaced(':method', 'GET /'), 'pseudo-field'],
    ['another scheme', replaced(':scheme', 'http'), 'scheme-not-supported'],
    ['H2-84 another host', [...HEAD, 'host', 'b.example'], 'authority-mismatch'],
    ['H2-84 host twice', [...HEAD, 'host', 'a.example', 'host', 'a.example'], 'duplicate-field'],
    ['H2-84 neither :authority nor host', HEAD.filter((_, at) => at !== 4 && at !== 5), 'missing-host'],
    ['H2-86 connection', [...HEAD, 'connection', 'close'], 'connection-field'],
    ['H2-86 transfer-encoding', [...HEAD, 'transfer-encoding', 'chunked'], 'connection-field'],
    ['H2-86 upgrade', [...HEAD, 'upgrade', 'websocket'], 'connection-field'],
    ['H2-86 te: gzip', [...HEAD, 'te', 'gzip'], 'connection-field'],
    ['H2-88 content-length twice', [...HEAD, 'content-length', '0', 'content-length', '0'], 'duplicate-field'],
    ['H2-89 CONNECT', [':method', 'CONNECT', ':authority', 'a.example'], 'method-not-supported'],
    ['H2-89 a tunnel that is over', CONNECT, 'ended-tunnel'],
    ['too many octets', [...HEAD, 'x', 'y'.repeat(1_024)], 'head-too-large'],
    ['too many fields', [...HEAD, ...Array.from({ length: 34 }, () => 'x')], 'too-many-fields'],
  ])('are refused: %s', (_name, raw, code) => {
    expect(codeOf(raw)).toBe(code);
  });

  it('are read once for each array and each end, and mean the same again', () => {
    const fields = reader();
    const [one, other] = [
      [...HEAD, 'x', 'a'],
      [...HEAD, 'x', 'b'],
    ];
    const head = fields.read(one, 'ends');
    expect(fields.read(other, 'ends').fields).toEqual(['x', 'b']);
    expect(fields.lines).toBe('x: b\r\n');
    expect(fields.read(one, 'ends')).toBe(head);
    expect(fields.lines).toBe('x: a\r\n');
    expect(fields.read(one, 'goes-on').body).toEqual({ kind: 'chunked' });
    expect(fields.read(one, 'ends').body).toEqual({ kind: 'none' });
    // By what they are, not by what they hold.
    expect(fields.read([...one], 'ends')).not.toBe(head);
  });

  it('are refused as often as they come', () => {
    const fields = reader();
    const broken = [...HEAD, 'x', 'a\nb'];
    for (const _ of [1, 2, 3]) expect(() => fields.read(broken, 'ends')).toThrow(Http2Error);
  });

  it('H2-87 are refused or have each its own line, whatever they hold', () => {
    const text = fc
      .array(fc.oneof(fc.constantFrom('\r', '\n', '\0', ':', ' ', 'x', 'A', '\u010a', '\u010d'), fc.string()))
      .map((all) => all.join(''));
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 4 }), fc.tuple(text, text), (fields, [path, method]) => {
        const raw = [
          ':method',
          fields.length % 2 === 0 ? 'GET' : method,
          ':scheme',
          'https',
          ':authority',
          'a',
          ':path',
          `/${path}`,
          ...fields.flat(),
        ];
        const known = reader();
        let head;
        try {
          head = known.read(raw, 'ends');
        } catch (error) {
          expect(error instanceof Http1Error || error instanceof Http2Error).toBe(true);
          return;
        }
        expect(head.query === null ? head.path : `${head.path}?${head.query}`).toBe(`/${path}`);
        expect(known.lines.split('\r\n')).toHaveLength(head.fields.length / 2 + 1);
        for (let at = 0; at < head.fields.length; at += 2) {
          expect(fields).toContainEqual([head.fields[at], head.fields[at + 1]]);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
