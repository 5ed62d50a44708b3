// The list of all rules: each area gives one array, and the report has them in this order.

import { credentialRules } from './credentials/credential-rules.ts';
import { exposureRules } from './exposure/exposure-rules.ts';
import type { Rule } from './finding.ts';
import { matrixRulesFor } from './matrix/matrix-rules.ts';
import { meshRules } from './mesh/mesh-rules.ts';
import type { CniName } from './network/cni.ts';
import { networkRulesFor } from './network/network-rules.ts';
import { podRules } from './pods/pod-rules.ts';
import { rdmaRules } from './rdma/rdma-rules.ts';

export const ALL_RULES: readonly Rule[] = rulesFor(null);

/** For a CNI that somebody names, instead of the one that the cluster shows. */
export function rulesFor(cni: CniName | null): readonly Rule[] {
  return [
    ...networkRulesFor(cni),
    ...meshRules,
    ...podRules,
    ...credentialRules,
    ...exposureRules,
    ...rdmaRules,
    ...matrixRulesFor(cni),
  ];
}
