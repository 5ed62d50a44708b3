// Tokens for tests, right by default and wrong wherever a test says so; made with node:crypto, so that nothing refuses to sign them.

import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { JwtAuthority } from '../../src/spiffe/jwt-authority.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundle } from '../../src/spiffe/trust-bundle.ts';

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface TokenSpec {
  /** Replaces members of the header; undefined leaves one out. Text is taken as it is. */
  readonly header?: Readonly<Record<string, unknown>> | string;
  /** The same for the claims. */
  readonly claims?: Readonly<Record<string, unknown>> | string;
  /** How it is signed, whatever the header says. */
  readonly signAs?: string;
}

export const NOW_MS = Date.UTC(2030, 0, 1);
export const NOW = NOW_MS / 1000;
export const SUBJECT = 'spiffe://ai.example/training/job';
export const AUDIENCE = 'spiffe://ai.example/registry';

export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'] as const;

const CURVES: ReadonlyMap<string, string> = new Map([
  ['ES256', 'P-256'],
  ['ES384', 'P-384'],
  ['ES512', 'P-521'],
]);
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** RSA keys are one and the same, under whatever key ID. */
export function signingKey(algorithm: string, keyId = algorithm): SigningKey {
  const namedCurve = CURVES.get(algorithm);
  return { keyId, ...(namedCurve === undefined ? rsa : generateKeyPairSync('ec', { namedCurve })) };
}

/** Signs in the name of `key` what JWT-SVID.md asks for, or what `spec` says. */
export function tokenOf(key: SigningKey, algorithm: string, spec: TokenSpec = {}): string {
  const header = textOf({ alg: algorithm, kid: key.keyId, typ: 'JWT' }, spec.header);
  const claims = textOf({ sub: SUBJECT, aud: [AUDIENCE], exp: NOW + 300, iat: NOW - 10 }, spec.claims);
  const input = `${base64url(header)}.${base64url(claims)}`;
  return `${input}.${signatureOf(key.privateKey, spec.signAs ?? algorithm, input).toString('base64url')}`;
}

export function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

export function signatureOf(key: KeyObject, algorithm: string, input: string): Buffer {
  const hash = `sha${algorithm.slice(2)}`;
  const bytes = Buffer.from(input);
  switch (algorithm.slice(0, 2)) {
    case 'ES':
      return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' });
    case 'PS': {
      const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
      return sign(hash, bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
    }
    default:
      return sign(hash, bytes, key);
  }
}

/** What is signed by whoever takes a public key for a shared secret. */
export function hmacToken(key: SigningKey, secret: string | Buffer): string {
  const [header, claims] = tokenOf(key, 'ES256', { header: { alg: 'HS256' } }).split('.');
  const signature = createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url');
  return `${header}.${claims}.${signature}`;
}

/** A bundle with JWT authorities and nothing else. */
export function jwtBundle(
  trustDomain: string,
  ...keys: readonly Pick<SigningKey, 'keyId' | 'publicKey'>[]
): TrustBundle {
  const jwtAuthorities = new Map<string, JwtAuthority>(
    keys.map(({ keyId, publicKey }) => [keyId, { keyId, publicKey }]),
  );
  return { trustDomain: parseTrustDomain(trustDomain), authorities: [], jwtAuthorities };
}

function textOf(usual: Readonly<Record<string, unknown>>, changes: TokenSpec['header'] = {}): string {
  return typeof changes === 'string' ? changes : JSON.stringify({ ...usual, ...changes });
}
