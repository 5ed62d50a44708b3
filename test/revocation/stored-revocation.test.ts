import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { revocationKey } from '../../src/revocation/revocation.ts';
import {
  formatStoredRevocation,
  parseStoredRevocation,
  StoredRevocationError,
} from '../../src/revocation/stored-revocation.ts';
import { anyRevocation, ofCertificate, ofId, revoke } from './revocation-fixtures.ts';

const HASH = 'a1'.repeat(32);

describe('a stored revocation', () => {
  it('is one object on one line, with the keys of the file', () => {
    expect(formatStoredRevocation(revoke(ofId('/x/*'), { expiresMs: Date.UTC(2027, 0, 1) }))).toBe(
      '{"id":"spiffe://ai.example/x/*","reason":"stolen laptop","at":"2026-11-01T00:00:00Z","expires":"2027-01-01T00:00:00Z"}',
    );
    expect(formatStoredRevocation(revoke(ofCertificate(HASH, '1000')))).toBe(
      `{"serial":"0x1000","issuer":"${HASH}","reason":"stolen laptop","at":"2026-11-01T00:00:00Z"}`,
    );
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(anyRevocation, (revocation) => {
        const text = formatStoredRevocation(revocation);
        expect(text).not.toContain('\n');
        const found = parseStoredRevocation(text);
        expect(revocationKey(found.target)).toBe(revocationKey(revocation.target));
        expect({ ...found, target: null }).toEqual({ ...revocation, target: null });
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, string, RegExp]>([
    ['not-json', '', /^1:1: /],
    ['not-json', '{', /^1:2: /],
    ['not-json', '[]', /^`\[\]` is not a JSON object$/],
    ['not-json', '"spiffe://ai.example/x"', /is not a JSON object$/],
    ['not-json', '{"id":"a","id":"b"}', /stands twice/],
    ['not-json', '{"id":{}}', /nested more than 1/],
    ['not-json', `{"jti":"${'x'.repeat(20_000)}"}`, /at most 16384/],
    ['invalid-revocation', '{}', /^a revocation needs `id`.*; a revocation needs `reason`; a revocation needs `at`$/],
    [
      'invalid-revocation',
      '{"id":"/x","reason":"x","at":"2026-11-01T00:00:00Z"}',
      /^`id`: ID pattern `\/x` has no trust domain; write `spiffe:\/\/…`$/,
    ],
    [
      'invalid-revocation',
      '{"id":"x","reason":"x","at":"2026-11-01T00:00:00Z"}',
      /^`id`: ID pattern `x` must begin with/,
    ],
    [
      'invalid-revocation',
      '{"jti":"x","reason":7,"at":null}',
      /^`reason` must be a string; quote it; `at` must be a string; quote it$/,
    ],
    [
      'invalid-revocation',
      '{"jti":"x","reason":"x","at":"2026-11-01T00:00:00Z","__proto__":"x"}',
      /^unknown key `__proto__`/,
    ],
    [
      'invalid-revocation',
      '{"jti":"x","reason":"x","at":"2026-11-01T00:00:00Z","expires":"2026-11-01T00:00:00Z"}',
      /^`expires` is not after `at`$/,
    ],
  ])('is refused as %s: %s', (code, text, message) => {
    expect(() => parseStoredRevocation(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('of any text is read or refused', () => {
    const member = fc.tuple(
      fc.constantFrom('id', 'serial', 'issuer', 'spki', 'jti', 'reason', 'at', 'x'),
      fc.oneof(fc.string(), fc.constantFrom('spiffe://a/b', HASH, '2026-11-01T00:00:00Z', 'ff', '10')),
    );
    const object = fc.array(member, { maxLength: 6 }).map((members) => JSON.stringify(Object.fromEntries(members)));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), object), (text) => {
        try {
          parseStoredRevocation(text);
        } catch (error) {
          expect(error).toBeInstanceOf(StoredRevocationError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
