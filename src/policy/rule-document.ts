// One rule as its author wrote it: a target, a target with verbs, or a mapping with conditions.

import { quote } from '../core/quote.ts';
import type { SourcePosition } from '../core/source-position.ts';
import { H2C, readProtocol } from '../http1/upgrade.ts';
import type { YamlEntry, YamlMapping, YamlNode } from '../yaml/located.ts';
import { REQUEST_VERBS, VERBS, type Verb } from './decision.ts';
import {
  didYouMean,
  readBoolean,
  readFilledList,
  readKnownKeys,
  readText,
  requireEntry,
  type LocatedText,
  type Report,
} from './fields.ts';
import { parsePathPattern, PathPatternError, type PathPattern } from './path-pattern.ts';

export interface RuleDeclaration {
  readonly effect: 'allow' | 'deny';
  readonly target: LocatedText;
  /** In the order of `VERBS`, each once. */
  readonly verbs: readonly Verb[];
  /** Null: every method. */
  readonly methods: readonly string[] | null;
  /** Null: every path. */
  readonly paths: readonly PathPattern[] | null;
  /** Protocols in lower case: the rule is for requests to upgrade to one of them, and for no others. Null: see coversUpgrade(). */
  readonly upgrades: readonly string[] | null;
  readonly shadow: boolean;
  /** The author's words on why the rule is there. */
  readonly reason: string | null;
  readonly position: SourcePosition;
}

// `admin` and `connect` must be granted by name, and a bare deny is meant to leave nothing open.
const BARE_VERBS: Record<'allow' | 'deny', readonly Verb[]> = { allow: ['read', 'write', 'infer'], deny: VERBS };
const RULE_KEYS = ['target', 'verbs', 'methods', 'paths', 'upgrades', 'shadow', 'reason'];
// RFC 9110 §5.6.2: a method is a token.
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Null when it cannot be told what the rule is about. Whatever is left out of the answer has been reported, so it is never loaded. */
export function readRule(node: YamlNode, effect: 'allow' | 'deny', report: Report): RuleDeclaration | null {
  if (node.kind === 'mapping') {
    const [only] = node.entries;
    const isShorthand = node.entries.length === 1 && (only?.key !== 'target' || only.node.kind === 'sequence');
    return isShorthand ? readShorthand(node, effect, report) : readFullRule(node, effect, report);
  }
  const target = readText(node, 'a rule', report);
  return target === null ? null : unconditional(effect, target, BARE_VERBS[effect]);
}

/**
 * Whether a rule says anything about requests that ask to upgrade to `upgrade`, or, with null, that do not ask to. A tunnel carries what
 * nobody decides on: it is allowed by name only. A deny without names leaves none open.
 */
export function coversUpgrade({ effect, upgrades }: RuleDeclaration, upgrade: string | null): boolean {
  if (upgrades === null) return upgrade === null || effect === 'deny';
  return upgrade !== null && upgrades.includes(upgrade);
}

function unconditional(effect: 'allow' | 'deny', target: LocatedText, verbs: readonly Verb[]): RuleDeclaration {
  const { position } = target;
  const conditions = { methods: null, paths: null, upgrades: null };
  return { effect, target, verbs, ...conditions, shadow: false, reason: null, position };
}

function readShorthand(mapping: YamlMapping, effect: 'allow' | 'deny', report: Report): RuleDeclaration | null {
  const [entry] = mapping.entries;
  if (entry === undefined) return null;
  const target = { text: entry.key, position: entry.keyPosition };
  if (entry.node.kind !== 'sequence') {
    const conditions = 'a rule with conditions is a mapping with the key `target`';
    const message = `the verbs of ${quote(entry.key)} must be a list, like \`${entry.key}: [read]\`; ${conditions}`;
    report('bad-rule', message, entry.node.position);
    return null;
  }
  return unconditional(effect, target, readVerbs(entry.node, report));
}

function readFullRule(mapping: YamlMapping, effect: 'allow' | 'deny', report: Report): RuleDeclaration | null {
  const { position } = mapping;
  if (!mapping.entries.some(({ key }) => RULE_KEYS.includes(key))) {
    report('bad-rule', 'a rule names one target: write one list item for each', position);
    return null;
  }
  const entries = readKnownKeys(mapping, RULE_KEYS, report);
  const targetEntry = requireEntry(entries, 'target', { what: 'a rule', position, report });
  const target = targetEntry === null ? null : readText(targetEntry.node, '`target`', report);
  const verbsEntry = entries.get('verbs');
  const methodsEntry = entries.get('methods');
  const pathsEntry = entries.get('paths');
  const upgradesEntry = entries.get('upgrades');
  const shadowEntry = entries.get('shadow');
  const reasonEntry = entries.get('reason');
  const condition = methodsEntry ?? pathsEntry ?? upgradesEntry;
  const verbs = verbsEntry === undefined ? bareVerbs(effect, condition) : readVerbs(verbsEntry.node, report);
  if (condition !== undefined && verbs.includes('connect')) {
    const message = `a connection has no ${condition.key}: write a rule of its own for \`connect\`, without them`;
    report('bad-rule', message, condition.keyPosition);
  }
  const methods = methodsEntry === undefined ? null : readMethods(methodsEntry.node, report);
  const paths = pathsEntry === undefined ? null : readPaths(pathsEntry.node, report);
  const upgrades = upgradesEntry === undefined ? null : readUpgrades(upgradesEntry.node, report);
  const shadow = shadowEntry === undefined ? false : readBoolean(shadowEntry.node, '`shadow`', report);
  const reason = reasonEntry === undefined ? null : readText(reasonEntry.node, '`reason`', report);
  if (target === null) return null;
  const conditions = { methods, paths, upgrades };
  return { effect, target, verbs, ...conditions, shadow: shadow ?? false, reason: reason?.text ?? null, position };
}

/** A deny of some paths is about requests. */
function bareVerbs(effect: 'allow' | 'deny', condition: YamlEntry | undefined): readonly Verb[] {
  return effect === 'deny' && condition !== undefined ? REQUEST_VERBS : BARE_VERBS[effect];
}

function readVerbs(node: YamlNode, report: Report): readonly Verb[] {
  const verbs = new Set<Verb>();
  for (const child of readFilledList(node, '`verbs`', report) ?? []) {
    const verb = readVerb(child, VERBS, report);
    if (verb !== null && verbs.has(verb)) report('duplicate-value', `verb \`${verb}\` is named twice`, child.position);
    if (verb !== null) verbs.add(verb);
  }
  return VERBS.filter((verb) => verbs.has(verb));
}

/** One of `known`. */
export function readVerb<V extends Verb>(node: YamlNode, known: readonly V[], report: Report): V | null {
  const text = readText(node, 'a verb', report);
  if (text === null) return null;
  const verb = known.find((each) => each === text.text);
  if (verb !== undefined) return verb;
  const hint = didYouMean(text.text, known) || `; verbs are ${known.join(', ')}`;
  report('unknown-verb', `unknown verb ${quote(text.text)}${hint}`, text.position);
  return null;
}

/** `*` is not a method here; a rule for every method has no `methods`. */
export function readMethods(node: YamlNode, report: Report): readonly string[] | null {
  const methods = new Set<string>();
  for (const child of readFilledList(node, '`methods`', report) ?? []) {
    const text = readText(child, 'a method', report);
    if (text === null) continue;
    const upper = text.text.toUpperCase();
    if (text.text === '*') {
      report('bad-method', '`*` is not a method; leave `methods` out to mean every method', text.position);
    } else if (!METHOD.test(text.text)) {
      report('bad-method', `${quote(text.text)} is not an HTTP method`, text.position);
    } else if (text.text !== upper) {
      // RFC 9110 §9.1: the method is case-sensitive, so this would silently never match.
      report('bad-method', `methods are case-sensitive; write ${quote(upper)}`, text.position);
    } else if (methods.has(upper)) {
      report('duplicate-value', `method ${quote(upper)} is named twice`, text.position);
    } else {
      methods.add(upper);
    }
  }
  return methods.size === 0 ? null : [...methods];
}

function readPaths(node: YamlNode, report: Report): readonly PathPattern[] | null {
  const paths = new Map<string, PathPattern>();
  for (const child of readFilledList(node, '`paths`', report) ?? []) {
    const pattern = readPattern(child, (text) => parsePathPattern(text, 'rule'), report);
    if (pattern === null) continue;
    if (paths.has(pattern.text)) {
      report('duplicate-value', `path ${quote(pattern.text)} is named twice`, child.position);
    }
    paths.set(pattern.text, pattern);
  }
  return paths.size === 0 ? null : [...paths.values()];
}

function readUpgrades(node: YamlNode, report: Report): readonly string[] | null {
  const upgrades = new Set<string>();
  for (const child of readFilledList(node, '`upgrades`', report) ?? []) {
    const text = readText(child, 'a protocol', report);
    if (text === null) continue;
    const upgrade = readUpgrade(text, report);
    if (upgrade === null) continue;
    if (upgrades.has(upgrade)) report('duplicate-value', `protocol ${quote(upgrade)} is named twice`, text.position);
    upgrades.add(upgrade);
  }
  return upgrades.size === 0 ? null : [...upgrades];
}

/** A protocol that a request can ask to switch to. */
export function readUpgrade({ text, position }: LocatedText, report: Report): string | null {
  const flaw = findUpgradeFlaw(text);
  if (flaw === null) return text;
  report('bad-upgrade', flaw, position);
  return null;
}

/** Why no request can ask to upgrade to `text`; null when one can. */
export function findUpgradeFlaw(text: string): string | null {
  const protocol = readProtocol(text);
  if (protocol === null) return `${quote(text)} is not a protocol to upgrade to; write its name, like \`websocket\``;
  if (protocol === H2C) return 'no request asks to upgrade to `h2c`: the proxy takes that out of every request';
  // Compared in lower case (RFC 6455 §4.2.1), so this would silently never match.
  return text === protocol ? null : `protocols are written in lower case here; write ${quote(protocol)}`;
}

/** What `parse` makes of the node's text; its refusal becomes a problem. */
export function readPattern<T>(node: YamlNode, parse: (text: string) => T, report: Report): T | null {
  const text = readText(node, 'a path', report);
  if (text === null) return null;
  try {
    return parse(text.text);
  } catch (error) {
    if (!(error instanceof PathPatternError)) throw error;
    report('bad-path-pattern', error.message, text.position);
    return null;
  }
}
