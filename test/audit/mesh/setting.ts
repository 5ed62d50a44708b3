// Clusters with meshes, for tests, from objects as they are in the API.

import { buildCluster, type Cluster } from '../../../src/audit/cluster.ts';
import type { Verdict } from '../../../src/audit/finding.ts';
import type { Inventory } from '../../../src/audit/inventory.ts';
import { listMtls } from '../../../src/audit/mesh/list-mtls.ts';
import { meshOf, type Mesh } from '../../../src/audit/mesh/mesh.ts';
import { meshRules } from '../../../src/audit/mesh/mesh-rules.ts';
import type { Workload } from '../../../src/audit/workload.ts';
import { inventoryOf, objectOf, workloadNamed } from '../inventory.ts';
import { termsOf } from '../terms.ts';

export type Body = Readonly<Record<string, unknown>>;
export type Texts = Readonly<Record<string, string>>;

export const OPTIONS = { meshRootNamespace: 'istio-system' };
export const SIDECARS = { 'istio-injection': 'enabled' };
export const AMBIENT = { 'istio.io/dataplane-mode': 'ambient' };
/** What the injector leaves in a pod. */
export const INJECTED = { 'sidecar.istio.io/status': '{"initContainers":["istio-init"],"containers":["istio-proxy"]}' };
export const PROXY = { name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.27.0' };

export function namespace(name: string, labels: Texts = {}, annotations: Texts = {}): Body {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels, annotations } };
}

export interface PodTerms {
  readonly namespace?: string;
  readonly labels?: Texts;
  readonly annotations?: Texts;
  readonly ports?: readonly (number | Body)[];
  readonly containers?: readonly Body[];
  readonly initContainers?: readonly Body[];
  readonly volumes?: readonly Body[];
  readonly hostNetwork?: boolean;
  readonly serviceAccountName?: string;
}

/** Port 8080, unless others are given. */
function podSpec(terms: PodTerms): Body {
  const { ports = [8080], containers, initContainers, volumes, hostNetwork, serviceAccountName } = terms;
  const main = {
    name: 'main',
    image: 'main:1',
    ports: ports.map((port) => (typeof port === 'number' ? { containerPort: port } : port)),
  };
  return {
    containers: containers ?? [main],
    ...(initContainers === undefined ? {} : { initContainers }),
    ...(volumes === undefined ? {} : { volumes }),
    ...(hostNetwork === undefined ? {} : { hostNetwork }),
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
  };
}

export function deployment(name: string, terms: PodTerms = {}): Body {
  const { labels = { app: name }, annotations = {}, namespace = 'ml' } = terms;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas: 0, template: { metadata: { labels, annotations }, spec: podSpec(terms) } },
  };
}

export function job(name: string, terms: PodTerms = {}): Body {
  const { labels = { app: name }, annotations = {}, namespace = 'ml' } = terms;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace },
    spec: { template: { metadata: { labels, annotations }, spec: podSpec({ ports: [], ...terms }) } },
  };
}

/** A pod that runs, of nobody or of a Deployment. */
export function runningPod(name: string, terms: PodTerms & { readonly owner?: string } = {}): Body {
  const { labels = { app: name }, annotations = {}, namespace = 'ml', owner } = terms;
  const ownerReferences =
    owner === undefined
      ? []
      : [{ apiVersion: 'apps/v1', kind: 'Deployment', name: owner, uid: `uid-${owner}`, controller: true }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, uid: `uid-${name}`, labels, annotations, ownerReferences },
    spec: podSpec(terms),
    status: { phase: 'Running' },
  };
}

export function service(
  name: string,
  terms: {
    readonly selector?: Texts;
    readonly ports?: readonly Body[];
    readonly namespace?: string;
    readonly labels?: Texts;
  } = {},
): Body {
  const { selector = { app: name }, ports = [{ port: 80, targetPort: 8080 }], namespace = 'ml', labels = {} } = terms;
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, labels }, spec: { selector, ports } };
}

export interface PeerTerms {
  readonly selector?: Texts;
  readonly mode?: unknown;
  readonly ports?: Readonly<Record<string, unknown>>;
  readonly createdAt?: string;
}

export function peerAuthentication(place: string, { selector, mode, ports, createdAt }: PeerTerms): Body {
  const [namespace, name] = place.split('/');
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { namespace, name, ...(createdAt === undefined ? {} : { creationTimestamp: createdAt }) },
    spec: {
      ...(selector === undefined ? {} : { selector: { matchLabels: selector } }),
      ...(mode === undefined ? {} : { mtls: { mode } }),
      ...(ports === undefined
        ? {}
        : { portLevelMtls: Object.fromEntries(Object.entries(ports).map(([port, mode]) => [port, { mode }])) }),
    },
  };
}

export function authorizationPolicy(place: string, spec: unknown, annotations: Texts = {}): Body {
  const [namespace, name] = place.split('/');
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { namespace, name, annotations },
    spec,
  };
}

export function configMap(place: string, data: Texts): Body {
  const [namespace, name] = place.split('/');
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name }, data };
}

export function custom(apiVersion: string, kind: string, place: string, spec: unknown): Body {
  const [namespace, name] = place.split('/');
  return { apiVersion, kind, metadata: { namespace, name }, spec };
}

function clusterWith(bodies: readonly Body[], terms: Partial<Inventory> = {}): Cluster {
  return buildCluster(
    inventoryOf(
      bodies.map((body) => objectOf(body)),
      terms,
    ),
  );
}

export interface Setting {
  readonly cluster: Cluster;
  readonly mesh: Mesh;
  readonly workload: (ref: string) => Workload;
}

export function settingOf(bodies: readonly Body[], terms: Partial<Inventory> = {}): Setting {
  const cluster = clusterWith(bodies, terms);
  return { cluster, mesh: meshOf(cluster, OPTIONS), workload: (ref) => workloadNamed(cluster, ref) };
}

/** `ml/api[Deployment]:8080` → STRICT. */
export function modesOf(bodies: readonly Body[], terms: Partial<Inventory> = {}): Readonly<Record<string, string>> {
  const rows = listMtls(clusterWith(bodies, terms), OPTIONS);
  return Object.fromEntries(rows.map(({ workload, port, mode }) => [`${workload}:${port ?? 'any'}`, mode]));
}

export function sourceOf(bodies: readonly Body[], workload: string, port: number | null = 8080): string {
  const row = listMtls(clusterWith(bodies), OPTIONS).find((row) => row.workload === workload && row.port === port);
  return row?.source ?? 'no such row';
}

export function verdictsOf(rule: string, bodies: readonly Body[], terms: Partial<Inventory> = {}): readonly Verdict[] {
  const found = meshRules.find(({ info }) => info.id === rule);
  if (found === undefined) throw new Error(`no rule ${rule}`);
  return [...found.evaluate(clusterWith(bodies, terms), termsOf().context)];
}

/** `fail ml/api[Deployment]: detail`. */
export function saidOf(rule: string, bodies: readonly Body[], terms: Partial<Inventory> = {}): readonly string[] {
  return verdictsOf(rule, bodies, terms).map(
    ({ verdict, resource, detail }) => `${verdict} ${resource.ref}: ${detail}`,
  );
}

/** `fail ml/api[Deployment]`. */
export function outcomesOf(rule: string, bodies: readonly Body[], terms: Partial<Inventory> = {}): readonly string[] {
  return verdictsOf(rule, bodies, terms).map(({ verdict, resource }) => `${verdict} ${resource.ref}`);
}
