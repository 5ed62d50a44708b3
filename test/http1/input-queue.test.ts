import { describe, expect, it } from 'vitest';
import { InputQueue } from '../../src/http1/input-queue.ts';

describe('an input queue', () => {
  it('has let go of what was taken whole, whatever becomes of its memory', () => {
    const input = new InputQueue();
    const first = Buffer.from(new ArrayBuffer(8));
    input.push(first);
    expect(input.fill()).toBe(true);
    expect(input.take(8)).toBe(first);
    // As the data plane does with memory that has been sent.
    first.buffer.transfer(0);
    expect(input.length).toBe(0);
    input.push(Buffer.from('next'));
    expect(input.length).toBe(4);
    expect(input.fill()).toBe(true);
    expect(input.take(8).toString()).toBe('next');
  });

  it('has let go of what was taken in parts', () => {
    const input = new InputQueue();
    const bytes = Buffer.from(new ArrayBuffer(8));
    input.push(bytes);
    input.fill();
    expect(input.take(3)).toHaveLength(3);
    expect(input.length).toBe(5);
    expect(input.take(100)).toHaveLength(5);
    bytes.buffer.transfer(0);
    expect(input.length).toBe(0);
    expect(input.fill()).toBe(false);
  });

  it('keeps what is unread of the last push when its memory is overwritten', () => {
    const queue = new InputQueue();
    const memory = Buffer.from('abcd');
    queue.push(memory);
    expect(queue.take(1).toString()).toBe('a');
    queue.keepLast();
    memory.write('1234');
    queue.push(memory);
    queue.keepLast();
    memory.write('XXXX');
    expect(queue.take(10).toString()).toBe('bcd');
    expect(queue.fill()).toBe(true);
    expect(queue.take(10).toString()).toBe('1234');
  });
});
