// How Istio is set up, as far as its own configuration is among the objects.
// https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { compileSelector, type Selector } from '../selector.ts';
import { readEmbeddedYaml } from './embedded-yaml.ts';

export interface IstioSettings {
  readonly rootNamespace: string;
  /** Of this mesh: its own trust domain and the aliases. Null when its configuration is not there. */
  readonly trustDomains: ReadonlySet<string> | null;
  /** `NONE` captures nothing. */
  readonly interceptionMode: string | null;
  readonly injector: InjectorSettings;
  /** Null when no webhook of Istio's is among the objects. */
  readonly webhooks: readonly InjectionWebhook[] | null;
  /** What in Istio's own configuration could not be read. */
  readonly problems: readonly SettingsProblem[];
}

export interface SettingsProblem {
  readonly object: KubeObject;
  /** Of its `data`. */
  readonly key: string;
  readonly detail: string;
}

export interface InjectorSettings {
  /** `disabled`: only who asks for it gets a sidecar. */
  readonly policy: 'enabled' | 'disabled';
  readonly neverInject: readonly Selector[];
  readonly alwaysInject: readonly Selector[];
  /** Defaults of annotations, as `values.global.proxy` has them. */
  readonly proxyDefaults: ReadonlyMap<string, string>;
  /** Hub and name of the proxy's image, such as `docker.io/istio/proxyv2`; null when not given. */
  readonly proxyImage: string | null;
}

export interface InjectionWebhook {
  readonly name: string;
  readonly namespaceSelector: Selector;
  readonly objectSelector: Selector;
}

const PROXY_DEFAULTS: readonly (readonly [value: string, annotation: string])[] = [
  ['includeInboundPorts', 'traffic.sidecar.istio.io/includeInboundPorts'],
  ['excludeInboundPorts', 'traffic.sidecar.istio.io/excludeInboundPorts'],
  ['includeOutboundPorts', 'traffic.sidecar.istio.io/includeOutboundPorts'],
  ['excludeOutboundPorts', 'traffic.sidecar.istio.io/excludeOutboundPorts'],
  ['includeIPRanges', 'traffic.sidecar.istio.io/includeOutboundIPRanges'],
  ['excludeIPRanges', 'traffic.sidecar.istio.io/excludeOutboundIPRanges'],
];

export function readIstioSettings(cluster: Cluster, defaultRootNamespace: string): IstioSettings {
  const problems: SettingsProblem[] = [];
  const mesh = readText(cluster, { names: /^istio(?:-|$)/, key: 'mesh', problems });
  const rootNamespace = mesh?.get('rootNamespace').asText();
  const trustDomain = mesh?.get('trustDomain').asText();
  const aliases = mesh?.get('trustDomainAliases').asTexts() ?? [];
  return {
    rootNamespace: isText(rootNamespace) ? rootNamespace : defaultRootNamespace,
    trustDomains: mesh === null ? null : new Set([isText(trustDomain) ? trustDomain : 'cluster.local', ...aliases]),
    interceptionMode: mesh?.get('defaultConfig', 'interceptionMode').asText() ?? null,
    injector: readInjector(cluster, problems),
    webhooks: readWebhooks(cluster),
    problems,
  };
}

/** Of several revisions the default one, whose ConfigMap has no suffix. */
function readText(
  cluster: Cluster,
  { names, key, problems }: { readonly names: RegExp; readonly key: string; readonly problems: SettingsProblem[] },
): Field | null {
  const [object] = cluster
    .byKind('', 'ConfigMap')
    .filter(({ name, body }) => names.test(name) && hasKey(body, key))
    .sort((left, right) => left.name.length - right.name.length);
  if (object === undefined) return null;
  const text = cluster.field(object, 'data', key).asText() ?? '';
  const embedded = readEmbeddedYaml(text);
  if (embedded.kind === 'value') return embedded.root;
  problems.push({ object, key, detail: embedded.detail });
  return null;
}

function hasKey(body: unknown, key: string): boolean {
  return (
    typeof body === 'object' && body !== null && 'data' in body && isMap(body.data) && Object.hasOwn(body.data, key)
  );
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isText(value: string | null | undefined): value is string {
  return typeof value === 'string' && value !== '';
}

function readInjector(cluster: Cluster, problems: SettingsProblem[]): InjectorSettings {
  const names = /^istio-sidecar-injector(?:-|$)/;
  const config = readText(cluster, { names, key: 'config', problems });
  const values = readText(cluster, { names, key: 'values', problems });
  const selectors = (key: string): readonly Selector[] =>
    (config?.get(key).asList() ?? []).map(compileSelector).filter(({ isEmpty }) => !isEmpty);
  const proxy = values?.get('global', 'proxy');
  const proxyDefaults = new Map<string, string>();
  for (const [value, annotation] of PROXY_DEFAULTS) {
    const text = proxy?.get(value).asText();
    if (isText(text)) proxyDefaults.set(annotation, text);
  }
  const hub = values?.get('global', 'hub').asText();
  const image = proxy?.get('image').asText();
  return {
    policy: config?.get('policy').asText() === 'disabled' ? 'disabled' : 'enabled',
    neverInject: selectors('neverInjectSelector'),
    alwaysInject: selectors('alwaysInjectSelector'),
    proxyDefaults,
    proxyImage: isText(hub) ? `${hub}/${isText(image) ? image : 'proxyv2'}` : null,
  };
}

function readWebhooks(cluster: Cluster): readonly InjectionWebhook[] | null {
  const webhooks = cluster
    .byKind('admissionregistration.k8s.io', 'MutatingWebhookConfiguration')
    .flatMap((object) => readConfiguration(cluster, object));
  return webhooks.length === 0 ? null : webhooks;
}

function readConfiguration(cluster: Cluster, object: KubeObject): readonly InjectionWebhook[] {
  return cluster
    .field(object, 'webhooks')
    .asList()
    .flatMap((webhook) => {
      const name = webhook.get('name').asText() ?? '';
      if (!name.endsWith('sidecar-injector.istio.io')) return [];
      return {
        name: `${object.name}/${name}`,
        namespaceSelector: compileSelector(webhook.get('namespaceSelector')),
        objectSelector: compileSelector(webhook.get('objectSelector')),
      };
    });
}
