// Pushed bytes in order, by reference, and let go of when they are read.

import { describe, expect, it } from 'vitest';
import { InputQueue } from '../../src/http1/input-queue.ts';

describe('an input queue', () => {
  it('gives octets in the order they were pushed, each once', () => {
    const queue = new InputQueue();
    for (const text of ['ab', '', 'cde', 'f']) queue.push(Buffer.from(text));
    expect(queue.length).toBe(6);
    let read = '';
    while (queue.fill()) {
      const taken = queue.take(2);
      expect(taken.length).toBeLessThanOrEqual(2);
      read += taken.toString();
      expect(queue.length).toBe(6 - read.length);
    }
    expect(read).toBe('abcdef');
  });

  it('refers to nothing that was pushed once it is read', () => {
    const queue = new InputQueue();
    queue.push(Buffer.from('ab'));
    expect(queue.fill()).toBe(true);
    queue.take(5);
    expect(queue.fill()).toBe(false);
    expect([queue.chunk.length, queue.offset, queue.length]).toEqual([0, 0, 0]);
  });

  it('forgets everything when it is cleared', () => {
    const queue = new InputQueue();
    queue.push(Buffer.from('ab'));
    queue.push(Buffer.from('cd'));
    queue.clear();
    expect([queue.fill(), queue.length]).toEqual([false, 0]);
  });
});
