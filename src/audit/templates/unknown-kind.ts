// Pod templates in objects of kinds that nobody here knows: an operator makes pods from them all the same.

import type { Field } from '../fields.ts';
import type { Path } from '../path.ts';
import { formatPath } from '../path.ts';
import { podTemplate, reading, type TemplateContext, type TemplateReading } from './pod-template.ts';

/** Groups whose objects describe pods without making any. */
const NO_PODS =
  /(?:^|\.)(?:kyverno\.io|gatekeeper\.sh|kueue\.x-k8s\.io|apiextensions\.k8s\.io|template\.openshift\.io)$/;
const BUILT_IN = new Set(['', 'apps', 'batch', 'autoscaling', 'policy', 'extensions']);
const MAX_VISITED = 65_536;
const MAX_DEPTH = 32;

/** Looks for pod specs: mappings whose `containers` have images. */
export function readUnknownKind(root: Field, { object }: TemplateContext): TemplateReading {
  const { group, kind } = object;
  const isOfKubernetes = BUILT_IN.has(group) || (group.endsWith('.k8s.io') && !group.endsWith('.x-k8s.io'));
  if (isOfKubernetes || NO_PODS.test(group)) return reading([]);
  const isPartial = `what is made from objects of kind ${kind} is not known here`;
  const { found, isWhole } = findPodSpecs(root.get('spec').value);
  const templates = found.map((path) => {
    const podSpec = root.get('spec', ...path);
    const parent = root.get('spec', ...path.slice(0, -1));
    const role = formatPath(path);
    if (path.at(-1) === 'spec') return podTemplate(parent, { role, isPartial });
    const inPlace = podSpec.literal({}).overlay([['spec', podSpec]]);
    return podTemplate(inPlace, { role, isPartial });
  });
  const unseen = isWhole
    ? []
    : [{ at: ['spec'], detail: 'it is too large, or too deep, to be searched for pod templates' }];
  return { templates, unseen };
}

/** Breadth first, and no further than anybody would write one. */
function findPodSpecs(spec: unknown): { readonly found: readonly Path[]; readonly isWhole: boolean } {
  const found: Path[] = [];
  const queue: { readonly value: object; readonly path: Path }[] = [];
  let isWhole = true;
  const visit = (value: unknown, path: Path): void => {
    if (typeof value !== 'object' || value === null) return;
    if (isPodSpec(value)) found.push(path);
    else if (queue.length < MAX_VISITED && path.length < MAX_DEPTH) queue.push({ value, path });
    else isWhole = false;
  };
  visit(spec, []);
  for (const { value, path } of queue) {
    const inner = Array.isArray(value) ? value.entries() : Object.entries(value);
    for (const [key, child] of inner) visit(child, [...path, key]);
  }
  return { found, isWhole };
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
