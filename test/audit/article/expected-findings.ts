// What is wrong with the cluster beside this file, decided by hand from what Kubernetes, Cilium and Istio do with it: all of it, and nothing else.

/** A finding of the article's scripts, and where it is true: `severity rule resource [container]`. */
export interface ArticleFinding {
  readonly article: string;
  readonly fails: readonly string[];
}

export const ARTICLE_FINDINGS: readonly ArticleFinding[] = [
  {
    // Names say nothing: `inference/default-deny` lets everybody in, `features/default-deny` lets everybody out, `registry/quiet` closes both
    // ways, `pipelines` is closed by Cilium alone, where an empty rule denies. Pods on the network of their node are outside of all of them.
    article: 'No default-deny policy in namespace',
    fails: [
      'high network-default-deny-ingress inference/chat[InferenceService]',
      'high network-default-deny-ingress inference/embedder[Deployment]',
      'high network-default-deny-ingress inference/reranker[Deployment]',
      'high network-default-deny-ingress inference[Namespace]',
      'high network-default-deny-ingress notebooks/jupyter[Notebook]',
      'high network-default-deny-ingress notebooks[Namespace]',
      'high network-default-deny-egress features/feature-store[Deployment]',
      'high network-default-deny-egress features[Namespace]',
      'high network-default-deny-egress notebooks/jupyter[Notebook]',
      'high network-default-deny-egress notebooks[Namespace]',
      'medium network-default-deny-ingress training/pretrain[Job]',
      'medium network-default-deny-egress training/pretrain[Job]',
    ],
  },
  // Not of driver-check, which has ended.
  { article: 'Pod uses host networking', fails: ['high pod-host-network training/pretrain[Job]'] },
  { article: 'Privileged container', fails: ['high pod-privileged training/pretrain[Job] trainer'] },
  {
    // EFA, virtual functions and mounted devices have neither word in their names; the reranker requests none of what does.
    article: 'RDMA device access',
    fails: [
      'high rdma-bypasses-network-policy training/finetune[PyTorchJob/master] pytorch',
      'high rdma-bypasses-network-policy training/finetune[PyTorchJob/worker] pytorch',
      'high rdma-bypasses-network-policy training/pretrain[Job] trainer',
      // In a partition of its own: to be known, and nothing to mend in the fabric.
      'info rdma-bypasses-network-policy training/sweep[RayCluster/gpu] worker',
    ],
  },
  {
    // Not in training (ambient), inference (to be injected), features (native sidecars in running pods) and registry (Sallyport).
    article: 'No service mesh sidecar',
    fails: [
      'medium mesh-sidecar-missing notebooks/jupyter[Notebook]',
      'low mesh-sidecar-missing pipelines/retrain[CronJob]',
      'low mesh-sidecar-missing training/pretrain[Job]',
    ],
  },
  {
    // The mesh is strict from its root namespace; one port of one workload is not.
    article: 'mTLS not set to STRICT mode',
    fails: ['high mesh-mtls-not-strict inference/chat[InferenceService]'],
  },
  {
    article: 'Service account has bound secrets',
    fails: ['high credential-legacy-token features/settings[Secret]'],
  },
  {
    // Called `settings`; while hf-token, which is called one, is none.
    article: 'Legacy token',
    fails: ['high credential-mounted-token features/feature-store[Deployment]'],
  },
  {
    // Who is bound is well off, unlike him who is bound to nothing and on a node.
    article: 'EKS IRSA binding',
    fails: ['high credential-cloud-identity training/pretrain[Job]'],
  },
  {
    // Not TOKENIZERS_DIR, SECRET_NAME, MAX_TOKENS, HF_TOKEN_PATH and TOKENIZERS_PARALLELISM.
    article: 'Hardcoded credential',
    fails: ['high credential-env-plaintext inference/embedder[Deployment] server'],
  },
  {
    article: 'Secret-backed credential',
    fails: ['low credential-secret-in-env pipelines/retrain[CronJob] steps'],
  },
  { article: 'runs as root', fails: ['medium pod-runs-as-root training/pretrain[Job] trainer'] },
  {
    // Not the internal load balancer of the reranker.
    article: 'Services with LoadBalancer or NodePort',
    fails: [
      'high exposure-load-balancer inference/embedder[Service]',
      'medium exposure-node-port notebooks/jupyter[Service]',
      'critical exposure-ray-head training/sweep[RayCluster]',
      'medium exposure-host-port training/pretrain[Job]',
    ],
  },
];

/** What the article's scripts do not look for. */
export const FURTHER_FAILS: readonly string[] = [
  // The policy that is called default-deny.
  'medium network-allow-all inference/default-deny[NetworkPolicy]',
  // Whose egress is open: features and notebooks. Whom policies leave open to them: inference and notebooks.
  'medium network-cross-namespace inference/chat[InferenceService]',
  'medium network-cross-namespace inference/embedder[Deployment]',
  'medium network-cross-namespace inference/reranker[Deployment]',
  'medium network-cross-namespace notebooks/jupyter[Notebook]',
  // Open egress leads to the credentials of the node and to the internet.
  'high network-metadata-egress features/feature-store[Deployment]',
  'high network-metadata-egress training/pretrain[Job]',
  'high network-internet-egress features/feature-store[Deployment]',
  'high network-internet-egress notebooks/jupyter[Notebook]',
  'high network-internet-egress training/pretrain[Job]',
  // By the network of the node, by privilege and by the mounted devices.
  'high rdma-privileged-access training/pretrain[Job]',
  'high rdma-privileged-access training/pretrain[Job] trainer',
  'high rdma-privileged-access training/pretrain[Job] trainer',
  'medium pod-host-path training/pretrain[Job]',
  'medium pod-privilege-escalation training/pretrain[Job] trainer',
  'low pod-capabilities training/pretrain[Job] trainer',
  // Anybody may call a container envoy-sidecar.
  'medium mesh-spoofed-sidecar notebooks/jupyter[Notebook] envoy-sidecar',
  // The other two of inference have policies that name their callers.
  'medium mesh-no-authorization inference/embedder[Deployment]',
  // Refused by the feature store, which is strict: therefore not high.
  'medium mesh-destination-disable features/feature-store[DestinationRule]',
  'medium credential-automount notebooks/jupyter[Notebook]',
  'medium credential-shared-service-account pipelines/pipeline[ServiceAccount]',
  'high credential-rbac-pods pipelines/pipeline[ServiceAccount]',
];

/** What nobody can tell from these objects: `reason rule resource [container]`. */
export const UNKNOWNS: readonly string[] = [
  // Versions of Cilium differ in it; and with it, whether notebooks are kept from instance metadata.
  'cni-unknown network-cni-enforcement notebooks-without-metadata[AdminNetworkPolicy]',
  'cni-unknown network-metadata-egress notebooks/jupyter[Notebook]',
  // An association of EKS Pod Identity would be kept in AWS, and no pod runs that would show it.
  'pod-not-seen credential-cloud-identity notebooks/jupyter[Notebook]',
  // The token of the notebook is mounted; how long it lives, the API server would tell.
  'control-plane-unseen credential-token-extension cluster[Cluster]',
  // Through which gateway, is not among the objects.
  'not-given exposure-inference-service inference/chat[InferenceService]',
  // Security groups are kept in AWS, partitions of a whole node by the subnet manager.
  'partition-unknown rdma-shared-partition training/finetune[PyTorchJob/master] pytorch',
  'partition-unknown rdma-shared-partition training/finetune[PyTorchJob/worker] pytorch',
  'partition-unknown rdma-shared-partition training/pretrain[Job] trainer',
];
