// The JWT-SVIDs that the development CA issues, proven by jose, which shares no code with us.

import { webcrypto } from 'node:crypto';
import * as fc from 'fast-check';
import { compactVerify, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createJwtAuthority, type DevelopmentJwtAuthority, issueJwtSvid } from '../../src/devca/jwt.ts';
import { KEY_TYPES } from '../../src/devca/key-type.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';

const NOW_MS = Date.UTC(2027, 0, 2, 3, 4, 5);
const trustDomain = parseTrustDomain('ai.example');
const issuing = { nowMs: NOW_MS, crypto: webcrypto };
const ID = parseSpiffeId('spiffe://ai.example/training/job-1');
const order = { id: ID, audiences: ['spiffe://ai.example/registry'], ttlMs: 300_000 };

let authority: DevelopmentJwtAuthority;
beforeAll(async () => {
  authority = await createJwtAuthority({ trustDomain, keyType: 'p256' }, issuing);
});

describe('issueJwtSvid', () => {
  it.each(KEY_TYPES)('signs with a %s key what jose verifies', async (keyType) => {
    const issuer = await createJwtAuthority({ trustDomain, keyType }, issuing);
    const { token } = issueJwtSvid(issuer, order, issuing);
    const expected = { audience: order.audiences[0] ?? '', subject: ID, currentDate: new Date(NOW_MS) };
    const { protectedHeader } = await jwtVerify(token, issuer.publicKey, expected);
    const algorithms = { p256: 'ES256', p384: 'ES384', rsa2048: 'RS256' };
    expect(protectedHeader).toEqual({ alg: algorithms[keyType], kid: issuer.keyId, typ: 'JWT' });
  });

  it('says who it is of, for whom, since when, until when and by which name', async () => {
    const audiences = ['spiffe://ai.example/registry', 'https://registry.ai.example'];
    const issued = issueJwtSvid(authority, { ...order, audiences }, issuing);
    const { payload } = await compactVerify(issued.token, authority.publicKey);
    const claims: unknown = JSON.parse(Buffer.from(payload).toString());
    const seconds = NOW_MS / 1000;
    expect(claims).toEqual({ sub: ID, aud: audiences, iat: seconds, exp: seconds + 300, jti: issued.tokenId });
    expect(issued.expiresMs).toBe(NOW_MS + 300_000);
  });

  it('ends in a whole second within its lifetime, and has begun by now', async () => {
    for (const ttlMs of [2_000, 2_500, 30_000]) {
      for (const offsetMs of [0, 1, 500, 999]) {
        const nowMs = NOW_MS + offsetMs;
        const { token, expiresMs } = issueJwtSvid(authority, { ...order, ttlMs }, { ...issuing, nowMs });
        const { payload } = await jwtVerify(token, authority.publicKey, { currentDate: new Date(nowMs) });
        expect(payload.exp).toBe(expiresMs / 1000);
        expect(expiresMs).toBeGreaterThan(nowMs + 1_000);
        expect(expiresMs).toBeLessThanOrEqual(nowMs + ttlMs);
        expect((payload.iat ?? 0) * 1000).toBeLessThanOrEqual(nowMs);
      }
    }
  });

  it('is expired for whoever asks later, and of no use for another audience', async () => {
    const { token, expiresMs } = issueJwtSvid(authority, order, issuing);
    const at = (ms: number) => ({ currentDate: new Date(ms) });
    await expect(jwtVerify(token, authority.publicKey, at(expiresMs - 1))).resolves.toBeDefined();
    await expect(jwtVerify(token, authority.publicKey, at(expiresMs))).rejects.toThrow(errors.JWTExpired);
    const other = { ...at(NOW_MS), audience: 'spiffe://ai.example/regist' };
    await expect(jwtVerify(token, authority.publicKey, other)).rejects.toThrow(errors.JWTClaimValidationFailed);
  });

  it('repeats neither key ID nor token ID', async () => {
    const authorities = await Promise.all([1, 2, 3].map(() => createJwtAuthority(authority, issuing)));
    expect(new Set(authorities.map(({ keyId }) => keyId)).size).toBe(3);
    const tokens = [1, 2, 3].map(() => issueJwtSvid(authority, order, issuing));
    expect(new Set(tokens.map(({ tokenId }) => tokenId)).size).toBe(3);
    for (const { keyId } of authorities) expect(keyId).toMatch(/^[\w-]{22}$/);
  });

  it('takes the key ID from the randomness it is given', async () => {
    const getRandomValues: typeof webcrypto.getRandomValues = (array) => array;
    const { keyId } = await createJwtAuthority(authority, {
      crypto: { getRandomValues, subtle: webcrypto.subtle, randomUUID: () => webcrypto.randomUUID() },
    });
    expect(keyId).toBe('A'.repeat(22));
  });

  it('is signed by the key of its own authority alone', async () => {
    const impostor = { ...(await createJwtAuthority(authority, issuing)), keyId: authority.keyId };
    const { token } = issueJwtSvid(impostor, order, issuing);
    expect(decodeProtectedHeader(token).kid).toBe(authority.keyId);
    await expect(compactVerify(token, authority.publicKey)).rejects.toThrow(errors.JWSSignatureVerificationFailed);
  });

  it('JW-143 is three segments of base64url without padding, whatever the audience', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 4 }), async (audiences) => {
        const { token } = issueJwtSvid(authority, { ...order, audiences }, issuing);
        expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
        const { payload } = await compactVerify(token, authority.publicKey);
        expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({ aud: audiences });
      }),
      { numRuns: 100 },
    );
  });

  it('JW-140 refuses to issue for no audience', () => {
    expect(() => issueJwtSvid(authority, { ...order, audiences: [] }, issuing)).toThrow(
      expect.objectContaining({ code: 'no-audience' }),
    );
  });

  it('ID-25 does not issue an ID without path', () => {
    expect(() => issueJwtSvid(authority, { ...order, id: parseSpiffeId('spiffe://ai.example') }, issuing)).toThrow(
      expect.objectContaining({ code: 'id-without-path' }),
    );
  });

  it.each(['spiffe://evil.example/training/job-1', 'spiffe://ai.example.evil/x', 'spiffe://example/x'])(
    'JW-137 does not issue %s, which is of another trust domain',
    (text) => {
      expect(() => issueJwtSvid(authority, { ...order, id: parseSpiffeId(text) }, issuing)).toThrow(
        expect.objectContaining({ code: 'foreign-trust-domain' }),
      );
    },
  );
});
