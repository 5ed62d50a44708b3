// The list of connections, read back from its text.

import type { Cluster } from '../../../src/audit/cluster.ts';
import type { CniName } from '../../../src/audit/network/cni.ts';
import { formatConnections } from '../../../src/audit/network/connections.ts';

export interface ConnectionRow {
  readonly src: string;
  readonly dst: string;
  readonly connections: string;
  readonly why: readonly string[];
}

export function listConnections(
  cluster: Cluster,
  cni: CniName | null = null,
  isKept: (ref: string) => boolean = () => true,
): readonly ConnectionRow[] {
  return JSON.parse([...formatConnections(cluster, { cni, isKept })].join(''));
}
