import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DataTaker, GatheredData } from '../../src/proxy/gathered-data.ts';
import { type Loan, type ReadBuffer, ReadBuffers } from '../../src/proxy/read-buffers.ts';

/** Looks at what it has been handed only at the end. */
class Taker implements DataTaker {
  readonly pieces: Buffer[] = [];
  readonly loans: Loan[] = [];

  takeData(bytes: Buffer, loan: Loan): void {
    this.pieces.push(bytes);
    this.loans.push(loan);
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }
}

function read(buffer: ReadBuffer, text: string): Buffer {
  return buffer.bytes.subarray(0, buffer.bytes.write(text));
}

describe('DATA of one read', () => {
  it('is one piece for each stream whose frames follow each other', () => {
    const buffer = new ReadBuffers().take();
    const gathered = new GatheredData();
    const [first, second] = [new Taker(), new Taker()];
    const bytes = read(buffer, '--one--two--three--four');
    gathered.add(first, bytes.subarray(2, 5), buffer);
    gathered.add(first, bytes.subarray(7, 10), buffer);
    expect(first.pieces).toEqual([]);
    gathered.add(second, bytes.subarray(12, 17), buffer);
    expect(first.text).toBe('onetwo');
    gathered.add(first, bytes.subarray(19, 23), buffer);
    gathered.handOver(buffer);
    expect([first.text, second.text]).toEqual(['onetwofour', 'three']);
    expect(first.pieces).toHaveLength(2);
    expect([...first.loans, ...second.loans].every((loan) => loan === buffer)).toBe(true);
  });

  it('is told of once', () => {
    const buffer = new ReadBuffers().take();
    const gathered = new GatheredData();
    const taker = new Taker();
    gathered.handOver(buffer);
    gathered.add(taker, read(buffer, 'once'), buffer);
    gathered.handOver(buffer);
    gathered.handOver(buffer);
    expect(taker.text).toBe('once');
  });

  it('comes behind what had been kept, and before what is kept after it', () => {
    const buffer = new ReadBuffers().take();
    const gathered = new GatheredData();
    const taker = new Taker();
    gathered.add(taker, Buffer.from('kept '), buffer);
    gathered.add(taker, read(buffer, 'read '), buffer);
    gathered.add(taker, Buffer.from('again'), buffer);
    expect(taker.text).toBe('kept read again');
    expect(taker.loans[0]).not.toBe(buffer);
    expect(taker.loans[1]).toBe(buffer);
  });

  it('is what came, whatever the order of frames, for whoever holds it', () => {
    const frames = fc.array(
      fc.record({
        taker: fc.integer({ min: 0, max: 2 }),
        gap: fc.integer({ min: 0, max: 12 }),
        text: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 30 }),
        isKept: fc.boolean(),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(frames, (all) => {
        const buffer = new ReadBuffers().take();
        const gathered = new GatheredData();
        const takers = [new Taker(), new Taker(), new Taker()];
        const bytes = read(buffer, all.map(({ gap, text }) => '-'.repeat(gap) + text).join(''));
        let at = 0;
        for (const { taker, gap, text, isKept } of all) {
          const piece = bytes.subarray(at + gap, at + gap + text.length);
          at += gap + text.length;
          const to = takers[taker];
          if (to !== undefined) gathered.add(to, isKept ? Buffer.from(piece) : piece, buffer);
        }
        gathered.handOver(buffer);
        for (const [at, taker] of takers.entries()) {
          const expected = all.filter((frame) => frame.taker === at).map(({ text }) => text);
          expect(taker.text).toBe(expected.join(''));
        }
      }),
      { numRuns: 500 },
    );
  });
});
