// Who a check is about: proven by the certificate that comes with it, our own path walk and the revocations, and by nothing else.

import { createHash } from 'node:crypto';
import { parsePem } from '../pki/pem.ts';
import type { CachePartition } from '../policy/decision-cache.ts';
import type { AdmissionSources, Authorizer } from '../proxy/context.ts';
import type { Refusal } from '../proxy/refusal.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import { X509SvidError } from '../spiffe/x509-svid-error.ts';
import type { NoIdentityReason } from './service.ts';
import type { ToldCertificates } from './told-certificate.ts';

/** What a data plane says of its peer. */
export interface ToldPeer {
  readonly certificates: ToldCertificates;
  /** Empty when it says none. It proves nothing, and has to agree. */
  readonly principal: string;
}

export type Proof =
  | { readonly kind: 'svid'; readonly svid: X509Svid; readonly partition: CachePartition }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const MAX_KNOWN = 10_000;
/** More is not looked at by the walk. */
const MAX_CHAIN = 8;

export class Prover {
  readonly #sources: AdmissionSources;
  readonly #authorizer: Authorizer;
  readonly #onNoIdentity: (reason: NoIdentityReason, detail: string) => void;
  /** By leaf hash, the oldest first: a partition's time only goes forward, so it is kept from check to check. */
  readonly #known = new Map<string, CachePartition>();
  #intermediates: { readonly of: OwnIdentity; readonly chain: readonly Uint8Array[] } | null = null;

  constructor(
    sources: AdmissionSources,
    authorizer: Authorizer,
    onNoIdentity: (reason: NoIdentityReason, detail: string) => void,
  ) {
    this.#sources = sources;
    this.#authorizer = authorizer;
    this.#onNoIdentity = onNoIdentity;
  }

  prove({ certificates, principal }: ToldPeer): Proof {
    const { clock, identity, trust, revocations, verified } = this.#sources;
    const own = identity.current.value;
    if (own === null) return { kind: 'refused', refusal: 'own-svid-withdrawn' };
    if (certificates.kind === 'unreadable') return this.#refuse('malformed-certificate', certificates.detail);
    if (certificates.kind === 'none') {
      if (principal === '') return this.#refuse('no-certificate', 'the check has no certificate');
      return this.#refuse('principal-without-certificate', 'the check tells a principal and no certificate');
    }
    const [leaf, ...presented] = certificates.chain;
    if (leaf === undefined) return this.#refuse('no-certificate', 'the check has no certificate');
    const trusted = trust.current;
    const revoked = revocations.current;
    const nowMs = clock.wallMs();
    let svid: X509Svid;
    try {
      const leafSha256 = createHash('sha256').update(leaf).digest('hex');
      svid = verified.verify(leafSha256, () => this.#candidates([leaf, ...presented], own), trusted, nowMs);
    } catch (error) {
      if (!(error instanceof X509SvidError)) throw error;
      return this.#refuse(error.code, error.message);
    }
    const match = revoked.value.findSvid(svid, nowMs);
    if (match !== null) return this.#refuse('revoked', `\`${svid.id}\` is revoked: ${match.reason}`);
    if (principal !== '' && principal !== svid.id)
      return this.#refuse('principal-mismatch', `the check tells another principal than \`${svid.id}\``);
    return { kind: 'svid', svid, partition: this.#partitionOf(svid, trusted.epoch) };
  }

  /** A leaf comes alone from most data planes; those who issue in one trust domain mostly share their intermediates. */
  #candidates(presented: readonly Uint8Array[], own: OwnIdentity): readonly Uint8Array[] {
    if (this.#intermediates?.of !== own) {
      const [, ...above] = parsePem(Buffer.from(own.certificatePem), 'our own certificate');
      this.#intermediates = { of: own, chain: above.map(({ der }) => der) };
    }
    const room = Math.max(0, MAX_CHAIN - presented.length);
    return [...presented, ...this.#intermediates.chain.slice(0, room)];
  }

  #partitionOf(svid: X509Svid, trustEpoch: number): CachePartition {
    const known = this.#known.get(svid.leafSha256);
    if (known?.trustEpoch === trustEpoch) return known;
    this.#known.delete(svid.leafSha256);
    const partition = this.#authorizer.admit(svid, trustEpoch);
    this.#known.set(svid.leafSha256, partition);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(oldest);
    }
    return partition;
  }

  #refuse(reason: NoIdentityReason, detail: string): Proof {
    this.#onNoIdentity(reason, detail);
    return { kind: 'refused', refusal: reason === 'revoked' ? 'revoked' : 'no-identity' };
  }
}
