// Gateways of the Gateway API: their listeners, who gets to them, and which routes they take.
// https://gateway-api.sigs.k8s.io/reference/spec/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { type KubeObject } from '../kube-object.ts';
import { compileSelector, matchNamespace } from '../selector.ts';
import { reachOfWorkloads, entriesOfService } from './direct.ts';
import { type Reach, type Tls, widestReach } from './exposure.ts';
import { internalBy } from './load-balancer.ts';
import { readServices } from './services.ts';
import { isPrivateAddress } from './source-ranges.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

export interface Listener {
  readonly gateway: KubeObject;
  readonly name: string;
  readonly port: number | null;
  readonly hostname: string | null;
  readonly protocol: string;
  readonly tls: Tls;
  /** Client certificates. */
  readonly authentication: string | null;
  readonly field: Field;
}

export function listenersOf(cluster: Cluster, gateway: KubeObject): readonly Listener[] {
  const spec = cluster.field(gateway, 'spec');
  return spec
    .get('listeners')
    .asList()
    .map((field) => {
      const protocol = field.get('protocol').asText() ?? 'HTTP';
      const port = field.get('port').asInteger();
      const validation = [
        field.get('tls', 'frontendValidation'),
        spec.get('tls', 'frontend', 'default', 'validation'),
      ].some((place) => place.isPresent);
      return {
        gateway,
        name: field.get('name').asText() ?? '',
        port,
        hostname: field.get('hostname').asText(),
        protocol,
        tls: tlsOf(protocol, field.get('tls', 'mode').asText()),
        authentication: validation ? 'a client certificate' : null,
        field,
      };
    });
}

/** Null for one that is no way into the cluster, such as a waypoint of a mesh. */
export function reachOfGateway(cluster: Cluster, gateway: KubeObject): Reach | null {
  const spec = cluster.field(gateway, 'spec');
  const gatewayClass = spec.get('gatewayClassName').asText() ?? '';
  if (WAYPOINTS.has(gatewayClass)) return null;
  if (/(?:^|-)(?:rilb|internal)(?:-|$)/.test(gatewayClass) && gatewayClass.startsWith('gke-')) {
    return { kind: 'private', why: `class ${gatewayClass}` };
  }
  if (gatewayClass === 'amazon-vpc-lattice') return { kind: 'private', why: `class ${gatewayClass}` };
  const annotations = new Map([...gateway.annotations, ...spec.get('infrastructure', 'annotations').asTextMap()]);
  const internal = internalBy(annotations, null);
  if (internal !== null) return { kind: 'private', why: internal };
  if (annotations.get('networking.istio.io/service-type') === 'ClusterIP') {
    return { kind: 'private', why: 'networking.istio.io/service-type: ClusterIP' };
  }
  const addresses = cluster
    .field(gateway, 'status', 'addresses')
    .asList()
    .flatMap((address) => address.get('value').asText() ?? []);
  if (addresses.length > 0 && addresses.every(isPrivateAddress)) {
    return { kind: 'private', why: `its address ${addresses[0] ?? ''} is a private one` };
  }
  const ofService = reachOfOwnServices(cluster, gateway);
  if (ofService !== null) return ofService;
  const isSeen = addresses.length > 0;
  return { kind: 'anybody', isPresumed: !isSeen, why: `a Gateway of class ${gatewayClass}` };
}

export function acceptsRoute(cluster: Cluster, { gateway, protocol, field }: Listener, route: KubeObject): boolean {
  const allowed = field.get('allowedRoutes');
  const kinds = allowed.get('kinds').asList();
  const isKindAllowed =
    kinds.length === 0
      ? (ROUTE_KINDS.get(protocol)?.includes(route.kind) ?? true)
      : kinds.some((kind) => kind.get('kind').asText() === route.kind);
  return isKindAllowed && isNamespaceAllowed(cluster, allowed.get('namespaces'), { gateway, route });
}

const WAYPOINTS = new Set(['istio-waypoint', 'istio-remote']);

const ROUTE_KINDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['HTTP', ['HTTPRoute', 'GRPCRoute']],
  ['HTTPS', ['HTTPRoute', 'GRPCRoute']],
  ['TLS', ['TLSRoute', 'TCPRoute']],
  ['TCP', ['TCPRoute']],
  ['UDP', ['UDPRoute']],
]);

function tlsOf(protocol: string, mode: string | null): Tls {
  if (mode === 'Passthrough') return 'passthrough';
  if (protocol === 'HTTPS' || protocol === 'TLS') return 'terminated';
  return protocol === 'HTTP' ? 'none' : 'unknown';
}

/** A namespace of which the labels are not known counts as selected: somebody may have labelled it. */
function isNamespaceAllowed(
  cluster: Cluster,
  namespaces: Field,
  { gateway, route }: { readonly gateway: KubeObject; readonly route: KubeObject },
): boolean {
  const from = namespaces.get('from').asText() ?? 'Same';
  switch (from) {
    case 'All':
      return true;
    case 'Selector': {
      const namespace = cluster.namespaces.get(route.namespace ?? '');
      const selector = compileSelector(namespaces.get('selector'));
      return namespace === undefined || matchNamespace(selector, namespace) !== 'no';
    }
    case 'Same':
      return gateway.namespace === route.namespace;
    default:
      return false;
  }
}

const NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** Of the Service, or the pods, that its controller made for it. */
function reachOfOwnServices(cluster: Cluster, gateway: KubeObject): Reach | null {
  const services = cluster
    .once(readServices)
    .all.filter(
      ({ object }) => object.namespace === gateway.namespace && object.labels.get(NAME_LABEL) === gateway.name,
    );
  if (services.length > 0) {
    const entries = services.flatMap((service) => entriesOfService(cluster, service));
    return (
      widestReach(entries.map(({ reach }) => reach)) ?? {
        kind: 'private',
        why: 'its Service is inside of the cluster only',
      }
    );
  }
  const pods = cluster
    .workloadsIn(gateway.namespace ?? '')
    .filter(({ labels }) => labels.get(NAME_LABEL) === gateway.name);
  return pods.length === 0 ? null : reachOfWorkloads(cluster, pods);
}
