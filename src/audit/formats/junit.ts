// A report as JUnit XML, for pipelines that show test results: a suite for each rule, a case for each resource.

import type { RuleInfo } from '../finding.ts';
import type { AuditReport, Coverage, Finding } from '../report.ts';

/** In pieces: a report with every verdict may be longer than one string can be. */
export function* formatJunit({ findings, coverage }: AuditReport): Iterable<string> {
  const suites = new Map<string, { readonly rule: RuleInfo; readonly findings: Finding[] }>();
  for (const finding of findings) {
    const suite = suites.get(finding.rule.id) ?? { rule: finding.rule, findings: [] };
    suite.findings.push(finding);
    suites.set(finding.rule.id, suite);
  }
  const errors = toErrors(coverage);
  yield '<?xml version="1.0" encoding="UTF-8"?>\n';
  yield `<testsuites name="sallyport audit"${countsOf(findings, errors.length)}>\n`;
  if (errors.length > 0) {
    yield `  <testsuite name="input"${countsOf([], errors.length)}>\n`;
    for (const { name, message } of errors) {
      yield `    <testcase classname="input" name="${escape(name)}">\n`;
      yield `      <error type="not-read" message="${escape(message)}"/>\n    </testcase>\n`;
    }
    yield '  </testsuite>\n';
  }
  for (const { rule, findings: cases } of suites.values()) {
    yield `  <testsuite name="${escape(rule.id)}"${countsOf(cases, 0)}>\n`;
    for (const finding of cases) yield `${toCase(finding).join('\n')}\n`;
    yield '  </testsuite>\n';
  }
  yield '</testsuites>\n';
}

interface InputError {
  readonly name: string;
  readonly message: string;
}

/** What makes an audit incomplete though no rule says so. */
function toErrors({ unreadable, malformed, failures }: Coverage): readonly InputError[] {
  return [
    ...unreadable
      .filter(({ reason }) => reason !== 'absent-kind' && reason !== 'not-given')
      .map(({ what, reason, detail }) => ({ name: what, message: `${reason}: ${detail}` })),
    ...malformed.map(({ ref, detail }) => ({ name: ref, message: detail })),
    ...failures.map(({ rule, message }) => ({ name: rule, message })),
  ];
}

function countsOf(findings: readonly Finding[], errors: number): string {
  const failures = findings.filter(isFailure).length;
  const skipped = findings.filter((finding) => !isFailure(finding) && finding.verdict !== 'pass').length;
  return ` tests="${findings.length + errors}" failures="${failures}" errors="${errors}" skipped="${skipped}"`;
}

function isFailure({ verdict, state }: Finding): boolean {
  return verdict === 'fail' && state.kind === 'open';
}

function toCase(finding: Finding): readonly string[] {
  const { rule, resource, detail, location, severity, remediation, state, verdict } = finding;
  const container = resource.container === null ? '' : ` (${resource.container})`;
  const place = location === null ? '' : ` file="${escape(location.file)}" line="${location.line}"`;
  const head = `    <testcase classname="${escape(rule.id)}" name="${escape(resource.ref + container)}"${place}`;
  if (verdict === 'pass') return [`${head}/>`];
  if (isFailure(finding)) {
    const body = escape(`${detail}\n\n${remediation.text}`);
    return [
      `${head}>`,
      `      <failure type="${severity}" message="${escape(detail)}">${body}</failure>`,
      '    </testcase>',
    ];
  }
  const why =
    state.kind === 'excepted' ? `excepted: ${state.reason}` : state.kind === 'in-baseline' ? 'in the baseline' : detail;
  return [`${head}>`, `      <skipped message="${escape(why)}"/>`, '    </testcase>'];
}

/** XML 1.0 §2.2 has no way to write most control characters. */
function escape(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\P{Cc}\t\n\r]|[\ufffe\uffff]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;')
    .replaceAll('\r', '&#13;')
    .replaceAll('\t', '&#9;');
}
