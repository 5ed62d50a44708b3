// Templates of which somebody has said whether their pods reach a network adapter: an RDMA device, or an adapter or a virtual function of one
// that is theirs. `unknown` where the objects of the file do not settle it; where the truth is known and the objects hide it, the truth.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildCluster, type Cluster } from '../../../src/audit/cluster.ts';
import type { Workload } from '../../../src/audit/workload.ts';
import { inventoryOf, objectsOf } from '../inventory.ts';

export type Label = 'access' | 'none' | 'unknown';

export interface LabelledTemplate {
  readonly cluster: Cluster;
  readonly workload: Workload;
  readonly label: Label;
}

const LABEL = 'label.test/rdma';
const FOLDER = join(import.meta.dirname, 'labelled');

export function readLabelledSet(): readonly LabelledTemplate[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted()
    .flatMap((name) => {
      const cluster = buildCluster(inventoryOf(objectsOf(readFileSync(join(FOLDER, name), 'utf8'), name)));
      return cluster.workloads.map((workload) => ({ cluster, workload, label: labelOf(workload, name) }));
    });
}

/** One for all templates of the object, or `role=label` for each. */
function labelOf({ object, role, ref }: Workload, file: string): Label {
  const text = object.annotations.get(LABEL) ?? '';
  const pairs = text.split(' ').map((part) => part.split('='));
  const label = pairs.length === 1 && pairs[0]?.length === 1 ? text : pairs.find(([name]) => name === role)?.[1];
  if (label === 'access' || label === 'none' || label === 'unknown') return label;
  throw new Error(`${file}: no label for ${ref}`);
}
