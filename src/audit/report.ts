// The result of an audit, before anybody gives it a format.

import type { SourcePosition } from '../core/source-position.ts';
import type { ComplianceCheck, Json, Remediation, RuleInfo, Severity, Tenet } from './finding.ts';
import type { Unreadable } from './inventory.ts';
import type { ComponentGraph } from './matrix/component-graph.ts';
import type { Path } from './path.ts';

/** A verdict as it is reported. */
export interface Finding {
  readonly rule: RuleInfo;
  readonly verdict: 'pass' | 'fail' | 'unknown';
  /** Kebab-case; null unless unknown. */
  readonly reason: string | null;
  readonly severity: Severity;
  readonly detail: string;
  readonly resource: FindingResource;
  readonly at: Path;
  readonly location: SourcePosition | null;
  readonly evidence: Readonly<Record<string, Json>>;
  readonly remediation: Remediation;
  /** SHA-256, hex: the same rule at the same place of the same object, however the file is written. */
  readonly fingerprint: string;
  /** Only an open one counts. */
  readonly state: FindingState;
}

export interface FindingResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly container: string | null;
  /** `ml/trainer[Job]`. */
  readonly ref: string;
}

export type FindingState =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'excepted';
      readonly reason: string;
      readonly expiresMs: number;
      readonly position: SourcePosition | null;
    }
  | { readonly kind: 'in-baseline' };

export interface VerdictCounts {
  readonly pass: number;
  readonly fail: number;
  readonly unknown: number;
}

/** `not-evidenced`: nobody could say, or nothing was looked at. */
export type Standing = 'held' | 'broken' | 'partly-evidenced' | 'not-evidenced';

export interface TenetSummary extends VerdictCounts {
  readonly tenet: Tenet;
  readonly title: string;
  readonly standing: Standing;
}

export interface CheckSummary extends VerdictCounts {
  readonly check: ComplianceCheck;
  readonly title: string;
  readonly tenets: readonly Tenet[];
  readonly verdict: 'pass' | 'fail' | 'unknown';
  /** The gravest few. */
  readonly findings: readonly Finding[];
}

export interface Summary {
  /** Of all, whatever their state. */
  readonly verdicts: VerdictCounts;
  /** Of open failures. */
  readonly severities: Readonly<Record<Severity, number>>;
  /** Open failures and unknowns that exceptions or the baseline take out. */
  readonly excepted: number;
  readonly inBaseline: number;
  readonly tenets: readonly TenetSummary[];
  /** All five, or none where no cluster was audited. */
  readonly checks: readonly CheckSummary[];
  readonly workloads: number;
  readonly namespaces: number;
  readonly objects: number;
}

export interface RuleCoverage extends VerdictCounts {
  readonly rule: string;
  /** `no-subject`: there was nothing for it to look at. `failed`: the rule itself broke. */
  readonly state: 'evaluated' | 'partly' | 'not-evaluated' | 'no-subject' | 'failed';
  /** How often each, with one of the details. */
  readonly reasons: readonly { readonly reason: string; readonly count: number; readonly example: string }[];
}

export interface CoverageNote {
  readonly ref: string;
  readonly detail: string;
  readonly position: SourcePosition | null;
}

export interface Coverage {
  /** Nothing stayed unread, unknown or broken. */
  readonly isComplete: boolean;
  readonly rules: readonly RuleCoverage[];
  readonly unreadable: readonly Unreadable[];
  readonly malformed: readonly CoverageNote[];
  /** Workloads whose template was not given. */
  readonly unseen: readonly CoverageNote[];
  /** Objects left out because their pods have ended. */
  readonly finished: number;
  /** Rules that broke: an error of ours, not of what was audited. */
  readonly failures: readonly { readonly rule: string; readonly message: string }[];
}

export interface ExceptionUse {
  readonly rule: string;
  readonly resource: string;
  readonly reason: string;
  readonly expiresMs: number;
  readonly position: SourcePosition | null;
  readonly state: 'applied' | 'unused' | 'expired';
  readonly findings: number;
}

export interface ExceptionReport {
  readonly uses: readonly ExceptionUse[];
  /** Annotations that are no exceptions, for want of a reason or an expiry. */
  readonly invalid: readonly CoverageNote[];
}

export interface BaselineReport {
  readonly known: number;
  /** Failed then, and does not any more. */
  readonly resolved: number;
}

export interface AuditReport {
  readonly findings: readonly Finding[];
  readonly summary: Summary;
  readonly coverage: Coverage;
  readonly exceptions: ExceptionReport;
  readonly baseline: BaselineReport | null;
  /** Null without an access matrix. */
  readonly componentGraph: ComponentGraph | null;
}
