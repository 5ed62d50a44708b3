// From the bytes of policy and protocol files to a compiled policy, or to everything that is wrong with them.

import { createHash } from 'node:crypto';
import { DocumentError, parseYaml, type YamlNode } from '../yaml/located.ts';
import { compilePolicy } from './compile.ts';
import { readPolicyDocument, type PolicyDocument } from './document.ts';
import { collectProblems, type ProblemCollector } from './fields.ts';
import type { CompiledPolicy, PolicyMode } from './matrix.ts';
import { readProtocolDocument, type ProtocolDocument } from './protocol-document.ts';
import { validatePolicy } from './validate.ts';

export interface PolicySource {
  /** As shown to people: stands in positions and decisions. A protocol's must end in `<protocol>.yaml`. */
  readonly file: string;
  readonly kind: 'policy' | 'protocol';
  readonly bytes: Uint8Array;
}

/**
 * Merges all policy files into one matrix. `shadow` turns every denial into `would-deny`.
 * @throws {DocumentError} with every problem of every file.
 */
export function loadPolicy(sources: readonly PolicySource[], mode: PolicyMode): CompiledPolicy {
  const collector = collectProblems();
  const ordered = sources.toSorted(compareSources);
  const documents: PolicyDocument[] = [];
  const protocols: ProtocolDocument[] = [];
  let isUnreadable = false;
  for (const { file, kind, bytes } of ordered) {
    const root = parse(bytes, file, collector);
    isUnreadable ||= root === null;
    if (root === null) continue;
    if (kind === 'policy') {
      documents.push(readPolicyDocument(root, file, collector.report));
    } else {
      const protocol = readProtocolDocument(root, file, collector.report);
      if (protocol !== null) protocols.push(protocol);
    }
  }
  if (!sources.some(({ kind }) => kind === 'policy')) {
    const file = sources[0]?.file ?? 'policy';
    collector.report('no-policy', 'there is no policy file; without one nothing is allowed', {
      file,
      line: 1,
      column: 1,
    });
  }
  // References into a file that could not be read would all look undefined.
  if (isUnreadable) throw new DocumentError(collector.problems);
  const policy = validatePolicy(documents, protocols, collector.report);
  if (policy === null || collector.problems.length > 0) throw new DocumentError(collector.problems);
  return compilePolicy(policy, mode, digestOf(ordered));
}

function parse(bytes: Uint8Array, file: string, collector: ProblemCollector): YamlNode | null {
  try {
    return parseYaml(bytes, file);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    collector.problems.push(...error.problems);
    return null;
  }
}

/** Policies before protocols, each by file name, so that the digest does not depend on who listed the files. */
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
