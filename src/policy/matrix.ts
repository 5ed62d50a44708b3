// The compiled matrix: component × target × verb, each cell an interned decision or a short list of indexed conditions.

import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { VERBS, type Decision, type DecisionReason, type Verb } from './decision.ts';
import type { IdTable } from './id-table.ts';
import { ANY_PATH } from './path-pattern.ts';
import { buildPathTable, findMatches, type PathTable, type PathTableEntry } from './path-table.ts';
import type { Protocol } from './protocol.ts';
import { RequestPath } from './request-path.ts';
import { coversUpgrade, type RuleDeclaration } from './rule-document.ts';
import type { ValidComponent } from './validate.ts';

export type PolicyMode = 'enforce' | 'shadow';

/** Who asks, already looked up: callers keep it as long as the connection and the policy live. */
export interface Principal {
  readonly component: string | null;
  /** By target; filled with a default-deny row the first time a target without rules is asked for, so bounded by the components. */
  readonly rows: Map<string, Row>;
  readonly rules: readonly RuleDeclaration[];
  readonly unknownTarget: Decision;
}

/** All answers of one component about one target, to requests that ask for no upgrade, or to those that ask for one. */
export interface Row {
  readonly protocol: Protocol;
  /** By index in `VERBS`. */
  readonly cells: readonly Cell[];
  readonly refusals: Readonly<Record<RefusalReason, Decision>>;
  /** What it was built from. */
  readonly rules: readonly RuleDeclaration[];
  readonly frame: DecisionFrame;
  /** By protocol, null for all that no rule names; each built the first time it is asked for, so bounded by the rules. */
  readonly forUpgrades: Map<string | null, Row>;
}

/** Refusals before the verb of a request is known. */
export type RefusalReason = Extract<
  DecisionReason,
  | 'unknown-principal'
  | 'unknown-route'
  | 'malformed-path'
  | 'ambiguous-query'
  | 'missing-parameter'
  | 'unsafe-parameter'
>;

/** `always`: the rules of this cell have no conditions, or none that could change the answer. */
export type Cell =
  | { readonly kind: 'always'; readonly decision: Decision }
  | {
      readonly kind: 'conditional';
      readonly deny: RuleSet;
      readonly shadowDeny: RuleSet;
      readonly allow: RuleSet;
      readonly shadowAllow: RuleSet;
      readonly otherwise: Decision;
    };

/** The rules of one cell with the same effect; each stands for the decision it makes. */
export interface RuleSet {
  readonly always: Decision | null;
  readonly conditional: PathTable<Decision> | null;
}

export interface CompiledPolicy {
  /** SHA-256 of all sources, hex. */
  readonly digest: string;
  readonly mode: PolicyMode;
  readonly trustDomain: TrustDomain;
  /** Names, in the order of the files. */
  readonly components: readonly string[];
  readonly protocols: ReadonlyMap<string, Protocol>;
  /** As declared, by name. */
  readonly declarations: ReadonlyMap<string, ValidComponent>;
  /** By target component. */
  readonly protocolOf: ReadonlyMap<string, Protocol>;
  readonly principals: ReadonlyMap<string, Principal>;
  /** Whoever belongs to no component. */
  readonly stranger: Principal;
  readonly ids: IdTable<Principal>;
  readonly ruleCount: number;
  /** Targets to which some rule grants connections. */
  readonly connectable: ReadonlySet<string>;
  /** Whether decisions about this target can depend on the query. */
  readsQuery(target: string): boolean;
}

/** How a target that is no component of the policy is named in a decision: outside text never gets into one. */
export const UNKNOWN_TARGET = 'unknown';

export interface DecisionFrame {
  readonly component: string | null;
  readonly target: string;
  readonly mode: PolicyMode;
  readonly digest: string;
}

/** The row of `rules`, all of one component about one target. */
export function buildRow(rules: readonly RuleDeclaration[], protocol: Protocol, frame: DecisionFrame): Row {
  return {
    protocol,
    rules,
    frame,
    forUpgrades: new Map(),
    cells: buildCells(rules, null, frame),
    refusals: {
      'unknown-principal': refuse('unknown-principal', null, frame),
      'unknown-route': refuse('unknown-route', null, frame),
      'malformed-path': refuse('malformed-path', null, frame),
      'ambiguous-query': refuse('ambiguous-query', null, frame),
      'missing-parameter': refuse('missing-parameter', null, frame),
      'unsafe-parameter': refuse('unsafe-parameter', null, frame),
    },
  };
}

/** The answers of the same component about the same target to requests to upgrade. */
export function rowForUpgrade(row: Row, upgrade: string): Row {
  const named = row.rules.some(({ upgrades }) => upgrades?.includes(upgrade) === true) ? upgrade : null;
  let found = row.forUpgrades.get(named);
  if (found === undefined) {
    found = { ...row, cells: buildCells(row.rules, upgrade, row.frame) };
    row.forUpgrades.set(named, found);
  }
  return found;
}

export function refuse(reason: DecisionReason, verb: Verb | null, frame: DecisionFrame): Decision {
  return makeDecision(frame, { effect: 'deny', reason, rule: null, verb });
}

/** The answer of one cell. Deny beats allow; an enforced allow under a deny in shadow, and a grant in shadow, are forwarded and marked. */
export function judge(cell: Cell, method: string, path: RequestPath): Decision {
  if (cell.kind === 'always') return cell.decision;
  const denied = findRule(cell.deny, method, path);
  if (denied !== null) return denied;
  const allowed = findRule(cell.allow, method, path) ?? findRule(cell.shadowAllow, method, path);
  if (allowed === null) return cell.otherwise;
  return findRule(cell.shadowDeny, method, path) ?? allowed;
}

function findRule(rules: RuleSet, method: string, path: RequestPath): Decision | null {
  if (rules.always !== null || rules.conditional === null) return rules.always;
  return findMatches(rules.conditional, method, path)[0]?.value ?? null;
}

function buildCells(all: readonly RuleDeclaration[], upgrade: string | null, frame: DecisionFrame): readonly Cell[] {
  return VERBS.map((verb) => {
    const rules = all.filter(({ verbs }) => verbs.includes(verb));
    return buildCell(rules, { verb, upgrade }, frame);
  });
}

/** `rules`: all of the verb. */
function buildCell(
  rules: readonly RuleDeclaration[],
  { verb, upgrade }: { readonly verb: Verb; readonly upgrade: string | null },
  frame: DecisionFrame,
): Cell {
  const covering = rules.filter((rule) => coversUpgrade(rule, upgrade));
  const select = (effect: 'allow' | 'deny', shadow: boolean): RuleSet => {
    const selected = covering.filter((rule) => rule.effect === effect && rule.shadow === shadow);
    return buildRuleSet(selected, (rule) => decisionOf(rule, verb, frame));
  };
  const cell = {
    kind: 'conditional' as const,
    deny: select('deny', false),
    shadowDeny: select('deny', true),
    allow: select('allow', false),
    shadowAllow: select('allow', true),
    otherwise: refuse(
      rules.some(({ effect }) => effect === 'allow') ? 'conditions-not-met' : 'not-granted',
      verb,
      frame,
    ),
  };
  if (cell.deny.always !== null) return { kind: 'always', decision: cell.deny.always };
  const sets = [cell.deny, cell.shadowDeny, cell.allow, cell.shadowAllow];
  if (sets.some(({ conditional }) => conditional !== null)) return cell;
  return { kind: 'always', decision: judge(cell, '', NO_PATH) };
}

const NO_PATH = new RequestPath('');

/** A rule without conditions decides before those with conditions; among these, the first in the file. */
function buildRuleSet(rules: readonly RuleDeclaration[], decide: (rule: RuleDeclaration) => Decision): RuleSet {
  const unconditional = rules.find(({ methods, paths }) => methods === null && paths === null);
  if (unconditional !== undefined) return { always: decide(unconditional), conditional: null };
  if (rules.length === 0) return { always: null, conditional: null };
  const entries: PathTableEntry<Decision>[] = [];
  for (const rule of rules) {
    const value = decide(rule);
    for (const pattern of rule.paths ?? [ANY_PATH]) {
      entries.push({ pattern, methods: rule.methods, decisive: true, value });
    }
  }
  return { always: null, conditional: buildPathTable(entries) };
}

function decisionOf(declaration: RuleDeclaration, verb: Verb, frame: DecisionFrame): Decision {
  const { effect, shadow, position } = declaration;
  const rule = { file: position.file, line: position.line };
  if (effect === 'deny') {
    return makeDecision(frame, { effect: shadow ? 'would-deny' : 'deny', reason: 'denied-by-rule', rule, verb });
  }
  return shadow
    ? makeDecision(frame, { effect: 'would-deny', reason: 'grant-in-shadow', rule, verb })
    : makeDecision(frame, { effect: 'allow', reason: 'allowed-by-rule', rule, verb });
}

/** The one place a decision is made; shadow mode turns denials into would-deny here. */
function makeDecision(frame: DecisionFrame, outcome: Pick<Decision, 'effect' | 'reason' | 'rule' | 'verb'>): Decision {
  const { reason, rule, verb } = outcome;
  const effect = outcome.effect === 'deny' && frame.mode === 'shadow' ? 'would-deny' : outcome.effect;
  return { effect, reason, rule, component: frame.component, target: frame.target, verb, policyDigest: frame.digest };
}
