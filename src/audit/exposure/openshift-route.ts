// Routes of OpenShift.

import type { Cluster } from '../cluster.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { compileSelector, matchLabels, matchNamespace } from '../selector.ts';
import { type Exposure, narrowerReach, type Reach, type Tls, widestReach } from './exposure.ts';
import { exposeService } from './routed.ts';
import { isEverybody, readBlocks } from './source-ranges.ts';

export function readRouteExposures(cluster: Cluster): readonly Exposure[] {
  return cluster.byKind('route.openshift.io', 'Route').flatMap((route) => exposuresOf(cluster, route));
}

function exposuresOf(cluster: Cluster, route: KubeObject): readonly Exposure[] {
  const spec = cluster.field(route, 'spec');
  const host = spec.get('host').asText();
  const port = spec.get('port', 'targetPort').asIntegerOrText();
  const reach = withSources(reachOfRoute(cluster, route), route);
  return [spec.get('to'), ...spec.get('alternateBackends').asList()].flatMap((backend) => {
    const name = backend.get('name').asText();
    if (name === null) return [];
    const entry = {
      entry: 'route' as const,
      object: route,
      at: backend.path,
      through: [formatObject(route)],
      reach,
      tls: tlsOf(spec.get('tls', 'termination').asText(), spec.get('tls', 'insecureEdgeTerminationPolicy').asText()),
      authentication: null,
      hosts: host === null ? [] : [host],
    };
    // `targetPort` is one of the Service's, by its name or by where it leads.
    return exposeService(cluster, entry, {
      namespace: route.namespace ?? '',
      name,
      port: typeof port === 'string' ? port : null,
    });
  });
}

/** By the routers that take it; there is always one, that of the platform. */
function reachOfRoute(cluster: Cluster, route: KubeObject): Reach {
  const controllers = cluster.byKind('operator.openshift.io', 'IngressController').filter((controller) => {
    const spec = cluster.field(controller, 'spec');
    const isRoute = matchLabels(compileSelector(spec.get('routeSelector')), route.labels) !== 'no';
    const namespace = cluster.namespaces.get(route.namespace ?? '');
    const selector = compileSelector(spec.get('namespaceSelector'));
    return isRoute && (namespace === undefined || matchNamespace(selector, namespace) !== 'no');
  });
  const presumed: Reach = { kind: 'anybody', isPresumed: true, why: 'a Route, whose router is not among the objects' };
  return widestReach(controllers.map((controller) => reachOfController(cluster, controller))) ?? presumed;
}

function reachOfController(cluster: Cluster, controller: KubeObject): Reach {
  const strategy = cluster.field(controller, 'spec', 'endpointPublishingStrategy');
  const ref = formatObject(controller);
  switch (strategy.get('type').asText() ?? 'LoadBalancerService') {
    case 'Private':
      return { kind: 'private', why: `${ref} is published nowhere` };
    case 'HostNetwork':
    case 'NodePortService':
      return { kind: 'node', why: `${ref} answers on ports of nodes` };
    default:
      return strategy.get('loadBalancer', 'scope').asText() === 'Internal'
        ? { kind: 'private', why: `${ref} has an internal load balancer` }
        : { kind: 'anybody', isPresumed: false, why: `${ref} has an external load balancer` };
  }
}

const SOURCE_ANNOTATIONS = ['haproxy.router.openshift.io/ip_allowlist', 'haproxy.router.openshift.io/ip_whitelist'];

function withSources(reach: Reach, { annotations }: KubeObject): Reach {
  const key = SOURCE_ANNOTATIONS.find((annotation) => annotations.has(annotation));
  const sources = key === undefined ? [] : readBlocks(annotations.get(key) ?? '');
  if (key === undefined || sources.length === 0 || sources.some(isEverybody)) return reach;
  return narrowerReach(reach, { kind: 'listed', sources, why: key });
}

function tlsOf(termination: string | null, insecure: string | null): Tls {
  if (termination === null) return 'none';
  if (termination === 'passthrough') return 'passthrough';
  return insecure === 'Allow' ? 'optional' : 'terminated';
}
