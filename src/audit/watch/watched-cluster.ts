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

  /** The events are empty the first time. */
  audit(
    inventory: Inventory,
    changes: readonly ObjectChange[],
  ): { readonly report: AuditReport; readonly events: readonly AuditEvent[] } {
    const terms = this.#terms.terms();
    const cluster = buildCluster(inventory);
    const report = assembleReport(cluster, this.#terms.filter(evaluateRules(cluster, terms), cluster), terms);
    const before = this.#state;
    const after: AuditState = {
      findings: stateOfReport(report),
      reach: tabulateReach(cluster, this.#numbers),
      unreadable: inventory.unreadable,
    };
    this.#state = after;
    return { report, events: before === null ? [] : this.#compare({ before, after }, changes) };
  }

  #compare(
    { before, after }: { readonly before: AuditState; readonly after: AuditState },
    changes: readonly ObjectChange[],
  ): readonly AuditEvent[] {
    const states = { before: before.reach, after: after.reach };
    const reach = compareReach(before.reach, after.reach, this.#numbers).filter(({ focus, peers }) =>
      [focus, ...peers].some((ref) => this.#keeps(after.reach.workloads.get(ref))),
    );
    const findings = compareFindings(before.findings, after.findings);
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
      ...findings.slice(0, MAX_TOLD).map((change): AuditEvent => {
        const { namespace } = change.finding;
        return { kind: 'finding', change, causes: nearest(changes, namespace === null ? [] : [namespace]) };
      }),
      ...more('finding', findings.length),
      ...compareJudgement(before.findings, after.findings).map((change): AuditEvent => ({ kind: 'judgement', change })),
    ];
  }

  #keeps(workload: Workload | undefined): boolean {
    return workload !== undefined && this.#terms.keeps(workload);
  }
}

function more(of: 'reach' | 'finding', count: number): readonly AuditEvent[] {
  return count > MAX_TOLD ? [{ kind: 'more', of, count: count - MAX_TOLD }] : [];
}
