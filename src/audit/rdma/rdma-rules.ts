// Rules about RDMA and adapters of pods: traffic that passes the kernel, and with it every policy that the cluster has.

import type { Rule } from '../finding.ts';
import { BYPASSES_POLICY } from './bypass-rule.ts';
import { PRIVILEGED_ACCESS } from './privileged-access-rule.ts';
import { SHARED_PARTITION } from './shared-partition-rule.ts';

export const rdmaRules: readonly Rule[] = [BYPASSES_POLICY, SHARED_PARTITION, PRIVILEGED_ACCESS];
