// Which findings are there now that were not, and which are gone.

import type { Severity } from '../finding.ts';
import type { AuditReport, Finding } from '../report.ts';

export interface KnownFinding {
  readonly rule: string;
  readonly severity: Severity;
  readonly title: string;
  readonly detail: string;
  /** `ml/trainer[Job]`. */
  readonly ref: string;
  readonly namespace: string | null;
  readonly container: string | null;
  readonly fingerprint: string;
}

/** What has to be kept of a report to hold the next one against it. */
export interface FindingState {
  /** Open failures, by fingerprint. */
  readonly failures: ReadonlyMap<string, KnownFinding>;
  /** By fingerprint, by rule. */
  readonly unknown: ReadonlyMap<string, ReadonlyMap<string, KnownFinding>>;
}

export interface FindingChange {
  /** `unjudged`: it failed, and now nobody can say. */
  readonly change: 'appeared' | 'resolved' | 'unjudged';
  readonly finding: KnownFinding;
}

export interface JudgementChange {
  readonly change: 'lost' | 'regained';
  readonly rule: string;
  readonly count: number;
  readonly example: KnownFinding;
}

export function stateOfReport({ findings }: AuditReport): FindingState {
  const failures = new Map<string, KnownFinding>();
  const unknown = new Map<string, Map<string, KnownFinding>>();
  for (const finding of findings) {
    if (finding.state.kind !== 'open' || finding.verdict === 'pass') continue;
    const known = toKnown(finding);
    if (finding.verdict === 'fail') {
      failures.set(known.fingerprint, known);
      continue;
    }
    const ofRule = unknown.get(known.rule) ?? new Map<string, KnownFinding>();
    ofRule.set(known.fingerprint, known);
    unknown.set(known.rule, ofRule);
  }
  return { failures, unknown };
}

export function compareFindings(before: FindingState, after: FindingState): readonly FindingChange[] {
  const appeared = newOf(before.failures, after.failures).map(
    (finding): FindingChange => ({ change: 'appeared', finding }),
  );
  const gone = newOf(after.failures, before.failures);
  const unjudged = new Set(gone.length === 0 ? [] : subjectsOf(after));
  return [
    ...appeared,
    // What cannot be judged any more has not been mended, wherever the rule looks at it now.
    ...gone.map(
      (finding): FindingChange => ({ change: unjudged.has(subjectOf(finding)) ? 'unjudged' : 'resolved', finding }),
    ),
  ];
}

/** By rule: what nobody may read takes thousands of verdicts with it. */
export function compareJudgement(before: FindingState, after: FindingState): readonly JudgementChange[] {
  const rules = new Set([...before.unknown.keys(), ...after.unknown.keys()]);
  return [...rules].flatMap((rule) => {
    const [was, is] = [before.unknown.get(rule) ?? NONE, after.unknown.get(rule) ?? NONE];
    return [...changeOf('lost', rule, newOf(was, is)), ...changeOf('regained', rule, newOf(is, was))];
  });
}

const NONE: ReadonlyMap<string, KnownFinding> = new Map();

function changeOf(
  change: JudgementChange['change'],
  rule: string,
  findings: readonly KnownFinding[],
): readonly JudgementChange[] {
  const [example] = findings;
  return example === undefined ? [] : [{ change, rule, count: findings.length, example }];
}

function newOf(
  before: ReadonlyMap<string, KnownFinding>,
  after: ReadonlyMap<string, KnownFinding>,
): readonly KnownFinding[] {
  return [...after].flatMap(([fingerprint, finding]) => (before.has(fingerprint) ? [] : [finding]));
}

function subjectsOf({ unknown }: FindingState): readonly string[] {
  return [...unknown.values()].flatMap((findings) => [...findings.values()].map(subjectOf));
}

/** A rule that could not look at all says so of the cluster. */
function subjectOf({ rule, ref }: KnownFinding): string {
  return `${rule}\n${ref}`;
}

function toKnown({ rule, severity, detail, resource, fingerprint }: Finding): KnownFinding {
  const { ref, namespace, container } = resource;
  return { rule: rule.id, severity, title: rule.title, detail, ref, namespace, container, fingerprint };
}
