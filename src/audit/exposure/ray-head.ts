// Heads of Ray clusters that KubeRay opens to the outside: their dashboard runs whatever is submitted to it.
// https://docs.ray.io/en/latest/cluster/kubernetes/references.html

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject } from '../kube-object.ts';
import type { Workload } from '../workload.ts';
import type { Exposure, Reach } from './exposure.ts';
import { internalBy } from './load-balancer.ts';

const CLUSTER_SPECS: ReadonlyMap<string, readonly string[]> = new Map([
  ['RayCluster', ['spec']],
  ['RayService', ['spec', 'rayClusterConfig']],
  ['RayJob', ['spec', 'rayClusterSpec']],
  ['RayCronJob', ['spec', 'jobTemplate', 'rayClusterSpec']],
]);

export function readRayExposures(cluster: Cluster): readonly Exposure[] {
  return cluster.workloads.filter(isRayHead).flatMap((head) => exposuresOf(cluster, head));
}

/** By the label of KubeRay: a cluster without workers has one template only, which needs no role to be told. */
export function isRayHead({ object, labels }: Workload): boolean {
  return object.group === 'ray.io' && labels.get('ray.io/node-type') === 'head';
}

/** Of the head, unless its container names others. */
const DEFAULT_PORTS = [6379, 8265, 10_001];
const DASHBOARD = 8265;

function exposuresOf(cluster: Cluster, head: Workload): readonly Exposure[] {
  const steps = CLUSTER_SPECS.get(head.object.kind);
  if (steps === undefined) return [];
  const spec = cluster.field(head.object, ...steps);
  const group = spec.get('headGroupSpec');
  const reach = reachOfHead(group);
  const authentication = authenticationOf(spec, head);
  const declared = head.containers.flatMap(({ ports }) => ports.map(({ number }) => number));
  const expose = (number: number, at: Field, by: Reach): Exposure => ({
    entry: 'ray-head',
    object: head.object,
    at: at.path,
    through: [formatObject(head.object)],
    workload: head,
    port: { number, protocol: 'TCP' },
    reach: by,
    tls: 'none',
    authentication,
    hosts: [],
  });
  const ports = declared.length === 0 ? DEFAULT_PORTS : declared;
  const ingress = group.get('enableIngress');
  const presumed: Reach = { kind: 'anybody', isPresumed: true, why: 'an Ingress that KubeRay makes' };
  return [
    ...(reach === null ? [] : ports.map((port) => expose(port, group.get('serviceType'), reach))),
    ...(ingress.asBoolean() === true ? [expose(DASHBOARD, ingress, presumed)] : []),
  ];
}

function reachOfHead(group: Field): Reach | null {
  const service = group.get('headService');
  const type = service.get('spec', 'type').asText() ?? group.get('serviceType').asText() ?? 'ClusterIP';
  if (type === 'NodePort') return { kind: 'node', why: 'a port of every node' };
  if (type !== 'LoadBalancer') return null;
  const internal = internalBy(service.get('metadata', 'annotations').asTextMap(), null);
  return internal === null
    ? { kind: 'anybody', isPresumed: false, why: 'a load balancer without source ranges' }
    : { kind: 'private', why: internal };
}

function authenticationOf(spec: Field, { containers }: Workload): string | null {
  const isAsked =
    spec.get('authOptions', 'mode').asText() === 'token' ||
    containers.some(({ field }) =>
      field
        .get('env')
        .asList()
        .some(
          (variable) => variable.get('name').asText() === 'RAY_AUTH_MODE' && variable.get('value').asText() === 'token',
        ),
    );
  return isAsked ? 'a token of Ray' : null;
}
