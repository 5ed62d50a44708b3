// Everything of a cluster that bears on meshes, read once.

import type { Cluster } from '../cluster.ts';
import type { Workload } from '../workload.ts';
import { findOpenings, type Opening } from './capture.ts';
import { findCarrier, namespaceOf, type Carrier } from './carrier.ts';
import { CiliumAuthentication } from './cilium-authentication.ts';
import { DestinationRules } from './destination-rules.ts';
import { AuthorizationPolicies } from './istio-authorization.ts';
import { readIstioSettings, type IstioSettings } from './istio-settings.ts';
import { LinkerdPolicies } from './linkerd-policy.ts';
import { PeerAuthentications } from './peer-authentication.ts';
import { findSallyport, type Sallyport } from './sallyport.ts';
import { findServedPorts, ServiceIndex, type ServedPort } from './served-ports.ts';

export interface MeshParts {
  readonly cluster: Cluster;
  readonly settings: IstioSettings;
  readonly peerAuthentications: PeerAuthentications;
  readonly authorizationPolicies: AuthorizationPolicies;
  readonly destinationRules: DestinationRules;
  readonly linkerd: LinkerdPolicies;
  readonly cilium: CiliumAuthentication;
  readonly services: ServiceIndex;
  readonly carrierOf: (workload: Workload) => Carrier;
  readonly sallyportOf: (workload: Workload) => Sallyport | null;
  readonly openingsOf: (workload: Workload) => readonly Opening[];
  /** In the order of their numbers. */
  readonly portsOf: (workload: Workload) => readonly ServedPort[];
}

export function readMeshParts(cluster: Cluster, defaultRootNamespace: string): MeshParts {
  const settings = readIstioSettings(cluster, defaultRootNamespace);
  const { rootNamespace } = settings;
  const carrierOf = remembering((workload) => findCarrier(cluster, workload, settings));
  const parts: MeshParts = {
    cluster,
    settings,
    peerAuthentications: new PeerAuthentications(cluster, rootNamespace),
    authorizationPolicies: new AuthorizationPolicies(cluster, settings),
    destinationRules: new DestinationRules(cluster, rootNamespace),
    linkerd: new LinkerdPolicies(cluster),
    cilium: new CiliumAuthentication(cluster),
    services: new ServiceIndex(cluster),
    carrierOf,
    sallyportOf: remembering((workload) => findSallyport(cluster, workload)),
    openingsOf: remembering((workload) =>
      findOpenings(workload, { carrier: carrierOf(workload), namespace: namespaceOf(cluster, workload), settings }),
    ),
    portsOf: remembering((workload) => findPorts(workload, parts)),
  };
  return parts;
}

/** Also those that only a policy or Sallyport's configuration names. */
function findPorts(workload: Workload, parts: MeshParts): readonly ServedPort[] {
  const served = findServedPorts(workload, parts.services);
  const sallyport = parts.sallyportOf(workload);
  const listeners = sallyport?.config.kind === 'read' ? sallyport.config.listeners : [];
  const isCarried = parts.carrierOf(workload).kind !== 'none';
  const named = new Set([
    ...listeners.map(({ port }) => port),
    ...(isCarried ? parts.peerAuthentications.portsNamedFor(workload) : []),
  ]);
  for (const { number, protocol } of served) if (protocol === 'TCP') named.delete(number);
  const added = [...named].map((number) => ({
    number,
    protocol: 'TCP',
    container: null,
    at: workload.podPath,
    services: [],
  }));
  return [...served, ...added].sort((left, right) => left.number - right.number);
}

export function remembering<T>(find: (workload: Workload) => T): (workload: Workload) => T {
  const known = new Map<Workload, { readonly value: T }>();
  return (workload) => {
    const entry = known.get(workload) ?? { value: find(workload) };
    known.set(workload, entry);
    return entry.value;
  };
}
