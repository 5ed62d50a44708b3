// A peer's X.509-SVID: the rules of the leaf, then a signed path to an authority of the ID's own trust domain.
// X509-SVID.md §2 to §5, RFC 5280 §6.1

import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { CertificateError } from '../pki/certificate-error.ts';
import { findCertificationPath } from './certification-path.ts';
import { leafIdOf, leafRefusals } from './leaf-rules.ts';
import { type SpiffeId, type TrustDomain, trustDomainOf } from './spiffe-id.ts';
import type { TrustBundle, TrustBundles } from './trust-bundle.ts';
import { toX509SvidError, X509SvidError } from './x509-svid-error.ts';

export interface X509Svid {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** Of the leaf's DER, in lower-case hex. */
  readonly leafSha256: string;
  /** Of the leaf, in lower-case hex. */
  readonly serialNumber: string;
  /** The latest notBefore of the chain. */
  readonly notBeforeMs: number;
  /** The earliest notAfter of the chain, authority included: from this instant on nothing may rest on this identity. */
  readonly notAfterMs: number;
  /** The verified path: leaf, intermediates, authority. */
  readonly chain: readonly Certificate[];
}

/** Leaf and intermediates a peer may present. Every further one costs the verifier time and no known deployment needs it. */
const MAX_PRESENTED_CERTIFICATES = 8;

/**
 * Verifies `chain` (DER, leaf first, the rest in any order) against the bundle of the trust domain its ID names, at `nowMs`.
 * Certificates that the path does not need are read, so they have to be well formed, and otherwise left out of it.
 * @throws {X509SvidError}
 */
export function verifyX509Svid(chain: readonly Uint8Array[], bundles: TrustBundles, nowMs: number): X509Svid {
  const [leaf, ...others] = parsePresented(chain);
  if (leaf === undefined) throw new X509SvidError('empty-chain', 'the peer presented no certificate');
  checkNotAuthority(leaf, bundles);
  const [leafRefusal] = leafRefusals(leaf);
  if (leafRefusal !== undefined) throw toX509SvidError(leafRefusal);
  const leafId = leafIdOf(leaf);
  if (leafId.kind === 'refused') throw toX509SvidError(leafId.refusal);
  const { id } = leafId;
  const trustDomain = trustDomainOf(id);
  const { authorities } = bundleOf(trustDomain, bundles);
  const intermediates = withoutRepetitions(leaf, others, authorities);
  const result = findCertificationPath({ leaf, intermediates, authorities, nowMs });
  if (result.kind === 'refused') throw toX509SvidError(result.refusal);
  return {
    id,
    trustDomain,
    leafSha256: leaf.sha256,
    serialNumber: leaf.serialNumber,
    notBeforeMs: Math.max(...result.chain.map((certificate) => certificate.notBeforeMs)),
    notAfterMs: Math.min(...result.chain.map((certificate) => certificate.notAfterMs)),
    chain: result.chain,
  };
}

function parsePresented(chain: readonly Uint8Array[]): readonly Certificate[] {
  if (chain.length > MAX_PRESENTED_CERTIFICATES) {
    const message = `the peer presented ${chain.length} certificates; at most ${MAX_PRESENTED_CERTIFICATES} are looked at`;
    throw new X509SvidError('chain-too-long', message);
  }
  return chain.map((der, index) => {
    try {
      return parseCertificate(der);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      const which = index === 0 ? 'the leaf' : `certificate ${index + 1} of the chain`;
      throw new X509SvidError('malformed-certificate', `${which} cannot be read: ${error.message}`, { cause: error });
    }
  });
}

/** X509-SVID.md §3.2: a signing certificate does not authenticate, whichever trust domain it signs for. */
function checkNotAuthority(leaf: Certificate, bundles: TrustBundles): void {
  for (const { trustDomain, authorities } of bundles.values()) {
    if (authorities.some(({ sha256 }) => sha256 === leaf.sha256)) {
      throw new X509SvidError('leaf-is-authority', `the leaf is an authority of trust domain \`${trustDomain}\``);
    }
  }
}

/** Trust bundles are never merged (SPIFFE_Federation.md §4.2): only that of the ID's own trust domain counts. */
function bundleOf(trustDomain: TrustDomain, bundles: TrustBundles): TrustBundle {
  const bundle = bundles.get(trustDomain);
  if (bundle === undefined) {
    throw new X509SvidError('unknown-trust-domain', `there is no trust bundle for trust domain \`${trustDomain}\``);
  }
  if (bundle.authorities.length === 0) {
    throw new X509SvidError('empty-trust-bundle', `the trust bundle of \`${trustDomain}\` has no authority`);
  }
  return bundle;
}

function withoutRepetitions(
  leaf: Certificate,
  others: readonly Certificate[],
  authorities: readonly Certificate[],
): readonly Certificate[] {
  if (others.length === 0) return others;
  const seen = new Set([leaf.sha256, ...authorities.map(({ sha256 }) => sha256)]);
  return others.filter(({ sha256 }) => {
    const isNew = !seen.has(sha256);
    seen.add(sha256);
    return isNew;
  });
}
