// The tenets of zero trust by which a report is ordered, and the five checks of its first page.
// NIST SP 800-207 §2.1

import type { ComplianceCheck, Tenet } from './finding.ts';
import type { CheckSummary, Finding, Standing, TenetSummary, VerdictCounts } from './report.ts';

export const TENETS: ReadonlyMap<Tenet, string> = new Map([
  ['T1', 'All data sources and computing services are resources'],
  ['T2', 'All communication is secured, wherever it takes place'],
  ['T3', 'Access to a resource is granted for one session'],
  ['T4', 'Access is decided by a dynamic policy'],
  ['T5', 'The integrity and posture of all assets is watched'],
  ['T6', 'Authentication and authorization are dynamic and enforced before access'],
  ['T7', 'What is learned of assets, networks and communication improves the posture'],
]);

const CHECKS: ReadonlyMap<ComplianceCheck, string> = new Map([
  ['default-deny', 'Network access is denied by default'],
  ['mesh-mtls', 'Workloads speak mutual TLS only'],
  ['token-projection', 'Service account tokens are short-lived and projected'],
  ['privileged-containers', 'No container is privileged'],
  ['external-access', 'Nothing is reachable from outside that need not be'],
]);

const MAX_CHECK_FINDINGS = 5;

/** Exceptions do not count: what is lived with is not held. */
export function summariseTenets(findings: readonly Finding[]): readonly TenetSummary[] {
  const counts = new Map([...TENETS.keys()].map((tenet) => [tenet, { pass: 0, fail: 0, unknown: 0 }]));
  for (const { rule, verdict } of findings) {
    for (const tenet of rule.tenets) {
      const count = counts.get(tenet);
      if (count !== undefined) count[verdict] += 1;
    }
  }
  return [...TENETS].map(([tenet, title]) => {
    const count = counts.get(tenet) ?? { pass: 0, fail: 0, unknown: 0 };
    return { tenet, title, ...count, standing: standingOf(count) };
  });
}

/** `findings` in the order of their gravity. */
export function summariseChecks(findings: readonly Finding[]): readonly CheckSummary[] {
  return [...CHECKS].map(([check, title]) => {
    const own = findings.filter(({ rule }) => rule.check === check);
    const count = { pass: 0, fail: 0, unknown: 0 };
    for (const { verdict } of own) count[verdict] += 1;
    return {
      check,
      title,
      ...count,
      tenets: [...new Set(own.flatMap(({ rule }) => rule.tenets))].sort(),
      verdict: verdictOf(count),
      findings: own.filter(({ verdict }) => verdict !== 'pass').slice(0, MAX_CHECK_FINDINGS),
    };
  });
}

function standingOf({ pass, fail, unknown }: VerdictCounts): Standing {
  if (fail > 0) return 'broken';
  if (pass === 0) return 'not-evidenced';
  return unknown > 0 ? 'partly-evidenced' : 'held';
}

function verdictOf({ pass, fail, unknown }: VerdictCounts): 'pass' | 'fail' | 'unknown' {
  if (fail > 0) return 'fail';
  return unknown > 0 || pass === 0 ? 'unknown' : 'pass';
}
