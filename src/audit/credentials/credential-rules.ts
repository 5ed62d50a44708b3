// All rules about credentials.

import type { Rule } from '../finding.ts';
import { CLOUD_IDENTITY } from './rules/cloud-identity-rule.ts';
import { PLAIN_OBJECT_RULES } from './rules/plain-object-rules.ts';
import { PLAIN_WORKLOAD_RULES } from './rules/plain-workload-rules.ts';
import { PROJECTED_TOKEN_RULES } from './rules/projected-token-rules.ts';
import { RBAC_RULES } from './rules/rbac-rules.ts';
import { SHARING_RULES } from './rules/sharing-rules.ts';
import { TOKEN_SECRET_RULES } from './rules/token-secret-rules.ts';

export const credentialRules: readonly Rule[] = [
  ...PLAIN_WORKLOAD_RULES,
  ...PLAIN_OBJECT_RULES,
  ...TOKEN_SECRET_RULES,
  ...PROJECTED_TOKEN_RULES,
  CLOUD_IDENTITY,
  ...SHARING_RULES,
  ...RBAC_RULES,
];
