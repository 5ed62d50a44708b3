// As whom a pod appears to the cloud it runs in.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Workload } from '../workload.ts';
import type { CloudName, CloudReading } from './cloud.ts';
import type { ServiceAccount } from './service-accounts.ts';

export type CloudIdentity =
  /** An identity of its own. */
  | { readonly kind: 'bound'; readonly how: string; readonly to: string | null }
  /** The cloud's metadata server answers for pods, and gives them nothing of the node's. */
  | { readonly kind: 'guarded'; readonly how: string }
  /** Configured, and without effect. */
  | { readonly kind: 'inert'; readonly how: string }
  /** That of the node, for whoever asks the metadata service. */
  | { readonly kind: 'node-role' }
  | { readonly kind: 'unknown'; readonly reason: string; readonly detail: string };

export function cloudIdentityOf(
  cluster: Cluster,
  workload: Workload,
  at: { readonly account: ServiceAccount; readonly cloud: CloudReading },
): CloudIdentity {
  const { account, cloud } = at;
  const traces = tracesOf(cluster, workload);
  const bound = boundByAccount(workload, account.object) ?? boundByTrace(traces);
  // The node's address is not the pod's: agents on the node do not answer for it.
  const isGuarded = cloud.kind === 'cloud' && cloud.cloud === 'gcp' && !workload.isHostNetwork;
  if (bound !== null) return bound;
  if (account.object === null && account.unseen !== null) {
    const { reason, detail } = account.unseen;
    return { kind: 'unknown', reason, detail: `service account ${account.name}: ${detail}` };
  }
  if (cloud.kind !== 'cloud') return { kind: 'node-role' };
  if (isGuarded) return guardedByGke(cluster);
  if (cloud.cloud === 'aws' && !workload.isHostNetwork && workload.pods.length === 0) {
    const detail = 'an association of EKS Pod Identity is kept in AWS, and leaves its traces in running pods only';
    return { kind: 'unknown', reason: 'pod-not-seen', detail };
  }
  return { kind: 'node-role' };
}

const AZURE_USE = 'azure.workload.identity/use';

function boundByAccount(workload: Workload, account: KubeObject | null): CloudIdentity | null {
  const annotations = account?.annotations;
  const google = annotations?.get('iam.gke.io/gcp-service-account') ?? '';
  if (google !== '') return { kind: 'bound', how: 'GKE Workload Identity', to: google };
  const role = annotations?.get('eks.amazonaws.com/role-arn') ?? '';
  if (role !== '') return { kind: 'bound', how: 'IAM Roles for Service Accounts', to: role };
  const client = annotations?.get('azure.workload.identity/client-id') ?? '';
  // The webhook goes by the pod's label; without it, the annotation does nothing.
  if (workload.labels.get(AZURE_USE) === 'true') {
    return { kind: 'bound', how: 'Azure Workload Identity', to: client === '' ? null : client };
  }
  if (client !== '') {
    return { kind: 'inert', how: `Azure Workload Identity, for want of the pod label ${AZURE_USE}: "true"` };
  }
  const identity = workload.labels.get('aadpodidbinding');
  return identity === undefined ? null : { kind: 'bound', how: 'AAD Pod Identity, which is retired', to: identity };
}

interface Traces {
  readonly variables: ReadonlyMap<string, string>;
  readonly audiences: readonly string[];
}

/** Of the template, and of pods made from it, which show what admission added. */
function tracesOf(cluster: Cluster, workload: Workload): Traces {
  const specs = [workload.podSpec, ...workload.pods.map((pod) => cluster.field(pod, 'spec'))];
  const variables = new Map<string, string>();
  const audiences: string[] = [];
  for (const spec of specs) {
    for (const container of [...spec.get('initContainers').asList(), ...spec.get('containers').asList()]) {
      for (const variable of container.get('env').asList()) {
        const name = variable.get('name').asText() ?? '';
        if (name !== '') variables.set(name, variable.get('value').asText() ?? '');
      }
    }
    audiences.push(...audiencesOf(spec));
  }
  return { variables, audiences };
}

function audiencesOf(spec: Field): readonly string[] {
  return spec
    .get('volumes')
    .asList()
    .flatMap((volume) => volume.get('projected', 'sources').asList())
    .flatMap((source) => source.get('serviceAccountToken', 'audience').asText() ?? []);
}

function boundByTrace({ variables, audiences }: Traces): CloudIdentity | null {
  if (variables.has('AWS_CONTAINER_CREDENTIALS_FULL_URI') || audiences.includes('pods.eks.amazonaws.com')) {
    return { kind: 'bound', how: 'EKS Pod Identity', to: null };
  }
  const role = variables.get('AWS_ROLE_ARN');
  if (role !== undefined && variables.has('AWS_WEB_IDENTITY_TOKEN_FILE')) {
    return { kind: 'bound', how: 'a web identity of AWS', to: role };
  }
  if (audiences.includes('sts.amazonaws.com')) return { kind: 'bound', how: 'a web identity of AWS', to: null };
  if (variables.has('AZURE_FEDERATED_TOKEN_FILE') || audiences.includes('api://AzureADTokenExchange')) {
    return { kind: 'bound', how: 'Azure Workload Identity', to: variables.get('AZURE_CLIENT_ID') ?? null };
  }
  const pool = audiences.find((audience) => /iam\.googleapis\.com\/|\.svc\.id\.goog$/.test(audience));
  return pool === undefined ? null : { kind: 'bound', how: 'Workload Identity Federation of Google', to: pool };
}

const METADATA_LABEL = 'iam.gke.io/gke-metadata-server-enabled';

/** Where Workload Identity is on, a pod without a binding is itself and nobody else; a `principal://` of it leaves no trace here. */
function guardedByGke(cluster: Cluster): CloudIdentity {
  const nodes = cluster.byKind('', 'Node');
  const agent = cluster.workloadsIn('kube-system').find(({ name }) => name === 'gke-metadata-server');
  if (nodes.length > 0) {
    const isEverywhere = nodes.every(({ labels }) => labels.get(METADATA_LABEL) === 'true');
    return isEverywhere ? { kind: 'guarded', how: 'the GKE metadata server' } : { kind: 'node-role' };
  }
  if (agent !== undefined) return { kind: 'guarded', how: 'the GKE metadata server' };
  const detail = `whether the GKE metadata server stands before that of the node is not known: no Node was given`;
  return { kind: 'unknown', reason: 'not-given', detail };
}

/** For remediation: how a pod gets an identity of its own. */
export const OWN_IDENTITY: Readonly<Record<CloudName, string>> = {
  aws: 'Associate the service account with a role of its own (EKS Pod Identity, or `eks.amazonaws.com/role-arn`); let the metadata service of nodes take one hop only, and deny pods 169.254.169.254.',
  gcp: 'Turn on Workload Identity for the node pool, and grant what is needed to the service account itself (`principal://…`) or annotate it with `iam.gke.io/gcp-service-account`.',
  azure:
    'Annotate the service account with `azure.workload.identity/client-id`, label the pods `azure.workload.identity/use: "true"`, and deny pods 169.254.169.254.',
};
