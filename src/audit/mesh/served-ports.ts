// The ports on which the pods of a workload can be asked for something: those that its containers declare, and those that Services lead to.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';
import { compileEquality, matchLabels, type Selector } from '../selector.ts';
import type { Container, Workload } from '../workload.ts';
import { isIstioProxyImage, isLinkerdProxyImage } from './proxy-container.ts';

export interface ServedPort {
  readonly number: number;
  readonly protocol: string;
  /** Null for a port that no container declares. */
  readonly container: Container | null;
  /** In the source of the workload. */
  readonly at: Path;
  /** That lead to it. */
  readonly services: readonly KubeObject[];
}

export interface ServiceView {
  readonly object: KubeObject;
  readonly selector: Selector;
  readonly ports: readonly ServicePort[];
}

interface ServicePort {
  /** Of the service itself. */
  readonly port: number | null;
  readonly target: number | string | null;
  readonly protocol: string;
}

/** The Services of a cluster by what they select. */
export class ServiceIndex {
  readonly #byLabel = new Map<string, ServiceView[]>();
  readonly #ofWorkload = new Map<Workload, readonly ServiceView[]>();

  constructor(cluster: Cluster) {
    for (const object of cluster.byKind('', 'Service')) {
      const spec = cluster.field(object, 'spec');
      const selector = compileEquality(spec.get('selector'));
      const [first] = selector.requirements;
      const [value] = first?.values ?? [];
      if (first === undefined || value === undefined || object.namespace === null) continue;
      const ports = spec
        .get('ports')
        .asList()
        .map((port) => ({
          port: port.get('port').asInteger(),
          target: port.get('targetPort').asIntegerOrText(),
          protocol: port.get('protocol').asText() ?? 'TCP',
        }));
      const key = keyOf(object.namespace, first.key, value);
      const views = this.#byLabel.get(key) ?? [];
      views.push({ object, selector, ports });
      this.#byLabel.set(key, views);
    }
  }

  selecting(workload: Workload): readonly ServiceView[] {
    const known = this.#ofWorkload.get(workload);
    if (known !== undefined) return known;
    const views = [...workload.labels]
      .flatMap(([key, value]) => this.#byLabel.get(keyOf(workload.namespace, key, value)) ?? [])
      .filter(({ selector }) => matchLabels(selector, workload.labels) === 'yes');
    this.#ofWorkload.set(workload, views);
    return views;
  }
}

function keyOf(namespace: string, key: string, value: string): string {
  return `${namespace}\n${key}\n${value}`;
}

/** In the order of their numbers. Those of the mesh's own proxies are not the workload's. */
export function findServedPorts(workload: Workload, services: ServiceIndex): readonly ServedPort[] {
  const ports = new Map<string, ServedPort>();
  const named = new Map<string, number>();
  for (const container of workload.containers.filter(isServing)) {
    for (const { name, number, protocol, field } of container.ports) {
      if (name !== null) named.set(name, number);
      const key = `${number}/${protocol}`;
      if (!ports.has(key)) ports.set(key, { number, protocol, container, at: field.path, services: [] });
    }
  }
  for (const { object, ports: servicePorts } of services.selecting(workload)) {
    for (const { port, target, protocol } of servicePorts) {
      const number = typeof target === 'string' ? named.get(target) : (target ?? port);
      if (number === undefined || number === null) continue;
      const key = `${number}/${protocol}`;
      const known = ports.get(key) ?? { number, protocol, container: null, at: workload.podPath, services: [] };
      if (!known.services.includes(object)) ports.set(key, { ...known, services: [...known.services, object] });
    }
  }
  return [...ports.values()].sort(
    (left, right) => left.number - right.number || (left.protocol < right.protocol ? -1 : 1),
  );
}

function isServing({ name, kind, image }: Container): boolean {
  if (kind !== 'main' && kind !== 'sidecar') return false;
  const isProxy =
    (name === 'istio-proxy' && isIstioProxyImage(image, null)) ||
    (name === 'linkerd-proxy' && isLinkerdProxyImage(image));
  return !isProxy;
}
