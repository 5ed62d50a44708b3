// Every kind of object that an audit looks at: what is listed from an API server, and what a manifest is known by.

import { type KindKey, kindKey } from '../audit/scope.ts';

export interface ListedKind {
  readonly key: KindKey;
  readonly group: string;
  readonly kind: string;
}

const CALICO_KINDS = [
  'NetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'Tier',
  'NetworkSet',
  'GlobalNetworkSet',
  'HostEndpoint',
  'Profile',
  'FelixConfiguration',
  'ClusterInformation',
] as const;

/** In the order in which they are asked for: what most rules need comes first. */
const KINDS_BY_GROUP: readonly (readonly [group: string, kinds: readonly string[]])[] = [
  [
    '',
    [
      'Namespace',
      'Pod',
      'Service',
      'ServiceAccount',
      'ConfigMap',
      'Secret',
      'Node',
      'LimitRange',
      'PersistentVolumeClaim',
      'PersistentVolume',
      'PodTemplate',
      'ReplicationController',
    ],
  ],
  ['apps', ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet']],
  ['batch', ['Job', 'CronJob']],
  ['networking.k8s.io', ['NetworkPolicy', 'Ingress', 'IngressClass']],
  ['extensions', ['Ingress']],
  ['storage.k8s.io', ['StorageClass']],
  ['policy.networking.k8s.io', ['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy', 'ClusterNetworkPolicy']],
  ['rbac.authorization.k8s.io', ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding']],
  ['apiextensions.k8s.io', ['CustomResourceDefinition']],
  ['admissionregistration.k8s.io', ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']],
  ['resource.k8s.io', ['ResourceClaim', 'ResourceClaimTemplate', 'DeviceClass', 'ResourceClass']],
  [
    'cilium.io',
    [
      'CiliumNetworkPolicy',
      'CiliumClusterwideNetworkPolicy',
      'CiliumCIDRGroup',
      'CiliumNode',
      'CiliumLocalRedirectPolicy',
      'CiliumEnvoyConfig',
      'CiliumClusterwideEnvoyConfig',
    ],
  ],
  ['projectcalico.org', CALICO_KINDS],
  ['crd.projectcalico.org', CALICO_KINDS],
  ['operator.tigera.io', ['Installation']],
  ['crd.antrea.io', ['NetworkPolicy', 'ClusterNetworkPolicy', 'ClusterGroup', 'Group', 'Tier']],
  ['k8s.ovn.org', ['EgressFirewall']],
  ['security.istio.io', ['PeerAuthentication', 'AuthorizationPolicy', 'RequestAuthentication']],
  ['networking.istio.io', ['DestinationRule', 'Gateway', 'VirtualService', 'ServiceEntry', 'Sidecar', 'WorkloadEntry']],
  [
    'policy.linkerd.io',
    [
      'Server',
      'AuthorizationPolicy',
      'MeshTLSAuthentication',
      'NetworkAuthentication',
      'ServerAuthorization',
      'HTTPRoute',
    ],
  ],
  [
    'gateway.networking.k8s.io',
    ['Gateway', 'GatewayClass', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute', 'ReferenceGrant'],
  ],
  ['gateway.envoyproxy.io', ['SecurityPolicy']],
  ['elbv2.k8s.aws', ['IngressClassParams']],
  ['route.openshift.io', ['Route']],
  ['config.openshift.io', ['Network']],
  ['operator.openshift.io', ['Network', 'IngressController']],
  ['apps.openshift.io', ['DeploymentConfig']],
  ['security.openshift.io', ['SecurityContextConstraints']],
  ['network.openshift.io', ['EgressNetworkPolicy']],
  ['vpcresources.k8s.aws', ['SecurityGroupPolicy']],
  ['networking.k8s.aws', ['ClusterNetworkPolicy', 'ApplicationNetworkPolicy']],
  ['networking.gke.io', ['Network', 'GKENetworkParamSet', 'FQDNNetworkPolicy']],
  ['k8s.cni.cncf.io', ['NetworkAttachmentDefinition']],
  ['sriovnetwork.openshift.io', ['SriovNetwork', 'SriovIBNetwork', 'OVSNetwork', 'SriovNetworkNodePolicy']],
  ['mellanox.com', ['NicClusterPolicy', 'HostDeviceNetwork', 'MacvlanNetwork', 'IPoIBNetwork']],
  ['spiderpool.spidernet.io', ['SpiderMultusConfig']],
  ['ray.io', ['RayCluster', 'RayJob', 'RayService', 'RayCronJob']],
  [
    'kubeflow.org',
    [
      'PyTorchJob',
      'TFJob',
      'MPIJob',
      'MXJob',
      'XGBoostJob',
      'PaddleJob',
      'JAXJob',
      'Notebook',
      'Experiment',
      'ScheduledWorkflow',
      'Viewer',
      'Profile',
    ],
  ],
  ['trainer.kubeflow.org', ['TrainJob', 'TrainingRuntime', 'ClusterTrainingRuntime']],
  ['pipelines.kubeflow.org', ['Pipeline', 'PipelineVersion']],
  [
    'serving.kserve.io',
    [
      'InferenceService',
      'LLMInferenceService',
      'LLMInferenceServiceConfig',
      'ServingRuntime',
      'ClusterServingRuntime',
      'InferenceGraph',
      'ClusterStorageContainer',
    ],
  ],
  ['serving.knative.dev', ['Service', 'Configuration', 'Revision']],
  ['jobset.x-k8s.io', ['JobSet']],
  ['leaderworkerset.x-k8s.io', ['LeaderWorkerSet']],
  ['batch.volcano.sh', ['Job']],
  ['workload.codeflare.dev', ['AppWrapper']],
  ['machinelearning.seldon.io', ['SeldonDeployment']],
  ['sparkoperator.k8s.io', ['SparkApplication', 'ScheduledSparkApplication']],
  ['argoproj.io', ['Workflow', 'CronWorkflow', 'WorkflowTemplate', 'ClusterWorkflowTemplate', 'Rollout']],
];

export const LISTED_KINDS: readonly ListedKind[] = KINDS_BY_GROUP.flatMap(([group, kinds]) =>
  kinds.map((kind) => ({ key: kindKey(group, kind), group, kind })),
);

/** Groups of which another, where it is served, has the same objects. */
export const SAME_OBJECTS: ReadonlyMap<string, string> = new Map([
  ['crd.projectcalico.org', 'projectcalico.org'],
  ['extensions', 'networking.k8s.io'],
]);

/** Served by every cluster: a server that does not name them has not told everything. */
export function isAlwaysServed({ group, kind }: ListedKind): boolean {
  return ALWAYS_SERVED.has(group) || kindKey(group, kind) === 'NetworkPolicy.networking.k8s.io';
}

const ALWAYS_SERVED: ReadonlySet<string> = new Set(['', 'apps', 'batch', 'rbac.authorization.k8s.io']);

const LISTED = new Set(LISTED_KINDS.map(({ key }) => key));

export function isListed(group: string, kind: string): boolean {
  return LISTED.has(kindKey(group, kind));
}
