// Rules over a cluster, and their verdicts put together into one report.

import type { Baseline } from './baseline.ts';
import { buildCluster, type Cluster } from './cluster.ts';
import { describeCoverage } from './coverage.ts';
import { ExceptionMatcher } from './exception-match.ts';
import type { Exceptions } from './exceptions.ts';
import {
  refToObject,
  SEVERITIES,
  type AuditContext,
  type Evaluation,
  type Rule,
  type RuleInfo,
  type Severity,
  type Verdict,
} from './finding.ts';
import { fingerprintOf, identityOf } from './fingerprint.ts';
import type { Inventory } from './inventory.ts';
import type { KubeObject } from './kube-object.ts';
import { formatPath } from './path.ts';
import { compareFindings, Neighbours, ReportedFinding } from './reported-finding.ts';
import type { AuditReport, BaselineReport, Finding, FindingState, Summary } from './report.ts';
import { summariseChecks, summariseTenets } from './tenets.ts';
import { unknown } from './verdict.ts';

export interface AuditTerms {
  readonly rules: readonly Rule[];
  readonly context: AuditContext;
  readonly exceptions: Exceptions;
  /** Null for none. */
  readonly baseline: Baseline | null;
}

export function runAudit(inventory: Inventory, terms: AuditTerms): AuditReport {
  const cluster = buildCluster(inventory);
  return assembleReport(cluster, evaluateRules(cluster, terms), terms);
}

/** A rule that throws leaves what the others say, and the report says that it is not whole. */
export function evaluateRules(
  cluster: Cluster,
  { rules, context }: Pick<AuditTerms, 'rules' | 'context'>,
): readonly Evaluation[] {
  const evaluations = rules.map((rule) => {
    const { info } = rule;
    const verdicts: Verdict[] = [];
    let failure: string | null = null;
    try {
      for (const verdict of rule.evaluate(cluster, context)) verdicts.push(verdict);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (info.subject === 'workload') verdicts.push(...verdictsOfUnseen(cluster));
    return { info, verdicts, failure };
  });
  // Only now has everything been read that rules read.
  return evaluations.map((evaluation) => ({
    ...evaluation,
    verdicts: evaluation.verdicts.map((verdict) => withoutPassOfMalformed(cluster, verdict)),
  }));
}

/** Also of evaluations made elsewhere, such as of pipeline artifacts; `cluster` is null where there is none. */
export function assembleReport(
  cluster: Cluster | null,
  evaluations: readonly Evaluation[],
  { context, exceptions, baseline }: Pick<AuditTerms, 'context' | 'exceptions' | 'baseline'>,
): AuditReport {
  const matcher = new ExceptionMatcher(exceptions, cluster, context.nowMs);
  const neighbours = new Neighbours();
  const findings = evaluations.flatMap(({ info, verdicts }) => {
    const occurrences = new Map<string, number>();
    return verdicts.map((verdict) => {
      if (verdict.verdict === 'pass')
        return new ReportedFinding(info, verdict, { fingerprint: null, state: OPEN, neighbours });
      const identity = identityOf(info.id, verdict);
      const occurrence = (occurrences.get(identity) ?? 0) + 1;
      occurrences.set(identity, occurrence);
      const fingerprint = fingerprintOf(identity, occurrence);
      return new ReportedFinding(info, verdict, {
        fingerprint,
        state: stateOf({ info, verdict, fingerprint }, matcher, baseline),
        neighbours,
      });
    });
  });
  findings.sort(compareFindings);
  return {
    findings,
    summary: summarise(cluster, findings),
    coverage: describeCoverage(cluster, evaluations),
    exceptions: matcher.report(),
    baseline: baseline === null ? null : compareWithBaseline(baseline, findings),
    // Whoever holds the matrix against the cluster adds it.
    componentGraph: null,
  };
}

/**
 * `broken` when a rule of ours failed; `unread` when input could not be read; `findings` when an open failure is at or over the threshold
 * (null counts all); `unknown` when there is none, and rules could not judge.
 */
export type Outcome = 'broken' | 'unread' | 'findings' | 'unknown' | 'clean';

export function outcomeOf(report: AuditReport, threshold: Severity | null): Outcome {
  const { failures, unreadable, malformed } = report.coverage;
  if (failures.length > 0) return 'broken';
  const isUnread = unreadable.some(({ reason }) => !EXPECTED_ABSENCE.has(reason)) || malformed.length > 0;
  if (isUnread) return 'unread';
  const limit = SEVERITIES.indexOf(threshold ?? 'info');
  const open = report.findings.filter(({ state }) => state.kind === 'open');
  if (open.some(({ verdict, severity }) => verdict === 'fail' && SEVERITIES.indexOf(severity) <= limit)) {
    return 'findings';
  }
  return open.some(({ verdict }) => verdict === 'unknown') ? 'unknown' : 'clean';
}

/** A cluster without some kind of resource is whole; the rules that need it say so. */
const EXPECTED_ABSENCE: ReadonlySet<string> = new Set(['absent-kind', 'not-given']);

const OPEN: FindingState = { kind: 'open' };

function* verdictsOfUnseen(cluster: Cluster): Iterable<Verdict> {
  for (const { object, ref, at, detail } of cluster.unseen) {
    yield unknown({ ...refToObject(object), ref }, { at, reason: 'unseen-template', detail });
  }
}

/** The API server takes no such object; what was read of it proves nothing good. */
function withoutPassOfMalformed(cluster: Cluster, verdict: Verdict): Verdict {
  const { object, body } = verdict.resource;
  if (verdict.verdict !== 'pass' || object === null) return verdict;
  // Of a workflow that runs a template of another object, that one counts too.
  const source = body === object.body ? object : cluster.once(objectsByBody).get(body);
  const note = cluster.malformedIn(object)[0] ?? cluster.malformedIn(source ?? object)[0];
  if (note === undefined) return verdict;
  const detail = `${formatPath(note.path)} must be ${note.expected}, and is ${note.found}`;
  return unknown(verdict.resource, { at: note.path, reason: 'malformed', detail });
}

function objectsByBody({ objects }: Cluster): ReadonlyMap<unknown, KubeObject> {
  return new Map(objects.map((object) => [object.body, object]));
}

function stateOf(
  { info, verdict, fingerprint }: { readonly info: RuleInfo; readonly verdict: Verdict; readonly fingerprint: string },
  matcher: ExceptionMatcher,
  baseline: Baseline | null,
): FindingState {
  if (verdict.verdict === 'pass') return OPEN;
  const exception = matcher.find({ rule: info, resource: verdict.resource, verdict: verdict.verdict });
  if (exception !== null) {
    const { reason, expiresMs, position } = exception;
    return { kind: 'excepted', reason, expiresMs, position };
  }
  const isKnown = verdict.verdict === 'fail' && baseline?.failures.has(fingerprint) === true;
  return isKnown ? { kind: 'in-baseline' } : OPEN;
}

function summarise(cluster: Cluster | null, findings: readonly Finding[]): Summary {
  const verdicts = { pass: 0, fail: 0, unknown: 0 };
  const severities = { critical: 0, high: 0, medium: 0, low: 0, info: 0 };
  let excepted = 0;
  let inBaseline = 0;
  for (const { verdict, severity, state } of findings) {
    verdicts[verdict] += 1;
    if (state.kind === 'excepted') excepted += 1;
    else if (state.kind === 'in-baseline') inBaseline += 1;
    else if (verdict === 'fail') severities[severity] += 1;
  }
  return {
    verdicts,
    severities,
    excepted,
    inBaseline,
    tenets: summariseTenets(findings),
    checks: cluster === null ? [] : summariseChecks(findings),
    workloads: cluster?.workloads.length ?? 0,
    namespaces: cluster?.namespaces.size ?? 0,
    objects: cluster?.objects.length ?? 0,
  };
}

function compareWithBaseline(baseline: Baseline, findings: readonly Finding[]): BaselineReport {
  const failing = new Set(findings.filter(({ verdict }) => verdict !== 'pass').map(({ fingerprint }) => fingerprint));
  let resolved = 0;
  for (const fingerprint of baseline.failures) if (!failing.has(fingerprint)) resolved += 1;
  return { known: baseline.failures.size, resolved };
}
