// Who shares a partition of the fabric with whom.

import type { Cluster } from '../cluster.ts';
import type { Workload } from '../workload.ts';
import { findAllRdmaAccess } from './access.ts';
import type { RdmaEvidence } from './evidence.ts';
import type { Partition } from './partition.ts';
import { zoneOf } from './zone.ts';

export type Sharing =
  /** Nobody of another zone is in it, as far as the objects tell. */
  | { readonly kind: 'isolated'; readonly partitions: readonly Partition[] }
  | {
      readonly kind: 'shared';
      readonly partition: Partition;
      readonly evidence: RdmaEvidence;
      /** Of other zones; empty when it is the default partition and nobody else is known in it. */
      readonly others: readonly Workload[];
    }
  | {
      readonly kind: 'unknown';
      readonly evidence: RdmaEvidence;
      /** Of other zones, with adapters of the same pool. */
      readonly others: readonly Workload[];
    };

interface Members {
  readonly byPartition: ReadonlyMap<string, readonly Workload[]>;
  readonly byPool: ReadonlyMap<string, readonly Workload[]>;
}

export function sharingOf(
  cluster: Cluster,
  workload: Workload,
  evidence: readonly [RdmaEvidence, ...RdmaEvidence[]],
): Sharing {
  const members = cluster.once(findMembers);
  const zone = zoneOf(cluster, workload).name;
  const ofOtherZones = (all: readonly Workload[] = []): readonly Workload[] =>
    all.filter((other) => zoneOf(cluster, other).name !== zone);
  const partitions: Partition[] = [];
  for (const item of evidence) {
    const { partition } = item;
    if (partition === null) continue;
    const others = ofOtherZones(members.byPartition.get(partition.key));
    if (partition.isDefault || others.length > 0) return { kind: 'shared', partition, evidence: item, others };
    partitions.push(partition);
  }
  const undecided = evidence.find(
    (item) => item.isHostWide || (item.partition === null && !isToldByNetwork(item, partitions)),
  );
  if (undecided === undefined) return { kind: 'isolated', partitions };
  return { kind: 'unknown', evidence: undecided, others: ofOtherZones(members.byPool.get(poolOf(undecided) ?? '')) };
}

/** The resource is that of the network whose partition is known. */
function isToldByNetwork({ source }: RdmaEvidence, partitions: readonly Partition[]): boolean {
  return partitions.length > 0 && source !== 'network-attachment';
}

/** Adapters that are handed out under one name. */
function poolOf({ source, name }: RdmaEvidence): string | null {
  return source === 'extended-resource' || source === 'resource-claim' ? name : null;
}

function findMembers(cluster: Cluster): Members {
  const byPartition = new Map<string, Set<Workload>>();
  const byPool = new Map<string, Set<Workload>>();
  for (const [workload, access] of cluster.once(findAllRdmaAccess)) {
    if (access.kind !== 'access') continue;
    for (const item of access.evidence) {
      const pool = poolOf(item);
      if (pool !== null) add(byPool, pool, workload);
      if (item.partition !== null) add(byPartition, item.partition.key, workload);
    }
  }
  return { byPartition: asLists(byPartition), byPool: asLists(byPool) };
}

function add(groups: Map<string, Set<Workload>>, key: string, workload: Workload): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, new Set([workload]));
  else group.add(workload);
}

function asLists(groups: ReadonlyMap<string, ReadonlySet<Workload>>): ReadonlyMap<string, readonly Workload[]> {
  return new Map([...groups].map(([key, group]) => [key, [...group]]));
}
