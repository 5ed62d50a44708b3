// A report as SARIF 2.1.0, for code scanning: one result for each failure, at its line and column.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

import type { SourcePosition } from '../../core/source-position.ts';
import type { RuleInfo, Severity } from '../finding.ts';
import type { AuditReport, Coverage, Finding } from '../report.ts';

export interface SarifTerms {
  /** Of this program. */
  readonly version: string;
  /** A directory; paths below it are told relative to it. */
  readonly root: string;
}

const LEVELS: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  info: 'note',
};
/** What code scanning sorts by: https://docs.github.com/code-security/code-scanning, `security-severity`. */
const SCORES: Readonly<Record<Severity, string>> = {
  critical: '9.5',
  high: '8.0',
  medium: '5.0',
  low: '2.0',
  info: '0.0',
};
/** Consumers take no more than this many results of one run; the gravest come first. */
const MAX_RESULTS = 25_000;

export function formatSarif({ findings, coverage }: AuditReport, terms: SarifTerms): string {
  const failed = findings.filter(({ verdict }) => verdict === 'fail');
  const shown = failed.slice(0, MAX_RESULTS);
  const rules = [...new Map(shown.map(({ rule }) => [rule.id, rule])).values()];
  const ruleIndices = new Map(rules.map(({ id }, index) => [id, index]));
  const document = {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'sallyport', version: terms.version, rules: rules.map(toRule) } },
        columnKind: 'utf16CodeUnits',
        originalUriBaseIds: { [ROOT]: { description: { text: 'where the audit was started' } } },
        invocations: [
          {
            executionSuccessful: coverage.failures.length === 0,
            toolExecutionNotifications: toNotifications(coverage, failed.length - shown.length, terms),
          },
        ],
        results: shown.map((finding) => ({
          ...toResult(finding, terms),
          ruleIndex: ruleIndices.get(finding.rule.id) ?? -1,
        })),
      },
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

const ROOT = '%SRCROOT%';

function toRule({ id, title, severity, help, tenets, aliases, atlas }: RuleInfo): object {
  return {
    id,
    name: id,
    shortDescription: { text: title },
    fullDescription: { text: title },
    help: { text: help, markdown: help },
    defaultConfiguration: { level: LEVELS[severity] },
    properties: {
      'security-severity': SCORES[severity],
      tags: [...new Set(['security', ...tenets, ...aliases, ...atlas])],
    },
  };
}

function toResult(finding: Finding, terms: SarifTerms): object {
  const { rule, severity, detail, resource, location, fingerprint, state, remediation } = finding;
  const logicalLocations = [{ fullyQualifiedName: resource.ref, kind: 'resource' }];
  return {
    ruleId: rule.id,
    level: LEVELS[severity],
    message: { text: `${resource.ref}: ${detail}` },
    locations: [{ ...toPhysical(location, terms), logicalLocations }],
    partialFingerprints: { 'sallyport/v1': fingerprint },
    properties: { severity, remediation: remediation.text },
    ...(state.kind === 'open' ? {} : { suppressions: [toSuppression(state)] }),
  };
}

function toPhysical(position: SourcePosition | null, { root }: SarifTerms): object {
  if (position === null) return {};
  const region = { startLine: position.line, startColumn: position.column };
  return { physicalLocation: { artifactLocation: toArtifact(position.file, root), region } };
}

function toSuppression(state: Exclude<Finding['state'], { kind: 'open' }>): object {
  const justification = state.kind === 'excepted' ? state.reason : 'in the baseline';
  return { kind: 'external', status: 'accepted', justification };
}

/** Results are what failed; that something could not be judged has its place here. */
function toNotifications(coverage: Coverage, left: number, terms: SarifTerms): readonly object[] {
  const notes = [
    ...coverage.unreadable.map(({ what, reason, detail, position }) =>
      toNotification('warning', `not read: ${what} (${reason}): ${detail}`, toPlace(position, terms)),
    ),
    ...[...coverage.malformed, ...coverage.unseen].map(({ ref, detail, position }) =>
      toNotification('warning', `${ref}: ${detail}`, toPlace(position, terms)),
    ),
    ...coverage.rules.flatMap(({ rule, reasons }) =>
      reasons.map(({ reason, count, example }) =>
        toNotification('note', `${rule}: ${count} not judged (${reason}), such as ${example}`, {}),
      ),
    ),
    ...coverage.failures.map(({ rule, message }) => toNotification('error', `rule ${rule} broke: ${message}`, {})),
  ];
  return left === 0
    ? notes
    : [...notes, toNotification('warning', `${left} more results than one run may have are left out`, {})];
}

function toNotification(level: 'error' | 'warning' | 'note', text: string, place: object): object {
  return { level, message: { text }, ...place };
}

function toPlace(position: SourcePosition | null, terms: SarifTerms): object {
  return position === null ? {} : { locations: [toPhysical(position, terms)] };
}

function toArtifact(file: string, root: string): object {
  const prefix = root.endsWith('/') ? root : `${root}/`;
  if (file.startsWith(prefix)) return { uri: encodeUri(file.slice(prefix.length)), uriBaseId: ROOT };
  if (file.startsWith('/')) return { uri: `file://${encodeUri(file)}` };
  return { uri: encodeUri(file.replace(/^(?:\.\/)+/, '')), uriBaseId: ROOT };
}

function encodeUri(path: string): string {
  // A file's name need not be well-formed, and what is not cannot be encoded.
  return path.toWellFormed().split('/').map(encodeURIComponent).join('/');
}
