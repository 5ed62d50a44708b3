// RFC 6902 as far as remediations use it.

import type { JsonPatchOperation } from '../../../src/audit/finding.ts';

type Node = Record<string, unknown>;

export function applyPatch(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  const patched: unknown = structuredClone(document);
  for (const operation of operations) apply(patched as Node, operation);
  return patched;
}

function apply(document: Node, { op, path, value }: JsonPatchOperation): void {
  const steps = path
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = steps.pop() ?? '';
  const parent = steps.reduce<Node>((node, step) => {
    if (!(step in node)) throw new Error(`nothing at ${step} of ${path}`);
    return node[step] as Node;
  }, document);
  if (op !== 'add' && !(last in parent)) throw new Error(`nothing to ${op} at ${path}`);
  if (op !== 'remove') parent[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
}
