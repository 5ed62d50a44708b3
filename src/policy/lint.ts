// What a valid policy says that its author may not have meant. Nothing here changes a decision.

import { quote } from '../core/quote.ts';
import { comparePositions, formatPosition, type Problem, type SourcePosition } from '../core/source-position.ts';
import type { CompiledPolicy } from './matrix.ts';
import { overlaps } from './path-pattern.ts';
import type { Protocol } from './protocol.ts';
import type { RuleDeclaration } from './rule-document.ts';

export type PolicyWarningCode =
  /** No request the target's protocol knows meets the rule's verbs, methods and paths. */
  | 'rule-never-matches'
  /** Another rule answers everything this one could. */
  | 'rule-shadowed'
  /** An allow and a deny meet in some requests; the deny wins. */
  | 'allow-deny-overlap'
  /** Neither has access nor is anything allowed or denied to it. */
  | 'component-unused'
  /** `admin` on every path of a target. */
  | 'broad-admin'
  /** A rule does not enforce. */
  | 'rule-in-shadow'
  /** The only allows for a target are for requests to upgrade. */
  | 'upgrades-only';

/** Warnings in the order of the file. Costs more than loading: ask for them when a person will read them. */
export function lintPolicy(policy: CompiledPolicy): readonly Problem[] {
  const warnings: Problem[] = [];
  const warn: Warn = (code, message, position) => {
    warnings.push({ code, message, position });
  };
  const used = new Set<string>();
  for (const { name, rules } of policy.declarations.values()) {
    if (rules.length > 0) used.add(name);
    for (const [target, group] of Map.groupBy(rules, (rule) => rule.target.text)) {
      used.add(target);
      const protocol = policy.protocolOf.get(target);
      for (const rule of group) if (protocol !== undefined) lintRule(rule, protocol, warn);
      lintPairs(group, warn);
      lintUpgrades(group, warn);
    }
  }
  for (const { name, position } of policy.declarations.values()) {
    if (used.has(name)) continue;
    warn(
      'component-unused',
      `no rule names component ${quote(name)}: it may do nothing, and nobody may reach it`,
      position,
    );
  }
  return warnings.toSorted((left, right) => comparePositions(left.position, right.position));
}

type Warn = (code: PolicyWarningCode, message: string, position: SourcePosition) => void;

// Every pair of 10,000 conditional rules about one target would take seconds; those of the first thousand tell enough.
const MAX_COMPARED_RULES = 1_000;

function lintRule(rule: RuleDeclaration, protocol: Protocol, warn: Warn): void {
  const target = quote(rule.target.text);
  const methods = methodsOf(rule);
  const asked = { paths: rule.paths, methods };
  const canMatch =
    rule.verbs.includes('connect') ||
    protocol.routes.some(({ declaration }) => rule.verbs.includes(declaration.verb) && canMeet(asked, declaration));
  if (!canMatch || methods?.length === 0) {
    const subject = `this ${rule.effect} for ${target} matches no request`;
    warn('rule-never-matches', `${subject} that protocol ${quote(protocol.name)} knows`, rule.position);
  }
  if (rule.effect === 'allow' && rule.verbs.includes('admin') && rule.paths === null) {
    warn('broad-admin', `this grants admin on all of ${target}; name the paths that are needed`, rule.position);
  }
  if (rule.shadow) {
    const meaning =
      rule.effect === 'deny' ? 'what it denies is forwarded' : 'what it allows is forwarded as would-deny';
    warn('rule-in-shadow', `this ${rule.effect} for ${target} is in shadow: ${meaning}`, rule.position);
  }
}

/** A WebSocket is asked for with GET (RFC 6455 §4.1, and the same over HTTP/2 here). */
function methodsOf({ methods, upgrades }: RuleDeclaration): RuleDeclaration['methods'] {
  if (upgrades?.every((protocol) => protocol === 'websocket') !== true) return methods;
  return methods?.filter((method) => method === 'GET') ?? ['GET'];
}

/** Whoever adds `upgrades` to the one rule there is may have meant to widen it. */
function lintUpgrades(rules: readonly RuleDeclaration[], warn: Warn): void {
  const allows = rules.filter(({ effect }) => effect === 'allow');
  const [first] = allows;
  if (first === undefined || allows.some(({ upgrades }) => upgrades === null)) return;
  const message = `only requests to upgrade are allowed to ${quote(first.target.text)}; others need a rule without \`upgrades\``;
  warn('upgrades-only', message, first.position);
}

/** All rules of one component about one target. */
function lintPairs(rules: readonly RuleDeclaration[], warn: Warn): void {
  const enforced = rules.filter(({ shadow }) => !shadow).slice(0, MAX_COMPARED_RULES);
  for (const [index, rule] of enforced.entries()) {
    const cover = enforced.find(
      (other, at) => other !== rule && covers(other, rule) && (at < index || !covers(rule, other)),
    );
    if (cover !== undefined) {
      const winner = `the ${cover.effect} at ${formatPosition(cover.position)}`;
      warn('rule-shadowed', `this ${rule.effect} changes nothing: ${winner} answers all its requests`, rule.position);
      continue;
    }
    const deny =
      rule.effect === 'allow' ? enforced.find((other) => other.effect === 'deny' && meets(rule, other)) : undefined;
    if (deny === undefined || covers(deny, rule)) continue;
    const winner = `the deny at ${formatPosition(deny.position)}`;
    warn('allow-deny-overlap', `${winner} takes back part of this allow; deny beats allow`, rule.position);
  }
}

/** Whether `other` decides every request that `rule` matches: a deny beats both, an allow only other allows. */
function covers(other: RuleDeclaration, rule: RuleDeclaration): boolean {
  if (other.effect === 'allow' && rule.effect === 'deny') return false;
  const { methods, paths } = other;
  return (
    rule.verbs.every((verb) => other.verbs.includes(verb)) &&
    (methods === null || rule.methods?.every((method) => methods.includes(method)) === true) &&
    (paths === null || rule.paths?.every(({ text }) => paths.some((path) => path.text === text)) === true) &&
    coversUpgradesOf(other, rule)
  );
}

function coversUpgradesOf({ effect, upgrades }: RuleDeclaration, rule: RuleDeclaration): boolean {
  if (upgrades === null) return effect === 'deny' || rule.upgrades === null;
  return rule.upgrades?.every((upgrade) => upgrades.includes(upgrade)) === true;
}

/** An allow and a deny. */
function meets(left: RuleDeclaration, right: RuleDeclaration): boolean {
  const { upgrades } = right;
  return (
    left.verbs.some((verb) => right.verbs.includes(verb)) &&
    (upgrades === null || left.upgrades?.some((upgrade) => upgrades.includes(upgrade)) === true) &&
    canMeet(left, { methods: right.methods, patterns: right.paths })
  );
}

function canMeet(
  { methods, paths }: Pick<RuleDeclaration, 'methods' | 'paths'>,
  other: { readonly methods: RuleDeclaration['methods']; readonly patterns: RuleDeclaration['paths'] },
): boolean {
  const { methods: otherMethods, patterns } = other;
  if (methods !== null && otherMethods !== null && !methods.some((method) => otherMethods.includes(method)))
    return false;
  if (paths === null || patterns === null) return true;
  return paths.some((path) => patterns.some((pattern) => overlaps(path, pattern)));
}
