// What requests are decided with wherever they come from, the listeners of the data plane and the authorization services alike.

import { randomFillSync } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { EveryNth } from '../core/every-nth.ts';
import type { AdmissionSources, Authorizer, ListenerContext } from '../proxy/context.ts';
import { IdentityFieldFilter } from '../proxy/identity-fields.ts';
import { DecisionIds } from '../proxy/trace-context.ts';
import { VerifiedSvids } from '../spiffe/verified-svids.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { Materials } from './materials/materials.ts';

/** Of the materials, what peers are admitted on and requests decided by. */
export type AdmissionMaterials = Pick<Materials, 'identity' | 'revocations' | 'policy'> & {
  readonly trust: Pick<Materials['trust'], 'view'>;
};

export interface DecisionParts {
  readonly materials: AdmissionMaterials;
  readonly authorizer: Authorizer;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What each listener or service has for itself of what it decides by. */
type Deciding = Pick<ListenerContext, 'authorizer' | 'recorder' | 'timedDecisions' | 'decisionIds' | 'identityFields'>;

/** Whoever may connect or ask may also be refused, as often as they like; each one is in the metrics. */
export const MAX_ANONYMOUS_LINES_PER_SECOND = 100;

const TIMED_DECISIONS = 16;
const VERIFIED_SVIDS = 10_000;

/** With one memory of verified SVIDs, for everything that is given the result. */
export function createAdmissionSources({ materials, clock }: DecisionParts): AdmissionSources {
  return {
    clock,
    identity: materials.identity,
    trust: materials.trust.view,
    revocations: materials.revocations,
    verified: new VerifiedSvids(VERIFIED_SVIDS),
  };
}

export function createDeciding({ authorizer, recorder }: DecisionParts): Deciding {
  return {
    authorizer,
    recorder,
    timedDecisions: new EveryNth(TIMED_DECISIONS),
    decisionIds: new DecisionIds(randomFillSync),
    identityFields: new IdentityFieldFilter(),
  };
}
