// A made-up cluster for the audit's bench: namespaces, workloads of many kinds with their pods, and policies; the same for the same seed.

export interface CorpusSize {
  readonly pods: number;
  readonly namespaces: number;
  readonly policies: number;
}

type Json = Readonly<Record<string, unknown>>;

export interface Corpus {
  /** What people write: templates, policies, and what stands around them. */
  readonly manifests: readonly Json[];
  /** What a cluster has besides: replica sets, pods and what the API server adds to them. */
  readonly replicas: readonly Json[];
}

/** Numbers from 0 to 1: mulberry32, whose period is far longer than anything here. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Making extends Corpus {
  readonly manifests: Json[];
  readonly replicas: Json[];
  readonly random: () => number;
  serial: number;
}

const TIERS = ['training', 'inference', 'registry', 'feature-store', 'notebooks', 'data', 'gateway', 'ops'];
const KINDS = [
  'Deployment',
  'Deployment',
  'Deployment',
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'CronJob',
  'RayCluster',
  'PyTorchJob',
  'Pod',
] as const;

export function createCorpus({ pods, namespaces, policies }: CorpusSize, seed: number): Corpus {
  const making: Making = { manifests: [], replicas: [], random: createRandom(seed), serial: 0 };
  const names = Array.from({ length: namespaces }, (_, index) => `${pick(making, TIERS)}-${index}`);
  for (const name of names) addNamespace(name, making);
  addCni(making);
  const apps: App[] = [];
  for (let made = 0; made < pods; ) {
    const replicas = Math.min(pods - made, 1 + Math.floor(making.random() * 9));
    const namespace = names[apps.length % names.length] ?? 'default';
    const app = { namespace, name: `app-${apps.length}`, tier: pick(making, TIERS), replicas };
    apps.push(app);
    addApp(app, making);
    made += replicas;
  }
  for (let index = 0; index < policies; index += 1) {
    making.manifests.push(policyOf(index, names[index % names.length] ?? 'default', { apps, making }));
  }
  return making;
}

interface App {
  readonly namespace: string;
  readonly name: string;
  readonly tier: string;
  readonly replicas: number;
}

function pick<T>({ random }: Making, from: readonly [T, ...T[]] | readonly T[]): T {
  const picked = from[Math.floor(random() * from.length)];
  if (picked === undefined) throw new Error('there is nothing to pick from');
  return picked;
}

function uid(making: Making): string {
  making.serial += 1;
  const hex = (making.serial * 2654435761).toString(16).padStart(12, '0').slice(-12);
  return `0f8fad5b-d9cb-469f-a165-${hex}`;
}

function addNamespace(name: string, making: Making): void {
  const labels: Record<string, string> = {
    team: `team-${Math.floor(making.random() * 40)}`,
    tier: name.split('-')[0] ?? '',
  };
  if (making.random() < 0.4) labels['pod-security.kubernetes.io/enforce'] = pick(making, ['baseline', 'restricted']);
  if (making.random() < 0.3) labels['istio-injection'] = 'enabled';
  making.manifests.push({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, uid: uid(making), labels } });
  making.manifests.push({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'worker', namespace: name, uid: uid(making) },
    automountServiceAccountToken: making.random() < 0.5,
  });
}

function addCni(making: Making): void {
  making.manifests.push({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'cilium', namespace: 'kube-system', uid: uid(making), labels: { 'k8s-app': 'cilium' } },
    spec: {
      selector: { matchLabels: { 'k8s-app': 'cilium' } },
      template: {
        metadata: { labels: { 'k8s-app': 'cilium' } },
        spec: { hostNetwork: true, containers: [{ name: 'cilium-agent', image: 'quay.io/cilium/cilium:v1.18.2' }] },
      },
    },
  });
}

function addApp(app: App, making: Making): void {
  const { namespace, name, replicas } = app;
  const kind = pick(making, KINDS);
  const labels = {
    app: name,
    tier: app.tier,
    'app.kubernetes.io/part-of': `platform-${Math.floor(making.random() * 20)}`,
  };
  const metadata = { name, namespace, uid: uid(making), labels: { app: name } };
  const template = {
    metadata: { labels, annotations: { 'prometheus.io/scrape': 'true' } },
    spec: podSpec(app, making),
  };
  const owner = { metadata, spec: specOf(kind, template, { labels, replicas }) };
  switch (kind) {
    case 'Pod':
      for (let index = 0; index < replicas; index += 1) {
        making.manifests.push(pod(`${name}-${index}`, template, { namespace, owner: null, making }));
      }
      break;
    case 'Deployment': {
      making.manifests.push({ apiVersion: 'apps/v1', kind, ...owner });
      const hash = `${making.serial.toString(16)}f`;
      const hashed = {
        ...template,
        metadata: { ...template.metadata, labels: { ...labels, 'pod-template-hash': hash } },
      };
      const replicaSet = { name: `${name}-${hash}`, namespace, uid: uid(making), labels: hashed.metadata.labels };
      const ownedBy = [controller('apps/v1', 'Deployment', metadata)];
      making.replicas.push({
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { ...replicaSet, ownerReferences: ownedBy },
        spec: specOf('Deployment', hashed, { labels: hashed.metadata.labels, replicas }),
      });
      addPods(replicas, hashed, { namespace, owner: controller('apps/v1', 'ReplicaSet', replicaSet), making });
      break;
    }
    case 'StatefulSet':
    case 'DaemonSet':
    case 'Job':
    case 'CronJob':
    case 'RayCluster':
    case 'PyTorchJob':
      making.manifests.push({ apiVersion: VERSIONS[kind], kind, ...owner });
      addPods(replicas, template, { namespace, owner: controller(VERSIONS[kind], kind, metadata), making });
  }
  making.manifests.push({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, uid: uid(making) },
    spec: {
      selector: { app: name },
      type: making.random() < 0.03 ? 'LoadBalancer' : 'ClusterIP',
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    },
  });
  making.manifests.push({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${name}-config`, namespace, uid: uid(making) },
    data: {
      'app.yaml': `log:\n  level: info\nmodel:\n  name: ${name}\n  batch: 32\n`,
      REGION: 'eu-west-1',
      ENDPOINT: `http://${name}.${namespace}.svc:80`,
    },
  });
}

const VERSIONS = {
  Deployment: 'apps/v1',
  StatefulSet: 'apps/v1',
  DaemonSet: 'apps/v1',
  Job: 'batch/v1',
  CronJob: 'batch/v1',
  RayCluster: 'ray.io/v1',
  PyTorchJob: 'kubeflow.org/v1',
  Pod: 'v1',
} as const;

function specOf(
  kind: (typeof KINDS)[number],
  template: Json,
  { labels, replicas }: { readonly labels: Json; readonly replicas: number },
): Json {
  switch (kind) {
    case 'Job':
      return { parallelism: replicas, template };
    case 'CronJob':
      return { schedule: '0 3 * * *', jobTemplate: { spec: { template } } };
    case 'RayCluster':
      return {
        rayVersion: '2.41.0',
        headGroupSpec: { rayStartParams: {}, template },
        workerGroupSpecs: [{ groupName: 'gpu', replicas, rayStartParams: {}, template }],
      };
    case 'PyTorchJob':
      return { pytorchReplicaSpecs: { Master: { replicas: 1, template }, Worker: { replicas, template } } };
    case 'Deployment':
    case 'StatefulSet':
    case 'DaemonSet':
    case 'Pod':
      return { replicas, selector: { matchLabels: labels }, template };
  }
}

function podSpec({ name, tier }: App, making: Making): Json {
  const { random } = making;
  const isHardened = random() < 0.5;
  const env: Json[] = [
    { name: 'LOG_LEVEL', value: 'info' },
    { name: 'FEATURE_STORE', value: 'http://feature-store.data.svc:6566' },
    { name: 'API_TOKEN', valueFrom: { secretKeyRef: { name: `${name}-token`, key: 'token' } } },
  ];
  if (random() < 0.05) env.push({ name: 'DB_PASSWORD', value: `Zq8${Math.floor(random() * 1e9).toString(36)}!vR2x` });
  if (random() < 0.05) env.push({ name: 'NCCL_IB_HCA', value: 'mlx5_0' });
  return {
    serviceAccountName: 'worker',
    ...(random() < 0.02 ? { hostNetwork: true } : {}),
    securityContext: isHardened
      ? { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } }
      : {},
    containers: [
      {
        name: 'main',
        image: `registry.ai.example/${tier}/${name}:1.${Math.floor(random() * 30)}.0`,
        args: ['--config', '/etc/app/app.yaml', '--listen', ':8080'],
        env,
        ports: [
          { name: 'http', containerPort: 8080 },
          { name: 'metrics', containerPort: 9090 },
        ],
        resources: { requests: { cpu: '500m', memory: '1Gi' }, limits: { memory: '2Gi' } },
        securityContext: isHardened
          ? { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }
          : { privileged: random() < 0.05 },
        volumeMounts: [
          { name: 'config', mountPath: '/etc/app' },
          { name: 'scratch', mountPath: '/scratch' },
        ],
        livenessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 10 },
      },
    ],
    volumes: [
      { name: 'config', configMap: { name: `${name}-config` } },
      { name: 'scratch', emptyDir: {} },
    ],
  };
}

function controller(
  apiVersion: string,
  kind: string,
  { name, uid }: { readonly name: string; readonly uid: string },
): Json {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

interface PodTerms {
  readonly namespace: string;
  readonly owner: Json | null;
  readonly making: Making;
}

function addPods(replicas: number, template: Template, terms: PodTerms): void {
  for (let index = 0; index < replicas; index += 1) {
    terms.making.replicas.push(pod(`${String(terms.owner?.['name'])}-${index}`, template, terms));
  }
}

interface Template {
  readonly metadata: Json;
  readonly spec: Json;
}

/** As the API server has it: with a node, a token, and a status. */
function pod(name: string, template: Template, { namespace, owner, making }: PodTerms): Json {
  const address = `10.${Math.floor(making.random() * 200)}.${Math.floor(making.random() * 250)}.${Math.floor(making.random() * 250)}`;
  const now = '2026-10-01T08:00:00Z';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...template.metadata,
      name,
      namespace,
      uid: uid(making),
      resourceVersion: String(making.serial),
      creationTimestamp: now,
      ...(owner === null ? {} : { ownerReferences: [owner] }),
    },
    spec: {
      ...template.spec,
      nodeName: `node-${making.serial % 400}`,
      dnsPolicy: 'ClusterFirst',
      schedulerName: 'default-scheduler',
      enableServiceLinks: true,
      tolerations: ['not-ready', 'unreachable'].map((key) => ({
        key: `node.kubernetes.io/${key}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
    },
    status: {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      hostIP: '192.168.1.7',
      qosClass: 'Burstable',
      startTime: now,
      conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(
        (type) => ({
          type,
          status: 'True',
          lastProbeTime: null,
          lastTransitionTime: now,
        }),
      ),
      containerStatuses: [
        { name: 'main', ready: true, started: true, restartCount: 0, state: { running: { startedAt: now } } },
      ],
    },
  };
}

function policyOf(
  index: number,
  namespace: string,
  { apps, making }: { readonly apps: readonly App[]; readonly making: Making },
): Json {
  const { random } = making;
  const metadata = { name: `policy-${index}`, namespace, uid: uid(making) };
  const app = apps[Math.floor(random() * apps.length)]?.name ?? 'app-0';
  const ports = [
    { protocol: 'TCP', port: pick(making, [8080, 9090, 443]) },
    { protocol: 'TCP', port: 'http' },
  ];
  const networking = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata };
  switch (index % 8) {
    case 0:
      return { ...networking, spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } };
    case 1: {
      const from = [
        {
          namespaceSelector: { matchLabels: { tier: pick(making, TIERS) } },
          podSelector: { matchLabels: { tier: pick(making, TIERS) } },
        },
      ];
      return {
        ...networking,
        spec: {
          podSelector: { matchLabels: { tier: pick(making, TIERS) } },
          policyTypes: ['Ingress'],
          ingress: [{ from, ports }],
        },
      };
    }
    case 2: {
      const to = [{ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32', '10.0.0.0/8'] } }];
      return {
        ...networking,
        spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ to, ports: [{ port: 443 }] }] },
      };
    }
    case 3: {
      const to = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }];
      return {
        ...networking,
        spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ to, ports: [{ port: 53, protocol: 'UDP' }] }] },
      };
    }
    case 4: {
      const from = [
        { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: [app, 'app-1'] }] } },
        { namespaceSelector: { matchLabels: { team: `team-${index % 40}` } } },
      ];
      return {
        ...networking,
        spec: { podSelector: { matchLabels: { app } }, policyTypes: ['Ingress'], ingress: [{ from, ports }] },
      };
    }
    case 5:
      return {
        apiVersion: 'cilium.io/v2',
        kind: 'CiliumNetworkPolicy',
        metadata,
        spec: {
          endpointSelector: { matchLabels: { tier: pick(making, TIERS) } },
          ingress: [
            {
              fromEndpoints: [
                { matchLabels: { 'k8s:io.kubernetes.pod.namespace': namespace, tier: pick(making, TIERS) } },
              ],
              toPorts: [{ ports: [{ port: '8080', protocol: 'TCP' }] }],
            },
          ],
        },
      };
    case 6:
      return {
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata,
        spec: { mtls: { mode: pick(making, ['STRICT', 'PERMISSIVE']) } },
      };
    default:
      return {
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata,
        spec: {
          selector: { matchLabels: { tier: pick(making, TIERS) } },
          action: 'ALLOW',
          rules: [{ from: [{ source: { namespaces: [namespace] } }] }],
        },
      };
  }
}
