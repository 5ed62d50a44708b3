// SPIFFE bundle documents: the X.509 and JWT authorities of one trust domain as a JWK Set, read and written.
// SPIFFE_Trust_Domain_and_Bundle.md §4, X509-SVID.md §6, JWT-SVID.md §6, RFC 7517

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { type JsonLimits, type JsonValue, parseJson } from '../json/json.ts';
import { JsonError } from '../json/json-error.ts';
import type { Certificate } from '../pki/certificate.ts';
import {
  certificateJsonWebKey,
  decodeBase64,
  type JsonWebKey,
  type JwkMembers,
  readJsonWebKey,
  stringMember,
  toJsonWebKey,
} from './json-web-key.ts';
import { findJwtKeyType, type JwtAuthority } from './jwt-authority.ts';
import type { TrustDomain } from './spiffe-id.ts';
import { parseAuthority, type TrustBundle, TrustBundleError, withoutRepetitions } from './trust-bundle.ts';

export interface BundleDocument {
  /** Without any authority when the trust domain has revoked all of them (§4.1.3): none of its SVIDs is valid. */
  readonly bundle: TrustBundle;
  /** `spiffe_sequence`, from 0 to 2^63 - 1. */
  readonly sequence: bigint | null;
  /** `spiffe_refresh_hint` as given, at most Number.MAX_SAFE_INTEGER; how often is too often is for the caller. */
  readonly refreshHintMs: number | null;
}

export type BundleDocumentErrorCode =
  /** Not JSON; `cause` is the JsonError. */
  | 'not-json'
  /** JSON, but not an object with an array `keys` of at most 1024 entries. */
  | 'not-a-bundle'
  /** `spiffe_sequence` is not an integer from 0 to 2^63 - 1. */
  | 'sequence'
  /** `spiffe_refresh_hint` is not an integer of 0 or more. */
  | 'refresh-hint'
  /** An entry of `keys` whose members break RFC 7517, RFC 7518 or each other. */
  | 'malformed-key'
  /** An `x509-svid` entry whose certificate cannot be read or is not an authority's; `cause` is the TrustBundleError. */
  | 'malformed-authority'
  /** Two JWT authorities with one key ID: which of them counts would be a guess. */
  | 'duplicate-key-id';

export class BundleDocumentError extends SallyportError<BundleDocumentErrorCode> {}

const LIMITS: JsonLimits = { maxBytes: 4 * 1024 * 1024, maxDepth: 16 };
const MAX_KEYS = 1024;
const MAX_SEQUENCE = 2n ** 63n - 1n;
/** What a certificate of an authority can have; of other types RFC 7517 §5 has the entry ignored. */
const X509_KEY_TYPES: ReadonlySet<string> = new Set(['EC', 'RSA', 'OKP']);
const X509_SVID = 'x509-svid';
const JWT_SVID = 'jwt-svid';
const NON_NEGATIVE_INTEGER = /^(?:0|[1-9][0-9]*)$/;

/**
 * Keys of a type or use that is not known, without use, without `x5c` or without `kid` are left out as the specification demands, and so
 * are JWT keys nothing can be verified with; whatever is known and broken refuses the document. `origin` is used in messages only.
 * @throws {BundleDocumentError} whose message begins with `origin`
 */
export function parseBundleDocument(trustDomain: TrustDomain, source: Uint8Array, origin: string): BundleDocument {
  const members = parseKeySet(source, origin);
  const entries = keysOf(members.get('keys'), origin);
  const sequence = parseSequence(members.get('spiffe_sequence'), origin);
  const refreshHintMs = parseRefreshHint(members.get('spiffe_refresh_hint'), origin);
  const x509 = entriesFor([X509_SVID], entries).map(findAuthority);
  const jwt = entriesFor([JWT_SVID], entries).map(findJwtAuthority);
  const authorities = withoutRepetitions(x509.filter((authority) => authority !== null));
  return { bundle: { trustDomain, authorities, jwtAuthorities: byKeyId(jwt, origin) }, sequence, refreshHintMs };
}

/**
 * The JWT authorities of a trust domain by key ID, as the Workload API delivers them: a JWK Set in which `use` may be missing. Agents in Go
 * send `null` for no keys at all.
 * @throws {BundleDocumentError} whose message begins with `origin`
 */
export function parseJwtBundle(
  trustDomain: TrustDomain,
  jwks: Uint8Array,
  origin: string,
): ReadonlyMap<string, JwtAuthority> {
  const keys = parseKeySet(jwks, origin).get('keys');
  if (keys?.kind === 'null') return new Map();
  const entries = entriesFor([JWT_SVID, undefined], keysOf(keys, origin));
  return byKeyId(entries.map(findJwtAuthority), `${origin}: \`${trustDomain}\``);
}

/** Every authority that JWK has a form for: X.509 first, each part in the order of the bundle. */
export function formatBundleDocument({ bundle, sequence, refreshHintMs }: BundleDocument): string {
  const keys = [
    ...bundle.authorities.map(({ publicKey, der }) =>
      published(certificateJsonWebKey(publicKey), { use: X509_SVID, x5c: [der.toString('base64')] }),
    ),
    ...[...bundle.jwtAuthorities.values()].map(({ keyId, publicKey }) =>
      published(toJsonWebKey(publicKey), { use: JWT_SVID, kid: keyId }),
    ),
  ];
  const members = [`"keys":${JSON.stringify(keys.filter((key) => key !== null))}`];
  // Not through JSON.stringify, which has no way to write 64 bits.
  if (sequence !== null) members.push(`"spiffe_sequence":${sequence}`);
  if (refreshHintMs !== null) members.push(`"spiffe_refresh_hint":${Math.ceil(refreshHintMs / 1000)}`);
  return `{${members.join(',')}}`;
}

function published(key: JsonWebKey | null, members: Readonly<Record<string, unknown>>): object | null {
  return key === null ? null : { ...key, ...members };
}

/** An element of `keys`, and how messages about it begin. */
interface Entry {
  readonly members: JwkMembers;
  readonly position: string;
}

function parseKeySet(source: Uint8Array, origin: string): JwkMembers {
  let root: JsonValue;
  try {
    root = parseJson(source, LIMITS);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new BundleDocumentError('not-json', `${origin}:${error.message}`, { cause: error });
  }
  if (root.kind === 'object') return root.members;
  throw new BundleDocumentError('not-a-bundle', `${origin}: not a JSON object`);
}

function keysOf(keys: JsonValue | undefined, origin: string): readonly Entry[] {
  if (keys?.kind !== 'array') {
    const found = keys === undefined ? 'no `keys`' : '`keys` that are not an array';
    throw new BundleDocumentError('not-a-bundle', `${origin}: the document has ${found}; for none it must be \`[]\``);
  }
  if (keys.items.length > MAX_KEYS) {
    const message = `${origin}: ${keys.items.length} keys; a bundle has at most ${MAX_KEYS}`;
    throw new BundleDocumentError('not-a-bundle', message);
  }
  return keys.items.map((item, index) => {
    const position = `${origin}: keys[${index}]`;
    if (item.kind !== 'object') throw malformedKey(position, 'the key is not an object');
    return { members: item.members, position };
  });
}

/** Of other entries nothing but `use` is looked at: they may be of a kind that is yet to be invented. */
function entriesFor(uses: readonly (string | undefined)[], entries: readonly Entry[]): readonly Entry[] {
  const found = entries.filter((entry) => {
    checkStrings(['use'], entry);
    return uses.includes(stringMember(entry.members, 'use'));
  });
  for (const entry of found) {
    checkStrings(['kty', 'kid'], entry);
    // A key that was published together with its secret proves nothing any more.
    if (entry.members.has('d')) throw malformedKey(entry.position, 'it has a private key, and a bundle is public');
  }
  return found;
}

function checkStrings(names: readonly string[], { members, position }: Entry): void {
  for (const name of names) {
    const value = members.get(name);
    if (value !== undefined && value.kind !== 'string') throw malformedKey(position, `\`${name}\` is not a string`);
  }
}

function parseSequence(value: JsonValue | undefined, origin: string): bigint | null {
  if (value === undefined) return null;
  const refuse = (why: string): BundleDocumentError =>
    new BundleDocumentError('sequence', `${origin}: \`spiffe_sequence\` ${why}`);
  if (value.kind !== 'number') throw refuse('is not a number');
  if (!NON_NEGATIVE_INTEGER.test(value.text)) {
    throw refuse(`is ${quote(value.text)}; it must be an integer of 0 or more, without fraction and exponent`);
  }
  const sequence = value.text.length > 19 ? null : BigInt(value.text);
  if (sequence !== null && sequence <= MAX_SEQUENCE) return sequence;
  throw refuse(
    `is ${quote(value.text)}; from 2^63 on it turns negative for readers with signed 64 bits, who would order documents differently`,
  );
}

function parseRefreshHint(value: JsonValue | undefined, origin: string): number | null {
  if (value === undefined) return null;
  if (value.kind === 'number' && NON_NEGATIVE_INTEGER.test(value.text)) {
    return Math.min(Number(value.text) * 1000, Number.MAX_SAFE_INTEGER);
  }
  const found = value.kind === 'number' ? quote(value.text) : `of kind ${value.kind}`;
  const message = `${origin}: \`spiffe_refresh_hint\` is ${found}; it must be a whole number of seconds, 0 or more`;
  throw new BundleDocumentError('refresh-hint', message);
}

/** X509-SVID.md §6.2: the first value of `x5c` is the authority; without one there is none. */
function findAuthority({ members, position }: Entry): Certificate | null {
  const chain = members.get('x5c');
  const keyType = stringMember(members, 'kty');
  if (chain === undefined || keyType === undefined || !X509_KEY_TYPES.has(keyType)) return null;
  if (chain.kind !== 'array') throw malformedKey(position, '`x5c` is not an array');
  const [first] = chain.items;
  if (first === undefined) return null;
  const der = first.kind === 'string' ? decodeBase64(first.value, 'base64') : null;
  if (der === null) throw malformedKey(position, 'the first value of `x5c` is not a certificate in base64');
  const authority = parsePlacedAuthority(der, position);
  checkAgreement(members, authority, position);
  return authority;
}

function parsePlacedAuthority(der: Buffer, position: string): Certificate {
  try {
    return parseAuthority({ der, position });
  } catch (error) {
    if (!(error instanceof TrustBundleError)) throw error;
    throw new BundleDocumentError('malformed-authority', error.message, { cause: error });
  }
}

/** RFC 7517 §4.7: what the members say of the key is what the certificate says, or one of the two is not meant. */
function checkAgreement(members: JwkMembers, { publicKey }: Certificate, position: string): void {
  for (const [name, value] of Object.entries(certificateJsonWebKey(publicKey) ?? {})) {
    if (members.has(name) && stringMember(members, name) !== value) {
      throw malformedKey(position, `\`${name}\` is not that of the certificate in \`x5c\``);
    }
  }
}

function findJwtAuthority({ members, position }: Entry): JwtAuthority | null {
  const keyId = stringMember(members, 'kid');
  if (keyId === undefined || keyId === '') return null;
  const reading = readJsonWebKey(members);
  switch (reading.kind) {
    case 'unsupported':
      return null;
    case 'malformed':
      throw malformedKey(position, reading.why);
    case 'key':
      return findJwtKeyType(reading.publicKey) === null ? null : { keyId, publicKey: reading.publicKey };
  }
}

function byKeyId(found: readonly (JwtAuthority | null)[], origin: string): ReadonlyMap<string, JwtAuthority> {
  const authorities = new Map<string, JwtAuthority>();
  for (const authority of found) {
    if (authority === null) continue;
    if (authorities.has(authority.keyId)) {
      const message = `${origin}: two JWT keys with the \`kid\` ${quote(authority.keyId)}; which of them counts would be a guess`;
      throw new BundleDocumentError('duplicate-key-id', message);
    }
    authorities.set(authority.keyId, authority);
  }
  return authorities;
}

function malformedKey(position: string, why: string): BundleDocumentError {
  return new BundleDocumentError('malformed-key', `${position}: ${why}`);
}
