// What carries the traffic of a workload: the sidecar of a mesh, the node's proxy of ambient mode, or nothing.

import type { Cluster, Namespace } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import { readContainers } from '../pod-spec.ts';
import type { Workload } from '../workload.ts';
import { decideInjection, type InjectionDecision } from './injection.ts';
import type { IstioSettings } from './istio-settings.ts';
import { findProxy, SIDECAR_STATUS, type PodAppearance } from './proxy-container.ts';

export type MeshKind = 'istio-sidecar' | 'istio-ambient' | 'linkerd';

export type Carrier =
  /** `isObserved`: running pods show it; else it is what will be done to pods of the template. */
  | { readonly kind: MeshKind; readonly isObserved: boolean; readonly reason: string }
  | { readonly kind: 'none'; readonly cause: AbsenceCause; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

export type AbsenceCause =
  | 'host-network'
  | 'ignored-namespace'
  | 'opted-out'
  | 'not-enrolled'
  /** It should be there, and running pods do not have it. */
  | 'not-injected';

export const DATAPLANE_MODE = 'istio.io/dataplane-mode';
export const LINKERD_INJECT = 'linkerd.io/inject';
const REDIRECTION = 'ambient.istio.io/redirection';

export function findCarrier(cluster: Cluster, workload: Workload, settings: IstioSettings): Carrier {
  const declared = findDeclared(workload, namespaceOf(cluster, workload), settings);
  const observed = workload.pods.filter((pod) => isRunning(cluster, pod));
  if (observed.length === 0) return declared;
  const seen = observed.map((pod) => findOfPod(appearanceOf(cluster, pod), settings));
  const missing = seen.filter((kind) => kind === null).length;
  const kinds = new Set(seen);
  const [only] = kinds;
  if (kinds.size === 1 && only !== null && only !== undefined) {
    return { kind: only, isObserved: true, reason: `${DESCRIPTIONS[only]} in ${countPods(observed.length)}` };
  }
  if (missing === 0) return { kind: 'unknown', reason: `its pods have ${[...kinds].join(' and ')}` };
  if (missing < observed.length) {
    const reason = `${missing} of its ${countPods(observed.length)} ${missing === 1 ? 'runs' : 'run'} without a proxy`;
    return { kind: 'none', cause: 'not-injected', reason };
  }
  if (declared.kind === 'none') return declared;
  const expectation = declared.kind === 'unknown' ? '' : `, although ${declared.reason}`;
  const reason = `${countPods(observed.length)} ${observed.length === 1 ? 'runs' : 'run'} without a proxy${expectation}`;
  return { kind: 'none', cause: 'not-injected', reason };
}

const DESCRIPTIONS: Readonly<Record<MeshKind, string>> = {
  'istio-sidecar': 'Istio sidecar',
  'istio-ambient': 'redirection to ztunnel',
  linkerd: 'Linkerd proxy',
};

export function namespaceOf(cluster: Cluster, { namespace }: Workload): Namespace {
  return (
    cluster.namespaces.get(namespace) ?? {
      name: namespace,
      labels: new Map([['kubernetes.io/metadata.name', namespace]]),
      annotations: new Map(),
      object: null,
      isImplied: true,
    }
  );
}

/** A gateway's ports are opened by Gateway resources, and no PeerAuthentication speaks of them. */
export function isGateway({ annotations, labels, containers }: PodAppearance): boolean {
  const templates = (annotations.get('inject.istio.io/templates') ?? '').split(',').map((name) => name.trim());
  if (templates.includes('gateway') || labels.has('gateway.networking.k8s.io/gateway-name')) return true;
  return containers.some(
    ({ name, field }) => name === 'istio-proxy' && field.get('args').asTexts().slice(0, 2).join(' ') === 'proxy router',
  );
}

function findDeclared(workload: Workload, namespace: Namespace, settings: IstioSettings): Carrier {
  const own = findOfPod(workload, settings);
  if (own === 'istio-sidecar' || own === 'linkerd') {
    return { kind: own, isObserved: false, reason: `${DESCRIPTIONS[own]} in its template` };
  }
  const injection = decideInjection(workload, namespace, settings);
  if (injection.answer === 'yes') return { kind: 'istio-sidecar', isObserved: false, reason: injection.reason };
  const ambient = findAmbient(workload, namespace);
  if (ambient !== null && ambient.kind !== 'none') return ambient;
  const linkerd = findLinkerd(workload, namespace);
  if (linkerd !== null && linkerd.kind !== 'none') return linkerd;
  if (injection.answer === 'unknown') return { kind: 'unknown', reason: injection.reason };
  if (namespace.isImplied && !isSettled(injection)) {
    return { kind: 'unknown', reason: `the labels of namespace ${namespace.name} are not known` };
  }
  return ambient ?? linkerd ?? { kind: 'none', cause: causeOf(injection), reason: injection.reason };
}

/** What the namespace's labels could not change. */
function isSettled({ cause }: InjectionDecision): boolean {
  return cause === 'host-network' || cause === 'ignored-namespace' || cause === 'pod';
}

function causeOf({ cause, answer }: InjectionDecision): AbsenceCause {
  if (cause === 'host-network' || cause === 'ignored-namespace') return cause;
  return cause === 'pod' && answer === 'no' ? 'opted-out' : 'not-enrolled';
}

function findAmbient({ labels, annotations, isHostNetwork }: Workload, namespace: Namespace): Carrier | null {
  const own = labels.get(DATAPLANE_MODE);
  const ofNamespace = namespace.labels.get(DATAPLANE_MODE);
  if (own !== 'ambient' && ofNamespace !== 'ambient') return null;
  if (isHostNetwork) {
    const reason = 'pods in the network of their node are not redirected to ztunnel';
    return { kind: 'none', cause: 'host-network', reason };
  }
  // Whoever says that it has a sidecar is not enrolled, and whether it has one nobody looks at.
  if (annotations.has(SIDECAR_STATUS)) {
    const reason = `annotation \`${SIDECAR_STATUS}\` of the pod, which keeps it out of ambient mode`;
    return { kind: 'none', cause: 'opted-out', reason };
  }
  if (own === 'none') {
    return { kind: 'none', cause: 'opted-out', reason: `label \`${DATAPLANE_MODE}: none\` of the pod` };
  }
  const where = own === 'ambient' ? 'the pod' : `namespace ${namespace.name}`;
  return { kind: 'istio-ambient', isObserved: false, reason: `label \`${DATAPLANE_MODE}: ambient\` of ${where}` };
}

function findLinkerd({ annotations, isHostNetwork }: Workload, namespace: Namespace): Carrier | null {
  const own = annotations.get(LINKERD_INJECT);
  const wish = own ?? namespace.annotations.get(LINKERD_INJECT);
  if (wish === undefined) return null;
  const where = own === undefined ? `namespace ${namespace.name}` : 'the pod';
  const reason = `annotation \`${LINKERD_INJECT}: ${wish}\` of ${where}`;
  if (wish !== 'enabled' && wish !== 'ingress') {
    return { kind: 'none', cause: own === undefined ? 'not-enrolled' : 'opted-out', reason };
  }
  if (isHostNetwork) {
    return { kind: 'none', cause: 'host-network', reason: 'pods in the network of their node get no proxy of Linkerd' };
  }
  return { kind: 'linkerd', isObserved: false, reason };
}

function findOfPod(pod: PodAppearance, { injector }: IstioSettings): MeshKind | null {
  const proxy = findProxy(pod, injector.proxyImage);
  if (proxy !== null) return proxy === 'istio' ? 'istio-sidecar' : 'linkerd';
  return pod.annotations.get(REDIRECTION) === 'enabled' ? 'istio-ambient' : null;
}

/** The manifest of a pod shows nothing of what admission will make of it. */
function isRunning(cluster: Cluster, pod: KubeObject): boolean {
  if (pod.uid !== null || pod.origin === 'live') return true;
  return cluster.field(pod, 'status', 'phase').isPresent || cluster.field(pod, 'spec', 'nodeName').isPresent;
}

function appearanceOf(cluster: Cluster, pod: KubeObject): PodAppearance {
  const { labels, annotations } = pod;
  return { labels, annotations, containers: readContainers(cluster.field(pod, 'spec'), null) };
}

function countPods(count: number): string {
  return count === 1 ? '1 pod' : `${count} pods`;
}
