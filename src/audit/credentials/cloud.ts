// Which cloud a cluster runs in, by the traces that clouds leave in it.

import type { Cluster } from '../cluster.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';

export type CloudName = 'aws' | 'gcp' | 'azure';

export type CloudReading =
  | { readonly kind: 'cloud'; readonly cloud: CloudName; readonly sign: string }
  /** Nodes are there, and of no cloud that gives roles to machines. */
  | { readonly kind: 'none'; readonly sign: string }
  | { readonly kind: 'unknown' };

/** For `cluster.once`. */
export function readCloud(cluster: Cluster): CloudReading {
  const nodes = cluster.byKind('', 'Node');
  for (const node of nodes) {
    const cloud = cloudOfNode(cluster, node);
    if (cloud !== null) return { kind: 'cloud', cloud, sign: formatObject(node) };
  }
  const [node] = nodes;
  if (node !== undefined) return { kind: 'none', sign: formatObject(node) };
  return signOf(cluster) ?? { kind: 'unknown' };
}

const PROVIDERS: readonly (readonly [string, CloudName])[] = [
  ['aws://', 'aws'],
  ['gce://', 'gcp'],
  ['azure://', 'azure'],
];

const NODE_LABELS: readonly (readonly [string, CloudName])[] = [
  ['eks.amazonaws.com/', 'aws'],
  ['k8s.amazonaws.com/', 'aws'],
  ['cloud.google.com/', 'gcp'],
  ['kubernetes.azure.com/', 'azure'],
];

function cloudOfNode(cluster: Cluster, node: KubeObject): CloudName | null {
  const provider = cluster.field(node, 'spec', 'providerID').asText() ?? '';
  const byProvider = PROVIDERS.find(([prefix]) => provider.startsWith(prefix));
  if (byProvider !== undefined) return byProvider[1];
  const keys = [...node.labels.keys()];
  return NODE_LABELS.find(([prefix]) => keys.some((key) => key.startsWith(prefix)))?.[1] ?? null;
}

const AGENTS: ReadonlyMap<string, CloudName> = new Map([
  ['aws-node', 'aws'],
  ['ebs-csi-node', 'aws'],
  ['eks-pod-identity-agent', 'aws'],
  ['gke-metadata-server', 'gcp'],
  ['pdcsi-node', 'gcp'],
  ['csi-azuredisk-node', 'azure'],
  ['cloud-node-manager', 'azure'],
]);

const PROVISIONERS: ReadonlyMap<string, CloudName> = new Map([
  ['ebs.csi.aws.com', 'aws'],
  ['kubernetes.io/aws-ebs', 'aws'],
  ['efs.csi.aws.com', 'aws'],
  ['fsx.csi.aws.com', 'aws'],
  ['pd.csi.storage.gke.io', 'gcp'],
  ['kubernetes.io/gce-pd', 'gcp'],
  ['disk.csi.azure.com', 'azure'],
  ['file.csi.azure.com', 'azure'],
]);

const ACCOUNT_ANNOTATIONS: readonly (readonly [string, CloudName])[] = [
  ['eks.amazonaws.com/role-arn', 'aws'],
  ['iam.gke.io/gcp-service-account', 'gcp'],
  ['azure.workload.identity/client-id', 'azure'],
];

const SERVICE_ANNOTATIONS: readonly (readonly [string, CloudName])[] = [
  ['service.beta.kubernetes.io/aws-', 'aws'],
  ['networking.gke.io/', 'gcp'],
  ['cloud.google.com/', 'gcp'],
  ['service.beta.kubernetes.io/azure-', 'azure'],
];

/** Where no nodes were given. */
function signOf(cluster: Cluster): CloudReading | null {
  for (const workload of cluster.workloadsIn('kube-system')) {
    const cloud = AGENTS.get(workload.name);
    if (cloud !== undefined) return { kind: 'cloud', cloud, sign: workload.ref };
  }
  for (const object of cluster.byKind('storage.k8s.io', 'StorageClass')) {
    const cloud = PROVISIONERS.get(cluster.field(object, 'provisioner').asText() ?? '');
    if (cloud !== undefined) return { kind: 'cloud', cloud, sign: formatObject(object) };
  }
  return (
    signByAnnotation(cluster.byKind('', 'ServiceAccount'), ACCOUNT_ANNOTATIONS) ??
    signByAnnotation(cluster.byKind('', 'Service'), SERVICE_ANNOTATIONS)
  );
}

function signByAnnotation(
  objects: readonly KubeObject[],
  annotations: readonly (readonly [string, CloudName])[],
): CloudReading | null {
  for (const object of objects) {
    const keys = [...object.annotations.keys()];
    const found = annotations.find(([prefix]) => keys.some((key) => key.startsWith(prefix)));
    if (found !== undefined) return { kind: 'cloud', cloud: found[1], sign: formatObject(object) };
  }
  return null;
}
