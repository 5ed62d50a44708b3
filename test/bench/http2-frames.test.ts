import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aim,
  contentOf,
  FLAG,
  FRAME,
  frame,
  type FrameKind,
  FrameReader,
  ReceiveWindow,
} from '../../bench/load/http2-frames.ts';

const anyFrame = fc.record({
  type: fc.integer({ min: 0, max: 9 }),
  flags: fc.integer({ min: 0, max: 255 }),
  stream: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

function readAll(pieces: readonly Buffer[]): readonly (FrameKind & { readonly payload: Buffer })[] {
  const found: (FrameKind & { readonly payload: Buffer })[] = [];
  const reader = new FrameReader((kind, payload) => found.push({ ...kind, payload: Buffer.from(payload) }));
  for (const piece of pieces) {
    const lent = Buffer.from(piece);
    reader.read(lent);
    // As the next read does.
    lent.fill(0xff);
  }
  return found;
}

describe('frames of the load generator', () => {
  it('are read as they were written, however they were cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (of, cuts) => {
          const bytes = Buffer.concat(of.map(({ payload, ...kind }) => frame(kind, payload)));
          const pieces: Buffer[] = [];
          for (let at = 0; at < bytes.length; ) {
            const length = cuts.next().value ?? 1;
            pieces.push(bytes.subarray(at, at + length));
            at += length;
          }
          expect(readAll(pieces)).toEqual(of);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('are aimed at another stream all together, and nothing else of them changes', () => {
    const kinds = [
      { type: FRAME.headers, flags: FLAG.endHeaders, stream: 0 },
      { type: FRAME.data, flags: FLAG.endStream, stream: 0 },
    ];
    const payloads = [Buffer.from('head'), Buffer.from('message')];
    const both = Buffer.concat(kinds.map((kind, index) => frame(kind, payloads[index] ?? Buffer.alloc(0))));
    expect(readAll([aim(both, 77)])).toEqual(
      kinds.map((kind, index) => ({ ...kind, stream: 77, payload: payloads[index] })),
    );
    expect(readAll([both])[0]?.stream).toBe(0);
  });

  it('have content without padding', () => {
    const kind = { type: FRAME.data, flags: FLAG.padded, stream: 1 };
    expect(contentOf(kind, Buffer.from('\u0003answer\0\0\0')).toString()).toBe('answer');
    expect(contentOf({ ...kind, flags: 0 }, Buffer.from('answer')).toString()).toBe('answer');
  });

  it('give a window back once enough of it was used, and all of what was', () => {
    const window = new ReceiveWindow();
    expect(window.take(1024 ** 2 - 1)).toBeNull();
    const update = window.take(10);
    expect(update === null ? 0 : readAll([update])[0]?.payload.readUInt32BE()).toBe(1024 ** 2 + 9);
    expect(window.take(1)).toBeNull();
  });
});
