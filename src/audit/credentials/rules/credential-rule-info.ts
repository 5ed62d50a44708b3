// What the rules about credentials have in common.

import type { RuleInfo } from '../../finding.ts';

/** MITRE ATLAS: unsecured credentials. */
export const UNSECURED = ['AML.T0055'];
/** Valid accounts, and alternate authentication material. */
export const ACCOUNTS = ['AML.T0012', 'AML.T0091'];

export function credentialRuleInfo(
  info: Pick<RuleInfo, 'id' | 'title' | 'severity' | 'subject' | 'help'> & Partial<RuleInfo>,
): RuleInfo {
  return { tenets: ['T6'], aliases: [], atlas: UNSECURED, check: null, ...info };
}
