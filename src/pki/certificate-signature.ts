// The one cryptographic question about what a certificate authority issues: did the key of this certificate sign that.

import { constants, verify } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { findKeyObject } from './public-key.ts';
import type { SignatureHash } from './signature-algorithm.ts';

/** A certificate or a revocation list. */
type Signed = Pick<Certificate, 'signatureAlgorithm' | 'signedBytes' | 'signature'>;

/**
 * True when the key of `issuer` made the signature of `signed`, with an algorithm that counts as proof.
 * Says nothing about the strength of the key or the right of the issuer to sign.
 */
export function isSignedBy(signed: Signed, issuer: Certificate): boolean {
  const { signatureAlgorithm: algorithm, signedBytes, signature } = signed;
  const key = findKeyObject(issuer.publicKey);
  if (key === null) return false;
  const keyKind = issuer.publicKey.algorithm.kind;
  switch (algorithm.kind) {
    case 'ecdsa':
      return keyKind === 'ec' && verify(algorithm.hash, signedBytes, { key, dsaEncoding: 'der' }, signature);
    case 'rsa-pkcs1': {
      const padding = constants.RSA_PKCS1_PADDING;
      return keyKind === 'rsa' && verify(algorithm.hash, signedBytes, { key, padding }, signature);
    }
    case 'rsa-pss': {
      if (keyKind !== 'rsa' && keyKind !== 'rsa-pss') return false;
      const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.saltBytes };
      return verifyPss(algorithm.hash, signedBytes, options, signature);
    }
    case 'ed25519':
      return keyKind === 'ed25519' && verify(null, signedBytes, key, signature);
    case 'refused':
      return false;
  }
}

/** An RSASSA-PSS key may restrict hash and salt (RFC 4055 §3.1); OpenSSL throws where a signature breaks the restriction. */
function verifyPss(
  hash: SignatureHash,
  signedBytes: Buffer,
  options: Exclude<Parameters<typeof verify>[2], string | Buffer>,
  signature: Buffer,
): boolean {
  try {
    return verify(hash, signedBytes, options, signature);
  } catch {
    return false;
  }
}
