// One snapshot on its way to another process: as the bytes it was made from where it is more than plain values, and made again there.

import { createPublicKey } from 'node:crypto';
import type { Snapshot } from '../../core/snapshot.ts';
import { parseCertificate } from '../../pki/certificate.ts';
import { parseCrl } from '../../pki/crl.ts';
import { loadPolicy, type PolicySource } from '../../policy/load.ts';
import type { CompiledPolicy, PolicyMode } from '../../policy/matrix.ts';
import type { Revocation } from '../../revocation/revocation.ts';
import { compileRevocations, type Revocations, type RevocationSources } from '../../revocation/revocations.ts';
import type { OwnIdentity } from '../../spiffe/own-identity.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../../spiffe/trust-bundle.ts';

export type StateChange = IdentityChange | TrustChange | RevocationsChange | PolicyChange;

export interface IdentityChange {
  readonly what: 'identity';
  readonly epoch: number;
  readonly identity: OwnIdentity | null;
}

export interface TrustChange {
  readonly what: 'trust';
  readonly epoch: number;
  readonly bundles: readonly PackedBundle[];
}

export interface RevocationsChange {
  readonly what: 'revocations';
  readonly epoch: number;
  readonly entries: readonly Revocation[];
  /** DER. */
  readonly crls: readonly Uint8Array[];
}

export interface PolicyChange {
  readonly what: 'policy';
  readonly epoch: number;
  /** What it has to come out as. */
  readonly digest: string;
  readonly mode: PolicyMode;
  readonly sources: readonly PolicySource[];
}

interface PackedBundle {
  readonly trustDomain: TrustDomain;
  /** DER. */
  readonly authorities: readonly Uint8Array[];
  /** SubjectPublicKeyInfo by key ID. */
  readonly jwtAuthorities: readonly (readonly [keyId: string, spki: Uint8Array])[];
}

export function packIdentity({ epoch, value }: Snapshot<OwnIdentity | null>): IdentityChange {
  return { what: 'identity', epoch, identity: value };
}

export function packTrust({ epoch, value }: Snapshot<TrustBundles>): TrustChange {
  return { what: 'trust', epoch, bundles: [...value.values()].map(packBundle) };
}

export function packRevocations(epoch: number, { entries, crls }: RevocationSources): RevocationsChange {
  return { what: 'revocations', epoch, entries, crls: crls.map(({ der }) => der) };
}

export function packPolicy(
  { epoch, value: { digest, mode } }: Snapshot<CompiledPolicy>,
  sources: readonly PolicySource[],
): PolicyChange {
  return { what: 'policy', epoch, digest, mode, sources };
}

/** Every authority has passed its rules where it was first read; here it is read, and never judged otherwise. */
export function unpackTrust({ bundles }: TrustChange): TrustBundles {
  return new Map(bundles.map((bundle) => [bundle.trustDomain, unpackBundle(bundle)]));
}

export function unpackRevocations({ entries, crls }: RevocationsChange): Revocations {
  return compileRevocations({ entries, crls: crls.map(parseCrl) });
}

/** @throws {Error} when the same bytes make another policy here: a defect, and nothing may be decided by it. */
export function unpackPolicy({ sources, mode, digest }: PolicyChange): CompiledPolicy {
  const policy = loadPolicy(sources, mode);
  if (policy.digest !== digest) throw new Error(`the policy ${digest} was compiled to ${policy.digest}`);
  return policy;
}

function packBundle({ trustDomain, authorities, jwtAuthorities }: TrustBundle): PackedBundle {
  return {
    trustDomain,
    authorities: authorities.map(({ der }) => der),
    jwtAuthorities: Array.from(jwtAuthorities, ([keyId, { publicKey }]) => [
      keyId,
      publicKey.export({ type: 'spki', format: 'der' }),
    ]),
  };
}

function unpackBundle({ trustDomain, authorities, jwtAuthorities }: PackedBundle): TrustBundle {
  return {
    trustDomain,
    authorities: authorities.map(parseCertificate),
    jwtAuthorities: new Map(
      jwtAuthorities.map(([keyId, spki]) => {
        const publicKey = createPublicKey({ key: Buffer.from(spki), type: 'spki', format: 'der' });
        return [keyId, { keyId, publicKey }];
      }),
    ),
  };
}
