// From the bytes of policy and protocol files to a compiled policy, or to everything that is wrong with them.

import { createHash } from 'node:crypto';
import { comparePositions, type Problem } from '../core/source-position.ts';
import { DocumentError, readYaml, withoutEchoes, type YamlNode } from '../yaml/located.ts';
import { compilePolicy } from './compile.ts';
import { readPolicyDocument, type PolicyDocument } from './document.ts';
import { collectProblems, type ProblemCollector } from './fields.ts';
import type { CompiledPolicy, PolicyMode } from './matrix.ts';
import { readProtocolDocument, type ProtocolDocument } from './protocol-document.ts';
import { DEFAULT_PROTOCOL, validatePolicy } from './validate.ts';

export interface PolicySource {
  /** As shown to people: stands in positions and decisions. A protocol's must end in `<protocol>.yaml`. */
  readonly file: string;
  /** A shipped protocol takes part when a component names it and no `protocol` has its name. */
  readonly kind: 'policy' | 'protocol' | 'shipped-protocol';
  readonly bytes: Uint8Array;
}

/**
 * Merges all policy files into one matrix. `shadow` turns every denial into `would-deny`.
 * @throws {DocumentError} with every problem of every file that takes part.
 */
export function loadPolicy(sources: readonly PolicySource[], mode: PolicyMode): CompiledPolicy {
  const collector = collectProblems();
  const ordered = sources.toSorted(compareSources);
  const documents: PolicyDocument[] = [];
  const protocols: ProtocolDocument[] = [];
  const used: PolicySource[] = [];
  let isUnreadable = false;
  // In the order policy, protocol, shipped-protocol: each decides which of the next take part.
  for (const source of ordered) {
    if (source.kind === 'shipped-protocol' && !isWanted(source, documents, protocols)) continue;
    used.push(source);
    const root = parse(source, collector);
    isUnreadable ||= root === null;
    if (root === null) continue;
    if (source.kind === 'policy') {
      documents.push(readPolicyDocument(root, source.file, collector.report));
    } else {
      const protocol = readProtocolDocument(root, source.file, collector.report);
      if (protocol !== null) protocols.push(protocol);
    }
  }
  if (!sources.some(({ kind }) => kind === 'policy')) {
    const file = sources.find(({ kind }) => kind !== 'shipped-protocol')?.file ?? 'policy';
    collector.report('no-policy', 'there is no policy file; without one nothing is allowed', {
      file,
      line: 1,
      column: 1,
    });
  }
  // References into a file that could not be read would all look undefined.
  if (isUnreadable) throw toDocumentError(collector.problems);
  const policy = validatePolicy(documents, protocols, collector.report);
  if (policy === null || collector.problems.length > 0) throw toDocumentError(collector.problems);
  return compilePolicy(policy, mode, digestOf(used));
}

function isWanted(
  { file }: PolicySource,
  documents: readonly PolicyDocument[],
  protocols: readonly ProtocolDocument[],
): boolean {
  const name = baseName(file).replace(/\.yaml$/, '');
  if (protocols.some((protocol) => protocol.name.text === name)) return false;
  return documents.some(({ components }) =>
    components.some(({ protocol }) => (protocol?.text ?? DEFAULT_PROTOCOL) === name),
  );
}

function toDocumentError(problems: readonly Problem[]): DocumentError {
  return new DocumentError(
    withoutEchoes(problems).toSorted((left, right) => comparePositions(left.position, right.position)),
  );
}

function parse({ bytes, file }: PolicySource, collector: ProblemCollector): YamlNode | null {
  try {
    const { root, problems } = readYaml(bytes, file);
    collector.problems.push(...problems);
    return root;
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    collector.problems.push(...error.problems);
    return null;
  }
}

/** Policies, protocols, shipped protocols, each by file name, so that the digest does not depend on who listed the files. */
function compareSources(left: PolicySource, right: PolicySource): number {
  if (left.kind !== right.kind) return left.kind < right.kind ? -1 : 1;
  const byName = compareText(baseName(left.file), baseName(right.file));
  return byName === 0 ? compareText(left.file, right.file) : byName;
}

/** Names without their directories: the same files elsewhere are the same policy. Lengths keep the parts apart. */
function digestOf(ordered: readonly PolicySource[]): string {
  const hash = createHash('sha256');
  for (const { file, kind, bytes } of ordered) {
    const name = baseName(file);
    hash.update(`${kind}\0${Buffer.byteLength(name)}\0${name}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

function baseName(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1);
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
