// Entries at the level of requests: something in front, with rules that lead to Services.

import type { Cluster } from '../cluster.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';
import type { EntryKind, Exposure, Reach, Tls } from './exposure.ts';
import { backendsOf, readServices } from './services.ts';

/** What is the same for all that one rule leads to. */
export interface RoutedEntry {
  readonly entry: EntryKind;
  readonly object: KubeObject;
  readonly at: Path;
  /** From the outside in, without the Service. */
  readonly through: readonly string[];
  readonly reach: Reach;
  readonly tls: Tls;
  readonly authentication: string | null;
  readonly hosts: readonly string[];
}

export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  readonly port: number | string | null;
}

/** One for each workload and port; one without a workload when the Service was not given, or selects nothing that was. */
export function exposeService(cluster: Cluster, entry: RoutedEntry, to: ServiceReference): readonly Exposure[] {
  const service = cluster.once(readServices).find(to.namespace, to.name);
  const through = [...entry.through, formatObject({ namespace: to.namespace, name: to.name, kind: 'Service' })];
  const backends = service === null ? [] : backendsOf(service, to.port);
  if (backends.length === 0) {
    const number = typeof to.port === 'number' ? to.port : null;
    return [{ ...entry, through, workload: null, port: { number, protocol: 'TCP' } }];
  }
  return backends.map(({ workload, port }) => ({ ...entry, through, workload, port }));
}
