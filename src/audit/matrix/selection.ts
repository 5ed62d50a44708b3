// Labels by which a policy selects the pods of one workload and of no other that must be left out.

import type { Json } from '../finding.ts';
import type { Workload } from '../workload.ts';

/** Of controllers: they differ from pod to pod, or from one revision to the next. */
const VOLATILE =
  /^(?:pod-template-hash|controller-revision-hash|pod-template-generation|(?:batch\.kubernetes\.io\/)?(?:controller-uid|job-name|job-completion-index)|statefulset\.kubernetes\.io\/pod-name|apps\.kubernetes\.io\/pod-index)$/;

/** A label selector as it stands in a policy; null when labels cannot tell the workload from one of `others`. */
export function selectOnly(workload: Workload, others: readonly Workload[]): { readonly [key: string]: Json } | null {
  if (workload.isPartial !== null) return null;
  const own = stableLabels(workload);
  const absent = new Set<string>();
  for (const other of others) {
    if (other.namespace !== workload.namespace) continue;
    const theirs = stableLabels(other);
    if ([...own].some(([key, value]) => theirs.get(key) !== value)) continue;
    if ([...absent].some((key) => theirs.has(key))) continue;
    const [extra] = [...theirs.keys()].filter((key) => !own.has(key)).sort();
    if (extra === undefined) return null;
    absent.add(extra);
  }
  const expressions = [...absent].sort().map((key) => ({ key, operator: 'DoesNotExist' }));
  const labels = Object.fromEntries([...own].sort(([left], [right]) => (left < right ? -1 : 1)));
  return {
    ...(own.size === 0 ? {} : { matchLabels: labels }),
    ...(expressions.length === 0 ? {} : { matchExpressions: expressions }),
  };
}

/** Pods of a namespace, as a peer of a rule. */
export function peerOf(namespace: string, podSelector: Json): Json {
  return { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } }, podSelector };
}

/** An object's name of at most 253 characters that Kubernetes takes. */
export function toObjectName(text: string): string {
  const name = text.toLowerCase().replaceAll(/[^a-z0-9.-]+/g, '-');
  return name.slice(0, 200).replace(/[^a-z0-9]+$/, '');
}

function stableLabels({ labels }: Workload): ReadonlyMap<string, string> {
  return new Map([...labels].filter(([key]) => !VOLATILE.test(key)));
}
