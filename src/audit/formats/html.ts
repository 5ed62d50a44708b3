// A report as one HTML file for people: the five checks and the tenets first, then what was found, and what could not be judged.

import { createHash } from 'node:crypto';
import { SEVERITIES } from '../finding.ts';
import type { AuditReport, CheckSummary, Coverage, Finding, Summary } from '../report.ts';
import { SCRIPT, STYLE } from './html-assets.ts';
import { graphSection } from './html-graph.ts';
import { anchorOf, filterForm, findingDetails, titleOf } from './html-findings.ts';
import { html, Markup, NOTHING, withCode } from './markup.ts';

export interface HtmlTerms {
  /** Of this program. */
  readonly version: string;
  /** When the audit was made. */
  readonly nowMs: number;
}

/** A browser takes no pleasure in more; the gravest come first. */
const MAX_FINDINGS = 4000;

export function* formatHtml(report: AuditReport, terms: HtmlTerms): Iterable<string> {
  const { summary, coverage } = report;
  const told = report.findings.filter(({ verdict }) => verdict !== 'pass');
  const shown = told.slice(0, MAX_FINDINGS);
  yield head(terms).text;
  yield firstPage(summary, coverage, new Set(shown)).text;
  yield graphSection(report.componentGraph).text;
  yield html`<h2 id="findings">Findings</h2>
${shown.length === 0 ? html`<p>Nothing failed, and nothing stayed unknown.</p>\n` : filterForm(shown)}`.text;
  for (const finding of shown) yield findingDetails(finding).text;
  if (told.length > shown.length) {
    yield html`<p class="notice">${told.length - shown.length} more are in the report as JSON or CSV.</p>\n`.text;
  }
  yield coverageSection(coverage).text;
  yield exceptionSection(report).text;
  yield ruleSection(shown).text;
  yield `<script>${SCRIPT}</script>\n</body>\n</html>\n`;
}

/** Nothing but our own style and script is taken, whatever a manifest manages to say. */
function head({ version, nowMs }: HtmlTerms): Markup {
  const policy = `default-src 'none'; style-src ${hashOf(STYLE)}; script-src ${hashOf(SCRIPT)}; base-uri 'none'; form-action 'none'`;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Sallyport audit</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<h1>Zero-trust audit</h1>
<p class="soft">${new Date(nowMs).toISOString().slice(0, 16).replace('T', ' ')} UTC · Sallyport ${version}</p>
`;
}

function firstPage(summary: Summary, coverage: Coverage, shown: ReadonlySet<Finding>): Markup {
  const cards = summary.checks.map((check) => checkCard(check, shown));
  const checks = cards.length === 0 ? NOTHING : html`<ul class="checks">\n${cards}</ul>\n`;
  return html`${totals(summary)}
${checks}${coverage.isComplete ? NOTHING : html`<p class="notice">Not everything could be judged. What stayed open is <a href="#coverage">listed below</a>, and is not counted as passed.</p>\n`}${tenetTable(summary)}`;
}

function totals({ severities, verdicts, checks, workloads, namespaces, excepted, inBaseline }: Summary): Markup {
  const grave = SEVERITIES.filter((severity) => severities[severity] > 0).map(
    (severity) => html`<li><b>${severities[severity]}</b>${severity}</li>`,
  );
  const others: readonly (readonly [number, string])[] = [
    [verdicts.unknown, 'unknown'],
    [verdicts.pass, 'passed'],
    [excepted, 'excepted'],
    [inBaseline, 'in the baseline'],
  ];
  const rest = others.filter(([count]) => count > 0).map(([count, name]) => html`<li><b>${count}</b>${name}</li>`);
  const size =
    checks.length === 0
      ? NOTHING
      : html`<li class="soft"><b>${workloads}</b>workloads</li><li class="soft"><b>${namespaces}</b>namespaces</li>`;
  return html`<ul class="totals">${grave.length === 0 ? html`<li class="pass"><b>0</b>failed</li>` : grave}${rest}${size}</ul>`;
}

function checkCard(
  { title, verdict, tenets, fail, unknown, pass, findings }: CheckSummary,
  shown: ReadonlySet<Finding>,
): Markup {
  const examples = findings
    .filter((finding) => shown.has(finding))
    .slice(0, 3)
    .map(
      (finding) =>
        html`<li><a href="#${anchorOf(finding)}">${finding.resource.ref}</a> <span class="soft">${titleOf(finding)}</span></li>`,
    );
  return html`<li class="${verdict}"><span class="word ${verdict}">${verdict}</span><strong>${title}</strong><span class="soft small">${tenets.length === 0 ? NOTHING : html`${tenets.join(' ')} · `}${pass} pass, ${fail} fail, ${unknown} unknown</span>${examples.length === 0 ? NOTHING : html`<ul>${examples}</ul>`}</li>
`;
}

const STANDING_CLASS = {
  held: 'pass',
  broken: 'fail',
  'partly-evidenced': 'unknown',
  'not-evidenced': 'unknown',
} as const;

function tenetTable({ tenets }: Summary): Markup {
  const rows = tenets.map(
    ({ tenet, title, standing, pass, fail, unknown }) =>
      html`<tr><td class="soft">${tenet}</td><td>${title}</td><td class="${STANDING_CLASS[standing]}">${standing.replace('-', ' ')}</td>${numbers([pass, fail, unknown])}</tr>
`,
  );
  return html`<h2>Tenets of NIST SP 800-207</h2>
<table><thead><tr><th></th><th>Tenet</th><th>Standing</th><th class="number">pass</th><th class="number">fail</th><th class="number">unknown</th></tr></thead><tbody>
${rows}</tbody></table>
`;
}

function coverageSection({ unreadable, malformed, unseen, failures, rules }: Coverage): Markup {
  const gaps = [
    ...unreadable.map(({ what, reason, detail }) => ({ name: what, why: `not read (${reason}): ${detail}` })),
    ...malformed.map(({ ref, detail }) => ({ name: ref, why: `malformed: ${detail}` })),
    ...unseen.map(({ ref, detail }) => ({ name: ref, why: `not seen: ${detail}` })),
    ...failures.map(({ rule, message }) => ({ name: rule, why: `the rule itself broke: ${message}` })),
  ].map(({ name, why }) => html`<tr><td class="break"><code>${name}</code></td><td class="break">${why}</td></tr>\n`);
  const rows = rules.map(
    ({ rule, state, pass, fail, unknown, reasons }) =>
      html`<tr><td><code>${rule}</code></td><td>${state.replace('-', ' ')}${reasons.map(({ reason, count }) => html`<br><span class="soft small">${count} ${reason}</span>`)}</td>${numbers([pass, fail, unknown])}</tr>
`,
  );
  return html`<h2 id="coverage">What was looked at</h2>
${gaps.length === 0 ? NOTHING : html`<table><thead><tr><th>Not judged</th><th>Why</th></tr></thead><tbody>\n${gaps}</tbody></table>\n`}<details><summary>${rules.length} rules</summary>
<table><thead><tr><th>Rule</th><th>Coverage</th><th class="number">pass</th><th class="number">fail</th><th class="number">unknown</th></tr></thead><tbody>
${rows}</tbody></table></details>
`;
}

function exceptionSection({ exceptions: { uses, invalid } }: AuditReport): Markup {
  const rows = [
    ...uses.map(
      ({ rule, resource, reason, expiresMs, state }) =>
        html`<tr><td>${state}</td><td><code>${rule}</code></td><td class="break"><code>${resource}</code></td><td>${reason}</td><td>${new Date(expiresMs).toISOString().slice(0, 10)}</td></tr>\n`,
    ),
    ...invalid.map(
      ({ ref, detail }) =>
        html`<tr><td>none</td><td></td><td class="break"><code>${ref}</code></td><td>${detail}</td><td></td></tr>\n`,
    ),
  ];
  if (rows.length === 0) return NOTHING;
  return html`<h2>Exceptions</h2>
<table><thead><tr><th>State</th><th>Rule</th><th>Resource</th><th>Reason</th><th>Until</th></tr></thead><tbody>
${rows}</tbody></table>
`;
}

function ruleSection(shown: readonly Finding[]): Markup {
  const rules = [...new Map(shown.map(({ rule }) => [rule.id, rule])).values()].sort((left, right) =>
    left.id < right.id ? -1 : 1,
  );
  if (rules.length === 0) return NOTHING;
  const told = rules.map(
    ({ id, title, tenets, aliases, atlas, help }) =>
      html`<div class="rule" id="rule-${id}"><strong>${title}</strong> <code class="soft">${id}</code> <span class="soft small">${[...tenets, ...aliases, ...atlas].join(' · ')}</span>
${paragraphs(help)}</div>
`,
  );
  return html`<h2>Rules</h2>
${told}`;
}

/** Of the little markdown that rules are explained in: paragraphs, items, and code. */
function paragraphs(markdown: string): readonly Markup[] {
  return markdown.split(/\n\s*\n/).map((paragraph) => html`<p>${withCode(paragraph.replaceAll('**', ''))}</p>\n`);
}

function numbers(counts: readonly number[]): readonly Markup[] {
  return counts.map((count) => html`<td class="number">${count}</td>`);
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
