// The part of the report in HTML that tells each finding: what, where, by which evidence, and what to do.

import { SEVERITIES } from '../finding.ts';
import type { Finding } from '../report.ts';
import { html, type Markup, NOTHING, withCode } from './markup.ts';
import { patchToYaml, toYaml } from './yaml-text.ts';

/** Works where there is a script; without one everything is shown. */
export function filterForm(findings: readonly Finding[]): Markup {
  const namespaces = [...new Set(findings.map(namespaceOf))].sort();
  const rules = [...new Set(findings.map(({ rule }) => rule.id))].sort();
  const states = [...new Set(findings.map(stateOf))].sort();
  const severities = SEVERITIES.filter((known) => findings.some(({ severity }) => severity === known));
  return html`<form hidden>
${select('severity', 'Severity', severities)}${select('namespace', 'Namespace', namespaces)}${select('rule', 'Rule', rules)}${select('state', 'State', states)}
<label class="wide">Text<input name="text" type="search" autocomplete="off"></label><output></output></form>
`;
}

export function findingDetails(finding: Finding): Markup {
  const { rule, verdict, severity, resource, detail, location, fingerprint } = finding;
  const word = verdict === 'unknown' ? 'unknown' : severity;
  const state = stateOf(finding);
  const badge = state === 'fail' || state === 'unknown' ? NOTHING : html` <span class="badge soft">${state}</span>`;
  return html`<details class="finding" id="${anchorOf(finding)}" data-severity="${severity}" data-namespace="${namespaceOf(finding)}" data-rule="${rule.id}" data-state="${state}">
<summary><span class="badge ${word}">${word}</span><span>${titleOf(finding)}${badge}<br><code>${resource.ref}</code> <span class="soft small">${withCode(detail)}</span></span></summary>
<div class="body">
<dl><dt>Rule</dt><dd><a href="#rule-${rule.id}"><code>${rule.id}</code></a></dd>
${
  location === null
    ? NOTHING
    : html`<dt>Place</dt><dd><code>${location.file}:${location.line}:${location.column}</code></dd>
`
}${finding.reason === null ? NOTHING : html`<dt>Not judged</dt><dd>${finding.reason}</dd>\n`}${containerOf(finding)}${exceptionOf(finding)}<dt>Fingerprint</dt><dd><code>${fingerprint}</code></dd></dl>
${evidenceOf(finding)}${remediationOf(finding)}</div></details>
`;
}

export function anchorOf({ fingerprint }: Finding): string {
  return `finding-${fingerprint.slice(0, 16)}`;
}

function namespaceOf({ resource: { kind, name, namespace } }: Finding): string {
  return namespace ?? (kind === 'Namespace' ? name : '(cluster)');
}

/** Titles tell what is wrong, which of what is unknown nobody said. */
export function titleOf({ rule: { title }, verdict }: Finding): Markup {
  return verdict === 'unknown' ? html`<span class="soft">Not judged:</span> ${title}` : html`${title}`;
}

function stateOf({ verdict, state }: Finding): string {
  if (state.kind === 'open') return verdict;
  return state.kind === 'excepted' ? 'excepted' : 'in the baseline';
}

function select(name: string, title: string, values: readonly string[]): Markup {
  const options = values.map((value) => html`<option>${value}</option>`);
  return html`<label>${title}<select name="${name}"><option value="">all</option>${options}</select></label>`;
}

function containerOf({ resource: { container } }: Finding): Markup {
  return container === null ? NOTHING : html`<dt>Container</dt><dd><code>${container}</code></dd>\n`;
}

function exceptionOf({ state }: Finding): Markup {
  if (state.kind !== 'excepted') return NOTHING;
  const day = new Date(state.expiresMs).toISOString().slice(0, 10);
  return html`<dt>Excepted</dt><dd>until ${day}: ${state.reason}</dd>\n`;
}

function evidenceOf({ evidence }: Finding): Markup {
  if (Object.keys(evidence).length === 0) return NOTHING;
  return html`<h4>Evidence</h4><pre>${toYaml(evidence)}</pre>
`;
}

function remediationOf({ verdict, remediation, resource }: Finding): Markup {
  const { text, patch, manifest } = remediation;
  if (verdict !== 'fail' || text === '') return NOTHING;
  const kind = resource.kind.toLowerCase();
  const scope = resource.namespace === null ? '' : ` --namespace ${resource.namespace}`;
  const command = `# kubectl patch ${kind} ${resource.name}${scope} --type=json --patch-file patch.yaml\n`;
  return html`<h4>What to do</h4><p>${withCode(text)}</p>
${patch === null ? NOTHING : html`<pre>${command}${patchToYaml(patch)}</pre>\n`}${manifest === null ? NOTHING : html`<pre>${manifest}</pre>\n`}`;
}
