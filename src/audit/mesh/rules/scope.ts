// Which workloads rules about meshes are about.

import type { Cluster } from '../../cluster.ts';
import type { Workload } from '../../workload.ts';
import { IGNORED_NAMESPACES } from '../injection.ts';
import type { Mesh } from '../mesh.ts';

const INFRASTRUCTURE =
  /^(?:istio-system|linkerd(?:-[a-z]+)?|calico-system|calico-apiserver|tigera-operator|cilium|cilium-secrets)$/;

/** What carries meshes and pod networks cannot itself be in one. */
export function isInfrastructure(namespace: string, { settings }: Mesh): boolean {
  return IGNORED_NAMESPACES.has(namespace) || namespace === settings.rootNamespace || INFRASTRUCTURE.test(namespace);
}

export function subjectsOf(cluster: Cluster, mesh: Mesh): readonly Workload[] {
  return cluster.workloads.filter(({ namespace }) => !isInfrastructure(namespace, mesh));
}

/** What runs to an end. */
const JOBS: ReadonlySet<string> = new Set([
  'Job',
  'CronJob',
  'JobSet',
  'PyTorchJob',
  'TFJob',
  'MPIJob',
  'JAXJob',
  'XGBoostJob',
  'PaddleJob',
  'TrainJob',
  'RayJob',
  'RayCluster',
  'SparkApplication',
  'ScheduledSparkApplication',
  'Workflow',
  'CronWorkflow',
]);

export function isTraining({ kind }: Workload): boolean {
  return JOBS.has(kind);
}

/** Of the workload's TCP ports; one of null where none is known. */
export function tcpPortsOf(mesh: Mesh, workload: Workload): readonly (number | null)[] {
  const numbers = mesh.portsOf(workload).flatMap(({ number, protocol }) => (protocol === 'TCP' ? number : []));
  return numbers.length === 0 ? [null] : [...new Set(numbers)];
}

/** The labels by which a policy would best select the pods of a workload. */
export function selectorOf({ labels }: Workload): readonly (readonly [key: string, value: string])[] {
  for (const key of ['app.kubernetes.io/name', 'app', 'app.kubernetes.io/instance']) {
    const value = labels.get(key);
    if (value !== undefined) return [[key, value]];
  }
  return [...labels].slice(0, 3);
}
