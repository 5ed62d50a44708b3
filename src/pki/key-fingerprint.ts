// The name of a public key wherever people have to write one: the SHA-256 of its SubjectPublicKeyInfo.

import { hash } from 'node:crypto';
import type { SubjectPublicKey } from './public-key.ts';

const fingerprints = new WeakMap<SubjectPublicKey, string>();

/** In lower-case hex, as `openssl pkey -pubin -outform DER | sha256sum` prints it; computed once per key. */
export function spkiSha256(key: SubjectPublicKey): string {
  const existing = fingerprints.get(key);
  if (existing !== undefined) return existing;
  const fingerprint = hash('sha256', key.der, 'hex');
  fingerprints.set(key, fingerprint);
  return fingerprint;
}
