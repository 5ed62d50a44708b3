// What shows that the pods of a template reach a network adapter past the kernel of their node.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { Path } from '../path.ts';
import type { Inspection, Scope } from '../pods/inspection.ts';
import type { Container, Workload } from '../workload.ts';
import type { DeclaredAdapters } from './declared-adapters.ts';
import type { Partition } from './partition.ts';
import type { Transport } from './transport.ts';

export type EvidenceSource =
  | 'extended-resource'
  | 'network-attachment'
  | 'resource-claim'
  | 'host-device'
  | 'host-network'
  | 'privileged'
  | 'device-injection'
  | 'memory-lock'
  | 'gpudirect'
  | 'running-pod';

export interface RdmaEvidence {
  readonly source: EvidenceSource;
  readonly transport: Transport;
  /** The resource, network, device class or path. */
  readonly name: string;
  readonly detail: string;
  readonly container: Container | null;
  /** In the source of the workload. */
  readonly at: Path;
  /** Null when the objects do not tell. */
  readonly partition: Partition | null;
  /** It reaches every adapter of the node, not one that it was given. */
  readonly isHostWide: boolean;
}

/** Of one template, while it is looked at. */
export interface Search {
  readonly cluster: Cluster;
  readonly workload: Workload;
  readonly adapters: DeclaredAdapters;
  readonly inspection: Inspection;
  readonly scopes: readonly Scope[];
  readonly found: RdmaEvidence[];
}

export interface Sign {
  readonly transport: Transport;
  readonly partition: Partition | null;
}

export function take(
  { found }: Search,
  evidence: Omit<RdmaEvidence, 'container' | 'at' | 'partition' | 'isHostWide'> &
    Partial<Pick<RdmaEvidence, 'container' | 'partition' | 'isHostWide'>> & { readonly at: Path | Field },
): void {
  const at = 'path' in evidence.at ? evidence.at.path : evidence.at;
  found.push({ container: null, partition: null, isHostWide: false, ...evidence, at });
}
