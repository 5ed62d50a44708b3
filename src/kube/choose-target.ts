// Which cluster is meant, as kubectl finds it: the file that is named, KUBECONFIG, the one in the home directory, or the cluster of this pod.

import { delimiter, join } from 'node:path';
import type { ClusterTarget } from './cluster-target.ts';
import { ConnectionError } from './connection-error.ts';
import { isInCluster, loadInCluster, type PodSurroundings } from './in-cluster.ts';
import { loadKubeconfig } from './kubeconfig.ts';
import { findSmallFile } from './small-file.ts';

export interface TargetChoice {
  /** Null when nobody has said. */
  readonly kubeconfig: string | null;
  readonly context: string | null;
}

export interface Surroundings extends PodSurroundings {
  readonly homeDirectory: string;
  readonly nowMs: number;
}

/** @throws {ConnectionError} */
export function chooseTarget({ kubeconfig, context }: TargetChoice, surroundings: Surroundings): ClusterTarget {
  const { environment, homeDirectory, nowMs } = surroundings;
  if (kubeconfig !== null) {
    // One that is named must be there.
    if (findSmallFile(kubeconfig, 'kubeconfig') !== null)
      return loadKubeconfig({ paths: [kubeconfig], context, nowMs });
    throw new ConnectionError('not-configured', `there is no kubeconfig ${kubeconfig}`);
  }
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  if (listed.length > 0) return loadKubeconfig({ paths: listed, context, nowMs });
  const own = join(homeDirectory, '.kube', 'config');
  const isOwnThere = findSmallFile(own, 'kubeconfig') !== null;
  if (!isOwnThere && context === null && isInCluster(surroundings)) return loadInCluster(surroundings);
  return loadKubeconfig({ paths: [own], context, nowMs });
}
