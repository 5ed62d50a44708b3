// Entries at the level of connections: load balancers, node ports, external addresses and ports of nodes.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Workload } from '../workload.ts';
import { type EntryKind, type Exposure, type Reach, widestReach } from './exposure.ts';
import { reachOfLoadBalancer } from './load-balancer.ts';
import { backendsOf, readServices, type Backend, type Service } from './services.ts';
import { isPrivateAddress } from './source-ranges.ts';

/** For `cluster.once`. */
export function readDirectExposures(cluster: Cluster): readonly Exposure[] {
  const services = cluster.once(readServices);
  return [
    ...services.all.flatMap((service) => exposuresOfService(cluster, service)),
    ...cluster.workloads.flatMap(hostPortsOf),
  ];
}

/** Who gets to any of `workloads` from outside; null when no Service and no port of a node leads there. */
export function reachOfWorkloads(cluster: Cluster, workloads: readonly Workload[]): Reach | null {
  const direct = cluster.once(readDirectExposures);
  const wanted = new Set(workloads);
  const reaches = direct.filter(({ workload }) => workload !== null && wanted.has(workload)).map(({ reach }) => reach);
  const widest = widestReach(reaches);
  if (widest !== null) return widest;
  const services = cluster.once(readServices);
  const isInside = workloads.some((workload) => services.selecting(workload).length > 0);
  return isInside ? { kind: 'private', why: 'what stands in front has a Service inside of the cluster only' } : null;
}

/** Who gets to a Service by itself: its type, its addresses. */
export function entriesOfService(
  cluster: Cluster,
  { object, type }: Service,
): readonly { readonly entry: EntryKind; readonly at: readonly string[]; readonly reach: Reach }[] {
  const external = cluster.field(object, 'spec', 'externalIPs').asTexts();
  return [
    ...(type === 'LoadBalancer'
      ? [{ entry: 'load-balancer' as const, at: ['spec', 'type'], reach: reachOfLoadBalancer(cluster, object) }]
      : []),
    ...(type === 'NodePort'
      ? [
          {
            entry: 'node-port' as const,
            at: ['spec', 'type'],
            reach: { kind: 'node' as const, why: 'a port of every node' },
          },
        ]
      : []),
    ...(external.length > 0
      ? [{ entry: 'external-ip' as const, at: ['spec', 'externalIPs'], reach: reachOfAddresses(external) }]
      : []),
  ];
}

function exposuresOfService(cluster: Cluster, service: Service): readonly Exposure[] {
  return entriesOfService(cluster, service).flatMap(({ entry, at, reach }) => {
    const backends: readonly (Backend | null)[] = backendsOf(service, null);
    return (backends.length === 0 ? [null] : backends).map((backend) =>
      connection({ entry, object: service.object, at, through: [service.ref], reach, backend }),
    );
  });
}

function reachOfAddresses(addresses: readonly string[]): Reach {
  if (addresses.every(isPrivateAddress))
    return { kind: 'private', why: `${addresses.join(', ')} are private addresses` };
  return {
    kind: 'anybody',
    isPresumed: false,
    why: `the address ${addresses.find((one) => !isPrivateAddress(one)) ?? ''}`,
  };
}

/** A pod on the network of its node opens its ports there, whether or not it says so twice. */
function hostPortsOf(workload: Workload): readonly Exposure[] {
  const { containers, isHostNetwork, source } = workload;
  return containers.flatMap(({ ports, name }) =>
    ports
      .filter(({ hostPort }) => hostPort > 0 || isHostNetwork)
      .map(({ number, protocol, hostPort, field }) => {
        const why = hostPort > 0 ? `port ${hostPort} of its node` : 'the network of its node, on which it is';
        const hostIp = field.get('hostIP').asText() ?? '';
        const isLocal = hostIp.startsWith('127.') || hostIp === '::1';
        const reach: Reach = isLocal ? { kind: 'private', why: `${hostIp} of its node` } : { kind: 'node', why };
        return connection({
          entry: 'host-port',
          object: source,
          at: field.path,
          through: [`container ${name}`],
          reach,
          backend: { workload, port: { number, protocol } },
        });
      }),
  );
}

function connection(of: {
  readonly entry: EntryKind;
  readonly object: KubeObject;
  readonly at: Exposure['at'];
  readonly through: readonly string[];
  readonly reach: Reach;
  readonly backend: Backend | null;
}): Exposure {
  const { entry, object, at, through, reach, backend } = of;
  return {
    entry,
    object,
    at,
    through,
    workload: backend?.workload ?? null,
    port: backend?.port ?? { number: null, protocol: 'TCP' },
    reach,
    tls: 'unknown',
    authentication: null,
    hosts: [],
  };
}
