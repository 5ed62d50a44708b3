// The key inside a certificate: which kind, how large, and whether it is strong enough to prove anything.
// RFC 3279 §2.3, RFC 5480 §2, RFC 4055 §1.2, RFC 8410 §4

import { createPublicKey, type KeyObject } from 'node:crypto';
import { DerError } from './der-error.ts';
import { type DerReader, TAG } from './der-reader.ts';

type EcCurve = 'P-256' | 'P-384' | 'P-521';

export type PublicKeyAlgorithm =
  | { readonly kind: 'ec'; readonly curve: EcCurve }
  | { readonly kind: 'rsa' | 'rsa-pss'; readonly modulusBits: number; readonly exponent: Buffer }
  | { readonly kind: 'ed25519' }
  /** Readable as SubjectPublicKeyInfo, of a kind this program does not verify with. */
  | { readonly kind: 'unsupported'; readonly name: string };

export interface SubjectPublicKey {
  /** The whole SubjectPublicKeyInfo. */
  readonly der: Buffer;
  readonly algorithm: PublicKeyAlgorithm;
}

const MIN_RSA_BITS = 2048;
/** A signature check costs time with the square of this; nothing issued for workloads comes near it. */
const MAX_RSA_BITS = 8192;

const EC_PUBLIC_KEY = '1.2.840.10045.2.1';
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const ED25519 = '1.3.101.112';
const ED25519_OCTETS = 32;
const UNCOMPRESSED_POINT = 0x04;

const CURVES: ReadonlyMap<string, { readonly curve: EcCurve; readonly fieldOctets: number }> = new Map([
  ['1.2.840.10045.3.1.7', { curve: 'P-256', fieldOctets: 32 }],
  ['1.3.132.0.34', { curve: 'P-384', fieldOctets: 48 }],
  ['1.3.132.0.35', { curve: 'P-521', fieldOctets: 66 }],
]);

const UNSUPPORTED_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10045.3.1.1', 'P-192'],
  ['1.3.132.0.33', 'P-224'],
  ['1.3.132.0.10', 'secp256k1'],
  ['1.2.840.10040.4.1', 'DSA'],
  ['1.3.101.110', 'X25519'],
  ['1.3.101.113', 'Ed448'],
]);

/**
 * SubjectPublicKeyInfo of any kind; of the supported kinds, with the parameters and the shape their own RFC demands.
 * @throws {DerError}
 */
export function readPublicKey(reader: DerReader): SubjectPublicKey {
  const start = reader.offset;
  const info = reader.enter(TAG.sequence);
  const identifier = info.enter(TAG.sequence);
  const declared = readDeclaration(identifier);
  identifier.finish();
  const algorithm = readKey(declared, info);
  info.finish();
  return { der: reader.bytes.subarray(start, reader.offset), algorithm };
}

/** Why a key proves nothing here, or null when it is strong enough. */
export function findKeyWeakness(algorithm: PublicKeyAlgorithm): string | null {
  switch (algorithm.kind) {
    case 'ec':
    case 'ed25519':
      return null;
    case 'unsupported':
      return `a key of kind ${algorithm.name}; P-256, P-384, P-521, RSA and Ed25519 are accepted`;
    case 'rsa':
    case 'rsa-pss': {
      const { modulusBits, exponent } = algorithm;
      if (modulusBits < MIN_RSA_BITS) return `an RSA key of ${modulusBits} bits; at least ${MIN_RSA_BITS} are required`;
      if (modulusBits > MAX_RSA_BITS) return `an RSA key of ${modulusBits} bits; at most ${MAX_RSA_BITS} are accepted`;
      // An exponent of 1 signs nothing, an even one is none, and a long one makes checking as slow as signing.
      const isOdd = ((exponent[exponent.length - 1] ?? 0) & 1) === 1;
      if (!isOdd || exponent.length > 4 || (exponent.length === 1 && (exponent[0] ?? 0) < 3)) {
        return 'an RSA key with an unusual public exponent';
      }
      return null;
    }
  }
}

export function formatKeyAlgorithm(algorithm: PublicKeyAlgorithm): string {
  switch (algorithm.kind) {
    case 'ec':
      return `EC ${algorithm.curve}`;
    case 'ed25519':
      return 'Ed25519';
    case 'rsa':
      return `RSA ${algorithm.modulusBits}`;
    case 'rsa-pss':
      return `RSA-PSS ${algorithm.modulusBits}`;
    case 'unsupported':
      return algorithm.name;
  }
}

const keyObjects = new WeakMap<SubjectPublicKey, KeyObject>();

/** The key for node:crypto, made once per certificate; null when OpenSSL refuses it, as for a point that is not on its curve. */
export function findKeyObject(key: SubjectPublicKey): KeyObject | null {
  const existing = keyObjects.get(key);
  if (existing !== undefined) return existing;
  try {
    const created = createPublicKey({ key: key.der, format: 'der', type: 'spki' });
    keyObjects.set(key, created);
    return created;
  } catch {
    return null;
  }
}

/** What the AlgorithmIdentifier says the key is. */
type Declaration =
  | { readonly kind: 'ec'; readonly curve: EcCurve; readonly fieldOctets: number }
  | { readonly kind: 'rsa' | 'rsa-pss' | 'ed25519' }
  | { readonly kind: 'unsupported'; readonly name: string };

function readDeclaration(identifier: DerReader): Declaration {
  const oid = identifier.readObjectIdentifier();
  switch (oid) {
    case EC_PUBLIC_KEY:
      return readCurve(identifier);
    case RSA_ENCRYPTION:
      // RFC 3279 §2.3.1: the parameters are NULL.
      identifier.readNull();
      return { kind: 'rsa' };
    case RSASSA_PSS:
      if (!identifier.isAtEnd) identifier.readAny();
      return { kind: 'rsa-pss' };
    case ED25519:
      return { kind: 'ed25519' };
    default:
      if (!identifier.isAtEnd) identifier.readAny();
      return { kind: 'unsupported', name: UNSUPPORTED_NAMES.get(oid) ?? `\`${oid}\`` };
  }
}

function readCurve(identifier: DerReader): Declaration {
  if (identifier.nextTag === TAG.sequence || identifier.nextTag === TAG.null) {
    // RFC 5480 §2.1.1: a named curve; explicit parameters let a forger choose the generator (CVE-2020-0601).
    identifier.readAny();
    return { kind: 'unsupported', name: 'EC with explicit parameters' };
  }
  const oid = identifier.readObjectIdentifier();
  const named = CURVES.get(oid);
  if (named !== undefined) return { kind: 'ec', ...named };
  return { kind: 'unsupported', name: UNSUPPORTED_NAMES.get(oid) ?? `EC on curve \`${oid}\`` };
}

function readKey(declared: Declaration, info: DerReader): PublicKeyAlgorithm {
  const start = info.offset;
  switch (declared.kind) {
    case 'rsa':
    case 'rsa-pss':
      return { kind: declared.kind, ...readRsaKey(info) };
    case 'unsupported':
      info.readBitString();
      return declared;
    case 'ed25519':
      if (info.readBitStringOctets().length === ED25519_OCTETS) return { kind: 'ed25519' };
      throw new DerError('invalid-content', `an Ed25519 key that is not ${ED25519_OCTETS} octets`, start);
    case 'ec': {
      const { curve, fieldOctets } = declared;
      const point = info.readBitStringOctets();
      if (point[0] !== UNCOMPRESSED_POINT) {
        return { kind: 'unsupported', name: `EC ${curve} with a compressed point` };
      }
      if (point.length === 1 + 2 * fieldOctets) return { kind: 'ec', curve };
      throw new DerError('invalid-content', `a point of ${curve} in ${point.length} octets`, start);
    }
  }
}

function readRsaKey(info: DerReader): { readonly modulusBits: number; readonly exponent: Buffer } {
  const start = info.offset;
  const content = info.enterBitString();
  const key = content.enter(TAG.sequence);
  const modulus = readPositive(key, start);
  const exponent = readPositive(key, start);
  key.finish();
  content.finish();
  return { modulusBits: modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24, exponent };
}

/** Without the sign octet. */
function readPositive(reader: DerReader, start: number): Buffer {
  const content = reader.readInteger();
  const first = content[0] ?? 0;
  if (first >= 0x80 || (first === 0 && content.length === 1)) {
    throw new DerError('invalid-content', 'an RSA key with a number that is not positive', start);
  }
  return first === 0 ? content.subarray(1) : content;
}
