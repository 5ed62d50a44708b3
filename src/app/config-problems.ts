// From zod's issues to problems with a place in the file.

import type { z } from 'zod';
import type { Problem, SourcePosition } from '../core/source-position.ts';
import { positionAt, type YamlNode } from '../yaml/located.ts';

type Path = readonly PropertyKey[];

/** One problem for each thing that is wrong, each at the value (or, when the key itself is wrong, the key) it is about. */
export function toProblems(issues: readonly z.core.$ZodIssue[], root: YamlNode): readonly Problem[] {
  return issues.flatMap((issue): readonly Problem[] => {
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, at) => ({
        code: 'unknown-key',
        message: messages[at] ?? issue.message,
        position: keyPositionAt(root, [...issue.path, key]),
      }));
    }
    const isAboutKey = issue.code === 'custom' && issue.params?.['at'] === 'key';
    const position = isAboutKey ? keyPositionAt(root, issue.path) : positionAt(root, issue.path);
    return [{ code: codeOf(issue, root), message: issue.message, position }];
  });
}

function codeOf(issue: z.core.$ZodIssue, root: YamlNode): string {
  if (issue.code === 'custom') {
    return typeof issue.params?.['code'] === 'string' ? issue.params['code'] : 'out-of-range';
  }
  if (issue.code === 'too_small' || issue.code === 'too_big') return 'out-of-range';
  if (findNode(root, issue.path) === null) return 'missing-key';
  return issue.code === 'invalid_type' ? 'wrong-type' : 'invalid-value';
}

function keyPositionAt(root: YamlNode, path: Path): SourcePosition {
  const parent = findNode(root, path.slice(0, -1));
  const entry = parent?.kind === 'mapping' ? parent.entries.find(({ key }) => key === path.at(-1)) : undefined;
  return entry?.keyPosition ?? positionAt(root, path);
}

/** The node at exactly this path, or null when the file does not have it. */
export function findNode(root: YamlNode, path: Path): YamlNode | null {
  let node: YamlNode | undefined = root;
  for (const step of path) {
    if (node?.kind === 'mapping') node = node.entries.find(({ key }) => key === step)?.node;
    else if (node?.kind === 'sequence' && typeof step === 'number') node = node.nodes[step];
    else return null;
  }
  return node ?? null;
}
