// `passthrough`, in the bench only: takes the place of src/app/authorizer.ts in a bundle of its own and skips the decision. Whatever
// else a request goes through is the same code.

import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import type { DecisionCache } from '../../src/policy/decision-cache.ts';
import type { Decision } from '../../src/policy/decision.ts';
import type { SnapshotView } from '../../src/core/snapshot.ts';
import type { Authorizer } from '../../src/proxy/context.ts';

export function createAuthorizer(cache: DecisionCache, policy: SnapshotView<CompiledPolicy>): Authorizer {
  const permit: Decision = {
    effect: 'allow',
    reason: 'allowed-by-rule',
    rule: null,
    component: 'training',
    target: 'registry',
    verb: 'read',
    policyDigest: policy.current.value.digest,
  };
  return { admit: (svid, trustEpoch) => cache.admit(svid, trustEpoch), decide: () => permit };
}
