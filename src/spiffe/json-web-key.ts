// Public keys as JWK members, read in their one canonical form and written in it.
// RFC 7517 §4, RFC 7518 §6.2, §6.3

import { createPublicKey, type KeyObject } from 'node:crypto';
import { quote } from '../core/quote.ts';
import type { JsonValue } from '../json/json.ts';
import { findKeyObject, type SubjectPublicKey } from '../pki/public-key.ts';

export type JwkMembers = ReadonlyMap<string, JsonValue>;

export type JwkReading =
  | { readonly kind: 'key'; readonly publicKey: KeyObject }
  /** A type or curve this program does not verify with; RFC 7517 §5 has it ignored. */
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'malformed'; readonly why: string };

/** RFC 7518 §6.2.1.2: a coordinate has the full length of the field, whatever its value. */
const COORDINATE_OCTETS: ReadonlyMap<string, number> = new Map([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
]);

/** The key that `kty` and the members of its type describe; says nothing about its strength. */
export function readJsonWebKey(members: JwkMembers): JwkReading {
  const keyType = stringMember(members, 'kty');
  if (keyType === 'EC') return readEcKey(members);
  return keyType === 'RSA' ? readRsaKey(members) : { kind: 'unsupported' };
}

export type JsonWebKey = Readonly<Record<string, string>>;

/** `kty` and the members of its type, or null for a key that JWK has no form for. */
export function toJsonWebKey(publicKey: KeyObject): JsonWebKey | null {
  try {
    return publicKey.export({ format: 'jwk' }) as Record<string, string>;
  } catch {
    return null;
  }
}

/** The same for the key of a certificate. RSA keys that are for PSS alone are RSA for JWK, but Node cannot write them. */
export function certificateJsonWebKey(key: SubjectPublicKey): JsonWebKey | null {
  if (key.algorithm.kind === 'rsa-pss') return { kty: 'RSA' };
  const publicKey = findKeyObject(key);
  return publicKey === null ? null : toJsonWebKey(publicKey);
}

/** The value of a member that is a string, or undefined. */
export function stringMember(members: JwkMembers, name: string): string | undefined {
  const value = members.get(name);
  return value?.kind === 'string' ? value.value : undefined;
}

/** Node skips what it does not understand; only text that encodes back to itself had one meaning. */
export function decodeBase64(text: string, encoding: 'base64' | 'base64url'): Buffer | null {
  const octets = Buffer.from(text, encoding);
  return octets.toString(encoding) === text ? octets : null;
}

function readEcKey(members: JwkMembers): JwkReading {
  const curve = stringMember(members, 'crv');
  if (curve === undefined) return malformed('`crv` is not a string');
  const octets = COORDINATE_OCTETS.get(curve);
  if (octets === undefined) return { kind: 'unsupported' };
  const key: Record<string, string> = { kty: 'EC', crv: curve };
  for (const name of ['x', 'y']) {
    const text = stringMember(members, name);
    if (text === undefined || decodeBase64(text, 'base64url')?.length !== octets) {
      return malformed(`\`${name}\` is not a coordinate of ${curve}: ${octets} octets in base64url`);
    }
    key[name] = text;
  }
  return toPublicKey(key, `\`x\` and \`y\` are no point of ${curve}`);
}

function readRsaKey(members: JwkMembers): JwkReading {
  const key: Record<string, string> = { kty: 'RSA' };
  for (const name of ['n', 'e']) {
    const text = stringMember(members, name);
    const octets = text === undefined ? null : decodeBase64(text, 'base64url');
    if (text === undefined || octets === null || (octets[0] ?? 0) === 0) {
      return malformed(`\`${name}\` is not a positive number in base64url without leading zeros`);
    }
    key[name] = text;
  }
  return toPublicKey(key, '`n` and `e` are no RSA key');
}

function toPublicKey(key: JsonWebKey, why: string): JwkReading {
  try {
    return { kind: 'key', publicKey: createPublicKey({ key, format: 'jwk' }) };
  } catch (error) {
    return malformed(error instanceof Error ? `${why} (${quote(error.message)})` : why);
  }
}

function malformed(why: string): JwkReading {
  return { kind: 'malformed', why };
}
