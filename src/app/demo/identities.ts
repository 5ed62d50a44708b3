// Who takes part in the demo. In files, the good, the expired, the foreign, the forged and the nameless; from an agent, who stays up.

import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts';
import { parseSpiffeId, parseTrustDomain } from '../../spiffe/spiffe-id.ts';

/** Of the shipped policy. */
export const TRUST_DOMAIN: TrustDomain = parseTrustDomain('ai.example');
export const OTHER_TRUST_DOMAIN: TrustDomain = parseTrustDomain('other.example');

/** How long an X.509-SVID lives that is written to a file. */
export const SVID_TTL_MS = 3_600_000;

/**
 * `ca`: the development CA in the folder. `other`: the CA of another trust domain. `rogue`: a CA that calls itself one of our
 * trust domain, and is in nobody's trust bundle.
 */
type Issuer = 'ca' | 'other' | 'rogue';

export interface Identity {
  readonly issuer: Issuer;
  readonly id: SpiffeId | null;
  /** Ended already when it is negative. */
  readonly expiresInMs: number;
}

/** By the name of the files the certificate and its key are in. */
export const IDENTITIES = {
  training: workload('/training/job-1'),
  inference: workload('/inference/fraud-1'),
  pipeline: workload('/pipeline/nightly'),
  registry: workload('/registry/main'),
  'feature-store': workload('/feature-store/online'),
  notebook: workload('/notebook/alice'),
  gateway: workload('/gateway/edge'),
  expired: { ...workload('/training/job-0'), expiresInMs: -SVID_TTL_MS },
  foreign: { ...workload('/training/job-1', OTHER_TRUST_DOMAIN), issuer: 'other' },
  forged: { ...workload('/training/job-1'), issuer: 'rogue' },
  nameless: { ...workload('/training/job-1'), id: null },
} as const satisfies Record<string, Identity>;

export type IdentityName = keyof typeof IDENTITIES;

export const IDENTITY_NAMES = Object.keys(IDENTITIES) as readonly IdentityName[];

/** Who gets an identity from the agent: the sidecar, and peers that are there all the time. */
export const WORKLOADS = {
  sidecar: { id: idOf('/sallyport/demo'), ttlMs: 12_000 },
  // Longer than a stream of theirs lasts: whoever rotates at half of it never has one cut.
  training: { id: idOf('/training/job-2'), ttlMs: 60_000 },
  inference: { id: idOf('/inference/fraud-2'), ttlMs: 60_000 },
  pipeline: { id: idOf('/pipeline/hourly'), ttlMs: 60_000 },
} as const satisfies Record<string, { readonly id: SpiffeId; readonly ttlMs: number }>;

export type WorkloadName = keyof typeof WORKLOADS;

export const BACKGROUND_PEERS: readonly SpiffeId[] = [
  WORKLOADS.training.id,
  WORKLOADS.inference.id,
  WORKLOADS.pipeline.id,
];

function workload(path: string, trustDomain: TrustDomain = TRUST_DOMAIN): Identity {
  return { issuer: 'ca', id: idOf(path, trustDomain), expiresInMs: SVID_TTL_MS };
}

function idOf(path: string, trustDomain: TrustDomain = TRUST_DOMAIN): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}${path}`);
}
