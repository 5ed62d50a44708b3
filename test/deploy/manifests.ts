// The Kubernetes objects of deploy/, and what is asked of a pod and of a namespace's network, as lists of what is wrong.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly seccompProfile?: { readonly type: string };
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly privileged?: boolean;
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string | number };
  readonly exec?: { readonly command: readonly string[] };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly restartPolicy?: string;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number; readonly hostPort?: number }[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly resources?: Readonly<Record<'requests' | 'limits', Readonly<Record<string, string>>>>;
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
    readonly subPath?: string;
  }[];
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: SecurityContext;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[];
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values: readonly string[];
  }[];
}

interface PolicyPeer {
  readonly namespaceSelector?: Selector;
  readonly podSelector?: Selector;
  readonly ipBlock?: unknown;
}

interface PolicyRule {
  readonly from?: readonly PolicyPeer[];
  readonly to?: readonly PolicyPeer[];
  readonly ports?: readonly { readonly protocol: string; readonly port: number }[];
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly automountServiceAccountToken?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template?: { readonly metadata: Manifest['metadata']; readonly spec: PodSpec };
    readonly selector?: Readonly<Record<string, unknown>>;
    readonly type?: string;
    readonly ports?: readonly { readonly port: number; readonly targetPort: number | string }[];
    readonly podSelector?: Selector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly PolicyRule[];
    readonly egress?: readonly PolicyRule[];
  };
}

export const MANIFEST_DIRECTORY = join(import.meta.dirname, '../../deploy/kubernetes');

export function manifestFiles(): readonly string[] {
  return readdirSync(MANIFEST_DIRECTORY).filter((file) => file !== 'kustomization.yaml');
}

/** Plain values of every document of a file, as a reader of that YAML version has them. */
export function readDocuments(file: string, version: '1.1' | '1.2' = '1.2'): readonly Record<string, unknown>[] {
  const documents = parseAllDocuments(readFileSync(join(MANIFEST_DIRECTORY, file), 'utf8'), { version });
  return documents.map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    return document.toJS();
  });
}

export function readManifests(): readonly Manifest[] {
  // The interface is what the tests look at; the API server has the schema.
  return manifestFiles().flatMap((file) => readDocuments(file) as unknown as Manifest[]);
}

/** What keeps a pod from being restricted, container by container, and from having the limits and probes we ask for besides. */
export function findPodProblems(pod: PodSpec): readonly string[] {
  const problems: string[] = [];
  if (pod.hostNetwork === true || pod.hostPID === true || pod.hostIPC === true)
    problems.push('pod: shares with the host');
  if (pod.automountServiceAccountToken !== false) problems.push('pod: token mounted');
  if (pod.serviceAccountName === undefined || pod.serviceAccountName === 'default')
    problems.push('pod: default service account');
  if (pod.securityContext?.runAsNonRoot !== true) problems.push('pod: runAsNonRoot');
  if (pod.securityContext?.seccompProfile?.type !== 'RuntimeDefault') problems.push('pod: seccompProfile');
  for (const volume of pod.volumes ?? []) {
    const kind = Object.keys(volume).find((key) => key !== 'name');
    if (!RESTRICTED_VOLUMES.has(kind ?? '')) problems.push(`volume ${volume.name}: ${kind}`);
  }
  for (const container of [...(pod.initContainers ?? []), ...pod.containers])
    problems.push(...findContainerProblems(container));
  return problems;
}

// Pod Security Standards, restricted: volume types.
const RESTRICTED_VOLUMES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

function findContainerProblems({
  name,
  image,
  ports,
  resources,
  securityContext = {},
  ...container
}: Container): readonly string[] {
  const { capabilities, runAsUser = 0 } = securityContext;
  const checks: readonly (readonly [boolean, string])[] = [
    [securityContext.runAsNonRoot === true, 'runAsNonRoot'],
    [runAsUser > 0, 'runAsUser'],
    [securityContext.seccompProfile?.type === 'RuntimeDefault', 'seccompProfile'],
    [securityContext.allowPrivilegeEscalation === false, 'allowPrivilegeEscalation'],
    [securityContext.readOnlyRootFilesystem === true, 'readOnlyRootFilesystem'],
    [securityContext.privileged !== true, 'privileged'],
    [capabilities?.drop?.includes('ALL') === true && (capabilities.add ?? []).length === 0, 'capabilities'],
    [['cpu', 'memory'].every((resource) => resource in (resources?.requests ?? {})), 'requests'],
    [['cpu', 'memory'].every((resource) => resource in (resources?.limits ?? {})), 'limits'],
    [(ports ?? []).every(({ hostPort }) => hostPort === undefined), 'hostPort'],
    [/(?::v?\d[\w.-]*|@sha256:[0-9a-f]{64})$/.test(image), 'image without version'],
    [container.readinessProbe !== undefined && container.startupProbe !== undefined, 'probes'],
    [(container.volumeMounts ?? []).every(({ subPath }) => subPath === undefined), 'subPath'],
  ];
  return checks.filter(([holds]) => !holds).map(([, what]) => `${name}: ${what}`);
}

/** What leaves the network of `namespace` open. */
export function findNetworkProblems(policies: readonly Manifest[]): readonly string[] {
  const problems: string[] = [];
  for (const direction of ['Ingress', 'Egress']) {
    const isDenied = policies.some(
      ({ spec }) =>
        spec.policyTypes?.includes(direction) === true &&
        Object.keys(spec.podSelector ?? { none: true }).length === 0 &&
        spec.ingress === undefined &&
        spec.egress === undefined,
    );
    if (!isDenied) problems.push(`no default deny: ${direction}`);
  }
  for (const { metadata, spec } of policies) {
    for (const [key, type] of [
      ['ingress', 'Ingress'],
      ['egress', 'Egress'],
    ] as const) {
      if (spec[key] !== undefined && spec.policyTypes?.includes(type) !== true)
        problems.push(`${metadata.name}: policyTypes`);
      for (const rule of spec[key] ?? []) {
        const peers = rule.from ?? rule.to ?? [];
        if (peers.length === 0) problems.push(`${metadata.name}: any peer`);
        if ((rule.ports ?? []).length === 0) problems.push(`${metadata.name}: any port`);
        for (const peer of peers) {
          if (peer.ipBlock !== undefined) problems.push(`${metadata.name}: addresses`);
          if (isEverything(peer.namespaceSelector)) problems.push(`${metadata.name}: any namespace`);
          if (isEverything(peer.podSelector)) problems.push(`${metadata.name}: any pod`);
        }
      }
    }
  }
  return problems;
}

function isEverything(selector: Selector | undefined): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
}
