// All rules about what is reachable from outside.

import type { Rule } from '../finding.ts';
import { CONNECTION_RULES } from './rules/connection-rules.ts';
import { REQUEST_RULES } from './rules/request-rules.ts';

export const exposureRules: readonly Rule[] = [...CONNECTION_RULES, ...REQUEST_RULES];
