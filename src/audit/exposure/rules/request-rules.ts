// Rules about entries at the level of requests.

import type { Cluster } from '../../cluster.ts';
import type { Rule, Severity } from '../../finding.ts';
import type { KubeObject } from '../../kube-object.ts';
import type { Exposure } from '../exposure.ts';
import { GATEWAY_GROUP } from '../gateway-listeners.ts';
import { isRayHead } from '../ray-head.ts';
import { exposureRule, severityOfRequests } from './exposure-rule.ts';

const ASKING =
  'What asks who is there is told as far as it is seen: annotations, policies at the gateway, client certificates, and Sallyport in the pod. Applications may ask themselves, which nothing in the cluster shows.';
const REMEDY =
  'End TLS at the entry and refuse plain text; have it ask who is there, by OpenID Connect or client certificates; limit sources where they are known.';

const INGRESS = exposureRule({
  info: {
    id: 'exposure-ingress',
    title: 'An Ingress leads to a workload',
    severity: 'medium',
    help: `An Ingress is for the outside, unless its class or controller is internal: followed here to the controller's Service where that is among the objects. ${ASKING}

**Fix:** a \`tls\` section for every host, without \`ssl-redirect: "false"\`; authentication at the controller; an internal class for what is internal.`,
  },
  entry: 'ingress',
  kinds: [
    ['networking.k8s.io', 'Ingress'],
    ['extensions', 'Ingress'],
  ],
  isEssential: false,
  severityOf: severityOfRequests,
  remedy: REMEDY,
  held: 'the Ingress leads nowhere',
});

const GATEWAY = exposureRule({
  info: {
    id: 'exposure-gateway',
    title: 'A route of a Gateway leads to a workload',
    severity: 'medium',
    help: `Routes of the Gateway API are followed through the listeners that take them (kind, namespace, host name, section) to Services, in other namespaces only with a ReferenceGrant. A Gateway is told to be internal by its class, its annotations, its address or the Service that its controller made. ${ASKING}

**Fix:** HTTPS listeners, an HTTP one that redirects only; a policy at the gateway that asks who is there.`,
  },
  entry: 'gateway',
  kinds: ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'].map((kind) => [GATEWAY_GROUP, kind] as const),
  isEssential: false,
  severityOf: severityOfRequests,
  remedy: REMEDY,
  held: 'no Gateway that was given takes the route',
});

const ISTIO = exposureRule({
  info: {
    id: 'exposure-istio-gateway',
    title: 'A VirtualService at a gateway leads to a workload',
    severity: 'medium',
    help: `A VirtualService is reachable from outside when it names a Gateway other than \`mesh\` whose servers take its hosts; how far, is told by the Services of the gateway's proxies. An AuthorizationPolicy at the proxy that demands \`requestPrincipals\`, or hands the question on (\`CUSTOM\`), counts as asking who is there. ${ASKING}

**Fix:** \`tls.mode: SIMPLE\` or \`MUTUAL\`, \`httpsRedirect\` for plain HTTP, and an AuthorizationPolicy at the gateway.`,
  },
  entry: 'istio-gateway',
  kinds: [['networking.istio.io', 'VirtualService']],
  isEssential: false,
  severityOf: severityOfRequests,
  remedy: REMEDY,
  held: 'no gateway takes the VirtualService',
});

const ROUTE = exposureRule({
  info: {
    id: 'exposure-route',
    title: 'A Route leads to a workload',
    severity: 'medium',
    help: `Routes of OpenShift are reachable as far as the routers that take them are. ${ASKING}

**Fix:** \`tls.termination\`, with \`insecureEdgeTerminationPolicy: Redirect\` or \`None\`; an internal router for what is internal.`,
  },
  entry: 'route',
  kinds: [['route.openshift.io', 'Route']],
  isEssential: false,
  severityOf: severityOfRequests,
  remedy: REMEDY,
  held: 'the Route leads nowhere',
});

const RAY_HEAD = exposureRule({
  info: {
    id: 'exposure-ray-head',
    title: 'The head of a Ray cluster is open to the outside',
    severity: 'critical',
    atlas: ['AML.T0049'],
    help: `Ray runs whatever is submitted to its dashboard (8265) or client port (10001), and by default asks nobody who he is: whoever gets there has the cluster, its data and its credentials. KubeRay opens it with \`serviceType: LoadBalancer\` or \`NodePort\`, or \`enableIngress\`.

**Fix:** \`serviceType: ClusterIP\`, a port-forward or an authenticating gateway for people, and \`authOptions.mode: token\`.`,
  },
  entry: 'ray-head',
  kinds: ['RayCluster', 'RayService', 'RayJob', 'RayCronJob'].map((kind) => ['ray.io', kind] as const),
  isEssential: false,
  isCandidate: hasHead,
  severityOf: severityOfRay,
  remedy: 'Set serviceType to ClusterIP and enableIngress to false; turn on token authentication.',
  held: 'the head has a Service inside of the cluster only',
});

const INFERENCE_SERVICE = exposureRule({
  info: {
    id: 'exposure-inference-service',
    title: 'An inference service is served to the outside',
    severity: 'medium',
    help: `KServe and Knative give every service a name outside of the cluster, served through their gateway, unless its visibility is \`cluster-local\`. They ask nobody who he is. ${ASKING}

**Fix:** the label \`networking.kserve.io/visibility: cluster-local\` (Knative: \`networking.knative.dev/visibility\`), or a policy at the gateway.`,
  },
  entry: 'inference-service',
  kinds: [
    ['serving.kserve.io', 'InferenceService'],
    ['serving.knative.dev', 'Service'],
  ],
  isEssential: false,
  severityOf: severityOfRequests,
  remedy: 'Label it networking.kserve.io/visibility: cluster-local, or have the gateway ask who is there.',
  held: 'it is not served',
});

export const REQUEST_RULES: readonly Rule[] = [INGRESS, GATEWAY, ISTIO, ROUTE, RAY_HEAD, INFERENCE_SERVICE];

/** One that another object made is told of with that. */
function hasHead(cluster: Cluster, object: KubeObject): boolean {
  return cluster.once(readHeads).has(object);
}

function readHeads(cluster: Cluster): ReadonlySet<KubeObject> {
  return new Set(cluster.workloads.filter(isRayHead).map(({ object }) => object));
}

function severityOfRay({ reach, authentication }: Exposure): Severity {
  if (authentication !== null) return 'medium';
  return reach.kind === 'anybody' ? 'critical' : 'high';
}
