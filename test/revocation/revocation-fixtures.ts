// Revocations for tests: by hand, and at random.

import * as fc from 'fast-check';
import type { Revocation, RevocationTarget } from '../../src/revocation/revocation.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';

export const OWN = parseTrustDomain('ai.example');

/** Revoked on 1 November 2026 and for ever, where `part` says nothing else. */
export function revoke(target: RevocationTarget, part: Partial<Revocation> = {}): Revocation {
  return { target, reason: 'stolen laptop', atMs: Date.UTC(2026, 10, 1), expiresMs: null, ...part };
}

export const ofId = (text: string): RevocationTarget => ({ kind: 'id', pattern: parseIdPattern(text, OWN) });
export const ofKey = (spkiSha256: string): RevocationTarget => ({ kind: 'key', spkiSha256 });
export const ofToken = (tokenId: string): RevocationTarget => ({ kind: 'token', tokenId });
export const ofCertificate = (issuer: string, serialNumber: string): RevocationTarget => ({
  kind: 'certificate',
  issuer,
  serialNumber,
});

const hex = (octets: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: octets, maxLength: octets }).map((bytes) => Buffer.from(bytes).toString('hex'));
const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
const pattern = fc
  .record({
    trustDomain: fc.constantFrom('ai.example', 'b.example', '__proto__'),
    segments: fc.array(fc.oneof(segment, fc.constant('*')), { minLength: 1, maxLength: 3 }),
    rest: fc.constantFrom('', '/**'),
  })
  .map(({ trustDomain, segments, rest }) => `spiffe://${trustDomain}/${segments.join('/')}${rest}`);

const target: fc.Arbitrary<RevocationTarget> = fc.oneof(
  pattern.map(ofId),
  fc.tuple(hex(32), fc.integer({ min: 1, max: 20 }).chain(hex)).map(([issuer, serial]) => {
    const significant = serial.replace(/^(?:00)+(?=..)/, '');
    return ofCertificate(issuer, significant);
  }),
  hex(32).map(ofKey),
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text))
    .map(ofToken),
);

const instant = fc.integer({ min: 0, max: Date.UTC(9998, 0, 1) });

export const anyRevocation: fc.Arbitrary<Revocation> = fc
  .record({
    target,
    reason: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .filter((text) => text.trim() !== '' && !/[\p{Cc}\p{Cs}\p{Cf}\u2028\u2029]/u.test(text)),
    atMs: instant,
    lastsMs: fc.option(fc.integer({ min: 1, max: 10_000_000 })),
  })
  .map(({ target: of, reason, atMs, lastsMs }) => ({
    target: of,
    reason,
    atMs,
    expiresMs: lastsMs === null ? null : atMs + lastsMs,
  }));
