// Rules over a cluster, and their verdicts put together into one report.

import type { Baseline } from './baseline.ts';
import type { Cluster } from './cluster.ts';
import { buildCluster } from './cluster.ts';
import type { Exceptions } from './exceptions.ts';
import type { AuditContext, Rule, RuleInfo, Severity, Verdict } from './finding.ts';
import type { Inventory } from './inventory.ts';
import type { AuditReport } from './report.ts';

export interface AuditTerms {
  readonly rules: readonly Rule[];
  readonly context: AuditContext;
  readonly exceptions: Exceptions;
  /** Null for none. */
  readonly baseline: Baseline | null;
}

/** All that one rule said. */
export interface Evaluation {
  readonly info: RuleInfo;
  readonly verdicts: readonly Verdict[];
  /** Of the rule itself; null for none. */
  readonly failure: string | null;
}

export function runAudit(inventory: Inventory, terms: AuditTerms): AuditReport {
  const cluster = buildCluster(inventory);
  return assembleReport(cluster, evaluateRules(cluster, terms), terms);
}

export declare function evaluateRules(
  cluster: Cluster,
  terms: Pick<AuditTerms, 'rules' | 'context'>,
): readonly Evaluation[];

/** Also of evaluations made elsewhere, such as of pipeline artifacts; `cluster` is null when there is none. */
export declare function assembleReport(
  cluster: Cluster | null,
  evaluations: readonly Evaluation[],
  terms: Pick<AuditTerms, 'context' | 'exceptions' | 'baseline'>,
): AuditReport;

export declare function outcomeOf(
  report: AuditReport,
  threshold: Severity | null,
): 'clean' | 'findings' | 'incomplete' | 'failed';
