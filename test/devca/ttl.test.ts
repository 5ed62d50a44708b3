// Lifetimes as people write them.

import { assert, constantFrom, nat, oneof, property, string, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DevCaError } from '../../src/devca/error.ts';
import { parseTtl } from '../../src/devca/ttl.ts';

describe('parseTtl', () => {
  it.each([
    ['1s', 1000],
    ['30s', 30_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['90d', 7_776_000_000],
    ['3650d', 315_360_000_000],
    ['007m', 420_000],
  ])('reads %s', (text, ttlMs) => {
    expect(parseTtl(text)).toBe(ttlMs);
  });

  it.each([
    ['nothing', ''],
    ['no unit', '30'],
    ['no number', 'h'],
    ['zero', '0s'],
    ['a negative number', '-1h'],
    ['a sign', '+1h'],
    ['a fraction', '1.5h'],
    ['two parts', '1h30m'],
    ['a space', '1 h'],
    ['a newline behind', '1h\n'],
    ['an upper-case unit', '1H'],
    ['an unknown unit', '1w'],
    ['milliseconds', '1ms'],
    ['an exponent', '1e3s'],
    ['hexadecimal', '0x10s'],
    ['digits of another script', '١h'],
    ['more than ten years', '3651d'],
    ['more than numbers hold', `${'9'.repeat(400)}d`],
  ])('refuses %s', (_name, text) => {
    expect(() => parseTtl(text)).toThrow(expect.objectContaining({ code: 'invalid-ttl' }));
  });

  it('says what to write instead', () => {
    expect(() => parseTtl('soon')).toThrow(/`soon`.*30s, 10m, 24h, 90d/);
  });

  it('gives a lifetime within bounds or its own error, whatever it is given', () => {
    const near = tuple(nat().map(String), constantFrom('s', 'm', 'h', 'd', '', 'x')).map((parts) => parts.join(''));
    assert(
      property(oneof(string(), near), (text) => {
        let ttlMs: number;
        try {
          ttlMs = parseTtl(text);
        } catch (error) {
          expect(error).toBeInstanceOf(DevCaError);
          return;
        }
        expect(ttlMs).toBeGreaterThan(0);
        expect(ttlMs).toBeLessThanOrEqual(315_360_000_000);
        expect(Number.isSafeInteger(ttlMs)).toBe(true);
      }),
    );
  });
});
