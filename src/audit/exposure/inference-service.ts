// Inference services of KServe and services of Knative, which are given a name outside of the cluster unless they say otherwise.

import type { Cluster } from '../cluster.ts';
import { formatObject, own, type KubeObject } from '../kube-object.ts';
import type { Workload } from '../workload.ts';
import { reachOfWorkloads, entriesOfService } from './direct.ts';
import { type Exposure, type Reach, widestReach } from './exposure.ts';
import { readServices } from './services.ts';

const VISIBILITY = [
  'networking.kserve.io/visibility',
  'networking.knative.dev/visibility',
  'serving.knative.dev/visibility',
];

export function readInferenceExposures(cluster: Cluster): readonly Exposure[] {
  const services = [
    ...cluster.byKind('serving.kserve.io', 'InferenceService'),
    ...cluster.byKind('serving.knative.dev', 'Service'),
  ];
  if (services.length === 0) return [];
  const byObject = new Map<KubeObject, Workload[]>();
  for (const workload of cluster.workloads) {
    byObject.set(workload.object, [...(byObject.get(workload.object) ?? []), workload]);
  }
  const outside = reachOfGateway(cluster);
  return services.flatMap((service) => exposuresOf(service, byObject.get(service) ?? [], outside));
}

function exposuresOf(service: KubeObject, workloads: readonly Workload[], outside: Reach): readonly Exposure[] {
  const isLocal = VISIBILITY.some((key) =>
    [service.labels.get(key), service.annotations.get(key)].includes('cluster-local'),
  );
  const reach: Reach = isLocal ? { kind: 'private', why: 'its visibility is cluster-local' } : outside;
  const front = frontOf(workloads);
  const behind: readonly (Workload | null)[] = front.length === 0 ? [null] : front;
  return behind.map((workload) => ({
    entry: 'inference-service',
    object: service,
    at: ['metadata', 'name'],
    through: [formatObject(service)],
    workload,
    port: { number: workload?.containers.flatMap(({ ports }) => ports)[0]?.number ?? 8080, protocol: 'TCP' },
    reach,
    tls: 'unknown',
    authentication: null,
    hosts: [],
  }));
}

/** A transformer stands before the predictor. */
function frontOf(workloads: readonly Workload[]): readonly Workload[] {
  const transformers = workloads.filter(({ role }) => role === 'transformer');
  if (transformers.length > 0) return transformers;
  const predictors = workloads.filter(({ role }) => role === 'predictor');
  return predictors.length > 0 ? predictors : workloads;
}

const GATEWAY_LABELS: readonly (readonly [string, string])[] = [
  ['istio', 'ingressgateway'],
  ['app', '3scale-kourier-gateway'],
];

/** Through what serving goes: Istio's ingress gateway or Kourier, unless KServe is told to make no way in. */
function reachOfGateway(cluster: Cluster): Reach {
  if (isIngressDisabled(cluster)) return { kind: 'private', why: 'KServe is told to make no ingress' };
  const gateways = cluster.workloads.filter(({ labels }) =>
    GATEWAY_LABELS.some(([key, value]) => labels.get(key) === value),
  );
  const ofPods = gateways.length === 0 ? null : reachOfWorkloads(cluster, gateways);
  const kourier = cluster.once(readServices).all.filter(({ object }) => object.name === 'kourier');
  const ofServices = kourier.flatMap((service) => entriesOfService(cluster, service).map(({ reach }) => reach));
  return (
    widestReach([...(ofPods === null ? [] : [ofPods]), ...ofServices]) ?? {
      kind: 'unknown',
      reason: 'not-given',
      why: 'the gateway through which it is served is not among the objects',
    }
  );
}

function isIngressDisabled(cluster: Cluster): boolean {
  return cluster
    .byKind('', 'ConfigMap')
    .filter(({ name }) => name === 'inferenceservice-config')
    .some((config) => {
      const text = cluster.field(config, 'data', 'ingress').asText();
      return text !== null && own(parse(text), 'disableIngressCreation') === true;
    });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // A configuration that cannot be read turns nothing off.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
