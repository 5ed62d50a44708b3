// The nine algorithms a JWT-SVID may be signed with, each bound to the one type of key it is for.
// JWT-SVID.md §2.1, RFC 7518 §3.3 to §3.5

import { constants, type KeyObject, verify } from 'node:crypto';
import type { JwtKeyType } from './jwt-authority.ts';

export type JwtAlgorithm =
  | { readonly scheme: 'rsa-pkcs1' | 'rsa-pss'; readonly hash: string; readonly keyType: 'RSA' }
  | { readonly scheme: 'ecdsa'; readonly hash: string; readonly keyType: Exclude<JwtKeyType, 'RSA'> };

/** By the value of `alg`, which is case-sensitive. */
export const JWT_ALGORITHMS: ReadonlyMap<string, JwtAlgorithm> = new Map([
  ['RS256', { scheme: 'rsa-pkcs1', hash: 'sha256', keyType: 'RSA' }],
  ['RS384', { scheme: 'rsa-pkcs1', hash: 'sha384', keyType: 'RSA' }],
  ['RS512', { scheme: 'rsa-pkcs1', hash: 'sha512', keyType: 'RSA' }],
  ['ES256', { scheme: 'ecdsa', hash: 'sha256', keyType: 'P-256' }],
  ['ES384', { scheme: 'ecdsa', hash: 'sha384', keyType: 'P-384' }],
  ['ES512', { scheme: 'ecdsa', hash: 'sha512', keyType: 'P-521' }],
  ['PS256', { scheme: 'rsa-pss', hash: 'sha256', keyType: 'RSA' }],
  ['PS384', { scheme: 'rsa-pss', hash: 'sha384', keyType: 'RSA' }],
  ['PS512', { scheme: 'rsa-pss', hash: 'sha512', keyType: 'RSA' }],
] satisfies (readonly [string, JwtAlgorithm])[]);

export interface SignedBytes {
  readonly signedBytes: Buffer;
  readonly signature: Buffer;
}

/** `key` has to be of the algorithm's own type. */
export function isSignedWith(
  key: KeyObject,
  algorithm: JwtAlgorithm,
  { signedBytes, signature }: SignedBytes,
): boolean {
  switch (algorithm.scheme) {
    case 'rsa-pkcs1': {
      const padding = constants.RSA_PKCS1_PADDING;
      return verify(algorithm.hash, signedBytes, { key, padding }, signature);
    }
    case 'rsa-pss': {
      // RFC 7518 §3.5: the salt is as long as the hash.
      const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
      return verify(
        algorithm.hash,
        signedBytes,
        { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength },
        signature,
      );
    }
    case 'ecdsa':
      // RFC 7518 §3.4: R and S in their full length; node:crypto takes no other length for this encoding, and so no DER.
      return verify(algorithm.hash, signedBytes, { key, dsaEncoding: 'ieee-p1363' }, signature);
  }
}
