// The memo of verified tokens: never longer than the token is valid, never across bundles, never for refusals.

import { describe, expect, it } from 'vitest';
import { type Snapshot, SnapshotCell } from '../../src/core/snapshot.ts';
import type { JwtAuthority } from '../../src/spiffe/jwt-authority.ts';
import type { JwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { JwtSvidError } from '../../src/spiffe/jwt-svid-error.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { VerifiedTokens } from '../../src/spiffe/verified-tokens.ts';
import { AUDIENCE, jwtBundle, NOW, NOW_MS, signingKey, tokenOf } from './token-builder.ts';

const key = signingKey('ES256', 'current');
const other = signingKey('ES256', 'current');
const token = tokenOf(key, 'ES256');

/** Bundles of `ai.example` that count how often a key was asked for: once a verification. */
function trusting(publicKey = key.publicKey): { readonly bundles: TrustBundles; readonly verifications: () => number } {
  let asked = 0;
  const bundle = jwtBundle('ai.example', { keyId: 'current', publicKey });
  const jwtAuthorities = new (class extends Map<string, JwtAuthority> {
    override get(keyId: string): JwtAuthority | undefined {
      asked += 1;
      return super.get(keyId);
    }
  })(bundle.jwtAuthorities);
  return { bundles: new Map([[bundle.trustDomain, { ...bundle, jwtAuthorities }]]), verifications: () => asked };
}

function remembering(maxEntries = 10) {
  const { bundles, verifications } = trusting();
  const trust = new SnapshotCell(bundles);
  const memo = new VerifiedTokens(maxEntries, { audiences: [AUDIENCE], maxAudiences: 1 });
  const verify = (value: string, nowMs = NOW_MS, snapshot: Snapshot<TrustBundles> = trust.current): JwtSvid =>
    memo.verify(value, snapshot, nowMs);
  return { trust, verify, verifications };
}

describe('VerifiedTokens', () => {
  it('checks the signature of a token once', () => {
    const { verify, verifications } = remembering();
    const first = verify(token);
    expect(verify(token)).toBe(first);
    expect(first.id).toBe('spiffe://ai.example/training/job');
    expect(verifications()).toBe(1);
  });

  it('tells two tokens of one subject apart', () => {
    const { verify, verifications } = remembering();
    verify(token);
    expect(verify(tokenOf(key, 'ES256', { claims: { jti: 'b' } })).tokenId).toBe('b');
    expect(verify(token).tokenId).toBeNull();
    expect(verifications()).toBe(2);
  });

  it('CA-120 remembers no refusal, and takes no refusal for a success', () => {
    const { verify, verifications } = remembering();
    const forged = tokenOf(other, 'ES256');
    for (let attempt = 0; attempt < 3; attempt += 1) expect(() => verify(forged)).toThrow(JwtSvidError);
    expect(verifications()).toBe(3);
  });

  it('refuses another signature under the same header and claims', () => {
    const { verify } = remembering();
    verify(token);
    const [header, claims] = token.split('.');
    const [, , signature] = tokenOf(other, 'ES256').split('.');
    expect(() => verify(`${header}.${claims}.${signature}`)).toThrow(JwtSvidError);
    expect(() => verify(`${header}.${claims}.`)).toThrow(JwtSvidError);
    expect(() => verify(`${token} `)).toThrow(JwtSvidError);
  });

  it('CA-119 verifies again once the token has expired', () => {
    const { verify, verifications } = remembering();
    const short = tokenOf(key, 'ES256', { claims: { exp: NOW + 10 } });
    verify(short);
    verify(short, NOW_MS + 9999);
    expect(verifications()).toBe(1);
    expect(() => verify(short, NOW_MS + 10_000)).toThrow(JwtSvidError);
  });

  it('CA-122 does not accept before nbf and iat when the clock steps back, nor after exp when it steps back again', () => {
    for (const claims of [{ nbf: NOW }, { iat: NOW + 60 }, { nbf: NOW - 60, iat: NOW + 60 }]) {
      const { verify } = remembering();
      const fresh = tokenOf(key, 'ES256', { claims });
      verify(fresh);
      expect(() => verify(fresh, NOW_MS - 1)).toThrow(JwtSvidError);
    }
  });

  it('JW-151 forgets everything when the bundles are swapped', () => {
    const { trust, verify } = remembering();
    verify(token);
    trust.swap(trusting(other.publicKey).bundles);
    expect(() => verify(token)).toThrow(JwtSvidError);
    const again = trusting();
    trust.swap(again.bundles);
    verify(token);
    expect(again.verifications()).toBe(1);
  });

  it('verifies again for a new epoch of the same bundles, and for other bundles of the same epoch', () => {
    const { trust, verify, verifications } = remembering();
    verify(token);
    trust.swap(trust.current.value);
    verify(token);
    expect(verifications()).toBe(2);
    const sameEpoch = { epoch: trust.current.epoch, value: trusting(other.publicKey).bundles };
    expect(() => verify(token, NOW_MS, sameEpoch)).toThrow(JwtSvidError);
  });

  it('keeps no more than it may, and those used last', () => {
    const { verify, verifications } = remembering(2);
    const [a = '', b = '', c = ''] = ['a', 'b', 'c'].map((jti) => tokenOf(key, 'ES256', { claims: { jti } }));
    for (const value of [a, b, a, c]) verify(value);
    expect(verifications()).toBe(3);
    verify(a);
    expect(verifications()).toBe(3);
    verify(b);
    expect(verifications()).toBe(4);
  });

  it('remembers nothing that it may not keep', () => {
    const { verify, verifications } = remembering(0);
    verify(token);
    verify(token);
    expect(verifications()).toBe(2);
  });

  it('JW-143 does not even hash a token that is too large', () => {
    const { verify } = remembering();
    expect(() => verify('A'.repeat(16_385))).toThrow(expect.objectContaining({ code: 'token-too-large' }));
  });
});
