import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neverIndexedOf, type RawFields, withNeverIndexed } from '../../src/http2/endpoint-ports.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { HpackEncoder, maxBlockBytes } from '../../src/http2/hpack-encoder.ts';

const LIMITS = { maxTableBytes: 4096, maxFieldSectionBytes: 1_000_000, maxFieldCount: 1000 };
const MARGIN = 3;

const NAMES = [':status', ':path', 'content-type', 'x-a', 'x-b', 'grpc-status', 'cookie', 'authorization', ''];
const text = (maxLength: number) =>
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength }).map((codes) => String.fromCharCode(...codes));
const name = fc.oneof(fc.constantFrom(...NAMES), text(20));
const value = fc.oneof(
  fc.constantFrom('', '200', '/', 'application/grpc', '0', 'a'.repeat(126), 'b'.repeat(127), 'c'.repeat(1100)),
  text(300),
);
const section = fc.array(fc.tuple(name, value, fc.nat(9)), { maxLength: 12 }).map((fields) =>
  withNeverIndexed(
    fields.flatMap(([name, value]) => [name, value]),
    fields.flatMap(([name, , dice]) => (dice === 0 ? [name] : [])),
  ),
);
/** Whatever the sender thinks of them (RFC 7541 §7.1.3). */
const CREDENTIALS = new Set(['authorization', 'cookie']);

/** Of those that were marked, or hold what nobody should guess: as often as they occur. */
function unkept(fields: RawFields): readonly string[] {
  const names = new Set([...neverIndexedOf(fields), ...CREDENTIALS]);
  return fields.filter((name, at) => at % 2 === 0 && names.has(name));
}
/** Sections of which some come again, and limits of the other end. */
const steps = fc
  .tuple(
    fc.array(section, { minLength: 1, maxLength: 6 }),
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.nat().map((pick) => ({ kind: 'send' as const, pick })) },
        fc.constantFrom(0, 32, 100, 1000, 4096, 65_536).map((bytes) => ({ kind: 'limit' as const, bytes })),
      ),
      { maxLength: 60 },
    ),
  )
  .map(([sections, steps]) => ({ sections, steps }));

describe('what an encoder writes', () => {
  it('is read as it was, whatever came before and however the table is limited', () => {
    fc.assert(
      fc.property(steps, ({ sections, steps }) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder({ ...LIMITS, maxTableBytes: 65_536 });
        for (const step of steps) {
          if (step.kind === 'limit') {
            encoder.setMaxTableBytes(step.bytes);
            continue;
          }
          const fields: RawFields = sections[step.pick % sections.length] ?? [];
          const room = maxBlockBytes(fields);
          const into = Buffer.alloc(MARGIN + room + MARGIN, 0xee);
          const end = encoder.encodeInto(fields, into, MARGIN);
          expect(end).toBeLessThanOrEqual(MARGIN + room);
          expect(into.subarray(0, MARGIN)).toEqual(Buffer.alloc(MARGIN, 0xee));
          expect(into.subarray(end)).toEqual(Buffer.alloc(into.length - end, 0xee));
          const decoded = decoder.decode(into.subarray(MARGIN, end));
          if (decoded === 'too-large') throw new Error('too large');
          expect([...decoded]).toEqual([...fields]);
          expect(neverIndexedOf(decoded)).toEqual(unkept(fields));
        }
      }),
      { numRuns: 500 },
    );
  });
});
