// A report as CSV (RFC 4180), one row a verdict, for spreadsheets that must not take a cell for a formula.

import type { AuditReport, Finding } from '../report.ts';

const COLUMNS = [
  'rule',
  'verdict',
  'severity',
  'resource',
  'namespace',
  'container',
  'detail',
  'file',
  'line',
  'column',
  'state',
  'tenets',
  'aliases',
  'remediation',
  'fingerprint',
] as const;

/** In pieces: a report with every verdict may be longer than one string can be. */
export function* formatCsv({ findings }: AuditReport): Iterable<string> {
  yield toLine(COLUMNS);
  for (const finding of findings) {
    const row = toRow(finding);
    yield toLine(COLUMNS.map((column) => row[column]));
  }
}

function toRow(finding: Finding): Readonly<Record<(typeof COLUMNS)[number], string>> {
  const { rule, verdict, severity, resource, detail, location, state, remediation, fingerprint } = finding;
  return {
    rule: rule.id,
    verdict,
    severity,
    resource: resource.ref,
    namespace: resource.namespace ?? '',
    container: resource.container ?? '',
    detail,
    file: location?.file ?? '',
    line: location === null ? '' : String(location.line),
    column: location === null ? '' : String(location.column),
    state: state.kind,
    tenets: rule.tenets.join(' '),
    aliases: rule.aliases.join(' '),
    remediation: remediation.text,
    fingerprint,
  };
}

function toLine(cells: readonly string[]): string {
  return `${cells.map(toCell).join(',')}\r\n`;
}

// Spreadsheets trim before they look, and take the wide forms of these signs for the signs.
const FORMULA = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/u;
// Controls but for tab and the breaks of lines, and what turns the direction of writing: they move the cursor of whoever prints the file.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const UNSEEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
// `;` parts cells where the comma is the decimal sign.
const NEEDS_QUOTES = /[",;\t\r\n]|^\s|\s$/u;

/** A cell that begins like a formula is shown as text: what stands in a manifest is somebody else's. */
function toCell(text: string): string {
  const visible = text.replaceAll(UNSEEN, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`);
  const safe = FORMULA.test(visible) ? `'${visible}` : visible;
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
