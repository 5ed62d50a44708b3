// Which signature algorithms count as proof, and with which parameters.
// RFC 4055 §3, §5, RFC 5758 §3.2, RFC 8410 §3

import { DerError } from './der-error.ts';
import { contextTag, type DerReader, TAG } from './der-reader.ts';

export type SignatureHash = 'sha256' | 'sha384' | 'sha512';

export type SignatureAlgorithm =
  | { readonly kind: 'rsa-pkcs1' | 'ecdsa'; readonly hash: SignatureHash }
  | { readonly kind: 'rsa-pss'; readonly hash: SignatureHash; readonly saltBytes: number }
  | { readonly kind: 'ed25519' }
  /** Forgeable (MD5, SHA-1) or unknown to us: proof of nothing. */
  | { readonly kind: 'refused'; readonly name: string };

const ED25519 = '1.3.101.112';
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';

const RSA_PKCS1: ReadonlyMap<string, SignatureHash> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
]);

const ECDSA: ReadonlyMap<string, SignatureHash> = new Map([
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
]);

const HASHES: ReadonlyMap<string, SignatureHash> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);
const HASH_BYTES: Readonly<Record<SignatureHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };
const MAX_SALT_BYTES = 512;

const REFUSED_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.2', 'RSA with MD2'],
  ['1.2.840.113549.1.1.4', 'RSA with MD5'],
  ['1.2.840.113549.1.1.5', 'RSA with SHA-1'],
  ['1.2.840.113549.1.1.14', 'RSA with SHA-224'],
  ['1.2.840.10045.4.1', 'ECDSA with SHA-1'],
  ['1.2.840.10045.4.3.1', 'ECDSA with SHA-224'],
  ['1.2.840.10040.4.3', 'DSA with SHA-1'],
  ['1.3.101.113', 'Ed448'],
]);

/**
 * An AlgorithmIdentifier of any kind; of the supported kinds, with exactly the parameters their own RFC demands.
 * @throws {DerError}
 */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
  const identifier = reader.enter(TAG.sequence);
  const algorithm = readAlgorithm(identifier.readObjectIdentifier(), identifier);
  identifier.finish();
  return algorithm;
}

export function formatSignatureAlgorithm(algorithm: SignatureAlgorithm): string {
  switch (algorithm.kind) {
    case 'ecdsa':
      return `ECDSA with ${algorithm.hash.replace('sha', 'SHA-')}`;
    case 'rsa-pkcs1':
      return `RSA with ${algorithm.hash.replace('sha', 'SHA-')}`;
    case 'rsa-pss':
      return `RSA-PSS with ${algorithm.hash.replace('sha', 'SHA-')}`;
    case 'ed25519':
      return 'Ed25519';
    case 'refused':
      return algorithm.name;
  }
}

function readAlgorithm(oid: string, identifier: DerReader): SignatureAlgorithm {
  const pkcs1 = RSA_PKCS1.get(oid);
  if (pkcs1 !== undefined) {
    // RFC 4055 §5: the parameters are NULL, and not absent.
    identifier.readNull();
    return { kind: 'rsa-pkcs1', hash: pkcs1 };
  }
  const ecdsa = ECDSA.get(oid);
  if (ecdsa !== undefined) return { kind: 'ecdsa', hash: ecdsa };
  if (oid === ED25519) return { kind: 'ed25519' };
  if (oid === RSASSA_PSS) return readPss(identifier.enter(TAG.sequence));
  if (!identifier.isAtEnd) identifier.readAny();
  return { kind: 'refused', name: REFUSED_NAMES.get(oid) ?? `\`${oid}\`` };
}

/** RSASSA-PSS-params (RFC 4055 §3.1). The defaults are SHA-1, so every field but the trailer has to be written out. */
function readPss(parameters: DerReader): SignatureAlgorithm {
  const fields: (DerReader | null)[] = [];
  for (const number of [0, 1, 2]) {
    const tag = contextTag(number, 'constructed');
    fields.push(parameters.nextTag === tag ? parameters.enter(tag) : null);
  }
  parameters.finish();
  const [hashField, maskField, saltField] = fields;
  if (!hashField || !maskField || !saltField) return { kind: 'refused', name: 'RSA-PSS with SHA-1' };
  const hash = readHash(hashField);
  const mask = maskField.enter(TAG.sequence);
  const maskOid = mask.readObjectIdentifier();
  const maskHash = maskOid === MGF1 ? readHash(mask) : undefined;
  if (!mask.isAtEnd) mask.readAny();
  mask.finish();
  maskField.finish();
  const saltStart = saltField.offset;
  const saltBytes = saltField.readSmallInteger();
  saltField.finish();
  if (saltBytes > MAX_SALT_BYTES) throw new DerError('invalid-content', `a salt of ${saltBytes} bytes`, saltStart);
  if (hash === undefined || maskHash !== hash) return { kind: 'refused', name: 'RSA-PSS with unusual hashes' };
  if (saltBytes < HASH_BYTES[hash]) return { kind: 'refused', name: `RSA-PSS with a salt of ${saltBytes} bytes` };
  return { kind: 'rsa-pss', hash, saltBytes };
}

function readHash(reader: DerReader): SignatureHash | undefined {
  const identifier = reader.enter(TAG.sequence);
  const oid = identifier.readObjectIdentifier();
  // RFC 4055 §2.1: NULL and absent parameters are both to be accepted here.
  if (!identifier.isAtEnd) identifier.readNull();
  identifier.finish();
  reader.finish();
  return HASHES.get(oid);
}
