// SPIFFE bundle documents and JWT bundles: what counts, what is left out, what refuses the whole document, and the way back.

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import * as fc from 'fast-check';
import { exportJWK, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { JsonError } from '../../src/json/json-error.ts';
import {
  type BundleDocument,
  BundleDocumentError,
  formatBundleDocument,
  parseBundleDocument,
  parseJwtBundle,
} from '../../src/spiffe/bundle-document.ts';
import type { JwtAuthority } from '../../src/spiffe/jwt-authority.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundleDer, TrustBundleError } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { X509SvidError } from '../../src/spiffe/x509-svid-error.ts';
import { issueSvid, type KeyKind, selfSigned, type TestCertificate } from '../support/certificate-builder.ts';

const AI = parseTrustDomain('ai.example');
const ORIGIN = 'bundle.json';
const [one, two] = [selfSigned(), selfSigned({ keys: 'RSA-2048' })];

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const ecKey = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).publicKey;
const rsaKey = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey;
const P256 = ecKey('P-256');
const [RSA2048, RSA1024] = [rsaKey(2048), rsaKey(1024)];

type Members = Readonly<Record<string, unknown>>;
const jwkOf = (key: KeyObject): Members => ({ ...key.export({ format: 'jwk' }) });
const x509 = (certificate: TestCertificate, changes: Members = {}): Members => ({
  ...jwkOf(certificate.keys.publicKey),
  use: 'x509-svid',
  x5c: [certificate.der.toString('base64')],
  ...changes,
});
const jwt = (key: KeyObject, kid: string, changes: Members = {}): Members => ({
  ...jwkOf(key),
  use: 'jwt-svid',
  kid,
  ...changes,
});
const without = (members: Members, ...names: readonly string[]): Members =>
  Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));

const parseText = (text: string): BundleDocument => parseBundleDocument(AI, Buffer.from(text), ORIGIN);
const parse = (keys: readonly unknown[], more: Members = {}): BundleDocument =>
  parseText(JSON.stringify({ keys, ...more }));
const authoritiesOf = ({ bundle }: BundleDocument): readonly string[] => bundle.authorities.map(({ sha256 }) => sha256);
const keyIdsOf = ({ bundle }: BundleDocument): readonly string[] => [...bundle.jwtAuthorities.keys()];

function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (!(error instanceof BundleDocumentError)) throw error;
    expect(error.message.startsWith(ORIGIN)).toBe(true);
    return `${error.code} ${error.message}`;
  }
  return 'accepted';
}
const refusal = (text: string): string => refusalOf(() => parseText(text));
const keyRefusal = (...keys: readonly unknown[]): string => refusalOf(() => parse(keys));

describe('parseBundleDocument', () => {
  it('reads X.509 and JWT authorities, each by its use', () => {
    const document = parse([x509(one), jwt(P256, 'a'), x509(two), jwt(RSA2048, 'b')], {
      spiffe_sequence: 7,
      spiffe_refresh_hint: 300,
    });
    expect(document.bundle.trustDomain).toBe(AI);
    expect(authoritiesOf(document)).toEqual([one.sha256, two.sha256]);
    expect(keyIdsOf(document)).toEqual(['a', 'b']);
    expect(document.bundle.jwtAuthorities.get('a')).toMatchObject({ keyId: 'a' });
    expect(document.bundle.jwtAuthorities.get('a')?.publicKey.equals(P256)).toBe(true);
    expect(document.bundle.jwtAuthorities.get('b')?.publicKey.equals(RSA2048)).toBe(true);
    expect(document).toMatchObject({ sequence: 7n, refreshHintMs: 300_000 });
  });

  it('gives the authorities that the same certificates in DER give', () => {
    const der = parseTrustBundleDer(AI, Buffer.concat([one.der, two.der]), 'der');
    expect(parse([x509(one), x509(two), x509(one)]).bundle).toEqual(der);
  });

  it('takes a document without sequence and refresh hint, and with members nobody has heard of', () => {
    const document = parse([], { spiffe_future: { deep: [[1]] }, __proto_: 1 });
    expect(document).toMatchObject({ sequence: null, refreshHintMs: null });
  });

  it.each([
    ['0', 0n],
    ['9007199254740993', 9007199254740993n],
    ['9223372036854775807', 2n ** 63n - 1n],
  ])('WA-163 keeps every digit of the sequence %s', (text, sequence) => {
    expect(parseText(`{"keys":[],"spiffe_sequence":${text}}`).sequence).toBe(sequence);
  });

  it.each([
    ['0', 0],
    ['1', 1000],
    ['1000000000000', 1e15],
    ['9007199254740', 9_007_199_254_740_000],
    ['9007199254741', Number.MAX_SAFE_INTEGER],
    [`1${'0'.repeat(400)}`, Number.MAX_SAFE_INTEGER],
  ])('WA-163 gives the refresh hint %s as it is, at most the largest safe number', (text, hint) => {
    expect(parseText(`{"keys":[],"spiffe_refresh_hint":${text}}`).refreshHintMs).toBe(hint);
  });

  it('CE-48 takes an empty key set: the trust domain has revoked everything', () => {
    const { bundle } = parse([]);
    expect(bundle).toEqual({ trustDomain: AI, authorities: [], jwtAuthorities: new Map() });
    const leaf = issueSvid(one, 'spiffe://ai.example/x');
    const verify = (document: BundleDocument): unknown =>
      verifyX509Svid([leaf.der], new Map([[AI, document.bundle]]), Date.now());
    expect(verify(parse([x509(one)]))).toMatchObject({ id: 'spiffe://ai.example/x' });
    expect(() => verify(parse([]))).toThrow(X509SvidError);
  });

  it.each<readonly [string, Members]>([
    ['an unknown use', x509(one, { use: 'wit-svid' })],
    ['a use in other letters', x509(one, { use: 'X509-SVID' })],
    ['the use of plain JWK', jwt(P256, 'a', { use: 'sig' })],
    ['no use', without(x509(one), 'use')],
    ['no use, as a JWT key', without(jwt(P256, 'a'), 'use')],
    ['an unknown key type', x509(one, { kty: 'LATTICE' })],
    ['a key type in other letters', jwt(P256, 'a', { kty: 'ec' })],
    ['no key type', without(x509(one), 'kty')],
    ['no key type, as a JWT key', without(jwt(P256, 'a'), 'kty')],
    ['a symmetric key', { kty: 'oct', use: 'jwt-svid', kid: 'a', k: 'AAAA' }],
    ['no x5c', without(x509(one), 'x5c')],
    ['an empty x5c', x509(one, { x5c: [] })],
    ['no kid', without(jwt(P256, 'a'), 'kid')],
    ['an empty kid', jwt(P256, '')],
    ['a use of its own and members of other types', { use: 'next-svid', kty: 5, kid: [], x5c: 'no', d: 1 }],
  ])('leaves out a key with %s', (_name, key) => {
    const document = parse([key, x509(two), jwt(RSA2048, 'kept')]);
    expect(authoritiesOf(document)).toEqual([two.sha256]);
    expect(keyIdsOf(document)).toEqual(['kept']);
  });

  it.each<readonly [string, KeyObject]>([
    ['RSA of 1024 bits', RSA1024],
    ['RSA with the exponent 1', rsaWithExponent('AQ')],
    ['EC on secp256k1', ecKey('secp256k1')],
    ['Ed25519', generateKeyPairSync('ed25519').publicKey],
    ['X25519', generateKeyPairSync('x25519').publicKey],
  ])('leaves out a JWT key of kind %s', (_name, key) => {
    expect(keyIdsOf(parse([jwt(key, 'weak'), jwt(P256, 'kept')]))).toEqual(['kept']);
  });

  it.each(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'Ed25519', 'RSA-PSS-2048'] as const)(
    'takes an X.509 authority with a key of kind %s',
    (keys) => {
      const authority = selfSigned({ keys });
      const members = keys === 'RSA-PSS-2048' ? { kty: 'RSA' } : jwkOf(authority.keys.publicKey);
      const entry = { ...members, use: 'x509-svid', x5c: [authority.der.toString('base64')] };
      expect(authoritiesOf(parse([entry]))).toEqual([authority.sha256]);
    },
  );

  it('takes the first certificate of x5c, whatever follows it (X509-SVID.md §6.2)', () => {
    const x5c = [one.der.toString('base64'), two.der.toString('base64'), 'no certificate', 5];
    expect(authoritiesOf(parse([x509(one, { x5c })]))).toEqual([one.sha256]);
  });

  it('takes an authority whose key has no members beside kty, and one with a kid', () => {
    const bare = { kty: 'EC', use: 'x509-svid', kid: 'x', x5c: [one.der.toString('base64')] };
    expect(authoritiesOf(parse([bare]))).toEqual([one.sha256]);
  });

  it('JW-138 makes no JWT key of an X.509 authority, and no X.509 authority of a JWT key', () => {
    const document = parse([x509(one, { kid: 'a' }), jwt(P256, 'b', { x5c: [two.der.toString('base64')] })]);
    expect(keyIdsOf(document)).toEqual(['b']);
    expect(authoritiesOf(document)).toEqual([one.sha256]);
  });

  it('keeps a key ID as it is, however it is spelt', () => {
    const names = ['__proto__', 'constructor', '../../etc/passwd', '1', ' ', 'Ä'];
    expect(keyIdsOf(parse(names.map((kid) => jwt(P256, kid))))).toEqual(names);
  });
});

describe('parseBundleDocument refuses', () => {
  it.each([
    ['<html><body>404</body></html>', 'not-json bundle.json:1:1: '],
    ['', 'not-json bundle.json:1:1: '],
    ['{"keys":[]', 'not-json bundle.json:1:11: '],
    ['{"keys":[],"keys":[]}', 'not-json bundle.json:1:12: the name `keys` stands twice'],
    ['{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}', 'not-json bundle.json:1:32: '],
    ['[]', 'not-a-bundle bundle.json: '],
    ['{}', 'not-a-bundle bundle.json: the document has no `keys`'],
    ['{"keys":null}', 'not-a-bundle bundle.json: '],
    ['{"keys":{}}', 'not-a-bundle bundle.json: '],
    ['{"trust_domains":{}}', 'not-a-bundle bundle.json: '],
    ['{"keys":[5]}', 'malformed-key bundle.json: keys[0]: '],
    ['{"keys":[null]}', 'malformed-key bundle.json: keys[0]: '],
  ])('WA-163 what is no bundle document: %s', (text, expected) => {
    expect(refusal(text)).toContain(expected);
  });

  it('keeps the reason', () => {
    const error = (() => {
      try {
        return parseText('{"keys":[],"keys":[]}');
      } catch (cause) {
        return cause;
      }
    })();
    expect(error).toHaveProperty('cause', expect.any(JsonError));
  });

  it.each(['9223372036854775808', '18446744073709551615', '18446744073709551616', `1${'0'.repeat(5000)}`])(
    'WA-163 a sequence of 2^63 or more: %s',
    (text) => {
      expect(refusal(`{"keys":[],"spiffe_sequence":${text}}`)).toMatch(/^sequence bundle\.json: .* from 2\^63 on /);
    },
  );

  it.each(['-1', '-0', '1.0', '1.5', '1e3', '1E0'])('WA-163 a sequence that is no plain integer: %s', (text) => {
    const message = refusal(`{"keys":[],"spiffe_sequence":${text}}`);
    expect(message).toBe(
      `sequence bundle.json: \`spiffe_sequence\` is \`${text}\`; it must be an integer of 0 or more, without fraction and exponent`,
    );
  });

  it.each(['"1"', 'null', 'true', '[1]', '{}'])('a sequence and a refresh hint of another type: %s', (text) => {
    expect(refusal(`{"keys":[],"spiffe_sequence":${text}}`)).toMatch(/^sequence /);
    expect(refusal(`{"keys":[],"spiffe_refresh_hint":${text}}`)).toMatch(/^refresh-hint /);
  });

  it.each(['-1', '-0', '0.5', '1e12'])('WA-163 a refresh hint that is no plain integer: %s', (text) => {
    expect(refusal(`{"keys":[],"spiffe_refresh_hint":${text}}`)).toContain(`refresh-hint bundle.json: `);
  });

  it('two JWT keys with one kid, the same key or another', () => {
    expect(keyRefusal(jwt(P256, 'a'), jwt(RSA2048, 'a'))).toMatch(/^duplicate-key-id bundle\.json: .*`a`/);
    expect(keyRefusal(jwt(P256, 'a'), jwt(P256, 'a'))).toMatch(/^duplicate-key-id /);
    expect(keyRefusal(jwt(P256, 'a'), jwt(P256, 'a', { use: 'sig' }), x509(one, { kid: 'a' }))).toBe('accepted');
  });

  const { x = '', y = '' } = P256.export({ format: 'jwk' });
  const last = BASE64URL.charAt(BASE64URL.indexOf(x.slice(-1)) + 1);
  it.each<readonly [string, Members]>([
    ['a use that is no string', jwt(P256, 'a', { use: 1 })],
    ['a kty that is no string', jwt(P256, 'a', { kty: null })],
    ['a kid that is no string', jwt(P256, 'a', { kid: 7 })],
    ['a private key', jwt(P256, 'a', { d: 'AAAA' })],
    ['an authority and its private key', x509(one, { d: 'AAAA' })],
    ['no curve', without(jwt(P256, 'a'), 'crv')],
    ['no x', without(jwt(P256, 'a'), 'x')],
    ['a y that is no string', jwt(P256, 'a', { y: 1 })],
    ['padding', jwt(P256, 'a', { x: `${x}=` })],
    ['a short coordinate', jwt(P256, 'a', { x: x.slice(0, -2) })],
    ['a coordinate with a leading zero', jwt(P256, 'a', { x: Buffer.alloc(33).toString('base64url') })],
    ['a point that is not on the curve', jwt(P256, 'a', { x: y })],
    ['the point of another curve', jwt(P256, 'a', { crv: 'P-384' })],
    ['a number in standard base64', jwt(RSA2048, 'a', { n: Buffer.alloc(256, 0xfb).toString('base64') })],
    [
      'a modulus with a leading zero',
      jwt(RSA2048, 'a', { n: Buffer.alloc(257, 'a').fill(0, 0, 1).toString('base64url') }),
    ],
    ['no modulus', without(jwt(RSA2048, 'a'), 'n')],
    ['an empty exponent', jwt(RSA2048, 'a', { e: '' })],
    ['spare bits', jwt(P256, 'a', { x: x.slice(0, -1) + last })],
    ['an x5c that is no array', x509(one, { x5c: one.der.toString('base64') })],
    ['an x5c of other things', x509(one, { x5c: [{}] })],
    ['an x5c in base64url', x509(one, { x5c: [`_${one.der.toString('base64').slice(1)}`] })],
    ['an x5c with line ends', x509(one, { x5c: [one.der.toString('base64').replace(/.{64}/g, '$&\n')] })],
    ['another key than its certificate', x509(one, jwkOf(P256))],
    ['another key type than its certificate', { ...x509(two), kty: 'EC' }],
    ['another modulus than its certificate', x509(two, { n: jwkOf(RSA2048)['n'] })],
    ['a curve that is not that of its certificate', x509(one, { crv: 'P-384' })],
  ])('a key with %s', (_name, key) => {
    expect(keyRefusal(jwt(RSA2048, 'first'), key)).toMatch(/^malformed-key bundle\.json: keys\[1\]: /);
  });

  it.each<readonly [string, Buffer]>([
    ['bytes that are none', Buffer.from('hello')],
    ['a leaf', issueSvid(one, 'spiffe://ai.example/x').der],
    ['a certificate and more', Buffer.concat([one.der, Buffer.of(0)])],
    ['nothing', Buffer.alloc(0)],
  ])('an authority that is no certificate of one: %s', (_name, der) => {
    const key = { kty: 'EC', use: 'x509-svid', x5c: [der.toString('base64')] };
    expect(keyRefusal(key)).toMatch(/^malformed-authority bundle\.json: keys\[0\]: /);
    expect(() => parse([key])).toThrow(expect.objectContaining({ cause: expect.any(TrustBundleError) }));
  });

  it('more than 1024 keys, and a document over 4 MiB', () => {
    const keys = (count: number): readonly unknown[] => Array.from({ length: count }, () => ({}));
    expect(keyRefusal(...keys(1024))).toBe('accepted');
    expect(keyRefusal(...keys(1025))).toMatch(/^not-a-bundle bundle\.json: 1025 keys/);
    expect(refusal(`{"keys":[]}${' '.repeat(4 * 1024 * 1024)}`)).toMatch(/^not-json /);
  });

  it('without ever throwing anything else, however the document is damaged', () => {
    const whole = Buffer.from(JSON.stringify({ spiffe_sequence: 1, keys: [x509(one), jwt(RSA2048, 'a')] }));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const damaged = cut ? whole.subarray(0, at) : Buffer.from(whole);
        if (!cut) damaged[at] = byte;
        refusalOf(() => parseBundleDocument(AI, damaged, ORIGIN));
        refusalOf(() => parseJwtBundle(AI, damaged, ORIGIN));
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseJwtBundle', () => {
  const read = (text: string): ReadonlyMap<string, JwtAuthority> => parseJwtBundle(AI, Buffer.from(text), ORIGIN);
  const readKeys = (...keys: readonly unknown[]): ReadonlyMap<string, JwtAuthority> => read(JSON.stringify({ keys }));

  it('takes keys without use, as SPIRE sends them, and with the use of JWT-SVIDs', () => {
    const keys = readKeys(without(jwt(P256, 'a'), 'use'), jwt(RSA2048, 'b'));
    expect([...keys.keys()]).toEqual(['a', 'b']);
    expect(keys.get('a')?.publicKey.equals(P256)).toBe(true);
  });

  it('takes what agents in Go send for no keys, and an empty set', () => {
    expect(read('{\n    "keys": null\n}').size).toBe(0);
    expect(readKeys().size).toBe(0);
  });

  it('JW-138 leaves out keys of another use, without kid, or too weak', () => {
    const found = readKeys(
      x509(one, { kid: 'x' }),
      jwt(P256, 'sig', { use: 'sig' }),
      without(jwt(P256, ''), 'kid'),
      jwt(RSA1024, 'weak'),
    );
    expect([...found.keys()]).toEqual([]);
  });

  it.each([
    ['{}', 'not-a-bundle bundle.json: '],
    ['{"keys":false}', 'not-a-bundle bundle.json: '],
    ['', 'not-json bundle.json:1:1: '],
    ['{"keys":[{"kty":"EC","kid":"a"}]}', 'malformed-key bundle.json: keys[0]: '],
  ])('refuses %s', (text, expected) => {
    expect(refusalOf(() => read(text))).toContain(expected);
  });

  it('refuses two keys with one kid, and names the trust domain', () => {
    const message = refusalOf(() => readKeys(jwt(P256, 'a'), without(jwt(RSA2048, 'a'), 'use')));
    expect(message).toMatch(/^duplicate-key-id bundle\.json: `ai\.example`: /);
  });
});

describe('formatBundleDocument', () => {
  const authorityKinds = [
    'P-256',
    'P-384',
    'P-521',
    'RSA-2048',
    'Ed25519',
    'RSA-PSS-2048',
  ] as const satisfies readonly KeyKind[];
  const authorities = authorityKinds.map((keys) => selfSigned({ keys }));
  const jwtKeys = [P256, ecKey('P-384'), ecKey('P-521'), RSA2048];
  const documents = fc
    .record({
      authorities: fc.subarray([...authorities]),
      jwtKeys: fc.uniqueArray(fc.record({ keyId: fc.string({ minLength: 1 }), at: fc.nat(jwtKeys.length - 1) }), {
        selector: ({ keyId }) => keyId,
        maxLength: 4,
      }),
      sequence: fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
      refreshHintMs: fc.option(
        fc.oneof(
          fc.nat().map((seconds) => seconds * 1000),
          fc.constant(Number.MAX_SAFE_INTEGER),
        ),
      ),
    })
    .map(({ authorities, jwtKeys: chosen, sequence, refreshHintMs }): BundleDocument => {
      const bundle = parseBundle(authorities);
      const found = chosen.map(({ keyId, at }) => [keyId, { keyId, publicKey: jwtKeys[at] ?? P256 }] as const);
      return { bundle: { ...bundle, jwtAuthorities: new Map(found) }, sequence, refreshHintMs };
    });

  function parseBundle(chosen: readonly TestCertificate[]): BundleDocument['bundle'] {
    if (chosen.length === 0) return { trustDomain: AI, authorities: [], jwtAuthorities: new Map() };
    return parseTrustBundleDer(AI, Buffer.concat(chosen.map(({ der }) => der)), 'der');
  }

  it('is read back as what was written', () => {
    fc.assert(
      fc.property(documents, (document) => {
        expect(parseText(formatBundleDocument(document))).toEqual(document);
      }),
      { numRuns: 200 },
    );
  });

  it('writes what the specifications ask for, and the whole sequence', () => {
    const document = parse([x509(two), x509(one), jwt(P256, 'a')], { spiffe_refresh_hint: 1 });
    const text = formatBundleDocument({ ...document, sequence: 2n ** 63n - 1n, refreshHintMs: 1500 });
    expect(text).toContain('"spiffe_sequence":9223372036854775807');
    const { keys, ...members } = JSON.parse(text);
    expect(members).toMatchObject({ spiffe_refresh_hint: 2 });
    expect(keys).toEqual([x509(two), x509(one), jwt(P256, 'a')]);
    expect(JSON.parse(formatBundleDocument(parse([])))).toEqual({ keys: [] });
  });

  it('leaves out an authority that JWK has no form for: nothing it signed is accepted anyway', () => {
    const document = { bundle: parseBundle([selfSigned({ keys: 'P-192' }), one]), sequence: null, refreshHintMs: null };
    expect(authoritiesOf(parseText(formatBundleDocument(document)))).toEqual([one.sha256]);
  });

  it('means the same keys to jose, both ways', async () => {
    const pairs = [
      ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
      ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
      ['ES512', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
      ['PS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ] as const;
    for (const [algorithm, { publicKey, privateKey }] of pairs) {
      const published = { ...(await exportJWK(publicKey)), use: 'jwt-svid', kid: algorithm };
      const document = parse([published]);
      expect(document.bundle.jwtAuthorities.get(algorithm)?.publicKey.equals(publicKey)).toBe(true);
      const { keys }: { keys: readonly JWK[] } = JSON.parse(formatBundleDocument(document));
      const [key] = keys;
      const token = await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: algorithm }).sign(privateKey);
      const verified = await jwtVerify(token, await importJWK(key ?? {}, algorithm));
      expect(verified.payload).toEqual({ sub: 'x' });
    }
  });
});

function rsaWithExponent(e: string): KeyObject {
  return createPublicKey({ key: { ...RSA2048.export({ format: 'jwk' }), e }, format: 'jwk' });
}
