// The mode of mutual TLS of every port of every workload.

import type { Cluster } from '../cluster.ts';
import { meshOf, type MeshOptions } from './mesh.ts';

export interface MtlsRow {
  /** `namespace/name[Kind]`. */
  readonly workload: string;
  /** Of the workload, not that of a Service. Null where neither a container nor a Service tells one: then of any. */
  readonly port: number | null;
  readonly mode: 'STRICT' | 'PERMISSIVE' | 'DISABLE' | 'UNKNOWN';
  /** Which object decided, or why it is not known. */
  readonly source: string;
}

export function listMtls(cluster: Cluster, options: MeshOptions): readonly MtlsRow[] {
  const mesh = meshOf(cluster, options);
  return cluster.workloads.flatMap((workload) => {
    const numbers = new Set(
      mesh.portsOf(workload).flatMap(({ number, protocol }) => (protocol === 'TCP' ? number : [])),
    );
    const ports: readonly (number | null)[] = numbers.size === 0 ? [null] : [...numbers];
    return ports.map((port): MtlsRow => {
      const { mode, source } = mesh.mtlsMode(workload, port);
      return { workload: workload.ref, port, mode, source };
    });
  });
}
