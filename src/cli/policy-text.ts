// Explanations, differences and failed tests, as a person reads them.

import { stripVTControlCharacters } from 'node:util';
import { quote } from '../core/quote.ts';
import { formatPosition } from '../core/source-position.ts';
import type { CellSummary } from '../policy/cell-summary.ts';
import { isConnect, type AuthzRequest } from '../policy/decide.ts';
import { DECISION_REASONS, type Decision, type Effect, type RuleReference } from '../policy/decision.ts';
import type { ComponentChange, PolicyDiff } from '../policy/diff.ts';
import type { Explanation, RuleTrace } from '../policy/explain.ts';
import type { FailedTest } from '../policy/test-run.ts';
import type { Colour, Paint } from './paint.ts';

const EFFECT_COLOURS: Readonly<Record<Effect, Colour>> = { allow: 'green', deny: 'red', 'would-deny': 'yellow' };

export function formatExplanation(request: AuthzRequest, explanation: Explanation, paint: Paint): string {
  const { decision, route, rules, nearestAllow } = explanation;
  const { effect, reason, component, verb } = decision;
  const facts: [string, string][] = [
    ['from', `${request.principal} (${component ?? 'no component'})`],
    ['to', request.target],
    ['request', formatRequest(request)],
    ['verb', verb ?? 'none'],
  ];
  if (route !== null) facts.push(['route', `${route.path} (${route.protocol}, ${formatRule(route.rule)})`]);
  if (decision.rule !== null) facts.push(['rule', formatRule(decision.rule)]);
  for (const permission of explanation.permissions.slice(1)) {
    facts.push(['needs also', `${permission.verb} ${permission.path}: ${formatDecision(permission.decision)}`]);
  }
  facts.push(['policy', `sha256:${decision.policyDigest}`]);
  const sections = [
    `${paint(effect, EFFECT_COLOURS[effect])}  ${paint(reason, 'bold')}: ${DECISION_REASONS[reason]}`,
    alignRows(facts.map(([name, value]) => [paint(name.padEnd(10), 'dim'), value])),
  ];
  if (component !== null) {
    const considered = rules.map((rule) => describeTrace(rule, paint));
    const title = rules.length === 0 ? `${component} has no rules` : `rules of ${component}, in the order of the file`;
    sections.push([title, ...(rules.length === 0 ? [] : [alignRows(considered)])].join('\n'));
  }
  if (nearestAllow !== null) {
    sections.push(`nearest allow\n  ${formatRule(nearestAllow.rule)}: ${nearestAllow.difference}`);
  }
  return `${sections.join('\n\n')}\n`;
}

export function formatDiff(diff: PolicyDiff, paint: Paint): string {
  const lines: string[] = [];
  if (diff.trustDomain !== null) {
    lines.push(`trust domain: ${quote(diff.trustDomain.before)} → ${quote(diff.trustDomain.after)}`);
  }
  for (const change of diff.components) lines.push(describeComponentChange(change, paint));
  const rows = diff.cells.map(({ component, target, verb, before, after }) => [
    component,
    `→ ${target}`,
    verb,
    `${formatCell(before)} → ${paint(formatCell(after), colourOfCell(after))}`,
  ]);
  if (rows.length > 0) lines.push(alignRows(rows, ''));
  for (const { component, target, verb, before, after } of diff.cells) {
    const removed = before.conditions.filter((condition) => !after.conditions.includes(condition));
    const added = after.conditions.filter((condition) => !before.conditions.includes(condition));
    if (removed.length + added.length === 0) continue;
    lines.push(`${component} → ${target} ${verb}, conditions`);
    for (const condition of removed) lines.push(paint(`  - ${condition}`, 'red'));
    for (const condition of added) lines.push(paint(`  + ${condition}`, 'green'));
  }
  return lines.length === 0 ? 'no cell changes\n' : `${lines.join('\n')}\n`;
}

export function formatFailure({ test, decision }: FailedTest, paint: Paint): string {
  const { effect, reason, verb } = test.expected;
  const expected = [effect, reason, verb].filter((part) => part !== null).join(', ');
  const by = decision.rule === null ? '' : ` by ${formatRule(decision.rule)}`;
  return [
    `${formatPosition(test.position)}: ${test.from} → ${test.to}: ${formatRequest(test)}`,
    `  ${paint('expected', 'dim')} ${paint(expected, 'green')}`,
    `  ${paint('actual', 'dim')}   ${paint(formatDecision(decision), 'red')}${by}`,
    '',
  ].join('\n');
}

function formatRequest(request: Pick<AuthzRequest, 'method' | 'path' | 'query' | 'upgrade'>): string {
  if (isConnect(request)) return 'a TCP connection';
  const query = request.query === null ? '' : `?${request.query}`;
  const upgrade = request.upgrade === null ? '' : `, upgrade to ${request.upgrade}`;
  return `${request.method} ${request.path}${query}${upgrade}`;
}

function formatDecision({ effect, reason, verb }: Decision): string {
  return [effect, reason, verb ?? 'no verb'].join(', ');
}

function describeTrace(trace: RuleTrace, paint: Paint): readonly string[] {
  const { effect, target, verbs, methods, paths, upgrades, shadow, why, failed, decides } = trace;
  const conditions = [`[${verbs.join(' ')}]`];
  if (methods !== null) conditions.push(methods.join(','));
  if (paths !== null) conditions.push(abbreviate(paths));
  if (upgrades !== null) conditions.push(`upgrade ${abbreviate(upgrades)}`);
  if (shadow) conditions.push('in shadow');
  const outcome = failed === null ? paint('matches', 'bold') : describeFailed(failed, paint);
  const because = why === null ? '' : ` (${quote(why)})`;
  const mark = decides ? paint('▸', EFFECT_COLOURS[effect]) : ' ';
  return [`${mark} ${effect}`, target, conditions.join(' '), formatRule(trace.rule), `${outcome}${because}`];
}

function describeFailed({ condition, expected, actual }: NonNullable<RuleTrace['failed']>, paint: Paint): string {
  if (condition === 'target') return paint('another target', 'dim');
  if (condition === 'route') return 'the request has no verb';
  return `${condition} is ${actual}, not ${abbreviate(expected)}`;
}

function abbreviate(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).join(' ');
  return texts.length > 3 ? `${shown} and ${texts.length - 3} more` : shown;
}

function describeComponentChange(change: ComponentChange, paint: Paint): string {
  switch (change.kind) {
    case 'added':
      return paint(`+ component ${change.component}`, 'green');
    case 'removed':
      return paint(`- component ${change.component}`, 'red');
    case 'ids':
      return `component ${change.component}: IDs ${change.before || 'none'} → ${change.after || 'none'}`;
    case 'protocol':
      return `component ${change.component}: protocol ${change.before} → ${change.after}, so its verbs mean other requests`;
    case 'routes':
      return `component ${change.component}: the routes of protocol ${change.after} changed, so its verbs mean other requests`;
  }
}

function formatCell({ answer, conditions }: CellSummary): string {
  return answer === 'partly' ? `conditional (${conditions.length})` : answer;
}

function colourOfCell({ answer }: CellSummary): Colour {
  switch (answer) {
    case 'allow':
      return 'green';
    case 'deny':
    case 'none':
      return 'red';
    case 'partly':
    case 'watched':
      return 'yellow';
  }
}

function formatRule({ file, line }: RuleReference): string {
  return `${file}:${line}`;
}

/** Columns as wide as their widest cell, not counting colour; the last is not padded. */
function alignRows(rows: readonly (readonly string[])[], indent = '  '): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell));
  }
  const align = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell)),
      )
      .join('  ');
  return rows.map((row) => `${indent}${align(row)}`).join('\n');
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
