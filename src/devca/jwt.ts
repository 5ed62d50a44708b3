// JWT-SVIDs for development: the signing key of one trust domain, and tokens in compact serialization from it.
// JWT-SVID.md §2, §3, §6; RFC 7518 §3

import { KeyObject, sign } from 'node:crypto';
import type { JwtAuthority } from '../spiffe/jwt-authority.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import { DevCaError } from './error.ts';
import { generateKeys, type KeyType } from './key-type.ts';
import type { Issuing } from './sign.ts';
import { requireLeafId } from './svid.ts';

/** Its public half belongs into the trust bundle of the trust domain. */
export interface DevelopmentJwtAuthority extends JwtAuthority {
  readonly trustDomain: TrustDomain;
  readonly keyType: KeyType;
  readonly privateKey: KeyObject;
}

export interface JwtSvidOrder {
  readonly id: SpiffeId;
  /** At least one. */
  readonly audiences: readonly string[];
  readonly ttlMs: number;
}

export interface IssuedJwtSvid {
  /** In compact serialization. */
  readonly token: string;
  /** `jti`: what it can be revoked by. */
  readonly tokenId: string;
  readonly expiresMs: number;
}

const ALGORITHMS: Readonly<Record<KeyType, { readonly alg: string; readonly digest: string }>> = {
  p256: { alg: 'ES256', digest: 'sha256' },
  p384: { alg: 'ES384', digest: 'sha384' },
  rsa2048: { alg: 'RS256', digest: 'sha256' },
};
const RANDOM_ID_BYTES = 16;

/** A new key with a random key ID. */
export async function createJwtAuthority(
  request: { readonly trustDomain: TrustDomain; readonly keyType: KeyType },
  { crypto }: Pick<Issuing, 'crypto'>,
): Promise<DevelopmentJwtAuthority> {
  const { privateKey, publicKey } = await generateKeys(request.keyType, crypto);
  return {
    ...request,
    keyId: randomId(crypto),
    privateKey: KeyObject.from(privateKey),
    publicKey: KeyObject.from(publicKey),
  };
}

/**
 * Issues at `issuing.nowMs`; its times are whole seconds, so that it ends up to a second before its lifetime does.
 * @throws {DevCaError} `id-without-path`, `foreign-trust-domain`, `no-audience`
 */
export function issueJwtSvid(authority: DevelopmentJwtAuthority, order: JwtSvidOrder, issuing: Issuing): IssuedJwtSvid {
  const { id, audiences, ttlMs } = order;
  requireLeafId(authority, id);
  // JWT-SVID.md §3.2
  if (audiences.length === 0) throw new DevCaError('no-audience', 'a JWT-SVID is for one audience at least');
  const { alg, digest } = ALGORITHMS[authority.keyType];
  const expires = Math.floor((issuing.nowMs + ttlMs) / 1000);
  const tokenId = randomId(issuing.crypto);
  // Not backdated as certificates are: the time of issue is told as it was.
  const issued = Math.floor(issuing.nowMs / 1000);
  const signed = [
    encodeJson({ alg, kid: authority.keyId, typ: 'JWT' }),
    encodeJson({ sub: id, aud: audiences, exp: expires, iat: issued, jti: tokenId }),
  ].join('.');
  // RFC 7518 §3.4: the two integers one after the other, not in DER.
  const key = { key: authority.privateKey, dsaEncoding: 'ieee-p1363' } as const;
  const signature = sign(digest, Buffer.from(signed), key).toString('base64url');
  return { token: `${signed}.${signature}`, tokenId, expiresMs: expires * 1000 };
}

function encodeJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function randomId(crypto: Issuing['crypto']): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(RANDOM_ID_BYTES))).toString('base64url');
}
