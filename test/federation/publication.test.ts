import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Publication, publish } from '../../src/federation/publication.ts';
import { parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundle } from '../../src/spiffe/trust-bundle.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { documentOf } from './documents.ts';

const A = createTestAuthority('ai.example').certificatePem;
const B = createTestAuthority('ai.example').certificatePem;
const NOW_MS = 1_700_000_000_500;
const own = parseTrustDomain('ai.example');

const bundleOf = (...authorities: readonly string[]): TrustBundle => documentOf('ai.example', { authorities }).bundle;
const at = (wallMs: number): { readonly wallMs: number; readonly refreshHintMs: number } => ({
  wallMs,
  refreshHintMs: 300_000,
});

describe('our bundle as partners get it', () => {
  it('reads back as it is, with a sequence and a hint', () => {
    const { text } = publish(null, bundleOf(A, B), at(NOW_MS));
    const document = parseBundleDocument(own, Buffer.from(text ?? ''), 'us');
    expect(document).toEqual({ bundle: bundleOf(A, B), sequence: 1_700_000_000n, refreshHintMs: 300_000 });
  });

  it('keeps its sequence as long as it says the same, in whatever order', () => {
    const first = publish(null, bundleOf(A, B), at(NOW_MS));
    expect(publish(first, bundleOf(B, A), at(NOW_MS + 60_000))).toBe(first);
  });

  it.each([
    ['later', NOW_MS + 60_000, 1_700_000_060n],
    ['within the same second', NOW_MS + 1, 1_700_000_001n],
    ['with a clock that was set back', NOW_MS - 3_600_000, 1_700_000_001n],
  ])('has a higher sequence after a change %s', (_name, wallMs, sequence) => {
    const first = publish(null, bundleOf(A), at(NOW_MS));
    expect(publish(first, bundleOf(A, B), at(wallMs)).sequence).toBe(sequence);
  });

  it('has one that is not lower after a restart, or in a replica that sees a change at the same moment', () => {
    const first = publish(null, bundleOf(A), at(NOW_MS));
    expect(publish(null, bundleOf(A), at(NOW_MS + 5_000)).sequence > first.sequence).toBe(true);
    const one = publish(first, bundleOf(B), at(NOW_MS + 90_000));
    const other = publish(publish(null, bundleOf(A), at(NOW_MS + 5_000)), bundleOf(B), at(NOW_MS + 90_000));
    expect(one.sequence).toBe(other.sequence);
  });

  it('is not there without an authority: that would tell partners that all of ours are revoked', () => {
    expect(publish(null, bundleOf(), at(NOW_MS)).text).toBeNull();
  });

  it('is not there either when no authority has a form in JWK', () => {
    const odd = createTestAuthority('ai.example', { keys: 'P-192' }).certificatePem;
    const bundle = parseTrustBundlePem(own, Buffer.from(odd), 'odd.pem');
    expect(bundle.authorities).toHaveLength(1);
    expect(publish(null, bundle, at(NOW_MS)).text).toBeNull();
    const both = parseTrustBundlePem(own, Buffer.from(odd + A), 'both.pem');
    expect(publish(null, both, at(NOW_MS)).text).not.toBeNull();
  });

  it('only ever grows in sequence, whatever the clock does', () => {
    const step = fc.record({ which: fc.constantFrom([A], [B], [A, B]), wallMs: fc.integer({ min: 0, max: 1e13 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        let last: Publication | null = null;
        for (const { which, wallMs } of steps) {
          const next: Publication = publish(last, bundleOf(...which), at(wallMs));
          if (last !== null) expect(next === last || next.sequence > last.sequence).toBe(true);
          last = next;
        }
      }),
      { numRuns: 200 },
    );
  });
});
