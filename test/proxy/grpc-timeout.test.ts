import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { findGrpcCall } from '../../src/proxy/grpc-call.ts';
import { parseGrpcTimeout } from '../../src/proxy/grpc-timeout.ts';
import type { ParsedFields } from '../../src/http1/field-lines.ts';

it.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['4m', 4],
  ['5u', 0.005],
  ['6n', 0.000006],
  ['0S', 0],
  ['99999999H', 359_999_996_400_000],
  ['00000001S', 1_000],
])('reads %s', (text, ms) => {
  expect(parseGrpcTimeout(text)).toBeCloseTo(ms, 9);
});

it('reads eight digits at most and one unit, and nothing else', () => {
  const piece = fc.constantFrom('0', '1', '9', 'H', 'M', 'S', 'm', 'u', 'n', 's', ' ', '-', '.', '٣', '\n');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const text = pieces.join('');
      const digits = text.slice(0, -1);
      const isOne =
        'HMSmun'.includes(text.at(-1) ?? '-') &&
        digits.length >= 1 &&
        digits.length <= 8 &&
        digits.split('').every((digit) => digit >= '0' && digit <= '9');
      const ms = parseGrpcTimeout(text);
      expect(ms !== null).toBe(isOne);
      if (ms !== null) expect(ms).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 1000 },
  );
});

it('belongs to a call of gRPC over HTTP/2 alone', () => {
  const fields = ['content-type', 'application/grpc+proto', 'grpc-timeout', 'x'] as readonly string[] as ParsedFields;
  expect(findGrpcCall({ version: '2', method: 'POST', fields })).toEqual({ timeoutMs: null });
  expect(findGrpcCall({ version: '1.1', method: 'POST', fields })).toBeNull();
  expect(findGrpcCall({ version: '2', method: 'GET', fields })).toBeNull();
  const web = ['content-type', 'application/grpc-web', 'grpc-timeout', 'x'] as readonly string[] as ParsedFields;
  expect(findGrpcCall({ version: '2', method: 'POST', fields: web })).toBeNull();
});
