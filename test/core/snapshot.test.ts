import { describe, expect, it } from 'vitest';
import { EveryNth } from '../../src/core/every-nth.ts';
import { isLoopbackHost } from '../../src/core/loopback.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';

describe('SnapshotCell', () => {
  it('begins at epoch 1 and grows by one with every swap', () => {
    const cell = new SnapshotCell('a');
    expect(cell.current).toEqual({ epoch: 1, value: 'a' });
    expect(cell.swap('b')).toEqual({ epoch: 2, value: 'b' });
    expect(cell.current).toEqual({ epoch: 2, value: 'b' });
  });

  it('tells its subscribers of swaps, once the new value is current, until they leave', () => {
    const cell = new SnapshotCell(0);
    const seen: string[] = [];
    const leave = cell.subscribe(({ epoch, value }) => seen.push(`${epoch}:${value}:${cell.current.epoch}`));
    cell.swap(10);
    leave();
    cell.swap(20);
    expect(seen).toEqual(['2:10:2']);
  });
});

describe('EveryNth', () => {
  it.each<[number, string]>([
    [0, '.......'],
    [1, 'xxxxxxx'],
    [3, 'x..x..x'],
  ])('of %i takes %s', (n, expected) => {
    const sample = new EveryNth(n);
    expect(
      expected
        .split('')
        .map(() => (sample.take() ? 'x' : '.'))
        .join(''),
    ).toBe(expected);
  });
});

describe('isLoopbackHost', () => {
  it.each(['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', 'localhost'])('says yes to %s', (host) => {
    expect(isLoopbackHost(host)).toBe(true);
  });

  it.each([
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    '127.0.0.1.example',
    '127.evil.example',
    'localhost.example',
    '::ffff:10.0.0.1',
    '',
  ])('says no to %s', (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  });
});
