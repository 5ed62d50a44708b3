// A caller's JWT-SVID: the one form, the nine algorithms, the keys of the subject's own trust domain, and our audience.
// JWT-SVID.md §2 to §5, RFC 7515 §5.2, RFC 7519 §7.2

import { hash } from 'node:crypto';
import { quote } from '../core/quote.ts';
import { type CompactToken, checkTokenSize, parseCompactToken } from './compact-token.ts';
import { isSignedWith, JWT_ALGORITHMS, type JwtAlgorithm } from './jwt-algorithm.ts';
import { findJwtKeyType, type JwtAuthority } from './jwt-authority.ts';
import { readAudiences, readSubject, readTimes, readTokenId, type TokenTimes } from './jwt-claims.ts';
import { JwtSvidError } from './jwt-svid-error.ts';
import { type SpiffeId, type TrustDomain, trustDomainOf } from './spiffe-id.ts';
import type { TrustBundles } from './trust-bundle.ts';

export interface JwtSvid {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** All of them, in the order of the token. */
  readonly audiences: readonly string[];
  /** `kid` */
  readonly keyId: string;
  /** SHA-256 of the SubjectPublicKeyInfo of that key, in lower-case hex. */
  readonly keySha256: string;
  /** `jti` */
  readonly tokenId: string | null;
  /** The later of `nbf` and a minute before `iat`, or -Infinity without either. */
  readonly notBeforeMs: number;
  /** `exp`: from this instant on nothing may rest on this identity. */
  readonly expiresMs: number;
  /** Of the compact token, in lower-case hex. */
  readonly sha256: string;
}

export interface JwtSvidExpectation {
  /** Ours; one of them has to stand in `aud`, character by character. */
  readonly audiences: readonly string[];
  /** A token for more audiences than this is refused. */
  readonly maxAudiences: number;
}

export interface JwtSvidContext extends JwtSvidExpectation {
  readonly bundles: TrustBundles;
  readonly nowMs: number;
}

/**
 * Verifies a token in compact serialization. There is no allowance for skew, as there is none for certificates: a token is valid from
 * `nbf` and `iat` until just before `exp`.
 * @throws {JwtSvidError}
 */
export function verifyJwtSvid(token: string, at: JwtSvidContext): JwtSvid {
  const parsed = parseCompactToken(token);
  const { algorithm, keyId } = readHeader(parsed.header);
  const id = readSubject(parsed.claims);
  const trustDomain = trustDomainOf(id);
  const authority = findAuthority(keyId, trustDomain, at.bundles);
  checkSignature(parsed, algorithm, authority);
  const audiences = readAudiences(parsed.claims);
  checkAudiences(audiences, at);
  const tokenId = readTokenId(parsed.claims);
  const times = readTimes(parsed.claims);
  checkTimes(times, at.nowMs);
  const notBeforeMs = Math.max(times.notBeforeMs, times.issuedMs - ISSUER_AHEAD_MS);
  const { expiresMs } = times;
  const keySha256 = hash('sha256', authority.publicKey.export({ type: 'spki', format: 'der' }), 'hex');
  return { id, trustDomain, audiences, keyId, keySha256, tokenId, notBeforeMs, expiresMs, sha256: hashToken(token) };
}

/**
 * SHA-256 in lower-case hex.
 * @throws {JwtSvidError} for a token that is too large to be one
 */
export function hashToken(token: string): string {
  checkTokenSize(token);
  return hash('sha256', token, 'hex');
}

/**
 * How far the clock of an issuer may be ahead of ours: a token is used the moment it is issued, and `iat` limits nothing (§3 does not even
 * name it). `nbf` and `exp` do, and are taken as they stand.
 */
const ISSUER_AHEAD_MS = 60_000;
const EXPECTED_HEADERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);
const TYPES: ReadonlySet<string> = new Set(['JWT', 'JOSE']);

/** §2: what is not described there is not allowed, `crit` and every way to bring a key along included. */
function readHeader(header: CompactToken['header']): { readonly algorithm: JwtAlgorithm; readonly keyId: string } {
  for (const [name, { kind }] of header) {
    if (!EXPECTED_HEADERS.has(name)) {
      throw new JwtSvidError('unexpected-header', `the header has ${quote(name)}, which a JWT-SVID never has`);
    }
    if (kind !== 'string') throw new JwtSvidError('malformed-header', `${quote(name)} of the header is not a string`);
  }
  const [alg, type, keyId] = ['alg', 'typ', 'kid'].map((name) => {
    const value = header.get(name);
    return value?.kind === 'string' ? value.value : undefined;
  });
  const algorithm = JWT_ALGORITHMS.get(alg ?? '');
  if (algorithm === undefined) {
    const found = alg === undefined ? 'the token has no `alg`' : `\`alg\` is ${quote(alg)}`;
    throw new JwtSvidError('algorithm', `${found}; accepted are ${[...JWT_ALGORITHMS.keys()].join(', ')}`);
  }
  if (type !== undefined && !TYPES.has(type)) {
    throw new JwtSvidError('token-type', `\`typ\` is ${quote(type)}; a JWT-SVID has \`JWT\`, \`JOSE\` or none`);
  }
  // §2.2 has it optional; without it every key would have to be tried, and no known issuer leaves it out.
  if (keyId !== undefined && keyId !== '') return { algorithm, keyId };
  throw new JwtSvidError('no-key-id', 'the token has no `kid`; without it no key can be chosen');
}

/** Trust bundles are never merged: a key of one trust domain says nothing about the IDs of another. */
function findAuthority(keyId: string, trustDomain: TrustDomain, bundles: TrustBundles): JwtAuthority {
  const bundle = bundles.get(trustDomain);
  if (bundle === undefined) {
    throw new JwtSvidError('unknown-trust-domain', `there is no trust bundle for trust domain \`${trustDomain}\``);
  }
  const authority = bundle.jwtAuthorities.get(keyId);
  if (authority !== undefined) return authority;
  const found = bundle.jwtAuthorities.size === 0 ? 'no JWT keys at all' : `no JWT key ${quote(keyId)}`;
  throw new JwtSvidError('unknown-key', `the trust bundle of \`${trustDomain}\` has ${found}`);
}

function checkSignature(token: CompactToken, algorithm: JwtAlgorithm, { keyId, publicKey }: JwtAuthority): void {
  if (findJwtKeyType(publicKey) !== algorithm.keyType) {
    const message = `the JWT key ${quote(keyId)} is not one that \`alg\` is for`;
    throw new JwtSvidError('key-mismatch', message);
  }
  if (isSignedWith(publicKey, algorithm, token)) return;
  throw new JwtSvidError('signature-invalid', `the JWT key ${quote(keyId)} did not make the signature of the token`);
}

function checkAudiences(audiences: readonly string[], { audiences: ours, maxAudiences }: JwtSvidExpectation): void {
  // §7.2: whoever of them receives the token can use it with the others.
  if (audiences.length > maxAudiences) {
    const message = `the token is for ${audiences.length} audiences; at most ${maxAudiences} are accepted here`;
    throw new JwtSvidError('too-many-audiences', message);
  }
  if (audiences.some((audience) => ours.includes(audience))) return;
  throw new JwtSvidError('wrong-audience', `the token is for ${quote(audiences.join(', '))}, and not for us`);
}

/** Written so that a time that is not a number is inside no validity. */
function checkTimes({ issuedMs, notBeforeMs, expiresMs }: TokenTimes, nowMs: number): void {
  const told = (ms: number): string => new Date(ms).toISOString();
  if (!(nowMs < expiresMs)) throw new JwtSvidError('expired', `the token expired at ${told(expiresMs)}`);
  if (!(nowMs >= notBeforeMs)) {
    throw new JwtSvidError('not-yet-valid', `the token is not valid before ${told(notBeforeMs)}`);
  }
  if (!(nowMs >= issuedMs - ISSUER_AHEAD_MS)) {
    throw new JwtSvidError('issued-in-future', `the token was issued at ${told(issuedMs)}, which is in the future`);
  }
}
