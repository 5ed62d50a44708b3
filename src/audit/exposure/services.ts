// Services, and the workloads and ports behind them.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { compileEquality, matchLabels } from '../selector.ts';
import type { Workload } from '../workload.ts';
import type { ExposedPort } from './exposure.ts';

export interface ServicePort {
  readonly name: string | null;
  readonly number: number | null;
  readonly protocol: string;
  readonly target: number | string | null;
  readonly nodePort: number | null;
  readonly field: Field;
}

export interface Service {
  readonly object: KubeObject;
  readonly ref: string;
  readonly type: string;
  readonly ports: readonly ServicePort[];
  /** None when it selects nothing: then its endpoints are written elsewhere. */
  readonly workloads: readonly Workload[];
}

export interface Backend {
  readonly workload: Workload;
  readonly port: ExposedPort;
}

export interface Services {
  readonly all: readonly Service[];
  find(namespace: string, name: string): Service | null;
  selecting(workload: Workload): readonly Service[];
}

/** For `cluster.once`. */
export function readServices(cluster: Cluster): Services {
  const all = cluster.byKind('', 'Service').map((object) => readService(cluster, object));
  const byName = new Map(all.map((service) => [`${service.object.namespace ?? ''}/${service.object.name}`, service]));
  const byWorkload = new Map<Workload, Service[]>();
  for (const service of all) {
    for (const workload of service.workloads) {
      byWorkload.set(workload, [...(byWorkload.get(workload) ?? []), service]);
    }
  }
  return {
    all,
    find: (namespace, name) => byName.get(`${namespace}/${name}`) ?? null,
    selecting: (workload) => byWorkload.get(workload) ?? [],
  };
}

/** Where a port of a Service leads; `port` is its number, its name, or null for all of them. */
export function backendsOf(service: Service, port: number | string | null): readonly Backend[] {
  const ports = service.ports.filter(({ name, number }) => port === null || port === number || port === name);
  return service.workloads.flatMap((workload) =>
    ports.map((one) => ({ workload, port: { number: resolve(workload, one), protocol: one.protocol } })),
  );
}

function readService(cluster: Cluster, object: KubeObject): Service {
  const spec = cluster.field(object, 'spec');
  const type = spec.get('type').asText() ?? 'ClusterIP';
  const selector = compileEquality(spec.get('selector'));
  const isSelecting = !selector.isEmpty && type !== 'ExternalName';
  return {
    object,
    ref: formatObject(object),
    type,
    ports: spec.get('ports').asList().map(readPort),
    workloads: isSelecting
      ? cluster.workloadsIn(object.namespace ?? '').filter(({ labels }) => matchLabels(selector, labels) === 'yes')
      : [],
  };
}

function readPort(field: Field): ServicePort {
  const number = field.get('port').asInteger();
  const target = field.get('targetPort').asIntegerOrText();
  return {
    name: field.get('name').asText(),
    number,
    protocol: field.get('protocol').asText() ?? 'TCP',
    target: target === null || target === 0 || target === '' ? number : target,
    nodePort: field.get('nodePort').asInteger(),
    field,
  };
}

/** A named port is that of whichever container has one of the name. */
function resolve({ containers }: Workload, { target }: ServicePort): number | null {
  if (typeof target !== 'string') return target;
  const ports = containers.filter(({ kind }) => kind !== 'init').flatMap((container) => container.ports);
  return ports.find(({ name }) => name === target)?.number ?? null;
}
