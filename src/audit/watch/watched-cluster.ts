// A cluster that is audited again and again: what each audit says that the one before did not.

import { assembleReport, type AuditTerms, evaluateRules } from '../audit.ts';
import { buildCluster, type Cluster } from '../cluster.ts';
import type { Evaluation } from '../finding.ts';
import type { Inventory, Unreadable } from '../inventory.ts';
import type { AuditReport } from '../report.ts';
import type { Workload } from '../workload.ts';
import type { AuditEvent } from './audit-event.ts';
import { causesOfReach, nearest } from './causes.ts';
import { compareFindings, compareJudgement, type FindingState, stateOfReport } from './finding-changes.ts';
import type { ObjectChange } from './object-change.ts';
import { compareReach } from './reach-changes.ts';
import { BoundsNumbers, type ReachTable, tabulateReach } from './reach-table.ts';
import { compareVisibility } from './visibility-changes.ts';

export interface WatchedTerms {
  readonly terms: () => AuditTerms;
  /** What of it is reported. */
  readonly filter: (evaluations: readonly Evaluation[], cluster: Cluster) => readonly Evaluation[];
  /** Whose reach is told. */
  readonly keeps: (workload: Workload) => boolean;
}

interface AuditState {
  readonly findings: FindingState;
  readonly reach: ReachTable;
  readonly unreadable: readonly Unreadable[];
}

const MAX_TOLD = 200;

export class WatchedCluster {
  readonly #terms: WatchedTerms;
  readonly #numbers = new BoundsNumbers();
  #state: AuditState | null = null;

  constructor(terms: WatchedTerms) {
    this.#terms = terms;
  }

  /** What is reached is told before rules are asked, which takes longer. Nothing is told the first time. */
  audit(inventory: Inventory, changes: readonly ObjectChange[], tell: (event: AuditEvent) => void): AuditReport {
    const terms = this.#terms.terms();
    const cluster = buildCluster(inventory);
    const before = this.#state;
    const reach = tabulateReach(cluster, this.#numbers);
    const { unreadable } = inventory;
    if (before !== null) for (const event of this.#compareReach(before, { reach, unreadable }, changes)) tell(event);
    const report = assembleReport(cluster, this.#terms.filter(evaluateRules(cluster, terms), cluster), terms);
    const findings = stateOfReport(report);
    if (before !== null) for (const event of newsOfFindings(before.findings, findings, changes)) tell(event);
    this.#state = { findings, reach, unreadable };
    return report;
  }

  #compareReach(
    before: AuditState,
    after: Omit<AuditState, 'findings'>,
    changes: readonly ObjectChange[],
  ): readonly AuditEvent[] {
    const states = { before: before.reach, after: after.reach };
    const reach = compareReach(before.reach, after.reach, this.#numbers).filter(({ focus, peers }) =>
      [focus, ...peers].some((ref) => this.#keeps(after.reach.workloads.get(ref))),
    );
    const isCut = after.reach.pairs === null && before.reach.pairs !== null;
    return [
      ...compareVisibility(before.unreadable, after.unreadable).map(
        (change): AuditEvent => ({ kind: 'visibility', change }),
      ),
      ...reach
        .slice(0, MAX_TOLD)
        .map((change): AuditEvent => ({ kind: 'reach', change, causes: causesOfReach(change, changes, states) })),
      ...more('reach', reach.length),
      ...(isCut ? [{ kind: 'more', of: 'reach', count: null } as const] : []),
    ];
  }

  #keeps(workload: Workload | undefined): boolean {
    return workload !== undefined && this.#terms.keeps(workload);
  }
}

function newsOfFindings(
  before: FindingState,
  after: FindingState,
  changes: readonly ObjectChange[],
): readonly AuditEvent[] {
  const findings = compareFindings(before, after);
  return [
    ...findings.slice(0, MAX_TOLD).map((change): AuditEvent => {
      const { namespace } = change.finding;
      return { kind: 'finding', change, causes: nearest(changes, namespace === null ? [] : [namespace]) };
    }),
    ...more('finding', findings.length),
    ...compareJudgement(before, after).map((change): AuditEvent => ({ kind: 'judgement', change })),
  ];
}

function more(of: 'reach' | 'finding', count: number): readonly AuditEvent[] {
  return count > MAX_TOLD ? [{ kind: 'more', of, count: count - MAX_TOLD }] : [];
}
