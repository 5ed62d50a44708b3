// Pod templates in objects of kinds that nobody here knows: an operator makes pods from them all the same.

import type { Field } from '../fields.ts';
import type { Path } from '../path.ts';
import { formatPath } from '../path.ts';
import { podTemplate, reading, type TemplateContext, type TemplateReading } from './pod-template.ts';

/** Groups whose objects describe pods without making any. */
const NO_PODS =
  /(?:^|\.)(?:kyverno\.io|gatekeeper\.sh|kueue\.x-k8s\.io|apiextensions\.k8s\.io|template\.openshift\.io)$/;
const BUILT_IN = new Set(['', 'apps', 'batch', 'autoscaling', 'policy', 'extensions']);
const MAX_VISITED = 4096;
const MAX_DEPTH = 16;

/** Looks for pod specs: mappings whose `containers` have images. */
export function readUnknownKind(root: Field, { object }: TemplateContext): TemplateReading {
  const { group, kind } = object;
  const isOfKubernetes = BUILT_IN.has(group) || (group.endsWith('.k8s.io') && !group.endsWith('.x-k8s.io'));
  if (isOfKubernetes || NO_PODS.test(group)) return reading([]);
  const isPartial = `what is made from objects of kind ${kind} is not known here`;
  return reading(
    findPodSpecs(root.get('spec').value).map((path) => {
      const podSpec = root.get('spec', ...path);
      const parent = root.get('spec', ...path.slice(0, -1));
      const role = formatPath(path);
      if (path.at(-1) === 'spec') return podTemplate(parent, { role, isPartial });
      const inPlace = podSpec.literal({}).overlay([['spec', podSpec]]);
      return podTemplate(inPlace, { role, isPartial });
    }),
  );
}

/** Breadth first, and no further than anybody would write one. */
function findPodSpecs(spec: unknown): readonly Path[] {
  const found: Path[] = [];
  const queue: { readonly value: unknown; readonly path: Path }[] = [{ value: spec, path: [] }];
  for (const { value, path } of queue) {
    if (typeof value !== 'object' || value === null) continue;
    if (isPodSpec(value)) {
      found.push(path);
      continue;
    }
    if (path.length >= MAX_DEPTH) continue;
    const inner = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
    for (const [key, child] of inner) {
      if (queue.length >= MAX_VISITED) break;
      if (typeof child === 'object' && child !== null) queue.push({ value: child, path: [...path, key] });
    }
  }
  return found;
}

function isPodSpec(value: object): boolean {
  if (!Object.hasOwn(value, 'containers') || !('containers' in value) || !Array.isArray(value.containers)) return false;
  return value.containers.some(
    (container: unknown) =>
      typeof container === 'object' &&
      container !== null &&
      Object.hasOwn(container, 'image') &&
      'image' in container &&
      typeof container.image === 'string',
  );
}
