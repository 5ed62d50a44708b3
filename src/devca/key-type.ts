// The key types the development CA makes, and the Web Crypto algorithm each of them is.

import { KeyObject, type webcrypto } from 'node:crypto';
import { quote } from '../core/quote.ts';
import { DevCaError } from './error.ts';

export const KEY_TYPES = ['p256', 'p384', 'rsa2048'] as const;

export type KeyType = (typeof KEY_TYPES)[number];

/** @throws {DevCaError} `unknown-key-type` */
export function parseKeyType(text: string): KeyType {
  for (const keyType of KEY_TYPES) if (keyType === text) return keyType;
  throw new DevCaError('unknown-key-type', `${quote(text)} is not a key type; use one of ${KEY_TYPES.join(', ')}`);
}

/** For generating, importing and signing with a key of this type; the digest is as strong as the key. */
export function algorithmOf(keyType: KeyType): webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams {
  switch (keyType) {
    case 'p256':
      return { name: 'ECDSA', namedCurve: 'P-256' };
    case 'p384':
      return { name: 'ECDSA', namedCurve: 'P-384' };
    case 'rsa2048':
      return {
        name: 'RSASSA-PKCS1-v1_5',
        hash: 'SHA-256',
        modulusLength: 2048,
        publicExponent: new Uint8Array([1, 0, 1]),
      };
  }
}

/** A pair that may leave the program: the private key is written to a file. */
export async function generateKeys(keyType: KeyType, crypto: webcrypto.Crypto): Promise<webcrypto.CryptoKeyPair> {
  const pair = await crypto.subtle.generateKey(algorithmOf(keyType), true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new TypeError(`${keyType} gave a single key`);
  return pair;
}

/** The type of a private key made elsewhere, if it is one of ours. */
export function findKeyType(privateKey: KeyObject): KeyType | undefined {
  const { namedCurve, modulusLength } = privateKey.asymmetricKeyDetails ?? {};
  if (namedCurve === 'prime256v1') return 'p256';
  if (namedCurve === 'secp384r1') return 'p384';
  return privateKey.asymmetricKeyType === 'rsa' && modulusLength === 2048 ? 'rsa2048' : undefined;
}

/** PKCS#8. */
export function toPrivateKeyPem(privateKey: webcrypto.CryptoKey): string {
  return KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
}
