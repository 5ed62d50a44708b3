// X.509-SVIDs for development, and the certificate without SPIFFE ID that shows why one is needed.

import { quote } from '../core/quote.ts';
import { pathOf, type SpiffeId, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { BACKDATE_MS, type DevelopmentAuthority } from './authority.ts';
import { DevCaError } from './error.ts';
import { generateKeys, type KeyType, toPrivateKeyPem } from './key-type.ts';
import { type Issuing, signLeaf, toCertificatesPem } from './sign.ts';

export interface SvidRequest {
  /** Null: no SPIFFE ID, so no X.509-SVID; for showing that it is refused. */
  readonly id: SpiffeId | null;
  readonly ttlMs: number;
  readonly keyType: KeyType;
  /** Host names a peer without SPIFFE, such as curl, may know the listener by. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export interface IssuedSvid {
  /** Leaf, then intermediates; never the root. */
  readonly certificatePem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** The certificates of `certificatePem`. */
  readonly chainDer: readonly Buffer[];
  readonly notAfterMs: number;
}

/**
 * Issues at `issuing.nowMs`: a moment in the past makes an SVID that has expired by now.
 * @throws {DevCaError} `id-without-path`, `foreign-trust-domain`, `ttl-outlives-ca`
 */
export async function issueSvid(
  authority: DevelopmentAuthority,
  request: SvidRequest,
  issuing: Issuing,
): Promise<IssuedSvid> {
  const { id, dnsNames, ipAddresses } = request;
  if (id !== null) requireLeafId(authority, id);
  const notAfterMs = issuing.nowMs + request.ttlMs;
  if (notAfterMs > authority.notAfterMs) {
    const caEnd = new Date(authority.notAfterMs).toISOString();
    throw new DevCaError('ttl-outlives-ca', `the CA itself expires at ${caEnd}; choose a shorter lifetime`);
  }
  const keys = await generateKeys(request.keyType, issuing.crypto);
  const leaf = await signLeaf(
    {
      names: [
        ...(id === null ? [] : [{ type: 'url' as const, value: id }]),
        ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
        ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
      ],
      notBeforeMs: issuing.nowMs - BACKDATE_MS,
      notAfterMs,
      publicKey: keys.publicKey,
    },
    authority.signer,
    issuing.crypto,
  );
  const chain = [leaf, ...authority.intermediates];
  return {
    certificatePem: toCertificatesPem(chain),
    privateKeyPem: toPrivateKeyPem(keys.privateKey),
    chainDer: chain.map(({ rawData }) => Buffer.from(rawData)),
    notAfterMs: leaf.notAfter.getTime(),
  };
}

/** @throws {DevCaError} `id-without-path`, `foreign-trust-domain` */
export function requireLeafId({ trustDomain }: { readonly trustDomain: TrustDomain }, id: SpiffeId): void {
  // X509-SVID.md §3.1: a leaf's ID has a path; without one it names an authority.
  if (pathOf(id) === '') {
    throw new DevCaError(
      'id-without-path',
      `${quote(id)} names a trust domain, not a workload; add a path such as \`/training/job-1\``,
    );
  }
  if (trustDomainOf(id) !== trustDomain) {
    throw new DevCaError(
      'foreign-trust-domain',
      `${quote(id)} is not of the trust domain \`${trustDomain}\` that this CA speaks for`,
    );
  }
}
