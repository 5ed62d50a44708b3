// What all rules about pod templates have in common.

import type { RuleInfo } from '../finding.ts';

type Terms = Pick<RuleInfo, 'id' | 'title' | 'severity' | 'aliases' | 'help'> &
  Partial<Pick<RuleInfo, 'atlas' | 'tenets' | 'check'>>;

/** T5 asks for the posture of every asset. */
export function podRuleInfo(terms: Terms): RuleInfo {
  return { tenets: ['T5'], atlas: [], check: null, subject: 'workload', ...terms };
}

/** AML.T0105: what leads from a container to its node. */
export const ESCAPE_TO_HOST = ['AML.T0105'];
