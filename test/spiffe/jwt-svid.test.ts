// JWT-SVIDs: every rule of the specification and every case of the threat list, with tokens of our own making and of jose's.

import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import * as fc from 'fast-check';
import { jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { JsonError } from '../../src/json/json-error.ts';
import { parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { type JwtSvid, type JwtSvidContext, verifyJwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { JwtSvidError } from '../../src/spiffe/jwt-svid-error.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { selfSigned } from '../support/certificate-builder.ts';
import {
  ALGORITHMS,
  AUDIENCE,
  base64url,
  hmacToken,
  jwtBundle,
  NOW,
  NOW_MS,
  signatureOf,
  signingKey,
  SUBJECT,
  tokenOf,
  type TokenSpec,
} from './token-builder.ts';

const keys = new Map(ALGORITHMS.map((algorithm) => [algorithm, signingKey(algorithm)]));
const es256 = signingKey('ES256', 'current');
const rs256 = signingKey('RS256', 'rsa');
const foreign = signingKey('ES256', 'current');
const bundlesOf = (...bundles: readonly TrustBundle[]): TrustBundles =>
  new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]));
const bundles = bundlesOf(
  jwtBundle('ai.example', es256, rs256, ...keys.values()),
  jwtBundle('b.example', foreign, { ...signingKey('ES256'), keyId: 'only-in-b' }),
);

const at = (changes: Partial<JwtSvidContext> = {}): JwtSvidContext => ({
  bundles,
  audiences: [AUDIENCE],
  maxAudiences: 1,
  nowMs: NOW_MS,
  ...changes,
});
const verify = (token: string, changes: Partial<JwtSvidContext> = {}): JwtSvid => verifyJwtSvid(token, at(changes));
const token = (spec: TokenSpec = {}): string => tokenOf(es256, 'ES256', spec);

function refused(value: string, changes: Partial<JwtSvidContext> = {}): JwtSvidError | null {
  try {
    verify(value, changes);
  } catch (error) {
    if (!(error instanceof JwtSvidError)) throw error;
    expectNoSecret(error, value);
    return error;
  }
  return null;
}
const refusal = (value: string, changes: Partial<JwtSvidContext> = {}): string =>
  refused(value, changes)?.code ?? 'accepted';
const claimsRefusal = (claims: TokenSpec['claims'] & {}, changes: Partial<JwtSvidContext> = {}): string =>
  refusal(token({ claims }), changes);
const headerRefusal = (header: TokenSpec['header'] & {}): string => refusal(token({ header }));

/** Neither the token nor one of its parts, in the message or in that of a cause. */
function expectNoSecret(error: JwtSvidError, value: string): void {
  const parts = [value, ...value.split('.')].filter((part) => part.length > 20);
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    for (const part of parts) expect(cause.message).not.toContain(part);
    expect(cause.message).toMatch(/^[ -~…]+$/);
    expect(cause.message.length).toBeLessThan(1000);
  }
}

describe('verifyJwtSvid', () => {
  it('tells who the token is about, for whom, until when and under which key', () => {
    const value = token({ claims: { jti: 'f00d', nbf: NOW - 5, aud: [AUDIENCE, 'other'], team: { a: [1] } } });
    expect(verify(value, { maxAudiences: 2 })).toEqual({
      id: SUBJECT,
      trustDomain: 'ai.example',
      audiences: [AUDIENCE, 'other'],
      keyId: 'current',
      keySha256: createHash('sha256')
        .update(es256.publicKey.export({ type: 'spki', format: 'der' }))
        .digest('hex'),
      tokenId: 'f00d',
      notBeforeMs: NOW_MS - 5000,
      expiresMs: NOW_MS + 300_000,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it.each([
    [{ nbf: NOW - 5, iat: NOW - 7 }, NOW_MS - 5000],
    [{ nbf: NOW - 90, iat: NOW - 7 }, NOW_MS - 67_000],
    [{ nbf: NOW - 9, iat: undefined }, NOW_MS - 9000],
    [{ iat: NOW - 7 }, NOW_MS - 67_000],
    [{ iat: undefined }, -Infinity],
  ])('is valid from nbf on, and from a minute before iat: %j', (claims, notBeforeMs) => {
    expect(verify(token({ claims })).notBeforeMs).toBe(notBeforeMs);
  });

  it.each([undefined, 'JWT', 'JOSE'])('takes the type %s', (typ) => {
    expect(headerRefusal({ typ })).toBe('accepted');
  });

  it('takes the audience as a string as well as in an array', () => {
    expect(verify(token({ claims: { aud: AUDIENCE } })).audiences).toEqual([AUDIENCE]);
  });

  it('takes an audience that is one of several of ours', () => {
    expect(claimsRefusal({ aud: 'b' }, { audiences: ['a', 'b'] })).toBe('accepted');
  });

  it('takes claims nobody asked about, of any kind', () => {
    const claims = { iss: 5, scope: null, cnf: { jwk: {} }, azp: [[[]]], 'https://a.example/x': 1e300 };
    expect(claimsRefusal(claims)).toBe('accepted');
  });

  it('holds a token against the bundle of its own trust domain', () => {
    const subject = 'spiffe://b.example/x';
    expect(verify(tokenOf(foreign, 'ES256', { claims: { sub: subject } })).id).toBe(subject);
  });
});

describe('verifyJwtSvid beside jose', () => {
  it.each(ALGORITHMS)('verifies what jose signs with %s, and jose what we do', async (algorithm) => {
    const key = keys.get(algorithm) ?? es256;
    const theirs = await new SignJWT({})
      .setProtectedHeader({ alg: algorithm, kid: key.keyId, typ: 'JWT' })
      .setSubject(SUBJECT)
      .setAudience([AUDIENCE])
      .setIssuedAt(NOW)
      .setExpirationTime(NOW + 60)
      .sign(key.privateKey);
    expect(verify(theirs).id).toBe(SUBJECT);
    const options = { audience: AUDIENCE, algorithms: [algorithm], currentDate: new Date(NOW_MS) };
    const { payload } = await jwtVerify(tokenOf(key, algorithm), key.publicKey, options);
    expect(payload.sub).toBe(SUBJECT);
  });

  it('accepts no token of random changes that jose refuses', async () => {
    const changes = fc.record({
      part: fc.constantFrom('header', 'claims', 'none'),
      name: fc.constantFrom('alg', 'typ', 'kid', 'crit', 'sub', 'aud', 'exp', 'nbf', 'iat'),
      value: fc.oneof(
        fc.constantFrom<unknown>(AUDIENCE, [AUDIENCE], [], '', null, 'ES256', 'RS256', 'JWT', 'current', SUBJECT),
        fc.constantFrom<unknown>(NOW, NOW - 1, NOW + 1, NOW + 0.5, -1, 0, 1e300, `${NOW}`, [NOW]),
        fc.jsonValue({ maxDepth: 1 }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(changes, async ({ part, name, value }) => {
        const found = token(part === 'none' ? {} : { [part]: { [name]: value } });
        if (refused(found) !== null) return;
        const options = { audience: AUDIENCE, algorithms: ['ES256'], currentDate: new Date(NOW_MS) };
        await jwtVerify(found, es256.publicKey, options);
      }),
      { numRuns: 300 },
    );
  });
});

describe('verifyJwtSvid refuses algorithms', () => {
  it('JW-134 refuses the algorithm none, however it is spelt', () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      const [header, claims] = token({ header: { alg } }).split('.');
      expect(refusal(`${header}.${claims}.`)).toBe('algorithm');
      expect(headerRefusal({ alg })).toBe('algorithm');
    }
  });

  it('JW-134 refuses HMAC with the public key as its secret', () => {
    const { publicKey } = es256;
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(publicKey.export({ format: 'jwk' })),
    ]) {
      expect(refusal(hmacToken(es256, secret))).toBe('algorithm');
    }
  });

  it('JW-134 refuses EdDSA, also with an Ed25519 key in the bundle', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const trusting = { bundles: bundlesOf(jwtBundle('ai.example', { keyId: 'current', publicKey })) };
    for (const alg of ['EdDSA', 'Ed25519']) {
      const input = token({ header: { alg } }).split('.').slice(0, 2).join('.');
      const signature = sign(null, Buffer.from(input), privateKey).toString('base64url');
      expect(refusal(`${input}.${signature}`, trusting)).toBe('algorithm');
    }
  });

  it.each([undefined, 'es256', 'ES256 ', 'ES256K', 'RSA-OAEP', 'dir', 'A128KW', 'RS1', 'toString', '__proto__'])(
    'JW-134 refuses the algorithm %s',
    (alg) => {
      expect(headerRefusal({ alg })).toBe('algorithm');
    },
  );

  it.each(ALGORITHMS)('JW-139 refuses a key of every other type for %s', (algorithm) => {
    for (const [name, key] of keys) {
      const isSameKind = name.slice(0, 2) === 'ES' ? name === algorithm : !algorithm.startsWith('ES');
      if (isSameKind) continue;
      const value = tokenOf(key, algorithm, { signAs: name });
      expect(refusal(value)).toBe('key-mismatch');
    }
  });

  it('JW-139 refuses the signature of one algorithm under the name of another', () => {
    const pairs = [
      ['RS256', 'RS384'],
      ['RS256', 'PS256'],
      ['PS256', 'RS256'],
      ['PS256', 'PS512'],
    ] as const;
    for (const [alg, signAs] of pairs) expect(refusal(tokenOf(rs256, alg, { signAs }))).toBe('signature-invalid');
    expect(refusal(token({ signAs: 'ES384' }))).toBe('signature-invalid');
  });

  it('JW-139 refuses a PSS salt that is not as long as the hash', () => {
    const input = tokenOf(rs256, 'PS256').split('.').slice(0, 2).join('.');
    for (const saltLength of [0, 20, 31, 33, 64]) {
      const signature = sign('sha256', Buffer.from(input), { key: rs256.privateKey, padding: 6, saltLength });
      expect(refusal(`${input}.${signature.toString('base64url')}`)).toBe('signature-invalid');
    }
  });

  it('JW-139 refuses keys too weak or of a kind that was never asked for, whatever put them into the bundle', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const exponent = createPublicKey({ key: { ...rs256.publicKey.export({ format: 'jwk' }), e: 'AQ' }, format: 'jwk' });
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
    const trusting = (publicKey: KeyObject): Partial<JwtSvidContext> => ({
      bundles: bundlesOf(jwtBundle('ai.example', { keyId: 'k', publicKey })),
    });
    const weakToken = tokenOf({ keyId: 'k', ...weak }, 'RS256');
    expect(refusal(weakToken, trusting(weak.publicKey))).toBe('key-mismatch');
    expect(refusal(tokenOf({ ...rs256, keyId: 'k' }, 'RS256'), trusting(exponent))).toBe('key-mismatch');
    expect(refusal(tokenOf({ keyId: 'k', ...pss }, 'PS256'), trusting(pss.publicKey))).toBe('key-mismatch');
  });
});

describe('verifyJwtSvid and ECDSA signatures', () => {
  const ORDERS: ReadonlyMap<string, bigint> = new Map([
    ['ES256', BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')],
    [
      'ES512',
      BigInt(
        '0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
      ),
    ],
  ]);
  const octetsOf = (value: bigint, length: number): Buffer =>
    Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
  const numberOf = (octets: Buffer): bigint => BigInt(`0x${octets.toString('hex')}`);
  const split = (value: string): readonly [string, Buffer] => [
    value.split('.').slice(0, 2).join('.'),
    Buffer.from(value.split('.')[2] ?? '', 'base64url'),
  ];
  const join = (input: string, signature: Buffer): string => `${input}.${signature.toString('base64url')}`;

  it.each(['ES256', 'ES384', 'ES512'] as const)(
    'JW-139 refuses zeros, and numbers outside the order, under %s',
    (alg) => {
      const key = keys.get(alg) ?? es256;
      const [input, signature] = split(tokenOf(key, alg));
      const half = signature.length / 2;
      const [r, s] = [signature.subarray(0, half), signature.subarray(half)];
      const zero = Buffer.alloc(half);
      const full = Buffer.alloc(half, 0xff);
      for (const [left, right] of [
        [zero, zero],
        [r, zero],
        [zero, s],
        [full, s],
        [r, full],
        [s, r],
      ] as const) {
        expect(refusal(join(input, Buffer.concat([left, right])))).toBe('signature-invalid');
      }
      const order = ORDERS.get(alg);
      if (order === undefined) return;
      const beyond = numberOf(s) + order;
      if (beyond >> BigInt(8 * half) !== 0n) return;
      expect(refusal(join(input, Buffer.concat([r, octetsOf(beyond, half)])))).toBe('signature-invalid');
    },
  );

  it('JW-139 verifies both S and order - S: RFC 7518 asks for neither half', () => {
    const [input, signature] = split(token());
    const s = (ORDERS.get('ES256') ?? 0n) - numberOf(signature.subarray(32));
    expect(refusal(join(input, Buffer.concat([signature.subarray(0, 32), octetsOf(s, 32)])))).toBe('accepted');
  });

  it('JW-139 refuses a signature in DER, with zeros before or behind it, cut, or empty', () => {
    const [input, signature] = split(token());
    const der = sign('sha256', Buffer.from(input), es256.privateKey);
    const long = Buffer.concat([Buffer.of(0), signature.subarray(0, 32), Buffer.of(0), signature.subarray(32)]);
    const others = [der, long, Buffer.concat([signature, Buffer.of(0)]), signature.subarray(0, 63), Buffer.alloc(0)];
    for (const other of others) expect(refusal(join(input, other))).toBe('signature-invalid');
  });

  it('JW-139 verifies P-521 with numbers that begin with zeros, and only in their full length', () => {
    const key = keys.get('ES512') ?? es256;
    // The first octet is zero or one; that both begin with a whole zero octet takes a few attempts.
    for (;;) {
      const [input, signature] = split(tokenOf(key, 'ES512'));
      if (signature[0] !== 0 || signature[66] !== 0) continue;
      expect(refusal(join(input, signature))).toBe('accepted');
      const short = Buffer.concat([signature.subarray(1, 66), signature.subarray(67)]);
      expect(refusal(join(input, short))).toBe('signature-invalid');
      return;
    }
  });
});

describe('verifyJwtSvid refuses headers', () => {
  it.each([
    'jku',
    'x5u',
    'jwk',
    'x5c',
    'x5t',
    'x5t#S256',
    'crit',
    'b64',
    'cty',
    'zip',
    'enc',
    'nonce',
    'iss',
    'ALG',
    '__proto__',
  ])('JW-135 refuses the header %s', (name) => {
    const header = JSON.stringify({ alg: 'ES256', kid: 'current', typ: 'JWT' }).slice(0, -1);
    for (const value of [
      '"x"',
      '[]',
      '["exp"]',
      'true',
      'null',
      JSON.stringify(es256.publicKey.export({ format: 'jwk' })),
    ]) {
      expect(headerRefusal(`${header},${JSON.stringify(name)}:${value}}`)).toBe('unexpected-header');
    }
  });

  it.each(['wit+jwt', 'at+jwt', 'jwt', 'Jwt', 'jose', 'JWT ', 'application/jwt', 'JWS', ''])(
    'JW-136 refuses the type %j',
    (typ) => {
      expect(headerRefusal({ typ })).toBe('token-type');
    },
  );

  it.each([{ alg: 5 }, { alg: ['ES256'] }, { typ: null }, { typ: ['JWT'] }, { kid: 1 }, { kid: null }, { kid: {} }])(
    'refuses a header of another type: %j',
    (header) => {
      expect(headerRefusal(header)).toBe('malformed-header');
    },
  );

  it.each([
    '',
    '[]',
    '"x"',
    '{"alg":"ES256","kid":"current"',
    '{"alg":"ES256","kid":"current"}x',
    '{"alg":"none","kid":"current","alg":"ES256"}',
    '{"alg":"ES256","kid":"current","\\u0061lg":"ES256"}',
    '\ufeff{"alg":"ES256","kid":"current"}',
    "{'alg':'ES256'}",
  ])('refuses a header that is no JSON object of distinct names: %j', (header) => {
    expect(headerRefusal(header)).toBe('malformed-header');
  });
});

describe('verifyJwtSvid chooses the key', () => {
  it('JW-137 looks in the bundle of the trust domain of sub alone', () => {
    const key = { ...signingKey('ES256'), keyId: 'only-in-b' };
    expect(refusal(tokenOf(key, 'ES256'))).toBe('unknown-key');
    // The same kid in both bundles: it is the subject's that counts.
    expect(refusal(tokenOf(foreign, 'ES256'))).toBe('signature-invalid');
    expect(refusal(token({ claims: { sub: 'spiffe://b.example/x' } }))).toBe('signature-invalid');
    expect(refusal(token({ claims: { sub: 'spiffe://c.example/x' } }))).toBe('unknown-trust-domain');
  });

  it.each(['../../etc/passwd', '__proto__', 'constructor', 'CURRENT', 'current ', '*', '\u0000', "' OR 1=1 --", 'ü'])(
    'JW-137 takes the kid %j for a name and nothing else',
    (kid) => {
      expect(headerRefusal({ kid })).toBe('unknown-key');
    },
  );

  it('JW-137 refuses a token without kid, also where the bundle has one key only', () => {
    const trusting = { bundles: bundlesOf(jwtBundle('ai.example', es256)) };
    for (const kid of [undefined, '']) expect(refusal(token({ header: { kid } }), trusting)).toBe('no-key-id');
  });

  it('JW-138 verifies with no key that was published for something else', () => {
    const authority = selfSigned();
    const { keyId, privateKey } = { keyId: 'current', privateKey: authority.keys.privateKey };
    const value = tokenOf({ keyId, privateKey, publicKey: authority.keys.publicKey }, 'ES256');
    const jwk = { ...authority.keys.publicKey.export({ format: 'jwk' }), kid: keyId };
    const verdict = (changes: object): string => {
      const document = Buffer.from(JSON.stringify({ keys: [{ ...jwk, ...changes }] }));
      const { bundle } = parseBundleDocument(parseTrustDomain('ai.example'), document, 'bundle');
      return refusal(value, { bundles: bundlesOf(bundle) });
    };
    expect(verdict({ use: 'x509-svid', x5c: [authority.der.toString('base64')] })).toBe('unknown-key');
    expect(verdict({})).toBe('unknown-key');
    expect(verdict({ use: 'sig' })).toBe('unknown-key');
    expect(verdict({ use: 'jwt-svid' })).toBe('accepted');
  });

  it('CE-48 refuses every token of a trust domain that has revoked its keys', () => {
    const { bundle } = parseBundleDocument(parseTrustDomain('ai.example'), Buffer.from('{"keys":[]}'), 'bundle');
    expect(refusal(token(), { bundles: bundlesOf(bundle) })).toBe('unknown-key');
    expect(refused(token(), { bundles: bundlesOf(bundle) })?.message).toContain('no JWT keys at all');
  });

  it('JW-151 accepts an old key until it is taken from the bundle, and no longer', () => {
    const next = signingKey('ES256', 'next');
    const both = { bundles: bundlesOf(jwtBundle('ai.example', es256, next)) };
    const after = { bundles: bundlesOf(jwtBundle('ai.example', next)) };
    const fresh = tokenOf(next, 'ES256');
    expect([refusal(token(), both), refusal(fresh, both)]).toEqual(['accepted', 'accepted']);
    expect([refusal(token(), after), refusal(fresh, after)]).toEqual(['unknown-key', 'accepted']);
  });

  it('JW-151 answers unknown key IDs from what it has: it asks for each once and for nothing else', () => {
    const asked: string[] = [];
    const bundle = jwtBundle('ai.example', es256);
    const jwtAuthorities = new (class extends Map<string, never> {
      override get(keyId: string): undefined {
        asked.push(keyId);
        return undefined;
      }
    })();
    const trusting = { bundles: bundlesOf({ ...bundle, jwtAuthorities }) };
    const kids = Array.from({ length: 100 }, (_, index) => `flood-${index}`);
    for (const kid of kids) expect(refusal(token({ header: { kid } }), trusting)).toBe('unknown-key');
    expect(asked).toEqual(kids);
  });
});

describe('verifyJwtSvid refuses subjects', () => {
  it.each([
    undefined,
    null,
    5,
    [SUBJECT],
    '',
    'alice',
    'ai.example/x',
    'spiffe://ai.example',
    'spiffe://ai.example/',
    'spiffe:///x',
    'SPIFFE://ai.example/x',
    'spiffe://AI.example/x',
    'spiffe://ai.example/../x',
    'spiffe://ai.example/x?y',
    'spiffe://ai.example/x ',
    ' spiffe://ai.example/x',
    'spiffe://ai.example/x\u0000',
    'spiffe://ai.example/ü',
    'https://ai.example/x',
    `spiffe://ai.example/${'x'.repeat(3000)}`,
  ])('%j', (sub) => {
    expect(claimsRefusal({ sub })).toBe('subject');
  });
});

describe('verifyJwtSvid refuses audiences', () => {
  it.each([
    ['missing', undefined],
    ['null', null],
    ['an empty array', []],
    ['an empty string', ''],
    ['an empty string among others', [AUDIENCE, '']],
    ['a number', 5],
    ['a number among others', [AUDIENCE, 5]],
    ['an object', { 0: AUDIENCE }],
    ['arrays in an array', [[AUDIENCE]]],
  ])('JW-140 refuses an audience that is %s', (_name, aud) => {
    expect(claimsRefusal({ aud }, { maxAudiences: 16 })).toBe('audience-missing');
  });

  it.each([
    AUDIENCE.slice(0, -1),
    `${AUDIENCE}/`,
    `${AUDIENCE}2`,
    AUDIENCE.toUpperCase(),
    'SPIFFE://ai.example/registry',
    'spiffe://ai.example:443/registry',
    'spiffe://ai.example/./registry',
    'spiffe://ai.example/%72egistry',
    'spiffe://ai.example',
    ` ${AUDIENCE}`,
    `${AUDIENCE}\n`,
    `${AUDIENCE},other`,
    '*',
    'registry',
    'ｒegistry',
  ])('JW-140 takes for ours no audience but ours: %j', (aud) => {
    expect(claimsRefusal({ aud })).toBe('wrong-audience');
    expect(claimsRefusal({ aud: [aud] })).toBe('wrong-audience');
  });

  it('JW-140 refuses more audiences than accepted, ours among them or one and the same', () => {
    expect(claimsRefusal({ aud: [AUDIENCE, 'other'] })).toBe('too-many-audiences');
    expect(claimsRefusal({ aud: [AUDIENCE, AUDIENCE] })).toBe('too-many-audiences');
    expect(claimsRefusal({ aud: [AUDIENCE, 'other'] }, { maxAudiences: 2 })).toBe('accepted');
    expect(claimsRefusal({ aud: [AUDIENCE, 'b', 'c'] }, { maxAudiences: 2 })).toBe('too-many-audiences');
    expect(claimsRefusal({ aud: ['a', 'b'] }, { maxAudiences: 2 })).toBe('wrong-audience');
  });

  it('JW-140 refuses every token where no audience is ours', () => {
    expect(refusal(token(), { audiences: [] })).toBe('wrong-audience');
    expect(claimsRefusal({ aud: '' }, { audiences: [''] })).toBe('audience-missing');
  });
});

describe('verifyJwtSvid refuses times', () => {
  const withNumber = (name: string, text: string): string =>
    JSON.stringify({ sub: SUBJECT, aud: AUDIENCE, exp: NOW + 300, [name]: '@' }).replace('"@"', text);

  it.each(['exp', 'nbf', 'iat'])('JW-141 refuses %s that is not a plain number of seconds', (name) => {
    const texts = [
      `"${NOW + 300}"`,
      'null',
      'true',
      '[1]',
      '{}',
      '1e400',
      '-1e400',
      '1.9e9',
      '19e8',
      '1E3',
      '-1',
      '-0',
      '-0.5',
      `${NOW}.0`,
      `${NOW + 300}.5`,
    ];
    for (const text of [...texts, '253402300800', '9007199254740993', `1${'0'.repeat(400)}`]) {
      expect(claimsRefusal(withNumber(name, text))).toBe('time-claim');
    }
  });

  it('JW-141 refuses a token without exp', () => {
    expect(claimsRefusal({ exp: undefined })).toBe('time-claim');
  });

  it('JW-141 refuses a token from the instant of exp on, without leeway', () => {
    const value = token({ claims: { exp: NOW + 5 } });
    expect(refusal(value, { nowMs: NOW_MS + 4999 })).toBe('accepted');
    expect(refusal(value, { nowMs: NOW_MS + 5000 })).toBe('expired');
    expect(refusal(value, { nowMs: Number.MAX_SAFE_INTEGER })).toBe('expired');
    expect(claimsRefusal({ exp: 0, iat: undefined })).toBe('expired');
    expect(claimsRefusal({ exp: 253_402_300_799 })).toBe('accepted');
  });

  it('JW-141 refuses a token before nbf, without leeway', () => {
    const value = token({ claims: { nbf: NOW + 5 } });
    expect(refusal(value, { nowMs: NOW_MS + 4999 })).toBe('not-yet-valid');
    expect(refusal(value, { nowMs: NOW_MS + 5000 })).toBe('accepted');
  });

  it('JW-141 refuses a token issued in the future, but for what clocks differ by', () => {
    const value = token({ claims: { iat: NOW + 65 } });
    expect(refusal(value, { nowMs: NOW_MS + 4999 })).toBe('issued-in-future');
    expect(refusal(value, { nowMs: NOW_MS + 5000 })).toBe('accepted');
  });

  it('JW-141 accepts at no time that is none', () => {
    const claims = { nbf: undefined, iat: undefined };
    expect(refusal(token({ claims }), { nowMs: Number.NaN })).toBe('expired');
    expect(refusal(token(), { nowMs: -Infinity })).toBe('issued-in-future');
  });
});

describe('verifyJwtSvid refuses claims', () => {
  it.each(['sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'whatever', '__proto__'])('JW-142 refuses %s twice', (name) => {
    const usual = JSON.stringify({ sub: SUBJECT, aud: AUDIENCE, exp: NOW + 300 }).slice(0, -1);
    const values = new Map([
      ['sub', `"${SUBJECT}"`],
      ['aud', `"${AUDIENCE}"`],
    ]);
    const value = values.get(name) ?? `${NOW - 1}`;
    const again = `,${JSON.stringify(name)}:${value}`;
    const claims = usual.includes(`"${name}":`) ? `${usual}${again}}` : `${usual}${again}${again}}`;
    const error = refused(token({ claims }));
    expect(error).toMatchObject({ code: 'malformed-claims', cause: expect.any(JsonError) });
    expect(error?.cause).toHaveProperty('code', 'json-duplicate-name');
    const escaped = again.replace(`"${name}"`, `"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}"`);
    expect(claimsRefusal(`${usual}${again}${escaped}}`)).toBe('malformed-claims');
  });

  it.each(['', 'null', '[]', '"x"', '5', '{', '{"a":1,}', '{}{}', '\ufeff{}', '{"a":"\\ud800"}', '[[[[{'])(
    'refuses claims that are no JSON object: %j',
    (claims) => {
      expect(claimsRefusal(claims)).toBe('malformed-claims');
    },
  );

  it('refuses claims that are not UTF-8', () => {
    const [header] = token().split('.');
    const claims = Buffer.concat([Buffer.from('{"sub":"'), Buffer.of(0xff), Buffer.from('"}')]).toString('base64url');
    const signature = signatureOf(es256.privateKey, 'ES256', `${header}.${claims}`).toString('base64url');
    expect(refusal(`${header}.${claims}.${signature}`)).toBe('malformed-claims');
  });

  it('refuses a jti that is no string', () => {
    for (const jti of [5, null, ['a'], {}]) expect(claimsRefusal({ jti })).toBe('malformed-claims');
  });
});

describe('verifyJwtSvid refuses forms', () => {
  const [header = '', claims = '', signature = ''] = token().split('.');

  it.each([
    ['nothing', ''],
    ['one part', header],
    ['two parts', `${header}.${claims}`],
    ['four parts', `${header}.${claims}.${signature}.`],
    ['five parts, as an encrypted token has', `${header}.a.${claims}.${signature}.b`],
    ['a dot before it', `.${header}.${claims}.${signature}`],
    ['flattened JSON', JSON.stringify({ protected: header, payload: claims, signature })],
    ['general JSON', JSON.stringify({ payload: claims, signatures: [{ protected: header, signature }] })],
  ])('JW-143 %s', (_name, value) => {
    expect(refusal(value)).toBe('not-compact');
  });

  it.each([
    ['padding', `${header}.${claims}.${signature}==`],
    ['padding of the header', `${header}=.${claims}.${signature}`],
    ['a space before it', ` ${header}.${claims}.${signature}`],
    ['a space behind it', `${header}.${claims}.${signature} `],
    ['a line end behind it', `${header}.${claims}.${signature}\n`],
    ['a line end inside', `${header}.${claims.slice(0, 4)}\n${claims.slice(4)}.${signature}`],
    ['a comma', `${header}.${claims}.${signature},`],
    ['standard base64', `${header}.${claims}.${signature.slice(0, -1)}+`],
    ['a character beyond ASCII', `${header}.${claims}.${signature.slice(0, -1)}Ａ`],
    ['a NUL', `${header}.${claims}.${signature}\0`],
    ['a scheme before it', `Bearer ${header}.${claims}.${signature}`],
    ['one character too many', `${header}.${claims}.${signature}AAA`],
  ])('JW-143 %s', (_name, value) => {
    expect(refusal(value)).toBe('not-base64url');
  });

  it('JW-143 spare bits that are not zero', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(signature.slice(-1));
    const accepted = Array.from(alphabet).filter((character) => {
      return refusal(`${header}.${claims}.${signature.slice(0, -1)}${character}`) !== 'not-base64url';
    });
    expect(accepted).toHaveLength(4);
    expect(accepted).toContain(alphabet[last]);
  });

  it('JW-143 more than 16 KiB, whatever is in it, before anything is read', () => {
    const padded = (length: number): string => token({ claims: { pad: 'x'.repeat(length) } });
    const room = 16_384 - padded(0).length;
    const nearby = Array.from({ length: 8 }, (_, index) => padded(Math.floor(room * 0.75) - 4 + index));
    expect(nearby.map((value) => value.length)).toEqual(expect.arrayContaining([16_384, 16_386]));
    for (const value of nearby) expect(refusal(value)).toBe(value.length > 16_384 ? 'token-too-large' : 'accepted');
    expect(refusal('.'.repeat(1_000_000))).toBe('token-too-large');
  });

  it('JW-143 compressed claims', () => {
    expect(headerRefusal({ zip: 'DEF' })).toBe('unexpected-header');
  });
});

describe('verifyJwtSvid under fuzzing', () => {
  const valid = ALGORITHMS.map((algorithm) => tokenOf(keys.get(algorithm) ?? es256, algorithm));

  it('verifies no random text and throws nothing but JwtSvidError', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map(base64url),
      fc.json({ maxDepth: 2 }).map(base64url),
      fc.constantFrom(...valid.flatMap((value) => value.split('.'))),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const value = parts.join('.');
        if (!valid.includes(value)) expect(refused(value)).toBeInstanceOf(JwtSvidError);
      }),
      { numRuns: 1000 },
    );
  });

  it('verifies no token that was changed in a single place', () => {
    const change = fc.record({
      token: fc.constantFrom(...valid),
      at: fc.nat(),
      remove: fc.nat(2),
      insert: fc.oneof(fc.string({ maxLength: 2 }), fc.constantFrom('', '.', '=', 'A', '_')),
    });
    fc.assert(
      fc.property(change, ({ token: value, at: place, remove, insert }) => {
        const index = place % value.length;
        const changed = value.slice(0, index) + insert + value.slice(index + remove);
        if (changed !== value) expect(refused(changed)).toBeInstanceOf(JwtSvidError);
      }),
      { numRuns: 1000 },
    );
  });

  it('verifies nothing with one bit of any part flipped', () => {
    fc.assert(
      fc.property(fc.constantFrom(...valid), fc.nat(2), fc.nat(), (value, which, bit) => {
        const parts = value.split('.').map((text) => Buffer.from(text, 'base64url'));
        const flipped = parts[which] ?? Buffer.alloc(1);
        const at = bit % (8 * flipped.length);
        flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7));
        const changed = parts.map((octets) => octets.toString('base64url')).join('.');
        expect(refused(changed)).toBeInstanceOf(JwtSvidError);
      }),
      { numRuns: 500 },
    );
  });
});
