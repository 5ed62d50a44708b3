// Digests as people and tools write them: with or without their algorithm, in capitals, in base64, weak, or not there.

import { timingSafeEqual } from 'node:crypto';

/** That are computed here; `blake2b` is BLAKE2b-512. */
export const DIGEST_ALGORITHMS = ['sha256', 'sha384', 'sha512', 'blake2b'] as const;
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];

export interface Digest {
  readonly algorithm: DigestAlgorithm;
  /** Lower case. */
  readonly hex: string;
}

export type DigestReading =
  /** Of one text without an algorithm, all that it may be. */
  | { readonly kind: 'digest'; readonly candidates: readonly Digest[] }
  /** MD5 and SHA-1: two files with one digest can be made. */
  | { readonly kind: 'weak'; readonly algorithm: string }
  | { readonly kind: 'unsupported'; readonly algorithm: string }
  | { readonly kind: 'malformed'; readonly detail: string };

/** As `sha256sum` and in-toto know them by other names. */
const NAMES: ReadonlyMap<string, DigestAlgorithm | 'md5' | 'sha1'> = new Map([
  ['sha256', 'sha256'],
  ['sha-256', 'sha256'],
  ['sha2-256', 'sha256'],
  ['sha384', 'sha384'],
  ['sha-384', 'sha384'],
  ['sha512', 'sha512'],
  ['sha-512', 'sha512'],
  ['blake2b', 'blake2b'],
  ['blake2b512', 'blake2b'],
  ['blake2b-512', 'blake2b'],
  ['md5', 'md5'],
  ['sha1', 'sha1'],
  ['sha-1', 'sha1'],
]);

const HEX_LENGTHS: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha384: 96, sha512: 128, blake2b: 128 };
const BY_LENGTH: ReadonlyMap<number, readonly DigestAlgorithm[]> = new Map([
  [64, ['sha256']],
  [96, ['sha384']],
  [128, ['sha512', 'blake2b']],
]);
const WEAK_BY_LENGTH: ReadonlyMap<number, string> = new Map([
  [32, 'md5'],
  [40, 'sha1'],
]);
const HEX = /^[0-9a-fA-F]+$/;
const PREFIX = /^([A-Za-z][A-Za-z0-9-]*?)[:=]\s*(.*)$/s;
/** Subresource integrity. */
const SRI = /^(sha(?:256|384|512))-([A-Za-z0-9+/]+={0,2})$/;

/** `named`: the algorithm that the key of the text names; null for a key such as `hash`. */
export function parseDigest(text: string, named: string | null): DigestReading {
  const trimmed = text.trim();
  const sri = SRI.exec(trimmed);
  if (sri !== null) return ofAlgorithm(sri[1] ?? '', Buffer.from(sri[2] ?? '', 'base64').toString('hex'), named);
  const prefixed = PREFIX.exec(trimmed);
  if (prefixed !== null) return ofAlgorithm(prefixed[1] ?? '', (prefixed[2] ?? '').trim(), named);
  if (named !== null) return ofAlgorithm(named, trimmed, null);
  if (!HEX.test(trimmed)) return { kind: 'malformed', detail: 'it is not hexadecimal' };
  const weak = WEAK_BY_LENGTH.get(trimmed.length);
  if (weak !== undefined) return { kind: 'weak', algorithm: weak };
  const algorithms = BY_LENGTH.get(trimmed.length);
  if (algorithms === undefined)
    return { kind: 'malformed', detail: `no digest has ${trimmed.length} hexadecimal digits` };
  return { kind: 'digest', candidates: algorithms.map((algorithm) => ({ algorithm, hex: trimmed.toLowerCase() })) };
}

/** Whether it names an algorithm, known or not computed here. */
export function isAlgorithmName(name: string): boolean {
  return NAMES.has(name.toLowerCase());
}

/** In a time that does not depend on where they differ. */
export function hexEquals(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left.toLowerCase(), 'latin1'), Buffer.from(right.toLowerCase(), 'latin1')];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function digestEquals(left: Digest, right: Digest): boolean {
  return left.algorithm === right.algorithm && hexEquals(left.hex, right.hex);
}

export function formatDigest({ algorithm, hex }: Digest): string {
  return `${algorithm}:${hex}`;
}

function ofAlgorithm(name: string, hex: string, named: string | null): DigestReading {
  const algorithm = NAMES.get(name.toLowerCase());
  if (algorithm === undefined) return { kind: 'unsupported', algorithm: name.slice(0, 32) };
  if (named !== null && NAMES.get(named.toLowerCase()) !== algorithm) {
    return { kind: 'malformed', detail: `it stands under \`${named}\` and says ${algorithm}` };
  }
  if (algorithm === 'md5' || algorithm === 'sha1') return { kind: 'weak', algorithm };
  if (!HEX.test(hex) || hex.length !== HEX_LENGTHS[algorithm]) {
    return { kind: 'malformed', detail: `${algorithm} has ${HEX_LENGTHS[algorithm]} hexadecimal digits` };
  }
  return { kind: 'digest', candidates: [{ algorithm, hex: hex.toLowerCase() }] };
}
