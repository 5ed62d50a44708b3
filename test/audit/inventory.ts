// Inventories for tests, from YAML as people write it.

import { buildCluster, type Cluster } from '../../src/audit/cluster.ts';
import type { Inventory } from '../../src/audit/inventory.ts';
import { readKubeObject, type KubeObject } from '../../src/audit/kube-object.ts';
import type { Workload } from '../../src/audit/workload.ts';
import { parseYaml, positionAt, toPlain } from '../../src/yaml/located.ts';

/** Documents between lines of `---`; positions are those of the whole text. */
export function objectsOf(text: string, file = 'cluster.yaml'): readonly KubeObject[] {
  let line = 0;
  return text.split(/^---$\n?/m).flatMap((document) => {
    const padded = '\n'.repeat(line) + document;
    line += document.split('\n').length;
    if (document.trim() === '') return [];
    const root = parseYaml(Buffer.from(padded), file);
    return [objectOf(toPlain(root), (path) => positionAt(root, path))];
  });
}

export function objectOf(body: unknown, locate: KubeObject['locate'] = () => null): KubeObject {
  const reading = readKubeObject(body, { origin: 'file', defaultNamespace: 'default', locate });
  if (reading.kind === 'malformed') throw new Error(reading.detail);
  return reading.object;
}

export function inventoryOf(objects: readonly KubeObject[], terms: Partial<Inventory> = {}): Inventory {
  return { objects, unreadable: [], completeKinds: 'as-given', ...terms };
}

export function clusterOf(text: string): Cluster {
  return buildCluster(inventoryOf(objectsOf(text)));
}

export function workloadNamed(cluster: Cluster, ref: string): Workload {
  const workload = cluster.workloads.find((candidate) => candidate.ref === ref);
  if (workload === undefined) {
    throw new Error(`no ${ref} among ${cluster.workloads.map((candidate) => candidate.ref).join(', ')}`);
  }
  return workload;
}
