// JWT-SVIDs beside go-spiffe: whatever we accept it accepts with the same ID, and where only we refuse, the reason is named here.

import { type KeyObject, constants, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJwtBundle } from '../../src/spiffe/bundle-document.ts';
import { verifyJwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { JwtSvidError, type JwtSvidErrorCode } from '../../src/spiffe/jwt-svid-error.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundle } from '../../src/spiffe/trust-bundle.ts';
import { useGoProgram } from './go-program.ts';
import { askOracle } from './oracle.ts';

const AUDIENCE = 'spiffe://ai.example/registry';
const MANY = Array.from({ length: 20 }, () => AUDIENCE);
const now = Math.floor(Date.now() / 1000);

interface Authority {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

function authority(keyId: string, keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }): Authority {
  return { keyId, privateKey: keys.privateKey, publicKey: keys.publicKey };
}

const KEYS = {
  RSA: authority('rsa', generateKeyPairSync('rsa', { modulusLength: 2048 })),
  'P-256': authority('p256', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  'P-384': authority('p384', generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  'P-521': authority('p521', generateKeyPairSync('ec', { namedCurve: 'P-521' })),
} as const;
const PARTNER = authority('p256', generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const JWKS = { 'ai.example': jwksOf(Object.values(KEYS)), 'partner.example': jwksOf([PARTNER]) };
const bundles = new Map<TrustDomain, TrustBundle>(
  Object.entries(JWKS).map(([name, jwks]) => {
    const trustDomain = parseTrustDomain(name);
    const jwtAuthorities = parseJwtBundle(trustDomain, Buffer.from(jwks), `${name}.json`);
    return [trustDomain, { trustDomain, authorities: [], jwtAuthorities }];
  }),
);

function jwksOf(authorities: readonly Authority[]): string {
  const keys = authorities.map(({ keyId, publicKey }) => ({
    ...publicKey.export({ format: 'jwk' }),
    kid: keyId,
    use: 'jwt-svid',
  }));
  return JSON.stringify({ keys });
}

interface Plan {
  readonly algorithm: string;
  /** Key of the header's algorithm, or of another. */
  readonly key: 'right' | keyof typeof KEYS | 'partner';
  readonly header: object;
  readonly claims: object;
  readonly damage: 'none' | 'signature' | 'padding' | 'spare-bits' | 'duplicate-claim' | 'der-signature' | 'four-parts';
}

/** What go-spiffe lets pass and we do not, with an example. */
const STRICTER: readonly (readonly [why: string, JwtSvidErrorCode, Partial<Plan>])[] = [
  ['a header other than alg, kid and typ', 'unexpected-header', { header: { jku: 'https://keys.example/' } }],
  ['a header that is null', 'malformed-header', { header: { typ: null } }],
  ['a second spelling of the same bytes', 'not-base64url', { damage: 'spare-bits', algorithm: 'PS256' }],
  ['an ID without a path, which names no workload', 'subject', { claims: { sub: 'spiffe://ai.example' } }],
  ['the last minute, which go-spiffe gives to clocks that differ', 'expired', { claims: { exp: now - 30 } }],
  ['the minute before the first', 'not-yet-valid', { claims: { nbf: now + 30 } }],
  ['a time that no calendar has', 'time-claim', { claims: { exp: 1e12 } }],
  ['a fraction of a second', 'time-claim', { claims: { exp: now + 300.5 } }],
  [
    'more audiences than are configured, each of which could replay it',
    'too-many-audiences',
    { claims: { aud: MANY } },
  ],
];

const PLAIN: Plan = { algorithm: 'ES256', key: 'right', header: {}, claims: {}, damage: 'none' };
const CURVES = { 256: 'P-256', 384: 'P-384', 512: 'P-521' } as const;
const algorithms = ['RS', 'ES', 'PS'].flatMap((family) => [256, 384, 512].map((bits) => `${family}${bits}`));

function signerOf({ algorithm, key }: Plan): Authority {
  if (key === 'partner') return PARTNER;
  if (key !== 'right') return KEYS[key];
  if (!algorithm.startsWith('ES')) return KEYS.RSA;
  const bits = algorithm.slice(2);
  return bits === '256' || bits === '384' || bits === '512' ? KEYS[CURVES[bits]] : KEYS['P-256'];
}

function tokenOf(plan: Plan): string {
  const signer = signerOf(plan);
  const header = { alg: plan.algorithm, kid: signer.keyId, typ: 'JWT', ...plan.header };
  const claims = JSON.stringify({ sub: 'spiffe://ai.example/job', aud: [AUDIENCE], exp: now + 300, ...plan.claims });
  const payload =
    plan.damage === 'duplicate-claim' ? `${claims.slice(0, -1)},"sub":"spiffe://ai.example/admin"}` : claims;
  let encodedHeader = Buffer.from(JSON.stringify(header)).toString('base64url');
  if (plan.damage === 'padding') encodedHeader = encodedHeader.padEnd(Math.ceil(encodedHeader.length / 4) * 4, '=');
  const signed = `${encodedHeader}.${Buffer.from(payload).toString('base64url')}`;
  const signature = signatureOf(plan, signer, signed);
  if (plan.damage === 'signature') signature[0] = (signature[0] ?? 0) ^ 1;
  const encoded = signature.toString('base64url');
  if (plan.damage === 'spare-bits') return `${signed}.${withSpareBits(encoded)}`;
  return `${signed}.${encoded}${plan.damage === 'four-parts' ? '.AA' : ''}`;
}

function signatureOf({ algorithm, damage }: Plan, { privateKey }: Authority, signed: string): Buffer {
  const digest = `sha${algorithm.slice(2)}`;
  if (!algorithms.includes(algorithm)) return createHmac('sha256', 'secret').update(signed).digest();
  if (privateKey.asymmetricKeyType === 'ec') {
    const dsaEncoding = damage === 'der-signature' ? 'der' : 'ieee-p1363';
    return sign(digest, Buffer.from(signed), { key: privateKey, dsaEncoding });
  }
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  const padding = algorithm.startsWith('PS')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
    : { padding: constants.RSA_PKCS1_PADDING };
  return sign(digest, Buffer.from(signed), { key: privateKey, ...padding });
}

/** The same bytes in another spelling, where the last character has bits that count for nothing. */
function withSpareBits(encoded: string): string {
  if (encoded.length % 4 === 0) return encoded;
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(encoded.slice(-1));
  return `${encoded.slice(0, -1)}${alphabet[last + 1] ?? 'A'}`;
}

const usually = <T>(value: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { arbitrary: fc.constant(value), weight: 6 * others.length },
    { arbitrary: fc.constantFrom(...others), weight: others.length },
  );
const claim = (name: string, ...values: readonly unknown[]): object[] => values.map((value) => ({ [name]: value }));

const plans: fc.Arbitrary<Plan> = fc.record({
  algorithm: fc.oneof(
    { arbitrary: fc.constantFrom(...algorithms), weight: 20 },
    { arbitrary: fc.constantFrom('none', 'HS256', 'EdDSA', 'ES256K', 'es256', 'RS1'), weight: 1 },
  ),
  key: usually<Plan['key']>('right', 'RSA', 'P-256', 'P-384', 'P-521', 'partner'),
  header: usually<object>(
    {},
    ...claim('typ', undefined, 'JOSE', 'jwt', 'at+jwt', '', null, 1),
    ...claim('kid', undefined, '', 'other', null, 7),
    { jku: 'https://keys.example/jwks.json' },
    { crit: ['exp'] },
    { crit: ['b64'], b64: false },
    { cty: 'JWT' },
    { x5c: ['AAAA'] },
    { zip: 'DEF' },
    { jwk: {} },
  ),
  claims: fc
    .tuple(
      usually<object>(
        {},
        ...claim(
          'sub',
          undefined,
          '',
          'spiffe://ai.example',
          'spiffe://ai.example/',
          'spiffe://AI.example/job',
          'job',
          7,
        ),
        ...claim('sub', 'spiffe://partner.example/job', 'spiffe://unknown.example/job', ['spiffe://ai.example/job']),
      ),
      usually<object>(
        {},
        ...claim(
          'aud',
          AUDIENCE,
          undefined,
          '',
          [],
          [''],
          [7],
          null,
          'other',
          ['other'],
          ['other', AUDIENCE],
          [AUDIENCE, 7],
        ),
        ...claim(
          'aud',
          Array.from({ length: 20 }, () => AUDIENCE),
          { 0: AUDIENCE },
        ),
      ),
      usually<object>(
        {},
        ...claim('exp', undefined, now - 30, now - 120, now, 0, -1, `${now + 300}`, now + 300.5, 1e12, 1e300, null, {}),
      ),
      usually<object>({}, ...claim('nbf', now - 10, now + 30, now + 120, `${now}`, now - 0.5, null, true)),
      usually<object>({}, ...claim('iat', now - 10, now + 30, now + 120, `${now}`, now - 0.5, null, [])),
      usually<object>({}, { jti: 'one' }, { jti: 7 }, { iss: 'https://ai.example' }, { roles: ['admin'] }),
    )
    .map((parts) => Object.assign({}, ...parts)),
  damage: usually<Plan['damage']>(
    'none',
    'signature',
    'padding',
    'spare-bits',
    'duplicate-claim',
    'der-signature',
    'four-parts',
  ),
});

type Ours =
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'refused'; readonly code: JwtSvidErrorCode };

function ours(token: string): Ours {
  try {
    const { id } = verifyJwtSvid(token, { bundles, audiences: [AUDIENCE], maxAudiences: 16, nowMs: Date.now() });
    return { kind: 'accepted', id };
  } catch (error) {
    if (error instanceof JwtSvidError) return { kind: 'refused', code: error.code };
    throw error;
  }
}

const oracle = useGoProgram('go-spiffe');

function theirs(tokens: readonly string[]): readonly (string | null)[] {
  const questions = tokens.map((token) => ({ token, audience: AUDIENCE, jwtBundles: JWKS }));
  return askOracle(oracle(), questions).map(({ ok, trustDomain, path }) =>
    ok ? `spiffe://${trustDomain}${path}` : null,
  );
}

describe('JWT-SVIDs beside go-spiffe (skipped without Go or its module)', () => {
  it.each(algorithms)('a token signed with %s counts for both', (algorithm) => {
    const token = tokenOf({ ...PLAIN, algorithm });
    expect(ours(token)).toEqual({ kind: 'accepted', id: 'spiffe://ai.example/job' });
    expect(theirs([token])).toEqual(['spiffe://ai.example/job']);
  });

  it.each(STRICTER)('only we refuse %s: %s', (_why, code, plan) => {
    const token = tokenOf({ ...PLAIN, ...plan });
    expect(ours(token)).toEqual({ kind: 'refused', code });
    expect(theirs([token])).not.toEqual([null]);
  });

  it('only it refuses an issuer that is not a string: we do not read it', () => {
    const token = tokenOf({ ...PLAIN, claims: { iss: 7 } });
    expect(ours(token)).toMatchObject({ kind: 'accepted' });
    expect(theirs([token])).toEqual([null]);
  });

  it('what we accept it accepts with the same ID, and only for named reasons are we stricter', () => {
    const tokens = fc.sample(plans, 3000).map(tokenOf);
    const answers = theirs(tokens);
    const reasons = new Set(STRICTER.map(([, code]) => code));
    const differences = tokens.flatMap((token, index): readonly object[] => {
      const our = ours(token);
      const their = answers[index] ?? null;
      const isSame = our.kind === 'accepted' ? our.id === their : their === null || reasons.has(our.code);
      return isSame ? [] : [{ token, our, their }];
    });
    expect(differences).toEqual([]);
    expect(answers.filter((id) => id !== null).length).toBeGreaterThan(300);
  });
});
