// Routes of the Gateway API, from the listeners that take them to the Services they lead to.
// https://gateway-api.sigs.k8s.io/reference/spec/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import type { Exposure, Reach } from './exposure.ts';
import { acceptsRoute, GATEWAY_GROUP, listenersOf, reachOfGateway, type Listener } from './gateway-listeners.ts';
import { sharedHosts } from './hosts.ts';
import { exposeService } from './routed.ts';

const ROUTES = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'];

export function readGatewayExposures(cluster: Cluster): readonly Exposure[] {
  return ROUTES.flatMap((kind) => cluster.byKind(GATEWAY_GROUP, kind)).flatMap((route) => exposuresOf(cluster, route));
}

function exposuresOf(cluster: Cluster, route: KubeObject): readonly Exposure[] {
  const spec = cluster.field(route, 'spec');
  return spec
    .get('parentRefs')
    .asList()
    .flatMap((parent) => attach(cluster, route, parent))
    .flatMap((attachment) => backendsOf(cluster, route, attachment));
}

interface Attachment {
  readonly through: readonly string[];
  readonly reach: Reach;
  readonly hosts: readonly string[];
  readonly listener: Listener | null;
}

/** A Service as a parent is one of a mesh. */
function attach(cluster: Cluster, route: KubeObject, parent: Field): readonly Attachment[] {
  const kind = parent.get('kind').asText() ?? 'Gateway';
  const name = parent.get('name').asText();
  const namespace = parent.get('namespace').asText() ?? route.namespace ?? '';
  if (kind !== 'Gateway' || name === null) return [];
  const hosts = cluster.field(route, 'spec', 'hostnames').asTexts();
  const gateway = cluster.find(GATEWAY_GROUP, 'Gateway', { namespace, name });
  const through = [formatObject({ namespace, name, kind: 'Gateway' }), formatObject(route)];
  if (gateway === null) {
    const known = cluster.isKnown(GATEWAY_GROUP, 'Gateway', namespace);
    if (known === true && cluster.inventory.completeKinds !== 'as-given') return [];
    const why = `Gateway ${namespace}/${name}, which it names, was not given`;
    const reason = known === true ? 'not-given' : known.reason;
    return [{ through, reach: { kind: 'unknown', reason, why }, hosts, listener: null }];
  }
  const reach = reachOfGateway(cluster, gateway);
  if (reach === null) return [];
  const section = parent.get('sectionName').asText();
  const port = parent.get('port').asInteger();
  return listenersOf(cluster, gateway)
    .filter((listener) => (section === null || listener.name === section) && (port === null || listener.port === port))
    .filter((listener) => acceptsRoute(cluster, listener, route))
    .flatMap((listener): readonly Attachment[] => {
      const shared = sharedHosts(hosts, listener.hostname === null ? [] : [listener.hostname]);
      return shared === null ? [] : [{ through, reach, hosts: shared, listener }];
    });
}

function backendsOf(cluster: Cluster, route: KubeObject, attachment: Attachment): readonly Exposure[] {
  const { through, reach, hosts, listener } = attachment;
  const rules = cluster.field(route, 'spec', 'rules').asList();
  return rules.flatMap((rule) => {
    const mirrors = rule
      .get('filters')
      .asList()
      .map((filter) => filter.get('requestMirror', 'backendRef'))
      .filter((backend) => backend.isPresent);
    return [...rule.get('backendRefs').asList(), ...mirrors].flatMap((backend) => {
      const name = backend.get('name').asText();
      const namespace = backend.get('namespace').asText() ?? route.namespace ?? '';
      const kind = backend.get('kind').asText() ?? 'Service';
      if (name === null || kind !== 'Service' || !isGranted(cluster, route, { namespace, name })) return [];
      const entry = {
        entry: 'gateway' as const,
        object: route,
        at: backend.path,
        through,
        reach,
        tls: listener?.tls ?? ('unknown' as const),
        authentication: listener?.authentication ?? policyOf(cluster, route, listener),
        hosts,
      };
      return exposeService(cluster, entry, { namespace, name, port: backend.get('port').asInteger() });
    });
  });
}

/** Into another namespace, only with a ReferenceGrant of that namespace; there may be one where they could not be looked at. */
function isGranted(
  cluster: Cluster,
  route: KubeObject,
  to: { readonly namespace: string; readonly name: string },
): boolean {
  if (to.namespace === route.namespace) return true;
  if (cluster.isKnown(GATEWAY_GROUP, 'ReferenceGrant', to.namespace) !== true) return true;
  return cluster.inNamespace(GATEWAY_GROUP, 'ReferenceGrant', to.namespace).some((grant) => {
    const from = cluster.field(grant, 'spec', 'from').asList();
    const targets = cluster.field(grant, 'spec', 'to').asList();
    const isFrom = from.some(
      (source) => source.get('kind').asText() === route.kind && source.get('namespace').asText() === route.namespace,
    );
    const isTo = targets.some((target) => {
      const name = target.get('name').asText();
      return target.get('kind').asText() === 'Service' && (name === null || name === to.name);
    });
    return isFrom && isTo;
  });
}

/** Envoy Gateway's, for the route or its Gateway. */
function policyOf(cluster: Cluster, route: KubeObject, listener: Listener | null): string | null {
  const namespace = route.namespace ?? '';
  const policies = [
    ...cluster.inNamespace('gateway.envoyproxy.io', 'SecurityPolicy', namespace),
    ...cluster.inNamespace('gateway.envoyproxy.io', 'SecurityPolicy', listener?.gateway.namespace ?? namespace),
  ];
  const policy = policies.find((candidate) => {
    const spec = cluster.field(candidate, 'spec');
    const targets = [...spec.get('targetRefs').asList(), spec.get('targetRef')];
    const isTarget = targets.some((target) => {
      const name = target.get('name').asText();
      const kind = target.get('kind').asText();
      return (kind === route.kind && name === route.name) || (kind === 'Gateway' && name === listener?.gateway.name);
    });
    return isTarget && ['jwt', 'oidc', 'basicAuth', 'extAuth', 'apiKeyAuth'].some((key) => spec.get(key).isPresent);
  });
  return policy === undefined ? null : formatObject(policy);
}
