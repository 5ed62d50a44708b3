// The mark of a list: which list follows from which, and which one somebody's Redis made up.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advanceMark,
  compareMarks,
  formatMark,
  type ListMark,
  ListMarkError,
  parseMark,
  startMark,
} from '../../src/store/list-mark.ts';

let made = 0;
const newId = (): string => (made += 1).toString(16).padStart(16, '0');
const start = startMark(null, 1_000, newId());

function advanced(mark: ListMark, times: number): ListMark {
  return times === 0 ? mark : advanced(advanceMark(mark, newId()), times - 1);
}

describe('the mark of a list', () => {
  it('follows from itself and from every state before it', () => {
    const later = advanced(start, 5);
    expect(compareMarks(start, start)).toBe('same');
    expect(compareMarks(start, later)).toBe('same');
    expect(compareMarks(advanced(start, 0), advanced(later, 26))).toBe('same');
  });

  it('does not follow from a state after it', () => {
    const seen = advanced(start, 5);
    expect(compareMarks(seen, start)).toBe('rolled-back');
    expect(compareMarks(advanceMark(start, newId()), start)).toBe('rolled-back');
  });

  it.each([1, 2, 30])('does not follow from a state that was lost %i changes ago', (changes) => {
    const seen = advanced(start, 3);
    const forked = advanced(advanced(start, 2), changes);
    expect(compareMarks(seen, forked)).toBe('rolled-back');
  });

  it('cannot be told when more changes were made than it remembers', () => {
    const seen = advanced(start, 3);
    expect(compareMarks(seen, advanced(seen, 31))).toBe('same');
    expect(compareMarks(advanced(start, 3), advanced(seen, 31))).toBe('rolled-back');
    expect(compareMarks(advanced(start, 3), advanced(seen, 32))).toBe('same');
  });

  it('replaces every list declared before it, whatever the clock said', () => {
    const seen = advanced(start, 9);
    expect(compareMarks(seen, startMark(null, 2_000, newId()))).toBe('new');
    expect(compareMarks(seen, startMark(seen, 1, newId()))).toBe('new');
    expect(compareMarks(seen, startMark(null, 999, newId()))).toBe('rolled-back');
    expect(compareMarks(startMark(seen, 1, newId()), seen)).toBe('rolled-back');
  });

  it('is another one when it was declared in the same instant', () => {
    expect(compareMarks(start, startMark(null, 1_000, newId()))).toBe('rolled-back');
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(60), (nowMs, changes) => {
        const mark = advanced(startMark(null, nowMs, newId()), changes);
        expect(parseMark(formatMark(mark))).toEqual(mark);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    '',
    '1',
    '2 1000 0 0000000000000001',
    '1 1000 0 ',
    '1 1000 0 0000000000000001 ',
    '1 01000 0 0000000000000001',
    '1 -1 0 0000000000000001',
    '1 1000 0 000000000000000G',
    '1 1000 0 0000000000000001,',
    '1 1000 0 0000000000000001\n',
    '1 1000 9999999999999999 0000000000000001',
    `1 1000 40 ${Array.from({ length: 33 }, () => '0000000000000001').join(',')}`,
  ])('is refused: %j', (text) => {
    expect(() => parseMark(text)).toThrow(ListMarkError);
  });

  it('is refused or read, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(formatMark(parseMark(text))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ListMarkError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
