// Why a decision came out as it did: the same compiled matrix, asked rule by rule.

import { quote } from '../core/quote.ts';
import { classify, decideFor, isConnect, type AuthzRequest } from './decide.ts';
import { VERBS, type Decision, type RuleReference, type Verb } from './decision.ts';
import { judge, rowForUpgrade, type CompiledPolicy, type Principal } from './matrix.ts';
import type { PathPattern } from './path-pattern.ts';
import { buildPathTable, findMatches } from './path-table.ts';
import { resolveRoute, type ProtocolRoute } from './protocol.ts';
import { RequestPath } from './request-path.ts';
import { coversUpgrade, type RuleDeclaration } from './rule-document.ts';

/** The first condition of a rule that a request does not meet; `route`: the request has no verb to compare. */
export type Condition = 'target' | 'route' | 'verb' | 'method' | 'path' | 'upgrade';

export interface RuleTrace {
  readonly rule: RuleReference;
  readonly effect: 'allow' | 'deny';
  readonly target: string;
  readonly verbs: readonly Verb[];
  readonly methods: readonly string[] | null;
  readonly paths: readonly string[] | null;
  readonly upgrades: readonly string[] | null;
  readonly shadow: boolean;
  /** The author's words. */
  readonly why: string | null;
  /** Null: the rule matches. */
  readonly failed: {
    readonly condition: Condition;
    readonly expected: readonly string[];
    readonly actual: string;
  } | null;
  /** True for the rule the decision names. */
  readonly decides: boolean;
}

/** One permission the request needs; all but the first are further ones of its route. */
export interface PermissionTrace {
  readonly verb: Verb;
  readonly method: string;
  readonly path: string;
  readonly decision: Decision;
}

/** The allow rule that comes closest, and what stands between it and the request. */
export interface NearestAllow {
  readonly component: string;
  readonly rule: RuleReference;
  readonly difference: string;
}

export interface Explanation {
  readonly decision: Decision;
  readonly route: {
    readonly protocol: string;
    readonly rule: RuleReference;
    readonly path: string;
    readonly verb: Verb;
  } | null;
  readonly permissions: readonly PermissionTrace[];
  /** Every rule of the principal's component, in the order of the file, held against the permission that decided. */
  readonly rules: readonly RuleTrace[];
  /** Null when the request is allowed, or nobody is allowed anything on the target. */
  readonly nearestAllow: NearestAllow | null;
}

/** Pure, never throws; `decision` is the very object `decide` answers with. */
export function explain(policy: CompiledPolicy, request: AuthzRequest): Explanation {
  const principal = classify(policy, request.principal);
  const decision = decideFor(policy, principal, request);
  const { route, permissions, question } = resolve(policy, principal, { request, decision });
  const traces = principal.rules.map((rule) => traceRule(rule, question));
  const deciding = findDeciding(principal.rules, traces, decision);
  const rules = traces.map((trace, index): RuleTrace => Object.assign(trace, { decides: index === deciding }));
  const nearestAllow =
    decision.effect === 'allow' ? null : findNearestAllow(policy, { principal, rules, question, decision });
  return { decision, route, permissions, rules, nearestAllow };
}

/** What a rule is held against. */
interface Question {
  readonly target: string;
  readonly verb: Verb | null;
  readonly method: string;
  readonly path: RequestPath;
  readonly upgrade: string | null;
}

interface Answered {
  readonly request: AuthzRequest;
  readonly decision: Decision;
}

function resolve(
  policy: CompiledPolicy,
  principal: Principal,
  { request, decision }: Answered,
): Pick<Explanation, 'route' | 'permissions'> & { readonly question: Question } {
  const { target, method, upgrade } = request;
  const path = new RequestPath(request.path);
  const unresolved = { route: null, permissions: [], question: { target, verb: null, method, path, upgrade } };
  const plain = principal.rows.get(target);
  const row = plain === undefined || upgrade === null ? plain : rowForUpgrade(plain, upgrade);
  const protocol = row?.protocol ?? policy.protocolOf.get(target);
  if (protocol === undefined) return unresolved;
  if (isConnect(request)) {
    const verb = 'connect';
    const permissions = principal.component === null ? [] : [{ verb, method, path: path.text, decision } as const];
    return { route: null, permissions, question: { target, verb, method, path, upgrade } };
  }
  const resolution = resolveRoute(protocol, request, path);
  if (resolution.kind === 'refused') return unresolved;
  const route = describeRoute(resolution.route, protocol.name);
  if (row === undefined || principal.component === null) {
    return { ...unresolved, route, question: { target, verb: route.verb, method, path, upgrade } };
  }
  const permissions: PermissionTrace[] = [];
  let question: Question = { target, verb: route.verb, method, path, upgrade };
  for (const needed of [{ verb: resolution.route.verb, method, path }, ...resolution.further]) {
    const cell = row.cells[needed.verb];
    const verb = VERBS[needed.verb];
    if (cell === undefined || verb === undefined) continue;
    const answer = judge(cell, needed.method, needed.path);
    const isDeciding = answer === decision && !permissions.some((earlier) => earlier.decision === decision);
    if (isDeciding) question = { target, verb, method: needed.method, path: needed.path, upgrade };
    permissions.push({ verb, method: needed.method, path: needed.path.text, decision: answer });
  }
  return { route, permissions, question };
}

function describeRoute({ declaration }: ProtocolRoute, protocol: string): NonNullable<Explanation['route']> {
  const { file, line } = declaration.position;
  return { protocol, rule: { file, line }, path: declaration.path, verb: declaration.verb };
}

function traceRule(rule: RuleDeclaration, question: Question): Omit<RuleTrace, 'decides'> {
  const { file, line } = rule.position;
  return {
    rule: { file, line },
    effect: rule.effect,
    target: rule.target.text,
    verbs: rule.verbs,
    methods: rule.methods,
    paths: rule.paths?.map(({ text }) => text) ?? null,
    upgrades: rule.upgrades,
    shadow: rule.shadow,
    why: rule.reason,
    failed: findFailed(rule, question),
  };
}

function findFailed(rule: RuleDeclaration, question: Question): RuleTrace['failed'] {
  const { target, verb, method, path, upgrade } = question;
  const { verbs, methods, paths, upgrades } = rule;
  if (rule.target.text !== target) return { condition: 'target', expected: [rule.target.text], actual: target };
  if (verb === null) return { condition: 'route', expected: verbs, actual: 'none' };
  if (!verbs.includes(verb)) return { condition: 'verb', expected: verbs, actual: verb };
  if (methods !== null && !methods.includes(method)) return { condition: 'method', expected: methods, actual: method };
  if (paths !== null && !matchesPath(paths, path))
    return { condition: 'path', expected: paths.map(({ text }) => text), actual: path.text };
  if (coversUpgrade(rule, upgrade)) return null;
  return { condition: 'upgrade', expected: upgrades ?? ['none'], actual: upgrade ?? 'none' };
}

/** Through the same index as `decide`, holding this rule alone. */
function matchesPath(paths: readonly PathPattern[], path: RequestPath): boolean {
  const entries = paths.map((pattern) => ({ pattern, methods: null, decisive: true, value: true }));
  return findMatches(buildPathTable(entries), '', path).length > 0;
}

/** Of the rules that match and have the decision's effect, the unconditional one, else the first: what `judge` answers with. */
function findDeciding(
  rules: readonly RuleDeclaration[],
  traces: readonly Omit<RuleTrace, 'decides'>[],
  decision: Decision,
): number | null {
  const { reason, rule } = decision;
  if (rule === null) return null;
  const effect = reason === 'denied-by-rule' ? 'deny' : 'allow';
  const matching = [...traces.keys()].filter((index) => {
    const trace = traces[index];
    return (
      trace?.failed === null &&
      trace.effect === effect &&
      trace.rule.file === rule.file &&
      trace.rule.line === rule.line
    );
  });
  const isUnconditional = (index: number): boolean => rules[index]?.methods === null && rules[index]?.paths === null;
  return matching.find(isUnconditional) ?? matching[0] ?? null;
}

interface Denial {
  readonly principal: Principal;
  readonly rules: readonly RuleTrace[];
  readonly question: Question;
  readonly decision: Decision;
}

// The later a rule fails, the nearer it is.
const CONDITION_ORDER: readonly Condition[] = ['target', 'route', 'verb', 'method', 'path', 'upgrade'];

function findNearestAllow(
  policy: CompiledPolicy,
  { principal, rules, question, decision }: Denial,
): NearestAllow | null {
  const own = rules.filter(({ effect }) => effect === 'allow');
  const matching = own.find(({ failed }) => failed === null);
  if (matching !== undefined && principal.component !== null) {
    const deny = rules.find(({ effect, failed }) => effect === 'deny' && failed === null);
    const obstacle = deny === undefined ? 'it is in shadow' : `the deny at ${formatRule(deny.rule)} beats it`;
    return { component: principal.component, rule: matching.rule, difference: obstacle };
  }
  const [nearest] = own
    .filter(({ failed }) => failed !== null && failed.condition !== 'target')
    .sort((left, right) => nearness(right) - nearness(left));
  if (nearest?.failed && principal.component !== null) {
    const difference = describeFailure(nearest.failed, decision);
    return { component: principal.component, rule: nearest.rule, difference };
  }
  for (const [component, other] of policy.principals) {
    const rule = other.rules.find(
      (each) => each.effect === 'allow' && !each.shadow && findFailed(each, question) === null,
    );
    if (rule === undefined || component === principal.component) continue;
    const { file, line } = rule.position;
    return { component, rule: { file, line }, difference: `it is for component ${quote(component)}` };
  }
  return null;
}

function nearness({ failed }: RuleTrace): number {
  return failed === null ? CONDITION_ORDER.length : CONDITION_ORDER.indexOf(failed.condition);
}

function describeFailure(failed: NonNullable<RuleTrace['failed']>, decision: Decision): string {
  if (failed.condition === 'route') return `the request has no verb (${decision.reason})`;
  const expected = failed.expected.map(quote).join(', ');
  return `its ${failed.condition} is ${expected}, and the request's is ${quote(failed.actual)}`;
}

function formatRule({ file, line }: RuleReference): string {
  return `${file}:${line}`;
}
