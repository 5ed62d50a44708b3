// Which workloads reach a network adapter past the kernel of their node: by RDMA, or an adapter of their own.

import type { Cluster } from '../cluster.ts';
import { Inspection, type Doubt } from '../pods/inspection.ts';
import type { Workload } from '../workload.ts';
import { searchAttachments } from './attachments.ts';
import { DeclaredAdapters } from './declared-adapters.ts';
import { entry, itemsOf, parseEmbedded, textOf } from './embedded-json.ts';
import { take, type RdmaEvidence, type Search } from './evidence.ts';
import { searchExtendedResources } from './extended-resources.ts';
import { searchGkeNetworks } from './gke-networks.ts';
import { searchHostAccess } from './host-access.ts';
import { searchResourceClaims } from './resource-claims.ts';

export type RdmaAccess =
  | { readonly kind: 'access'; readonly evidence: readonly [RdmaEvidence, ...RdmaEvidence[]] }
  | { readonly kind: 'unknown'; readonly doubts: readonly [Doubt, ...Doubt[]] }
  | { readonly kind: 'none' };

/** Of all workloads, for `cluster.once`. */
export function findAllRdmaAccess(cluster: Cluster): ReadonlyMap<Workload, RdmaAccess> {
  const adapters = new DeclaredAdapters(cluster);
  return new Map(cluster.workloads.map((workload) => [workload, findRdmaAccess({ cluster, adapters }, workload)]));
}

function findRdmaAccess(context: Pick<Search, 'cluster' | 'adapters'>, workload: Workload): RdmaAccess {
  const inspection = new Inspection(workload);
  const search: Search = { ...context, workload, inspection, scopes: inspection.containers(), found: [] };
  searchExtendedResources(search);
  searchResourceClaims(search);
  searchAttachments(search);
  searchGkeNetworks(search);
  searchHostAccess(search);
  searchRunningPods(search);
  const [first, ...more] = search.found;
  if (first !== undefined) return { kind: 'access', evidence: [first, ...more] };
  const [doubt, ...others] = inspection.result.doubts;
  return doubt === undefined ? { kind: 'none' } : { kind: 'unknown', doubts: [doubt, ...others] };
}

const STATUS = 'k8s.v1.cni.cncf.io/network-status';

/** What Multus has given a pod that runs. */
function searchRunningPods(search: Search): void {
  const { workload } = search;
  for (const pod of workload.pods) {
    const text = pod.annotations.get(STATUS);
    if (text === undefined || !text.includes('rdma-device')) continue;
    const status = parseEmbedded(workload.podSpec, text);
    for (const item of status === null ? [] : itemsOf(status)) {
      const device = textOf(entry(item, 'device-info', 'pci', 'rdma-device'));
      if (device === null || device === '') continue;
      const name = textOf(entry(item, 'name')) ?? '';
      take(search, {
        source: 'running-pod',
        transport: 'rdma',
        name,
        detail: `runs with RDMA device \`${device}\` of network \`${name}\``,
        at: workload.podPath,
      });
      return;
    }
  }
}
