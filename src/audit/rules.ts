// The list of all rules.

import type { Rule } from './finding.ts';

export const ALL_RULES: readonly Rule[] = [];
