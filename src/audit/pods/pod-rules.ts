// All rules about the hardening of pods.
// Elsewhere: ports of the node (exposure), tokens and secrets (credentials), RDMA devices (rdma).

import type { Rule } from '../finding.ts';
import { CAPABILITY_RULES } from './capability-rules.ts';
import { CONFINEMENT_RULES } from './confinement-rules.ts';
import { HOST_RULES } from './host-rules.ts';
import { RESOURCE_RULES } from './resource-rules.ts';
import { USER_RULES } from './user-rules.ts';

export const podRules: readonly Rule[] = [
  ...HOST_RULES,
  ...CAPABILITY_RULES,
  ...USER_RULES,
  ...CONFINEMENT_RULES,
  ...RESOURCE_RULES,
];
