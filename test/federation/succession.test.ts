import { generateKeyPairSync } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FederationError } from '../../src/federation/federation-error.ts';
import { type Predecessor, succeed } from '../../src/federation/succession.ts';
import type { BundleDocument } from '../../src/spiffe/bundle-document.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { documentOf, type DocumentSpec } from './documents.ts';

const A = createTestAuthority('partner.example').certificatePem;
const B = createTestAuthority('partner.example').certificatePem;
const JWT = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const OTHER_JWT = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;

function arrived(spec: DocumentSpec): BundleDocument {
  return documentOf('partner.example', spec);
}

/** What is in force after these documents came one after the other, and how the last of them fared. */
function after(...specs: readonly DocumentSpec[]): { readonly held: Predecessor | null; readonly outcome: string } {
  let held: Predecessor | null = null;
  let outcome = 'nothing came';
  for (const spec of specs) {
    try {
      held = succeed(held, arrived(spec));
      outcome = 'in force';
    } catch (error) {
      if (!(error instanceof FederationError)) throw error;
      outcome = error.code;
    }
  }
  return { held, outcome };
}

const keysOf = (held: Predecessor | null): readonly [authorities: number, jwt: readonly string[]] => [
  held?.document.bundle.authorities.length ?? -1,
  [...(held?.document.bundle.jwtAuthorities.keys() ?? [])],
];

describe('a bundle that follows another (Federation §4.2, Trust Domain and Bundle §4.1.1)', () => {
  it.each<[string, readonly DocumentSpec[]]>([
    ['is the first', [{ authorities: [A], sequence: 7 }]],
    [
      'has a higher sequence',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [B], sequence: 8 },
      ],
    ],
    [
      'has a sequence past what a double can tell apart',
      [
        { authorities: [A], sequence: '9007199254740992' },
        { authorities: [B], sequence: '9007199254740993' },
      ],
    ],
    [
      'has the highest sequence',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [B], sequence: '9223372036854775807' },
      ],
    ],
    ['is the first with a sequence', [{ authorities: [A] }, { authorities: [B], sequence: 0 }]],
    ['has none, like the one before', [{ authorities: [A] }, { authorities: [B] }]],
    [
      'has none, unlike the one before: then the latest fetched counts',
      [{ authorities: [A], sequence: 7 }, { authorities: [B] }],
    ],
    [
      'says the same under the same sequence',
      [
        { authorities: [A, B], sequence: 7 },
        { authorities: [B, A], sequence: 7 },
      ],
    ],
    [
      'says the same under a lower sequence',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [A], sequence: 3 },
      ],
    ],
    [
      'only takes away, under the same sequence',
      [
        { authorities: [A, B], sequence: 7 },
        { authorities: [B], sequence: 7 },
      ],
    ],
    ['takes everything away, under the same sequence', [{ authorities: [A, B], sequence: 7 }, { sequence: 7 }]],
    ['takes everything away, without a sequence', [{ authorities: [A, B], sequence: 7 }, {}]],
  ])('takes effect when it %s', (_name, specs) => {
    const { held, outcome } = after(...specs);
    expect(outcome).toBe('in force');
    const last = arrived(specs.at(-1) ?? {});
    expect(held?.document.bundle.authorities.map(({ sha256 }) => sha256).toSorted()).toEqual(
      last.bundle.authorities.map(({ sha256 }) => sha256).toSorted(),
    );
  });

  it.each<[string, string, readonly DocumentSpec[]]>([
    [
      'WA-163 a lower sequence',
      'rollback',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [B], sequence: 6 },
      ],
    ],
    [
      'a sequence lower by what a double cannot tell apart',
      'rollback',
      [
        { authorities: [A], sequence: '9007199254740993' },
        { authorities: [B], sequence: '9007199254740992' },
      ],
    ],
    [
      'a lower sequence and fewer keys',
      'rollback',
      [
        { authorities: [A, B], sequence: 7 },
        { authorities: [A], sequence: 6 },
      ],
    ],
    ['a lower sequence and no keys', 'rollback', [{ authorities: [A], sequence: 7 }, { sequence: 6 }]],
    [
      'a sequence lower than before one without',
      'rollback',
      [{ authorities: [A], sequence: 7 }, { authorities: [B] }, { authorities: [A], sequence: 6 }],
    ],
    [
      'a sequence lower than one that said the same under less',
      'rollback',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [A], sequence: 3 },
        { authorities: [B], sequence: 5 },
      ],
    ],
    [
      'the same sequence and other keys',
      'sequence-reused',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [B], sequence: 7 },
      ],
    ],
    [
      'the same sequence and more keys',
      'sequence-reused',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [A, B], sequence: 7 },
      ],
    ],
    [
      'the same sequence and a JWT key more',
      'sequence-reused',
      [
        { authorities: [A], sequence: 7 },
        { authorities: [A], jwt: { one: JWT }, sequence: 7 },
      ],
    ],
    [
      'the same sequence and another JWT key of the same name',
      'sequence-reused',
      [
        { authorities: [A], jwt: { one: OTHER_JWT }, sequence: 7 },
        { authorities: [A], jwt: { one: JWT }, sequence: 7 },
      ],
    ],
    [
      'the same sequence and a JWT key of another name',
      'sequence-reused',
      [
        { authorities: [A], jwt: { two: JWT }, sequence: 7 },
        { authorities: [A], jwt: { one: JWT }, sequence: 7 },
      ],
    ],
  ])('is refused with %s', (_name, code, specs) => {
    const before = after(...specs.slice(0, -1));
    const { held, outcome } = after(...specs);
    expect(outcome).toBe(code);
    expect(keysOf(held)).toEqual(keysOf(before.held));
    expect(held?.document.sequence).toEqual(before.held?.document.sequence);
  });

  it('that says the same leaves the bundle the object it was, and takes over hint and sequence', () => {
    const first = succeed(null, arrived({ authorities: [A], sequence: 7, refreshHint: 60 }));
    const second = succeed(first, arrived({ authorities: [A], sequence: 9, refreshHint: 120 }));
    expect(second.document.bundle).toBe(first.document.bundle);
    expect(second.document).toMatchObject({ sequence: 9n, refreshHintMs: 120_000 });
    expect(succeed(second, arrived({ authorities: [A], sequence: 8 })).document.sequence).toBe(9n);
    expect(succeed(second, arrived({ authorities: [A] })).document.sequence).toBe(9n);
  });

  it('never goes back in sequence, and never adds a key without going forward in it', () => {
    const spec = fc.record({
      authorities: fc.subarray([A, B]),
      sequence: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(spec, { minLength: 2, maxLength: 8 }), (specs) => {
        let held: Predecessor | null = null;
        for (const { authorities, sequence } of specs) {
          const before: Predecessor | null = held;
          try {
            held = succeed(before, arrived({ authorities, ...(sequence === undefined ? {} : { sequence }) }));
          } catch (error) {
            if (!(error instanceof FederationError)) throw error;
            continue;
          }
          if (before === null) continue;
          expect(Number(held.highestSequence ?? -1)).toBeGreaterThanOrEqual(Number(before.highestSequence ?? -1));
          const known = new Set(before.document.bundle.authorities.map(({ sha256 }) => sha256));
          const adds = held.document.bundle.authorities.some(({ sha256 }) => !known.has(sha256));
          const isForward = sequence === undefined || BigInt(sequence) > (before.highestSequence ?? -1n);
          expect(adds && !isForward).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('an authority that says whose it is (X509-SVID §3.2)', () => {
  const naming = (...uris: readonly string[]): string => createTestAuthority('x', { uris }).certificatePem;

  it.each([
    ['the trust domain itself', naming('spiffe://partner.example')],
    ['nobody', naming()],
    ['somebody of another kind', naming('https://other.example/ca')],
  ])('may be of %s', (_name, pem) => {
    expect(after({ authorities: [A, pem] }).outcome).toBe('in force');
  });

  it.each([
    ['of another trust domain', naming('spiffe://mypage.example')],
    ['of ours and of another', naming('spiffe://partner.example', 'spiffe://mypage.example')],
    ['of one that only begins the same', naming('spiffe://partner.example.org')],
    ['of the same one in capitals', naming('SPIFFE://PARTNER.EXAMPLE')],
    ['of nothing that is an ID', naming('spiffe://')],
  ])('must not be %s', (_name, pem) => {
    const { held, outcome } = after({ authorities: [A], sequence: 1 }, { authorities: [A, pem], sequence: 2 });
    expect(outcome).toBe('foreign-authority');
    expect(keysOf(held)).toEqual([1, []]);
  });
});
