import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatRfc3339, parseRfc3339, Rfc3339Error } from '../../src/core/rfc3339.ts';

describe('instants of RFC 3339', () => {
  it.each([
    ['2026-11-21T20:00:00Z', '2026-11-21T20:00:00Z'],
    ['2026-11-21t20:00:00.000z', '2026-11-21T20:00:00Z'],
    ['2026-11-21T20:00:00.1239Z', '2026-11-21T20:00:00.123Z'],
    ['2026-11-21T20:00:00+02:00', '2026-11-21T18:00:00Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z'],
  ])('%s are written as %s', (text, written) => {
    expect(formatRfc3339(parseRfc3339(text))).toBe(written);
  });

  it.each([
    '2026-11-21',
    '2026-11-21T20:00:00',
    '2026-02-29T00:00:00Z',
    '2026-11-21T24:00:00Z',
    ' 2026-11-21T20:00:00Z',
    '',
  ])('are not `%s`', (text) => {
    expect(() => parseRfc3339(text)).toThrow(Rfc3339Error);
  });

  it('are read as they are written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }), (ms) => {
        expect(parseRfc3339(formatRfc3339(ms))).toBe(ms);
      }),
    );
  });
});
