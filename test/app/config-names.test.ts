import { describe, expect, it } from 'vitest';
import {
  parseAudience,
  parseHint,
  parseRedisKey,
  parseRedisUser,
  parseWorkloadId,
} from '../../src/app/config-names.ts';
import { SallyportError } from '../../src/core/error.ts';

function codeOf(parse: () => unknown): string {
  try {
    return `accepted ${JSON.stringify(parse())}`;
  } catch (error) {
    if (error instanceof SallyportError) return error.code;
    throw error;
  }
}

describe('words that are compared as they stand', () => {
  it.each(['spiffe://ai.example/registry', 'registry', 'a b', 'ä', '*', 'a'.repeat(2_048)])(
    'JW-140 an audience is taken as it is: %s',
    (audience) => {
      expect(parseAudience(audience)).toBe(audience);
    },
  );

  it.each(['', ' a', 'a ', '\u00a0a', 'a\u0000', 'a\nb', 'a\u200bb', 'a\u202eb', 'a\ud800', 'a'.repeat(2_049)])(
    'JW-140 no audience is what it does not look like: %j',
    (text) => {
      expect(codeOf(() => parseAudience(text))).toBe('invalid-audience');
    },
  );

  it('a hint is as long as agents allow', () => {
    expect(parseHint('x'.repeat(1_024))).toHaveLength(1_024);
    expect(codeOf(() => parseHint('x'.repeat(1_025)))).toBe('invalid-hint');
    expect(codeOf(() => parseHint(''))).toBe('invalid-hint');
  });

  it.each([
    [parseRedisKey, 'invalid-redis-key'],
    [parseRedisUser, 'invalid-redis-user'],
  ] as const)('%o takes visible ASCII', (parse, code) => {
    for (const text of ['sallyport:revocations', '{a}:b', 'x'.repeat(256)]) expect(parse(text)).toBe(text);
    for (const text of ['', 'a b', 'a\n', 'ä', '\u007f', 'x'.repeat(257)]) expect(codeOf(() => parse(text))).toBe(code);
  });

  it('a workload has a path', () => {
    expect(parseWorkloadId('spiffe://ai.example/a')).toBe('spiffe://ai.example/a');
    expect(codeOf(() => parseWorkloadId('spiffe://ai.example'))).toBe('missing-path');
    expect(codeOf(() => parseWorkloadId('spiffe://ai.example/'))).toBe('trailing-slash');
    expect(codeOf(() => parseWorkloadId('/a'))).toBe('wrong-scheme');
  });
});
