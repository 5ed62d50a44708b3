// Whether Istio's webhook puts a sidecar into the pods of a template.
// https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/

import type { Namespace } from '../cluster.ts';
import { matchLabels, matchNamespace, type Match } from '../selector.ts';
import type { Workload } from '../workload.ts';
import type { IstioSettings } from './istio-settings.ts';

export interface InjectionDecision {
  readonly answer: 'yes' | 'no' | 'unknown';
  readonly cause:
    | 'host-network'
    | 'ignored-namespace'
    /** The pod itself says so. */
    | 'pod'
    | 'injector'
    | 'namespace'
    /** Nobody asked. */
    | 'none'
    | 'namespace-unknown';
  readonly reason: string;
}

export const IGNORED_NAMESPACES: ReadonlySet<string> = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
]);

export const INJECT = 'sidecar.istio.io/inject';
export const NAMESPACE_INJECTION = 'istio-injection';
export const REVISION = 'istio.io/rev';

export function decideInjection(workload: Workload, namespace: Namespace, settings: IstioSettings): InjectionDecision {
  if (workload.isHostNetwork) {
    return { answer: 'no', cause: 'host-network', reason: 'pods in the network of their node get no sidecar' };
  }
  if (IGNORED_NAMESPACES.has(namespace.name)) {
    const reason = `no sidecars are injected in namespace ${namespace.name}`;
    return { answer: 'no', cause: 'ignored-namespace', reason };
  }
  const called = isWebhookCalled(workload, namespace, settings);
  return called.answer === 'no' ? called : decideAsInjector(workload, { settings, called });
}

/** Annotations count for less than labels, which the webhook can select by. */
function ownWish({ labels, annotations }: Pick<Workload, 'labels' | 'annotations'>): 'yes' | 'no' | null {
  const wish = labels.get(INJECT) ?? annotations.get(INJECT) ?? '';
  if (wish === '') return null;
  return TRUE.has(wish.toLowerCase()) ? 'yes' : 'no';
}

const TRUE: ReadonlySet<string> = new Set(['y', 'yes', 'true', 'on']);

function isWebhookCalled(workload: Workload, namespace: Namespace, settings: IstioSettings): InjectionDecision {
  if (workload.labels.get(INJECT) === 'false') {
    return { answer: 'no', cause: 'pod', reason: `label \`${INJECT}: false\` of the pod` };
  }
  if (settings.webhooks !== null) return isGivenWebhookCalled(workload, namespace, settings);
  if (namespace.isImplied) {
    if (workload.labels.get(INJECT) === 'true') {
      const reason = `label \`${INJECT}: true\` of the pod`;
      return { answer: 'yes', cause: 'pod', reason };
    }
    const reason = `the labels of namespace ${namespace.name} are not known`;
    return { answer: 'unknown', cause: 'namespace-unknown', reason };
  }
  return isDefaultWebhookCalled(workload, namespace);
}

function isGivenWebhookCalled(
  workload: Workload,
  namespace: Namespace,
  { webhooks }: IstioSettings,
): InjectionDecision {
  let unknown = false;
  for (const { name, namespaceSelector, objectSelector } of webhooks ?? []) {
    const match = both(matchNamespace(namespaceSelector, namespace), matchLabels(objectSelector, workload.labels));
    if (match === 'yes') return { answer: 'yes', cause: 'namespace', reason: `webhook ${name} selects the pod` };
    if (match === 'unknown') unknown = true;
  }
  if (unknown) {
    const reason = `the labels of namespace ${namespace.name}, by which webhooks select, are not known`;
    return { answer: 'unknown', cause: 'namespace-unknown', reason };
  }
  const cause = namespace.labels.has(NAMESPACE_INJECTION) || namespace.labels.has(REVISION) ? 'namespace' : 'none';
  return { answer: 'no', cause, reason: 'no webhook of Istio selects the pod' };
}

/** As the webhooks of an installation that nobody changed select. */
function isDefaultWebhookCalled({ labels }: Workload, namespace: Namespace): InjectionDecision {
  const injection = namespace.labels.get(NAMESPACE_INJECTION);
  if (injection !== undefined) {
    const answer = injection === 'enabled' ? 'yes' : 'no';
    const reason = `label \`${NAMESPACE_INJECTION}: ${injection}\` of namespace ${namespace.name}`;
    return { answer, cause: 'namespace', reason };
  }
  const revision = namespace.labels.get(REVISION);
  if (revision !== undefined) {
    const reason = `label \`${REVISION}: ${revision}\` of namespace ${namespace.name}`;
    return { answer: 'yes', cause: 'namespace', reason };
  }
  const ownRevision = labels.get(REVISION);
  if (ownRevision !== undefined) {
    return { answer: 'yes', cause: 'pod', reason: `label \`${REVISION}: ${ownRevision}\` of the pod` };
  }
  if (labels.get(INJECT) === 'true') {
    return { answer: 'yes', cause: 'pod', reason: `label \`${INJECT}: true\` of the pod` };
  }
  const reason = `neither namespace ${namespace.name} nor the pod asks for a sidecar`;
  return { answer: 'no', cause: 'none', reason };
}

/** What the injector does with a pod that a webhook sent it. */
function decideAsInjector(
  workload: Workload,
  { settings, called }: { readonly settings: IstioSettings; readonly called: InjectionDecision },
): InjectionDecision {
  const wish = ownWish(workload);
  if (wish !== null) {
    if (wish === 'yes') return called;
    const where = workload.labels.has(INJECT) ? 'label' : 'annotation';
    const value = workload.labels.get(INJECT) ?? workload.annotations.get(INJECT) ?? '';
    return { answer: 'no', cause: 'pod', reason: `${where} \`${INJECT}: ${value}\` of the pod` };
  }
  const { policy, neverInject, alwaysInject } = settings.injector;
  const selects = (key: 'yes' | 'unknown', selectors: typeof neverInject): boolean =>
    selectors.some((selector) => matchLabels(selector, workload.labels) === key);
  if (selects('yes', neverInject)) {
    return { answer: 'no', cause: 'injector', reason: '`neverInjectSelector` of the injector selects the pod' };
  }
  if (selects('unknown', neverInject)) {
    return { answer: 'unknown', cause: 'injector', reason: '`neverInjectSelector` of the injector is malformed' };
  }
  if (policy === 'enabled' || selects('yes', alwaysInject)) return called;
  const reason = 'the injector is set up to inject only on demand';
  return { answer: 'no', cause: 'injector', reason };
}

function both(left: Match, right: Match): Match {
  if (left === 'no' || right === 'no') return 'no';
  return left === 'unknown' ? left : right;
}
