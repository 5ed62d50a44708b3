// What DestinationRules make of the TLS with which sidecars connect to others.
// https://istio.io/latest/docs/reference/config/networking/destination-rule/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';
import { compileEquality, matchLabels, type Selector } from '../selector.ts';
import type { Workload } from '../workload.ts';

export interface TlsSetting {
  readonly object: KubeObject;
  readonly host: string;
  /** Of the mode, in the object. */
  readonly at: Path;
  /** Of the Service; null for all. */
  readonly port: number | null;
  readonly subset: string | null;
  readonly mode: string;
}

interface DestinationRule {
  readonly object: KubeObject;
  readonly host: string;
  readonly exportTo: readonly string[];
  /** The clients that it is for. */
  readonly clients: Selector;
  readonly settings: readonly TlsSetting[];
}

export class DestinationRules {
  readonly #byNamespace = new Map<string, DestinationRule[]>();
  readonly #rootNamespace: string;

  constructor(cluster: Cluster, rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
    for (const object of cluster.byKind('networking.istio.io', 'DestinationRule')) {
      const rules = this.#byNamespace.get(object.namespace ?? '') ?? [];
      rules.push(readDestinationRule(cluster, object));
      this.#byNamespace.set(object.namespace ?? '', rules);
    }
  }

  get settings(): readonly TlsSetting[] {
    return [...this.#byNamespace.values()].flat().flatMap(({ settings }) => settings);
  }

  /** The mode with which a client connects to a Service; null for what the mesh does by itself. */
  modeOf(client: Workload, service: KubeObject, port: number | null): TlsSetting | null {
    for (const namespace of new Set([client.namespace, service.namespace ?? '', this.#rootNamespace])) {
      const rules = (this.#byNamespace.get(namespace) ?? []).filter(
        (rule) =>
          isHostOf(rule.host, namespace, service) &&
          isVisible(rule, namespace, client) &&
          matchLabels(rule.clients, client.labels) !== 'no',
      );
      const [rule] = rules.sort((left, right) => rankOf(right.host) - rankOf(left.host));
      if (rule === undefined) continue;
      const settings = rule.settings.filter(({ subset }) => subset === null);
      return (
        settings.find((setting) => setting.port === port && port !== null) ??
        settings.find((setting) => setting.port === null) ??
        null
      );
    }
    return null;
  }
}

/** Whether a host of a DestinationRule means a Service of the cluster. A name without a dot is one of its own namespace. */
export function isHostOf(host: string, ruleNamespace: string, { name, namespace }: KubeObject): boolean {
  if (!host.includes('.') && !host.startsWith('*')) return host === name && namespace === ruleNamespace;
  const full = `${name}.${namespace ?? ''}.svc.`;
  if (!host.startsWith('*')) return host.startsWith(full);
  const end = host.slice(1);
  // The end of the name is the cluster's own domain, which nothing here tells.
  const domain = end.includes('.svc.') ? end.slice(end.indexOf('.svc.') + '.svc.'.length) : 'cluster.local';
  return `${full}${domain}`.endsWith(end);
}

/** Whether the host is a name inside of the cluster at all. */
export function isClusterHost(host: string): boolean {
  return (
    host.includes('.svc.') || !host.includes('.') || host === '*' || host === '*.local' || host.startsWith('*.svc.')
  );
}

function readDestinationRule(cluster: Cluster, object: KubeObject): DestinationRule {
  const spec = cluster.field(object, 'spec');
  const host = spec.get('host').asText() ?? '';
  const exportTo = spec.get('exportTo').asTexts();
  const settingsIn = (policy: Field, subset: string | null): readonly TlsSetting[] =>
    [
      ...readSetting(policy.get('tls', 'mode'), null),
      ...policy
        .get('portLevelSettings')
        .asList()
        .flatMap((entry) => readSetting(entry.get('tls', 'mode'), entry.get('port', 'number').asInteger())),
    ].map((setting) => ({ ...setting, object, host, subset }));
  return {
    object,
    host,
    exportTo,
    clients: compileEquality(spec.get('workloadSelector', 'matchLabels')),
    settings: [
      ...settingsIn(spec.get('trafficPolicy'), null),
      ...spec
        .get('subsets')
        .asList()
        .flatMap((subset) => settingsIn(subset.get('trafficPolicy'), subset.get('name').asText() ?? '')),
    ],
  };
}

function readSetting(mode: Field, port: number | null): readonly Pick<TlsSetting, 'at' | 'port' | 'mode'>[] {
  const text = mode.asText();
  return text === null ? [] : [{ at: mode.path, port, mode: text }];
}

function isVisible({ exportTo }: DestinationRule, namespace: string, client: Workload): boolean {
  if (exportTo.length === 0 || client.namespace === namespace) return true;
  return exportTo.some((target) => target === '*' || target === client.namespace);
}

/** The more of a name is written out, the more it counts. */
function rankOf(host: string): number {
  return host.startsWith('*') ? host.length : host.length + 1_000;
}
