// The one decide as the data plane sees it: through the cache, under the policy that is in force at that moment.

import type { Clock } from '../core/clock.ts';
import type { SnapshotView } from '../core/snapshot.ts';
import type { DecisionCache } from '../policy/decision-cache.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { Authorizer } from '../proxy/context.ts';

/**
 * The cache goes by wall time, as certificates do. A clock that is set back revives nothing: within a connection the cache's
 * time only goes forward, and the session ends it when the time it was admitted for has passed by the monotonic clock. One
 * that was wrong when the program started and is then put right harms nothing either.
 */
export function createAuthorizer(cache: DecisionCache, policy: SnapshotView<CompiledPolicy>, clock: Clock): Authorizer {
  return {
    admit: (svid, trustEpoch) => cache.admit(svid, trustEpoch),
    decide: (partition, request) => cache.decide(partition, policy.current, request, clock.wallMs()),
  };
}
