// A report as JSON, for programs: every verdict, also those that passed, and what could not be judged.

import type { AuditReport, CoverageNote, Finding } from '../report.ts';

/** Of the shape below; a change that breaks a reader changes its first number. */
const SCHEMA_VERSION = '1.0';

/** In pieces: a report with every verdict may be longer than one string can be. */
export function* formatJson(report: AuditReport): Iterable<string> {
  yield `{\n  "schemaVersion": ${JSON.stringify(SCHEMA_VERSION)},\n  "findings": [`;
  let separator = '\n    ';
  for (const finding of report.findings) {
    yield `${separator}${JSON.stringify(toFinding(finding))}`;
    separator = ',\n    ';
  }
  yield report.findings.length === 0 ? ']' : '\n  ]';
  for (const [name, part] of Object.entries(toParts(report))) {
    yield `,\n  ${JSON.stringify(name)}: ${JSON.stringify(part, null, 2).replaceAll('\n', '\n  ')}`;
  }
  yield '\n}\n';
}

function toParts({
  summary,
  coverage,
  exceptions,
  baseline,
  componentGraph,
}: AuditReport): Readonly<Record<string, unknown>> {
  const { checks, ...counts } = summary;
  return {
    summary: {
      ...counts,
      checks: checks.map(({ findings, ...check }) => ({
        ...check,
        findings: findings.map(({ fingerprint }) => fingerprint),
      })),
    },
    coverage: { ...coverage, malformed: coverage.malformed.map(toNote), unseen: coverage.unseen.map(toNote) },
    exceptions: {
      uses: exceptions.uses.map(({ expiresMs, ...use }) => ({ ...use, expires: toTime(expiresMs) })),
      invalid: exceptions.invalid.map(toNote),
    },
    baseline,
    ...(componentGraph === null ? {} : { componentGraph }),
  };
}

function toFinding(finding: Finding): Readonly<Record<string, unknown>> {
  const { rule, resource, location, state } = finding;
  const { apiVersion, kind, namespace, name, container } = resource;
  return {
    rule: rule.id,
    verdict: finding.verdict,
    ...(finding.reason === null ? {} : { reason: finding.reason }),
    severity: finding.severity,
    title: rule.title,
    detail: finding.detail,
    resource: { apiVersion, kind, namespace, name, ...(container === null ? {} : { container }) },
    ...(location === null ? {} : { location: { ...location } }),
    evidence: finding.evidence,
    remediation: finding.remediation,
    aliases: rule.aliases,
    tenets: rule.tenets,
    atlas: rule.atlas,
    fingerprint: finding.fingerprint,
    ...(state.kind === 'open' ? {} : { state: toState(state) }),
  };
}

function toState(state: Exclude<Finding['state'], { kind: 'open' }>): Readonly<Record<string, unknown>> {
  if (state.kind === 'in-baseline') return { kind: state.kind };
  return { kind: state.kind, reason: state.reason, expires: toTime(state.expiresMs) };
}

function toNote({ ref, detail, position }: CoverageNote): Readonly<Record<string, unknown>> {
  return { ref, detail, ...(position === null ? {} : { location: { ...position } }) };
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
