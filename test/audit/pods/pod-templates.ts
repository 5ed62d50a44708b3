// Workloads made of plain JSON.

import { buildCluster, type Cluster } from '../../../src/audit/cluster.ts';
import { readKubeObject, type KubeObject } from '../../../src/audit/kube-object.ts';
import type { Workload } from '../../../src/audit/workload.ts';

export function objectOf(body: unknown): KubeObject {
  const source = { origin: 'file' as const, defaultNamespace: 'default', locate: () => null };
  const reading = readKubeObject(body, source);
  if (reading.kind === 'malformed') throw new Error(reading.detail);
  return reading.object;
}

export function clusterOf(...bodies: readonly unknown[]): Cluster {
  return buildCluster({ objects: bodies.map(objectOf), unreadable: [], completeKinds: 'as-given' });
}

export function deployment(template: unknown, name = 'trainer'): unknown {
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'ml' }, spec: { template } };
}

export function workloadOf(template: unknown): Workload {
  const [workload] = clusterOf(deployment(template)).workloads;
  if (workload === undefined) throw new Error('no workload was found');
  return workload;
}
