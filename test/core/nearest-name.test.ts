import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findNearestName } from '../../src/core/nearest-name.ts';

const known = ['trustDomain', 'identity', 'policy', 'listeners', 'admin', 'probes', 'deny', 'allow'];

describe('findNearestName', () => {
  it.each([
    ['a missing letter', 'trustDoman', 'trustDomain'],
    ['an extra letter', 'denyed', 'deny'],
    ['two neighbours swapped', 'amdin', 'admin'],
    ['a replaced letter', 'listenerz', 'listeners'],
    ['another letter case', 'TRUSTDOMAIN', 'trustDomain'],
    ['a one-letter slip in a short word', 'dent', 'deny'],
  ])('finds the word behind %s', (_, typed, expected) => {
    expect(findNearestName(typed, known)).toBe(expected);
  });

  it.each([
    ['something else altogether', 'metrics'],
    ['nothing', ''],
    ['a long unrelated text', 'x'.repeat(10_000)],
  ])('finds none for %s', (_, typed) => {
    expect(findNearestName(typed, known)).toBeNull();
  });

  it('finds none when two are equally near', () => {
    expect(findNearestName('cat', ['car', 'cap'])).toBeNull();
    expect(findNearestName('cat', ['car', 'cap', 'cat'])).toBe('cat');
  });

  it('answers one of the candidates or null for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(fc.string()), (typed, candidates) => {
        const nearest = findNearestName(typed, candidates);
        expect(nearest === null || candidates.includes(nearest)).toBe(true);
      }),
    );
  });
});
