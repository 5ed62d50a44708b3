// From a leaf up to an authority: a depth-first search over what the peer sent, in which every step is a checked signature.
// RFC 5280 §6.1, RFC 4158

import type { Certificate } from '../pki/certificate.ts';
import { isSignedBy } from '../pki/certificate-signature.ts';
import { describeCertificate, findValidityRefusal } from './certificate-rules.ts';
import {
  findIssuerKeyRefusal,
  findRefusalOfBelow,
  issuerRefusals,
  namesIssuer,
  type IssuerRole,
} from './issuer-rules.ts';
import type { Refusal } from './x509-svid-error.ts';

export interface PathSearch {
  readonly leaf: Certificate;
  /** As presented, without the leaf; proof of nothing by themselves. */
  readonly intermediates: readonly Certificate[];
  /** Of the one trust domain that counts. */
  readonly authorities: readonly Certificate[];
  readonly nowMs: number;
}

export type PathResult =
  /** Leaf first, authority last. */
  | { readonly kind: 'path'; readonly chain: readonly Certificate[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * Issuers tried for one leaf. A chain without surprises needs one per certificate; more are needed only where several CAs
 * share a name and say nothing about their keys, and there a peer could otherwise make us try every order of them.
 */
export const MAX_ISSUERS_TRIED = 16;

export function findCertificationPath(search: PathSearch): PathResult {
  const expiry = findValidityRefusal(search.leaf, search.nowMs, 'leaf');
  if (expiry !== null) return { kind: 'refused', refusal: expiry };
  const attempts: Attempts = { left: MAX_ISSUERS_TRIED, exhausted: false, furthest: null };
  const path = extend([search.leaf], search, attempts);
  if (path !== null) return { kind: 'path', chain: path.toReversed() };
  if (attempts.exhausted) {
    const message = `no path to an authority among the first ${MAX_ISSUERS_TRIED} issuers tried`;
    return { kind: 'refused', refusal: { code: 'too-many-paths', message } };
  }
  return { kind: 'refused', refusal: attempts.furthest?.refusal ?? unknownAuthority(search.leaf) };
}

/** Highest first: the order in which the search grows it. */
type Path = readonly [highest: Certificate, ...below: Certificate[]];

interface Attempts {
  left: number;
  exhausted: boolean;
  /** The refusal of the attempt that came furthest: what a person has to put right. */
  furthest: { readonly rank: number; readonly refusal: Refusal } | null;
}

function extend(path: Path, search: PathSearch, attempts: Attempts): Path | null {
  const [highest] = path;
  let hasCandidate = false;
  for (const { issuer, role } of candidates(search)) {
    if (path.includes(issuer) || !namesIssuer(highest, issuer)) continue;
    hasCandidate = true;
    if (attempts.left === 0) {
      attempts.exhausted = true;
      return null;
    }
    attempts.left -= 1;
    const refusal = findStepRefusal(path, { issuer, role }, search.nowMs);
    if (refusal !== null) {
      note(attempts, refusal, path.length);
      continue;
    }
    if (role === 'authority') return [issuer, ...path];
    const longer = extend([issuer, ...path], search, attempts);
    if (longer !== null || attempts.exhausted) return longer;
  }
  if (!hasCandidate) note(attempts, unknownAuthority(highest), path.length);
  return null;
}

interface Candidate {
  readonly issuer: Certificate;
  readonly role: IssuerRole;
}

/** Authorities first: a path ends at the first one it can, and what the peer sent above it does not matter. */
function* candidates(search: PathSearch): Generator<Candidate> {
  for (const issuer of search.authorities) yield { issuer, role: 'authority' };
  for (const issuer of search.intermediates) yield { issuer, role: 'intermediate' };
}

/** Key strength before its use, the signature before everything the issuer merely claims. */
function findStepRefusal(path: Path, { issuer, role }: Candidate, nowMs: number): Refusal | null {
  const keyRefusal = findIssuerKeyRefusal(issuer, role);
  if (keyRefusal !== null) return keyRefusal;
  const [highest] = path;
  if (!isSignedBy(highest, issuer)) {
    const message = `${describeCertificate(highest)} is not signed with the key of ${describeCertificate(issuer)}`;
    return { code: 'signature-invalid', message };
  }
  return (
    findValidityRefusal(issuer, nowMs, role) ?? issuerRefusals(issuer, role)[0] ?? findRefusalOfBelow(issuer, path)
  );
}

function note(attempts: Attempts, refusal: Refusal, depth: number): void {
  const rank = depth * 2 + (refusal.code === 'signature-invalid' ? 0 : 1);
  if (attempts.furthest === null || rank > attempts.furthest.rank) attempts.furthest = { rank, refusal };
}

function unknownAuthority(certificate: Certificate): Refusal {
  const message = `no authority of the trust domain and no presented certificate issued ${describeCertificate(certificate)}`;
  return { code: 'unknown-authority', message };
}
