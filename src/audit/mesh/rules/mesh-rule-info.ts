// What all rules about meshes have in common.

import type { ComplianceCheck, RuleInfo, Severity, Tenet } from '../../finding.ts';

export interface MeshRuleTerms {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly help: string;
  readonly subject?: RuleInfo['subject'];
  readonly tenets?: readonly Tenet[];
  readonly aliases?: readonly string[];
  readonly atlas?: readonly string[];
  readonly check?: ComplianceCheck | null;
}

export function meshRuleInfo(terms: MeshRuleTerms): RuleInfo {
  return {
    subject: 'workload',
    tenets: ['T2', 'T6'],
    aliases: [],
    // Lateral movement: who need not prove who it is may be anybody.
    atlas: ['AML.TA0015'],
    check: 'mesh-mtls',
    ...terms,
  };
}
