// The revocation file: `version: 1` and `revocations`, a list that may be empty; everything wrong with it told at once, each with its place.

import { findNearestName } from '../core/nearest-name.ts';
import { quote } from '../core/quote.ts';
import { comparePositions, type Problem, type SourcePosition } from '../core/source-position.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import {
  DocumentError,
  readYaml,
  withoutEchoes,
  type YamlEntry,
  type YamlMapping,
  type YamlNode,
} from '../yaml/located.ts';
import { type EntryPlace, readEntry } from './entry.ts';
import { type Revocation, revocationKey } from './revocation.ts';

const DOCUMENT_KEYS = ['version', 'revocations'];

type Report = (code: string, message: string, position: SourcePosition) => void;

/**
 * The entries in the order of the file. `file` is used in positions only; `own` is the trust domain of patterns written without one.
 * @throws {DocumentError} with every problem.
 */
export function parseRevocationDocument(source: Uint8Array, file: string, own: TrustDomain): readonly Revocation[] {
  const { root, problems: yamlProblems } = readYaml(source, file);
  const problems: Problem[] = [...yamlProblems];
  const report: Report = (code, message, position) => problems.push({ code, message, position });
  const revocations = readDocument(root, own, report);
  if (problems.length === 0) return revocations;
  throw new DocumentError(
    withoutEchoes(problems).toSorted((left, right) => comparePositions(left.position, right.position)),
  );
}

function readDocument(root: YamlNode, own: TrustDomain, report: Report): readonly Revocation[] {
  if (root.kind !== 'mapping') {
    report('wrong-type', 'a revocation file must be a mapping with `version` and `revocations`', root.position);
    return [];
  }
  const entries = readKnownKeys(root, report);
  const version = entries.get('version');
  if (version === undefined) {
    report('missing-key', '`version` is missing; write `version: 1`', root.position);
  } else if (version.node.kind !== 'scalar' || version.node.value !== 1) {
    report('unsupported-version', '`version` must be 1', version.node.position);
  }
  const list = entries.get('revocations');
  if (list === undefined) {
    report('missing-key', '`revocations` is missing; write `revocations: []` for none', root.position);
    return [];
  }
  // Nothing at all may be a list that somebody has cut off: none has to be said.
  if (list.node.kind !== 'sequence') {
    report('wrong-type', '`revocations` must be a list; write `[]` for an empty one', list.node.position);
    return [];
  }
  return readRevocations(list.node.nodes, own, report);
}

function readKnownKeys({ entries }: YamlMapping, report: Report): ReadonlyMap<string, YamlEntry> {
  for (const { key, keyPosition } of entries) {
    if (DOCUMENT_KEYS.includes(key)) continue;
    const nearest = findNearestName(key, DOCUMENT_KEYS);
    const help = nearest === null ? 'known keys are version, revocations' : `did you mean ${quote(nearest)}?`;
    report('unknown-key', `unknown key ${quote(key)}; ${help}`, keyPosition);
  }
  return new Map(entries.map((entry) => [entry.key, entry]));
}

function readRevocations(nodes: readonly YamlNode[], own: TrustDomain, report: Report): readonly Revocation[] {
  const revocations: Revocation[] = [];
  const lineOf = new Map<string, number>();
  for (const node of nodes) {
    const revocation = readRevocation(node, own, report);
    if (revocation === null) continue;
    const key = revocationKey(revocation.target);
    const first = lineOf.get(key);
    if (first !== undefined) {
      report('duplicate-revocation', `this is revoked on line ${first} already (${quote(key)})`, node.position);
    }
    lineOf.set(key, first ?? node.position.line);
    revocations.push(revocation);
  }
  return revocations;
}

function readRevocation(node: YamlNode, own: TrustDomain, report: Report): Revocation | null {
  if (node.kind !== 'mapping') {
    report('wrong-type', 'a revocation must be a mapping such as `{ id: …, reason: …, at: … }`', node.position);
    return null;
  }
  const reading = readEntry(new Map(node.entries.map((entry) => [entry.key, textOf(entry.node)])), own);
  if (reading.kind === 'revocation') return reading.revocation;
  for (const { code, message, place } of reading.problems) report(code, message, positionOf(place, node));
  return null;
}

function positionOf(place: EntryPlace, mapping: YamlMapping): SourcePosition {
  const entry = place.part === 'entry' ? undefined : mapping.entries.find(({ key }) => key === place.key);
  if (entry === undefined) return mapping.position;
  return place.part === 'name' ? entry.keyPosition : entry.node.position;
}

function textOf(node: YamlNode): string | null {
  return node.kind === 'scalar' && typeof node.value === 'string' ? node.value : null;
}
