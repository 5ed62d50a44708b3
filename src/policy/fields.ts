// Typed reading of YAML nodes that collects every problem instead of stopping at the first.

import { findNearestName } from '../core/nearest-name.ts';
import { quote } from '../core/quote.ts';
import type { Problem, SourcePosition } from '../core/source-position.ts';
import type { YamlEntry, YamlMapping, YamlNode } from '../yaml/located.ts';

/** What can be wrong with a policy, protocol or test file, apart from its YAML. */
export type PolicyProblemCode =
  | 'unknown-key'
  | 'missing-key'
  | 'wrong-type'
  | 'empty-list'
  | 'duplicate-value'
  | 'unsupported-version'
  | 'bad-trust-domain'
  | 'trust-domain-conflict'
  | 'bad-component-name'
  | 'duplicate-component'
  | 'duplicate-access'
  | 'unknown-component'
  | 'bad-id-pattern'
  | 'overlapping-ids'
  | 'bad-rule'
  | 'duplicate-rule'
  | 'unknown-verb'
  | 'bad-method'
  | 'bad-path-pattern'
  | 'bad-upgrade'
  | 'unknown-protocol'
  | 'bad-protocol-name'
  | 'duplicate-protocol'
  | 'bad-parameter'
  | 'bad-request'
  | 'unknown-effect'
  | 'unknown-reason'
  | 'no-policy';

export type Report = (code: PolicyProblemCode, message: string, position: SourcePosition) => void;

export interface ProblemCollector {
  readonly problems: Problem[];
  readonly report: Report;
}

export function collectProblems(): ProblemCollector {
  const problems: Problem[] = [];
  return {
    problems,
    report: (code, message, position) => {
      problems.push({ code, message, position });
    },
  };
}

export interface LocatedText {
  readonly text: string;
  readonly position: SourcePosition;
}

/** The node as a mapping; reports and answers null when it is anything else. `what` names it, e.g. "`components`". */
export function readMapping(node: YamlNode, what: string, report: Report): YamlMapping | null {
  if (node.kind === 'mapping') return node;
  const hint = node.kind === 'scalar' && node.value === null ? '; write `{}` for an empty one' : '';
  report('wrong-type', `${what} must be a mapping, and is ${describe(node)}${hint}`, node.position);
  return null;
}

/** The entries of a mapping by key; reports each key that is not among `known`. */
export function readKnownKeys(mapping: YamlMapping, known: readonly string[], report: Report): Map<string, YamlEntry> {
  const entries = new Map<string, YamlEntry>();
  for (const entry of mapping.entries) {
    if (known.includes(entry.key)) {
      entries.set(entry.key, entry);
      continue;
    }
    const hint = didYouMean(entry.key, known) || `; known keys are ${known.join(', ')}`;
    report('unknown-key', `unknown key ${quote(entry.key)}${hint}`, entry.keyPosition);
  }
  return entries;
}

/** The nodes of a sequence; reports and answers null when it is anything else. */
export function readList(node: YamlNode, what: string, report: Report): readonly YamlNode[] | null {
  if (node.kind === 'sequence') return node.nodes;
  const hint = node.kind === 'scalar' && node.value === null ? '; write `[]` for an empty one' : '';
  report('wrong-type', `${what} must be a list, and is ${describe(node)}${hint}`, node.position);
  return null;
}

/** A list with at least one node: an empty condition could be read as "never" or as "always". */
export function readFilledList(node: YamlNode, what: string, report: Report): readonly YamlNode[] | null {
  const nodes = readList(node, what, report);
  if (nodes?.length !== 0) return nodes;
  report('empty-list', `${what} is empty; name at least one, or leave the key out`, node.position);
  return null;
}

export function readText(node: YamlNode, what: string, report: Report): LocatedText | null {
  if (node.kind === 'scalar' && typeof node.value === 'string') return { text: node.value, position: node.position };
  const hint = node.kind === 'scalar' && node.value !== null ? '; quote it' : '';
  report('wrong-type', `${what} must be a string, and is ${describe(node)}${hint}`, node.position);
  return null;
}

export function readBoolean(node: YamlNode, what: string, report: Report): boolean | null {
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
  report('wrong-type', `${what} must be true or false, and is ${describe(node)}`, node.position);
  return null;
}

/** Reports a `version` that is not 1, or none. */
export function readVersion(entries: Map<string, YamlEntry>, root: YamlNode, report: Report): void {
  const entry = entries.get('version');
  if (entry === undefined) {
    report('missing-key', '`version` is missing; write `version: 1`', root.position);
  } else if (entry.node.kind !== 'scalar' || entry.node.value !== 1) {
    report('unsupported-version', '`version` must be 1', entry.node.position);
  }
}

export function requireEntry(
  entries: Map<string, YamlEntry>,
  key: string,
  owner: { readonly what: string; readonly position: SourcePosition; readonly report: Report },
): YamlEntry | null {
  const entry = entries.get(key);
  if (entry !== undefined) return entry;
  owner.report('missing-key', `${owner.what} needs \`${key}\``, owner.position);
  return null;
}

/** `; did you mean …?` with the nearest of `known`, or nothing when none is near. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const nearest = findNearestName(word, known);
  return nearest === null ? '' : `; did you mean ${quote(nearest)}?`;
}

function describe(node: YamlNode): string {
  switch (node.kind) {
    case 'mapping':
      return 'a mapping';
    case 'sequence':
      return 'a list';
    case 'scalar':
      if (node.value === null) return 'empty';
      return typeof node.value === 'string' ? 'a string' : `\`${String(node.value)}\``;
  }
}
