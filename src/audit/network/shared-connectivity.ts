// One connectivity for all rules and views of one cluster.

import type { Cluster } from '../cluster.ts';
import { CNI_NAMES, type CniName } from './cni.ts';
import { connectivity, type Connectivity } from './connectivity.ts';

type Build = (cluster: Cluster) => Connectivity;

/** One function for each, since a cluster remembers by function what was made of it. */
const BUILDS: ReadonlyMap<CniName | null, Build> = new Map(
  [null, ...CNI_NAMES].map((cni) => [cni, (cluster) => connectivity(cluster, { cni, undetected: 'unknown' })]),
);

/** What holds for verdicts: where no CNI shows, what policies deny is unknown. */
export function sharedConnectivity(cluster: Cluster, cni: CniName | null = null): Connectivity {
  const build = BUILDS.get(cni);
  if (build === undefined) throw new RangeError(`there is no CNI ${cni}`);
  return cluster.once(build);
}
