// From the messages of the agent to what we work with: each is taken whole, or not at all.
// SPIFFE_Workload_API.md §4.4 to §4.6, §5.2.1, §6.2.2, §8

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { type Crl, parseCrl } from '../pki/crl.ts';
import { parseJwtBundle } from '../spiffe/bundle-document.ts';
import type { JwtAuthority } from '../spiffe/jwt-authority.ts';
import { type OwnIdentity, parseOwnIdentityDer } from '../spiffe/own-identity.ts';
import {
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../spiffe/spiffe-id.ts';
import { parseTrustBundleDer, type TrustBundles } from '../spiffe/trust-bundle.ts';
import { FETCH_JWT_BUNDLES, FETCH_X509_SVID, type X509SvidMessage } from './messages.ts';

type ContentErrorCode =
  /** A mandatory field has its default value (§4.5). */
  | 'missing-field'
  /** The SPIFFE ID of the message is not that of the certificate. */
  | 'id-mismatch'
  /** A bundle that is not keyed by the ID of a trust domain, by ours, or by one that another bundle has. */
  | 'bundle-key';

class ContentError extends SallyportError<ContentErrorCode> {}

const MAX_SHOWN = 5;

/** Which of several SVIDs is ours; the first for whom both hold, and the first of all when neither is given. */
export interface SvidSelection {
  readonly spiffeId: SpiffeId | null;
  readonly hint: string | null;
}

export interface X509Expectation extends SvidSelection {
  /** Of the message before. Agents repeat them with every SVID, and to read a long one takes a fifth of a second. */
  readonly knownCrls: readonly Crl[];
}

export interface X509Materials {
  readonly identity: OwnIdentity;
  /** Of the SVID; empty when it has none. */
  readonly hint: string;
  /** Without JWT authorities. */
  readonly bundles: TrustBundles;
  readonly crls: readonly Crl[];
}

export type JwtBundles = ReadonlyMap<TrustDomain, ReadonlyMap<string, JwtAuthority>>;

/** A bundle that cannot be used: whoever is of its trust domain is refused. */
export interface RejectedBundle {
  /** As in the message. */
  readonly key: string;
  /** Null when the key names none. */
  readonly trustDomain: TrustDomain | null;
  readonly error: Error;
}

export type Reading<Materials> =
  | { readonly kind: 'materials'; readonly materials: Materials; readonly rejected: readonly RejectedBundle[] }
  /** The message is sound, and what is ours is not in it. */
  | { readonly kind: 'redacted'; readonly reason: string };

/**
 * An X509SVIDResponse. Certificates and keys of SVIDs other than ours are not looked at.
 * @throws {SallyportError} when the message is to be discarded
 */
export function readX509Svids(
  message: Uint8Array,
  own: TrustDomain,
  { knownCrls, ...select }: X509Expectation,
): Reading<X509Materials> {
  const { svids, crls, federatedBundles } = FETCH_X509_SVID.response.decode(message);
  requireFields(svids);
  const svid = svids.find(({ spiffeId, hint }) => matches(select.spiffeId, spiffeId) && matches(select.hint, hint));
  if (svid === undefined) return { kind: 'redacted', reason: explainAbsence(svids, select) };
  const id = parseSpiffeId(svid.spiffeId);
  if (trustDomainOf(id) !== own) {
    const reason = `the SVID that the agent gives, \`${id}\`, is not of our trust domain \`${own}\``;
    return { kind: 'redacted', reason };
  }
  const identity = parseIdentity(svid, id, own);
  const ownBundle = parseTrustBundleDer(own, svid.bundle, `the bundle of \`${own}\``);
  const federated = readBundles(federatedBundles, (trustDomain, der, origin) => {
    // Ours came with the SVID; a second one would be a way to add authorities to it.
    if (trustDomain === own) throw new ContentError('bundle-key', `${origin} is of our own trust domain`);
    return parseTrustBundleDer(trustDomain, der, origin);
  });
  const bundles = new Map([[own, ownBundle], ...federated.bundles]);
  // A revocation list that cannot be read may be about anyone: to go on without it would let them in.
  const lists = crls.map((der) => knownCrls.find((known) => known.der.equals(der)) ?? parseCrl(der));
  const materials = { identity, hint: svid.hint, bundles, crls: lists };
  return { kind: 'materials', materials, rejected: federated.rejected };
}

/**
 * A JWTBundlesResponse.
 * @throws {SallyportError} when the message is to be discarded
 */
export function readJwtBundles(message: Uint8Array, own: TrustDomain): Reading<JwtBundles> {
  const { bundles } = FETCH_JWT_BUNDLES.response.decode(message);
  if (bundles.size === 0) throw new ContentError('missing-field', 'the message has no JWT bundle');
  const { bundles: materials, rejected } = readBundles(bundles, parseJwtBundle);
  const ownRejection = rejected.find(({ trustDomain }) => trustDomain === own);
  if (ownRejection !== undefined) throw ownRejection.error;
  return { kind: 'materials', materials, rejected };
}

function requireFields(svids: readonly X509SvidMessage[]): void {
  if (svids.length === 0) throw new ContentError('missing-field', 'the message has no SVID');
  for (const [index, { spiffeId, chain, privateKey, bundle }] of svids.entries()) {
    const fields = { spiffe_id: spiffeId, x509_svid: chain, x509_svid_key: privateKey, bundle };
    const missing = Object.entries(fields).find(([, { length }]) => length === 0);
    if (missing === undefined) continue;
    throw new ContentError('missing-field', `SVID ${index + 1} of ${svids.length} has no \`${missing[0]}\``);
  }
}

function matches(wanted: string | null, found: string): boolean {
  return wanted === null || wanted === found;
}

function explainAbsence(svids: readonly X509SvidMessage[], { spiffeId, hint }: SvidSelection): string {
  const wanted = [
    ...(spiffeId === null ? [] : [`for \`${spiffeId}\``]),
    ...(hint === null ? [] : [`with the hint ${quote(hint)}`]),
  ].join(' ');
  const shown = svids
    .slice(0, MAX_SHOWN)
    .map((svid) => (svid.hint === '' ? quote(svid.spiffeId) : `${quote(svid.spiffeId)} (hint ${quote(svid.hint)})`));
  const more = svids.length > MAX_SHOWN ? ` and ${svids.length - MAX_SHOWN} more` : '';
  return `the agent gives no SVID ${wanted}; it gives ${shown.join(', ')}${more}`;
}

function parseIdentity({ chain, privateKey }: X509SvidMessage, id: SpiffeId, own: TrustDomain): OwnIdentity {
  const identity = parseOwnIdentityDer({ chain, privateKey, origin: `the SVID for \`${id}\`` }, own);
  if (identity.svid.id === id) return identity;
  const message = `the SVID that is said to be for \`${id}\` is for \`${identity.svid.id}\``;
  throw new ContentError('id-mismatch', message);
}

interface ReadBundles<Bundle> {
  readonly bundles: ReadonlyMap<TrustDomain, Bundle>;
  readonly rejected: readonly RejectedBundle[];
}

/** Each entry stands alone: what a partner publishes must not keep us from our own SVID. */
function readBundles<Bundle>(
  entries: ReadonlyMap<string, Uint8Array>,
  parse: (trustDomain: TrustDomain, bytes: Uint8Array, origin: string) => Bundle,
): ReadBundles<Bundle> {
  const bundles = new Map<TrustDomain, Bundle>();
  const rejected: RejectedBundle[] = [];
  for (const [key, bytes] of entries) {
    const origin = `the bundle keyed by ${quote(key)}`;
    let trustDomain: TrustDomain | null = null;
    try {
      trustDomain = parseBundleKey(key, origin);
      // SPIFFE_Federation.md §4.2: bundles are never merged.
      if (bundles.has(trustDomain))
        throw new ContentError('bundle-key', `${origin} is a second one of its trust domain`);
      bundles.set(trustDomain, parse(trustDomain, bytes, origin));
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      rejected.push({ key, trustDomain, error });
    }
  }
  return { bundles, rejected };
}

/** The ID of a trust domain, as the specification has it, or its name alone, which the clients that agents are tried with accept as well. */
function parseBundleKey(key: string, origin: string): TrustDomain {
  if (!key.includes('://')) return parseTrustDomain(key);
  const id = parseSpiffeId(key);
  if (pathOf(id) !== '') throw new ContentError('bundle-key', `${origin} is keyed by the ID of a workload`);
  return trustDomainOf(id);
}
