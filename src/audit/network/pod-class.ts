// Pods that no policy tells apart, together.

import type { Cluster } from '../cluster.ts';
import type { KnownLabels } from '../selector.ts';
import type { Workload } from '../workload.ts';
import { isProtocol } from './connection-set.ts';
import type { NamedPort, NamespaceFacts, PodFacts } from './endpoint.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface PodClass {
  /** From 0. */
  readonly id: number;
  /** Of one of them; what policies ask of the others is the same. */
  readonly pod: PodFacts;
  readonly workloads: readonly Workload[];
}

/** Pods on the network of their node are in none. */
export function groupPods(cluster: Cluster, vocabulary: Vocabulary): readonly PodClass[] {
  const classes = new Map<string, { readonly id: number; readonly pod: PodFacts; readonly workloads: Workload[] }>();
  for (const workload of cluster.workloads) {
    if (workload.isHostNetwork) continue;
    const pod = factsOf(workload, cluster);
    const key = keyOf(pod, vocabulary);
    const known = classes.get(key);
    if (known === undefined) classes.set(key, { id: classes.size, pod, workloads: [workload] });
    else known.workloads.push(workload);
  }
  return [...classes.values()];
}

export function factsOf(workload: Workload, cluster: Cluster): PodFacts {
  return {
    namespace: namespaceFacts(cluster, workload.namespace),
    labels: { labels: workload.labels, isImplied: workload.isPartial !== null },
    serviceAccount: workload.serviceAccount,
    serviceAccountLabels: accountLabels(cluster, workload),
    ports: namedPorts(workload),
    otherPorts: 'unknown',
  };
}

function namespaceFacts(cluster: Cluster, name: string): NamespaceFacts {
  return cluster.namespaces.get(name) ?? { name, labels: new Map(), isImplied: true };
}

function accountLabels(cluster: Cluster, { namespace, serviceAccount }: Workload): KnownLabels {
  const account = cluster.find('', 'ServiceAccount', { namespace, name: serviceAccount });
  return account === null ? { labels: new Map(), isImplied: true } : { labels: account.labels, isImplied: false };
}

/** Containers that run as long as the pod does. */
function namedPorts({ containers }: Workload): ReadonlyMap<string, readonly NamedPort[]> {
  const ports = new Map<string, NamedPort[]>();
  for (const container of containers) {
    if (container.kind !== 'main' && container.kind !== 'sidecar') continue;
    for (const { name, number, protocol } of container.ports) {
      if (name === null || !isProtocol(protocol)) continue;
      const known = ports.get(name);
      if (known === undefined) ports.set(name, [{ protocol, number }]);
      else known.push({ protocol, number });
    }
  }
  return ports;
}

function keyOf(pod: PodFacts, { podLabels, portNames, serviceAccounts }: Vocabulary): string {
  const labels = [...pod.labels.labels].filter(([key]) => podLabels.has(key)).sort(compareEntries);
  const ports = [...pod.ports].filter(([name]) => portNames.has(name)).sort(compareEntries);
  return JSON.stringify([
    pod.namespace.name,
    pod.labels.isImplied,
    labels,
    ports,
    serviceAccounts.isAsked ? pod.serviceAccount : null,
  ]);
}

function compareEntries([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
