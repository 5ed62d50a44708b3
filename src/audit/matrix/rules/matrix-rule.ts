// What the rules about the access matrix have in common: they look at the same access, and at nothing without a matrix.

import type { Cluster } from '../../cluster.ts';
import type { AuditContext, Rule, RuleInfo, Verdict } from '../../finding.ts';
import type { CniName } from '../../network/cni.ts';
import { accessOf, type Access } from '../access.ts';

export interface MatrixRule {
  readonly info: RuleInfo;
  evaluate(access: Access, cluster: Cluster, context: AuditContext): Iterable<Verdict>;
}

export function matrixRuleInfo(
  info: Pick<RuleInfo, 'id' | 'title' | 'severity' | 'help'> & Partial<RuleInfo>,
): RuleInfo {
  return { tenets: ['T3', 'T4', 'T6'], aliases: [], atlas: ['AML.TA0015'], subject: 'object', check: null, ...info };
}

export function toRule(rule: MatrixRule, cni: CniName | null): Rule {
  return {
    info: rule.info,
    *evaluate(cluster, context) {
      const access = accessOf(cluster, context, cni);
      if (access !== null) yield* rule.evaluate(access, cluster, context);
    },
  };
}
