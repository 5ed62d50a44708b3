import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldsOf } from '../../src/http1/field-lines.ts';
import { Http1Error } from '../../src/http1/http1-error.ts';
import type { ResponseHead } from '../../src/http1/response-head.ts';
import { ResponseDecoder } from '../../src/http1/response-decoder.ts';
import { ResponseFieldsReader } from '../../src/http2/response-fields.ts';
import { TrailerFieldsReader } from '../../src/http2/trailer-fields.ts';

const LIMITS = { maxHeadBytes: 1024, maxFieldCount: 16 };
const every = (_name: string): boolean => true;

function read(raw: readonly string[], method = 'GET', endsStream = false): ResponseHead {
  return new ResponseFieldsReader(LIMITS, every).read(raw, { method, endsStream });
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (error instanceof Http1Error) return error.code;
    throw error;
  }
}

describe('the head of an HTTP/2 response', () => {
  it('is read like one of HTTP/1.1', () => {
    expect(read([':status', '200', 'x-a', 'b', 'x-a', 'c', 'content-length', '3', 'trailer', 'x'])).toEqual({
      status: 200,
      reason: '',
      fields: ['x-a', 'b', 'x-a', 'c'],
      body: { kind: 'length', bytes: 3 },
      declaredLength: 3,
      persistent: true,
      upgrade: null,
      neverIndexed: [],
    });
  });

  it.each<[string, string, boolean, ResponseHead['body']]>([
    ['200', 'GET', false, { kind: 'chunked' }],
    ['200', 'GET', true, { kind: 'none' }],
    ['200', 'HEAD', false, { kind: 'none' }],
    ['204', 'GET', false, { kind: 'none' }],
    ['304', 'GET', true, { kind: 'none' }],
    ['103', 'GET', false, { kind: 'none' }],
  ])('with status %s to %s, ending the stream: %s, has the body %o', (status, method, endsStream, body) => {
    expect(read([':status', status], method, endsStream).body).toEqual(body);
  });

  it.each<[string, readonly string[], string]>([
    ['nothing', [], 'invalid-status-line'],
    ['a status further on', ['x-a', 'b', ':status', '200'], 'invalid-status-line'],
    ['a status of two digits', [':status', '20'], 'invalid-status-line'],
    ['a status of 600', [':status', '600'], 'invalid-status-line'],
    ['a status with a line break', [':status', '200\r\nx: y'], 'invalid-status-line'],
    ['a status of 101', [':status', '101'], 'invalid-status-line'],
    ['a second status', [':status', '200', ':status', '200'], 'invalid-field-name'],
    ['a name in upper case', [':status', '200', 'X-A', 'b'], 'invalid-field-name'],
    ['a name with a colon', [':status', '200', 'x:a', 'b'], 'invalid-field-name'],
    ['an empty name', [':status', '200', '', 'b'], 'invalid-field-name'],
    ['a name with a line break', [':status', '200', 'x\r\ny', 'b'], 'invalid-field-name'],
    ['a value with a line break', [':status', '200', 'x', 'a\r\ny: b'], 'invalid-field-value'],
    ['a value with a character beyond latin1', [':status', '200', 'x', 'a\u010ab'], 'invalid-field-value'],
    ['a value with a control character', [':status', '200', 'x', 'a\u0001'], 'invalid-field-value'],
    ['a value that begins with whitespace', [':status', '200', 'x', ' a'], 'invalid-field-value'],
    ['a value that ends with whitespace', [':status', '200', 'x', 'a\t'], 'invalid-field-value'],
    ['Connection', [':status', '200', 'connection', 'close'], 'invalid-connection'],
    ['Transfer-Encoding', [':status', '200', 'transfer-encoding', 'chunked'], 'invalid-connection'],
    ['Upgrade', [':status', '200', 'upgrade', 'websocket'], 'invalid-connection'],
    ['two lengths', [':status', '200', 'content-length', '1', 'content-length', '1'], 'duplicate-field'],
    ['a length of a 204', [':status', '204', 'content-length', '1'], 'body-not-allowed'],
    ['too many fields', [':status', '200', ...Array.from({ length: 34 }, (_, at) => `x-${at}`)], 'too-many-fields'],
    ['too many octets', [':status', '200', 'x', 'a'.repeat(1024)], 'head-too-large'],
  ])('is refused with %s', (_name, raw, code) => {
    expect(codeOf(() => read(raw))).toBe(code);
  });

  it('is refused when it ends the stream and announces a body', () => {
    expect(codeOf(() => read([':status', '200', 'content-length', '1'], 'GET', true))).toBe('truncated-body');
    expect(codeOf(() => read([':status', '200', 'content-length', '1'], 'HEAD', true))).toBe('accepted');
  });

  it('is read once as long as the same array comes again, for the same kind of answer', () => {
    const reader = new ResponseFieldsReader(LIMITS, (name) => name !== 'x-ours');
    const raw = [':status', '200', 'x-a', 'b', 'x-ours', 'c', 'content-length', '0'];
    const get = { method: 'GET', endsStream: false };
    const head = reader.read(raw, get);
    reader.read([':status', '404'], get);
    expect(fieldsOf(reader.lines)).toEqual([]);
    expect(reader.read(raw, { method: 'POST', endsStream: false })).toBe(head);
    expect(fieldsOf(reader.lines)).toEqual(['x-a', 'b']);
    expect(reader.read([...raw], get)).not.toBe(head);
  });

  it('means something else in the same array where the stream ends or HEAD was asked', () => {
    const reader = new ResponseFieldsReader(LIMITS, every);
    const raw = [':status', '200', 'content-length', '3'];
    expect(reader.read(raw, { method: 'GET', endsStream: false }).body).toEqual({ kind: 'length', bytes: 3 });
    expect(codeOf(() => reader.read(raw, { method: 'GET', endsStream: true }))).toBe('truncated-body');
    expect(reader.read(raw, { method: 'HEAD', endsStream: false }).body).toEqual({ kind: 'none' });
    expect(reader.read(raw, { method: 'GET', endsStream: false }).body).toEqual({ kind: 'length', bytes: 3 });
  });

  it('is read as ever after many others', () => {
    const reader = new ResponseFieldsReader(LIMITS, every);
    const all = Array.from({ length: 20 }, (_, at) => [':status', '200', 'x-a', String(at)]);
    for (const raw of [...all, ...all]) {
      expect(reader.read(raw, { method: 'GET', endsStream: true }).fields).toEqual(raw.slice(2));
      expect(fieldsOf(reader.lines)).toEqual(raw.slice(2));
    }
  });

  it('ends in a head or a refusal for any fields, and a head is what HTTP/1.1 would have made of it', () => {
    const reader = new ResponseFieldsReader(LIMITS, every);
    const name = fc.oneof(
      fc.constantFrom(
        'x-a',
        'content-length',
        'content-type',
        'set-cookie',
        'te',
        'connection',
        ':status',
        '__proto__',
      ),
      fc.string({ maxLength: 4 }),
    );
    const value = fc.oneof(fc.constantFrom('', '0', '1', '200', 'close'), fc.string({ unit: 'binary', maxLength: 6 }));
    const fields = fc.array(fc.tuple(name, value), { maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom('200', '204', '304', '100', 'x'), fields, (status, pairs) => {
        let head: ResponseHead;
        try {
          head = reader.read([':status', status, ...pairs.flat()], { method: 'GET', endsStream: false });
        } catch (error) {
          expect(error).toBeInstanceOf(Http1Error);
          return;
        }
        expect(fieldsOf(reader.lines)).toEqual(head.fields);
        const decoder = new ResponseDecoder(LIMITS);
        decoder.begin('GET');
        const lines = pairs.map(([left, right]) => `${left}: ${right}\r\n`).join('');
        decoder.push(Buffer.from(`HTTP/1.1 ${status} \r\n${lines}\r\n`, 'latin1'));
        expect(decoder.next()).toBe('head');
        expect(decoder.head.fields).toEqual(head.fields);
        expect(decoder.head.declaredLength).toBe(head.declaredLength);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('trailers of HTTP/2', () => {
  const trailersOf = (raw: readonly string[], isPassedOn = every): readonly string[] =>
    fieldsOf(new TrailerFieldsReader('response', LIMITS, isPassedOn).read(raw).lines);

  it('of gRPC pass, custom metadata among them', () => {
    const raw = ['grpc-status', '0', 'grpc-message', 'a%20b', 'grpc-status-details-bin', 'AAE', 'x-a', '1', 'x-a', '2'];
    expect(trailersOf(raw)).toEqual(raw);
    expect(trailersOf([])).toEqual([]);
  });

  it('are the same each time that the same array comes', () => {
    const reader = new TrailerFieldsReader('response', LIMITS, every);
    const sections = [
      ['grpc-status', '0'],
      ['grpc-status', '5'],
      ['content-length', '1'],
    ] as const;
    for (let at = 0; at < 3; at += 1) {
      expect(fieldsOf(reader.read(sections[0]).lines)).toEqual(sections[0]);
      expect(fieldsOf(reader.read(sections[1]).lines)).toEqual(sections[1]);
      expect(codeOf(() => reader.read(sections[2]))).toBe('forbidden-trailer');
    }
  });

  it.each(['content-type', 'set-cookie', 'cache-control', 'authorization', 'location', 'via', 'traceparent', 'te'])(
    'lose %s, which has no place there',
    (name) => {
      expect(trailersOf([name, 'a', 'x-a', 'b'])).toEqual(['x-a', 'b']);
    },
  );

  it('lose what a head of that side may not have', () => {
    expect(trailersOf(['x-spiffe-id', 'a', 'x-a', 'b'], (name) => name !== 'x-spiffe-id')).toEqual(['x-a', 'b']);
  });

  it.each<[string, readonly string[], string]>([
    ['a length', ['content-length', '1'], 'forbidden-trailer'],
    ['a host', ['host', 'a'], 'forbidden-trailer'],
    ['an expectation', ['expect', '100-continue'], 'forbidden-trailer'],
    ['a field of the connection', ['connection', 'close'], 'invalid-connection'],
    ['a pseudo-header field', [':status', '200'], 'invalid-field-name'],
    ['a line break', ['x', 'a\r\nb: c'], 'invalid-field-value'],
    ['too many octets', ['x', 'a'.repeat(1024)], 'head-too-large'],
  ])('are refused with %s', (_name, raw, code) => {
    expect(codeOf(() => trailersOf(raw))).toBe(code);
  });

  it('end in fields or a refusal for anything', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 6 }), { maxLength: 8 }), (raw) => {
        const all = raw.length % 2 === 0 ? raw : [...raw, ''];
        expect(['accepted', 'refused']).toContain(
          codeOf(() => trailersOf(all)) === 'accepted' ? 'accepted' : 'refused',
        );
      }),
      { numRuns: 1000 },
    );
  });
});
