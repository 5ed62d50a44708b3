// A report as a person reads it in a terminal: by check and tenet first, then what is wrong, the gravest first.

import type { SourcePosition } from '../../core/source-position.ts';
import type { Severity } from '../finding.ts';
import type { AuditReport, Coverage, ExceptionReport, Finding, Standing, Summary } from '../report.ts';
import { printable, wrap } from './printable.ts';

export type TableColour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

export interface TableTerms {
  readonly paint: (text: string, colour: TableColour) => string;
  /** Columns; lines are broken there, but for places, which stay in one piece so that they can be clicked at. */
  readonly width: number;
  /** Unknown verdicts one by one, and not only how many. */
  readonly showUnknown: boolean;
}

const COLOURS: Readonly<Record<Severity, TableColour>> = {
  critical: 'red',
  high: 'red',
  medium: 'yellow',
  low: 'dim',
  info: 'dim',
};
const VERDICT_COLOURS = { pass: 'green', fail: 'red', unknown: 'yellow' } as const;
const STANDING_COLOURS: Readonly<Record<Standing, TableColour>> = {
  held: 'green',
  broken: 'red',
  'partly-evidenced': 'yellow',
  'not-evidenced': 'yellow',
};
const MARGIN = ' '.repeat(10);

export function formatTable(report: AuditReport, terms: TableTerms): string {
  const { findings, coverage, exceptions } = report;
  const shown = findings.filter(
    ({ verdict, state }) =>
      state.kind === 'open' && (verdict === 'fail' || (terms.showUnknown && verdict === 'unknown')),
  );
  const parts = [
    formatChecks(report, terms),
    formatTenets(report, terms),
    ...shown.map((finding) => formatFinding(finding, terms)),
    formatGaps(coverage, terms),
    terms.showUnknown ? [] : formatUnknown(coverage, terms),
    formatExceptions(exceptions, terms),
    formatTotals(report, terms),
  ];
  return parts
    .filter(({ length }) => length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

function formatChecks({ summary }: AuditReport, terms: TableTerms): readonly string[] {
  return summary.checks.flatMap(({ title, verdict, fail, unknown }) => {
    const counts = [...(fail > 0 ? [`${fail} fail`] : []), ...(unknown > 0 ? [`${unknown} unknown`] : [])].join(', ');
    return row({ word: verdict, colour: VERDICT_COLOURS[verdict], title, counts }, 9, terms);
  });
}

function formatTenets({ summary }: AuditReport, terms: TableTerms): readonly string[] {
  return summary.tenets.flatMap(({ tenet, title, standing, pass, fail, unknown }) => {
    const counts = `${pass} pass, ${fail} fail, ${unknown} unknown`;
    return row({ word: standing, colour: STANDING_COLOURS[standing], title: `${tenet} ${title}`, counts }, 18, terms);
  });
}

interface RowText {
  readonly word: string;
  readonly colour: TableColour;
  readonly title: string;
  readonly counts: string;
}

function row(
  { word, colour, title, counts }: RowText,
  indent: number,
  { paint, width }: TableTerms,
): readonly string[] {
  const room = width - indent;
  const isShort = title.length + 2 + counts.length <= room;
  const [first = '', ...others] = wrap(title, room);
  const below = [...others, ...(isShort || counts === '' ? [] : wrap(counts, room).map((line) => paint(line, 'dim')))];
  const beside = isShort && counts !== '' ? `  ${paint(counts, 'dim')}` : '';
  return [
    `${paint(word, colour)}${' '.repeat(indent - word.length)}${first}${beside}`,
    ...below.map((line) => ' '.repeat(indent) + line),
  ];
}

function formatFinding(finding: Finding, terms: TableTerms): readonly string[] {
  const { paint } = terms;
  const { rule, verdict, severity, resource, detail, location, remediation } = finding;
  const word = verdict === 'fail' ? severity : verdict;
  const colour = verdict === 'fail' ? COLOURS[severity] : 'yellow';
  const isNamed = resource.container === null || detail.includes(`\`${resource.container}\``);
  const container = isNamed ? '' : ` container ${resource.container}`;
  return [
    `${paint(word.padEnd(8), colour)}  ${paint(rule.id, 'bold')}`,
    ...paragraph(`${resource.ref}${container}`, terms),
    ...(location === null
      ? []
      : [MARGIN + paint(printable(`${location.file}:${location.line}:${location.column}`), 'dim')]),
    ...paragraph(detail, terms),
    ...(verdict === 'fail' ? paragraph(remediation.text, terms).map((line) => paint(line, 'dim')) : []),
  ];
}

function paragraph(text: string, { width }: TableTerms): readonly string[] {
  return wrap(printable(text), width - MARGIN.length).map((line) => MARGIN + line);
}

function formatGaps({ unreadable, malformed, unseen, failures }: Coverage, terms: TableTerms): readonly string[] {
  return [
    ...unreadable.map(
      ({ what, reason, detail, position }) =>
        // Of a file as a whole, no place in it.
        `not read: ${what} (${reason}): ${detail}${reason === 'malformed' ? placeOf(position) : ''}`,
    ),
    ...malformed.map(({ ref, detail, position }) => `malformed: ${ref}: ${detail}${placeOf(position)}`),
    ...unseen.map(({ ref, detail, position }) => `not seen: ${ref}: ${detail}${placeOf(position)}`),
    ...failures.map(({ rule, message }) => `rule ${rule} broke: ${message}`),
  ].flatMap((text) => warning(text, terms));
}

function placeOf(position: SourcePosition | null): string {
  return position === null ? '' : `, at ${position.file}:${position.line}:${position.column}`;
}

/** By reason: one cause, such as policies that nobody could read, leaves many rules without an answer. */
function formatUnknown({ rules }: Coverage, terms: TableTerms): readonly string[] {
  const byReason = new Map<string, { count: number; rules: number; readonly example: string }>();
  for (const { reason, count, example } of rules.flatMap(({ reasons }) => reasons)) {
    const known = byReason.get(reason);
    if (known === undefined) byReason.set(reason, { count, rules: 1, example });
    else {
      known.count += count;
      known.rules += 1;
    }
  }
  return [...byReason].flatMap(([reason, { count: unjudged, rules: asked, example }]) =>
    warning(`not judged: ${unjudged} by ${count(asked, 'rule')} (${reason}), such as ${example}`, terms),
  );
}

function formatExceptions({ uses, invalid }: ExceptionReport, terms: TableTerms): readonly string[] {
  return [
    ...uses
      .filter(({ state }) => state !== 'applied')
      .map(({ rule, resource, state }) => `exception ${state}: ${rule} for ${resource}`),
    ...invalid.map(({ ref, detail }) => `no exception: ${ref}: ${detail}`),
  ].flatMap((text) => warning(text, terms));
}

function warning(text: string, { paint, width }: TableTerms): readonly string[] {
  const [first = '', ...others] = wrap(printable(text), width - 2);
  return [first, ...others.map((line) => `  ${line}`)].map((line) => paint(line, 'yellow'));
}

function formatTotals({ summary, coverage }: AuditReport, { paint, width }: TableTerms): readonly string[] {
  const { verdicts, severities, excepted, inBaseline } = summary;
  const grave = Object.entries(severities)
    .filter(([, failed]) => failed > 0)
    .map(([severity, failed]) => `${failed} ${severity}`)
    .join(', ');
  const counts = [
    ...sizeOf(summary),
    `${verdicts.unknown} unknown`,
    ...(excepted > 0 ? [`${excepted} excepted`] : []),
    ...(inBaseline > 0 ? [`${inBaseline} in the baseline`] : []),
  ];
  return [
    ...wrap(counts.join(' · '), width),
    grave === '' ? paint('nothing failed', 'green') : paint(`failed: ${grave}`, 'red'),
    ...(coverage.isComplete ? [] : [paint('not everything could be judged', 'yellow')]),
  ];
}

function sizeOf({ checks, workloads, namespaces }: Summary): readonly string[] {
  if (checks.length === 0) return [];
  if (workloads === 0) return ['no workload among what was given'];
  return [`${count(workloads, 'workload')} in ${count(namespaces, 'namespace')}`];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
