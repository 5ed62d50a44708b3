// The zone of trust that a workload belongs to.

import type { Cluster } from '../cluster.ts';
import type { Workload } from '../workload.ts';

// Labels of this name under any prefix, except those of the places where nodes stand.
const ZONE_LABEL = /^(?:[\w.-]+\/)?(?:zone|security-zone|trust-zone|network-zone)$/;
const TOPOLOGY_LABEL = /^(?:topology\.|failure-domain\.)/;

export interface Zone {
  readonly name: string;
  /** "label example.com/zone", or "namespace". */
  readonly by: string;
}

/** By a label of its pods or else of its namespace; where there is none, the namespace is the zone. */
export function zoneOf(cluster: Cluster, { labels, namespace }: Pick<Workload, 'labels' | 'namespace'>): Zone {
  for (const known of [labels, cluster.namespaces.get(namespace)?.labels ?? new Map<string, string>()]) {
    for (const [key, value] of known) {
      if (ZONE_LABEL.test(key) && !TOPOLOGY_LABEL.test(key)) return { name: value, by: `label ${key}` };
    }
  }
  return { name: namespace, by: 'namespace' };
}
