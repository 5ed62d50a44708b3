// Who takes part in the demo, and the certificate each of them has: the good, the expired, the foreign, the forged and the nameless.

import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts';
import { parseSpiffeId, parseTrustDomain } from '../../spiffe/spiffe-id.ts';

/** Of the shipped policy. */
export const TRUST_DOMAIN: TrustDomain = parseTrustDomain('ai.example');
export const OTHER_TRUST_DOMAIN: TrustDomain = parseTrustDomain('other.example');

/** How long an X.509-SVID of the demo lives. */
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
  sidecar: workload('/sallyport/demo'),
  training: workload('/training/job-1'),
  inference: workload('/inference/fraud-1'),
  pipeline: workload('/pipeline/nightly'),
  registry: workload('/registry/main'),
  'feature-store': workload('/feature-store/online'),
  notebook: workload('/notebook/alice'),
  expired: { ...workload('/training/job-0'), expiresInMs: -SVID_TTL_MS },
  foreign: { ...workload('/training/job-1', OTHER_TRUST_DOMAIN), issuer: 'other' },
  forged: { ...workload('/training/job-1'), issuer: 'rogue' },
  nameless: { ...workload('/training/job-1'), id: null },
} as const satisfies Record<string, Identity>;

export type IdentityName = keyof typeof IDENTITIES;

export const IDENTITY_NAMES = Object.keys(IDENTITIES) as readonly IdentityName[];

function workload(path: string, trustDomain: TrustDomain = TRUST_DOMAIN): Identity {
  return { issuer: 'ca', id: parseSpiffeId(`spiffe://${trustDomain}${path}`), expiresInMs: SVID_TTL_MS };
}
