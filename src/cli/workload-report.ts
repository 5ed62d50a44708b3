// What an agent handed out, as facts for an operator: no key, no token, and every reason why a workload could not use it.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { Certificate } from '../pki/certificate.ts';
import { parseJwtBundle } from '../spiffe/bundle-document.ts';
import { splitCertificates } from '../spiffe/concatenated-der.ts';
import { verifyJwtSvid } from '../spiffe/jwt-svid.ts';
import { parseOwnIdentityDer } from '../spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain, pathOf, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { parseTrustBundleDer, type TrustBundle } from '../spiffe/trust-bundle.ts';
import { verifyX509Svid, type X509Svid } from '../spiffe/x509-svid.ts';
import type {
  JwtBundlesResponse,
  JwtSvidMessage,
  X509BundlesResponse,
  X509SvidMessage,
  X509SvidResponse,
} from '../workload-api/messages.ts';

export interface Problem {
  readonly code: string;
  readonly message: string;
}

export interface AuthorityFacts {
  readonly sha256: string;
  readonly notAfter: string;
}

/** `problem`: nobody of the trust domain can be verified with it. */
export interface X509BundleFacts {
  /** As the agent wrote it where that is none. */
  readonly trustDomain: string;
  readonly authorities: readonly AuthorityFacts[];
  readonly problem: Problem | null;
}

export interface JwtBundleFacts {
  /** As the agent wrote it where that is none. */
  readonly trustDomain: string;
  readonly keyIds: readonly string[];
  readonly problem: Problem | null;
}

interface CertificateFacts {
  readonly serialNumber: string;
  /** Of the whole chain, the authority included. */
  readonly notBefore: string;
  readonly notAfter: string;
  readonly leafSha256: string;
  /** How many certificates, the authority included. */
  readonly chainLength: number;
}

export interface X509SvidFacts {
  /** As the agent wrote it. */
  readonly spiffeId: string;
  readonly hint: string;
  /** Null when it cannot be used, and `problem` says why. */
  readonly certificate: CertificateFacts | null;
  readonly bundle: X509BundleFacts;
  readonly problem: Problem | null;
}

export interface X509Report {
  readonly kind: 'x509';
  /** The first is the default identity. */
  readonly svids: readonly X509SvidFacts[];
  readonly federatedBundles: readonly X509BundleFacts[];
  readonly revocationLists: number;
}

export interface JwtSvidFacts {
  /** As the agent wrote it. */
  readonly spiffeId: string;
  readonly hint: string;
  /** Null when it cannot be used, and `problem` says why. */
  readonly token: {
    readonly keyId: string;
    readonly audiences: readonly string[];
    readonly tokenId: string | null;
    readonly expires: string;
  } | null;
  readonly problem: Problem | null;
}

export interface JwtReport {
  readonly kind: 'jwt';
  readonly svids: readonly JwtSvidFacts[];
}

export interface X509BundlesReport {
  readonly kind: 'x509-bundles';
  readonly bundles: readonly X509BundleFacts[];
  readonly revocationLists: number;
}

export interface JwtBundlesReport {
  readonly kind: 'jwt-bundles';
  readonly bundles: readonly JwtBundleFacts[];
}

export type WorkloadReport = X509Report | JwtReport | X509BundlesReport | JwtBundlesReport;

export function reportX509({ svids, federatedBundles, crls }: X509SvidResponse, nowMs: number): X509Report {
  return {
    kind: 'x509',
    svids: svids.map((svid) => reportSvid(svid, nowMs)),
    federatedBundles: [...federatedBundles].map(([key, der]) => reportX509Bundle(key, der).facts),
    revocationLists: crls.length,
  };
}

export function reportX509Bundles({ bundles, crls }: X509BundlesResponse): X509BundlesReport {
  const facts = [...bundles].map(([key, der]) => reportX509Bundle(key, der).facts);
  return { kind: 'x509-bundles', bundles: facts, revocationLists: crls.length };
}

export function reportJwtBundles({ bundles }: JwtBundlesResponse): JwtBundlesReport {
  const facts = [...bundles].map(([key, jwks]): JwtBundleFacts => {
    const outcome = attempt(() => readJwtBundle(key, jwks));
    if (outcome.kind === 'failed') return { trustDomain: nameOfKey(key), keyIds: [], problem: outcome.problem };
    const { trustDomain, jwtAuthorities } = outcome.value;
    return { trustDomain, keyIds: [...jwtAuthorities.keys()], problem: null };
  });
  return { kind: 'jwt-bundles', bundles: facts };
}

/** Verifies each with the bundles that the same agent gives. */
export function reportJwt(
  svids: readonly JwtSvidMessage[],
  { bundles }: JwtBundlesResponse,
  at: { readonly audiences: readonly string[]; readonly nowMs: number },
): JwtReport {
  const trust = new Map<TrustDomain, TrustBundle>();
  for (const [key, jwks] of bundles) {
    const outcome = attempt(() => readJwtBundle(key, jwks));
    if (outcome.kind === 'done') trust.set(outcome.value.trustDomain, outcome.value);
  }
  const context = { ...at, bundles: trust, maxAudiences: Number.MAX_SAFE_INTEGER };
  const facts = svids.map(({ spiffeId, svid, hint }): JwtSvidFacts => {
    const outcome = attempt(() => {
      const verified = verifyJwtSvid(svid, context);
      if (verified.id !== spiffeId) throw new MismatchError('id-mismatch', `the token is of \`${verified.id}\``);
      return verified;
    });
    if (outcome.kind === 'failed') return { spiffeId, hint, token: null, problem: outcome.problem };
    const { keyId, audiences, tokenId, expiresMs } = outcome.value;
    return { spiffeId, hint, token: { keyId, audiences, tokenId, expires: instant(expiresMs) }, problem: null };
  });
  return { kind: 'jwt', svids: facts };
}

export function hasProblem(report: WorkloadReport): boolean {
  switch (report.kind) {
    case 'x509':
      return [...report.svids, ...report.svids.map(({ bundle }) => bundle), ...report.federatedBundles].some(isBad);
    case 'jwt':
      return report.svids.some(isBad);
    case 'x509-bundles':
    case 'jwt-bundles':
      return report.bundles.some(isBad);
  }
}

class MismatchError extends SallyportError<'id-mismatch' | 'bundle-key'> {}

function isBad({ problem }: { readonly problem: Problem | null }): boolean {
  return problem !== null;
}

function reportSvid(svid: X509SvidMessage, nowMs: number): X509SvidFacts {
  const { spiffeId, hint } = svid;
  const { facts, bundle } = reportX509Bundle(bundleKeyOf(spiffeId), svid.bundle);
  const outcome = attempt(() => verifySvid(svid, bundle, nowMs));
  const certificate = outcome.kind === 'done' ? certificateFacts(outcome.value) : null;
  return { spiffeId, hint, certificate, bundle: facts, problem: problemOf(outcome) };
}

function verifySvid(svid: X509SvidMessage, bundle: TrustBundle | null, nowMs: number): X509Svid {
  const id = parseSpiffeId(svid.spiffeId);
  const trustDomain = trustDomainOf(id);
  // Key and chain belong together, and the chain to the bundle that came with it.
  const own = parseOwnIdentityDer({ chain: svid.chain, privateKey: svid.privateKey, origin: 'the SVID' }, trustDomain);
  if (own.svid.id !== id) throw new MismatchError('id-mismatch', `the certificate is of \`${own.svid.id}\``);
  const chain = splitCertificates(svid.chain, 'the SVID').map(({ der }) => der);
  return verifyX509Svid(chain, new Map(bundle === null ? [] : [[trustDomain, bundle]]), nowMs);
}

function certificateFacts({ serialNumber, notBeforeMs, notAfterMs, leafSha256, chain }: X509Svid): CertificateFacts {
  return {
    serialNumber,
    notBefore: instant(notBeforeMs),
    notAfter: instant(notAfterMs),
    leafSha256,
    chainLength: chain.length,
  };
}

/** What the bundle of an SVID would be keyed by; an ID that is none stays as it is. */
function bundleKeyOf(spiffeId: string): string {
  const outcome = attempt(() => `spiffe://${trustDomainOf(parseSpiffeId(spiffeId))}`);
  return outcome.kind === 'done' ? outcome.value : spiffeId;
}

function reportX509Bundle(key: string, der: Uint8Array): { facts: X509BundleFacts; bundle: TrustBundle | null } {
  const outcome = attempt(() => parseTrustBundleDer(trustDomainOfKey(key), der, 'the bundle'));
  const bundle = outcome.kind === 'done' ? outcome.value : null;
  const authorities = bundle?.authorities.map(authorityFacts) ?? [];
  return { facts: { trustDomain: nameOfKey(key), authorities, problem: problemOf(outcome) }, bundle };
}

function readJwtBundle(key: string, jwks: Uint8Array): TrustBundle {
  const trustDomain = trustDomainOfKey(key);
  return { trustDomain, authorities: [], jwtAuthorities: parseJwtBundle(trustDomain, jwks, 'the bundle') };
}

function authorityFacts({ sha256, notAfterMs }: Certificate): AuthorityFacts {
  return { sha256, notAfter: instant(notAfterMs) };
}

/** SPIFFE_Workload_API.md §5.1: the SPIFFE ID of the trust domain. Its name alone is what some agents write. */
export function trustDomainOfKey(key: string): TrustDomain {
  if (!key.includes('://')) return parseTrustDomain(key);
  const id = parseSpiffeId(key);
  if (pathOf(id) === '') return trustDomainOf(id);
  throw new MismatchError('bundle-key', `${quote(key)} is the ID of a workload, not of a trust domain`);
}

/** A key that names no trust domain stays as it is. */
function nameOfKey(key: string): string {
  const outcome = attempt(() => trustDomainOfKey(key));
  return outcome.kind === 'done' ? outcome.value : key;
}

type Outcome<T> = { readonly kind: 'done'; readonly value: T } | { readonly kind: 'failed'; readonly problem: Problem };

/** What an operator wants to see goes on after the first thing that is wrong. */
function attempt<T>(step: () => T): Outcome<T> {
  try {
    return { kind: 'done', value: step() };
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    return { kind: 'failed', problem: { code: String(error.code), message: error.message } };
  }
}

function problemOf(outcome: Outcome<unknown>): Problem | null {
  return outcome.kind === 'failed' ? outcome.problem : null;
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
