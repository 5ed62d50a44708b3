// Workloads made of plain JSON.

import { buildCluster } from '../../../src/audit/cluster.ts';
import type { Workload } from '../../../src/audit/workload.ts';
import { inventoryOf, objectOf } from '../inventory.ts';

export function deployment(template: unknown, name = 'trainer'): unknown {
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'ml' }, spec: { template } };
}

export function workloadOf(template: unknown): Workload {
  const [workload] = buildCluster(inventoryOf([objectOf(deployment(template))])).workloads;
  if (workload === undefined) throw new Error('no workload was found');
  return workload;
}
