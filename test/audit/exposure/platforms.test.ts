import { describe, expect, it } from 'vitest';
import { exposureRules } from '../../../src/audit/exposure/exposure-rules.ts';
import { linesOf as linesOfRules } from '../credentials/verdicts.ts';
import { exposureLines, pod, POD, service, SERVICE } from './exposure-lines.ts';

function linesOf(rule: string, ...documents: readonly string[]): readonly string[] {
  return linesOfRules(rule, documents.join('\n---\n'), { rules: exposureRules });
}

function istioGateway(server: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, namespace: edge }
spec: { selector: { app: proxy }, servers: [{ port: { number: 443, name: s, protocol: HTTPS }, hosts: ["*"], ${server} }] }
`;
}

function virtualService(spec = '', gateways = '[edge/gw]'): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: vs, namespace: ml }
spec: { hosts: [api.example.net], gateways: ${gateways}, http: [{ route: [{ destination: { host: api, port: { number: 80 } } }] }]${spec} }
`;
}

const SIMPLE = 'tls: { mode: SIMPLE, credentialName: c }';
const PROXY = pod('proxy', '', 'edge');
const PROXY_SERVICE = (spec: string): string => service('proxy', spec).replace('namespace: ml', 'namespace: edge');
const ISTIO = 'exposure-istio-gateway';

function istioLines(...documents: readonly string[]): readonly string[] {
  return exposureLines(POD, SERVICE, ...documents).filter((line) => line.startsWith('istio-gateway '));
}

describe('Istio gateways', () => {
  it('S20 leads through the VirtualService, as far as the proxy is reached', () => {
    const of = (spec: string): readonly string[] =>
      istioLines(istioGateway(SIMPLE), virtualService(), PROXY, PROXY_SERVICE(spec));
    expect(of(', type: LoadBalancer')).toEqual([
      'istio-gateway anybody tls=terminated edge/gw[Gateway] > ml/vs[VirtualService] > ml/api[Service] > ml/api[Pod] TCP 8080',
    ]);
    expect(of('')[0]).toMatch(/^istio-gateway private /);
    expect(of(', type: NodePort')[0]).toMatch(/^istio-gateway node /);
    expect(istioLines(istioGateway(SIMPLE), virtualService())[0]).toMatch(/^istio-gateway anybody /);
  });

  it.each<[string, string, string]>([
    ['no TLS', 'port: { number: 80, name: h, protocol: HTTP }', 'tls=none '],
    ['client certificates', 'tls: { mode: MUTUAL }', 'tls=terminated by=a client certificate '],
    ['TLS up to the pod', 'tls: { mode: PASSTHROUGH }', 'tls=passthrough '],
  ])('S20 sees %s', (_what, server, expected) => {
    const text = server.startsWith('port')
      ? istioGateway('x: 1').replace('port: { number: 443, name: s, protocol: HTTPS }', server)
      : istioGateway(server);
    expect(istioLines(text, virtualService())[0]).toContain(expected);
  });

  it.each<[string, string, string]>([
    ['is in the mesh only', istioGateway(SIMPLE), virtualService('', '[mesh]')],
    ['names no gateway', istioGateway(SIMPLE), virtualService('', '[]')],
    ['is at a server for other hosts', istioGateway(SIMPLE).replace('["*"]', '[other.example.net]'), virtualService()],
    ['is at a server for other namespaces', istioGateway(SIMPLE).replace('["*"]', '["edge/*"]'), virtualService()],
    ['is at a server that redirects only', istioGateway('tls: { httpsRedirect: true }'), virtualService()],
    ['is not exported to the proxy', `${istioGateway(SIMPLE)}---${PROXY}`, virtualService(', exportTo: ["."]')],
  ])('S20 sees that a VirtualService %s', (_what, gateway, text) => {
    expect(istioLines(gateway, text)).toEqual([]);
    expect(linesOf(ISTIO, POD, SERVICE, gateway, text)).toEqual(['pass ml/vs[VirtualService]']);
  });

  it('S20 takes a namespace before a host for a condition', () => {
    expect(istioLines(istioGateway(SIMPLE).replace('["*"]', '["ml/*"]'), virtualService())).toHaveLength(1);
    expect(istioLines(istioGateway(SIMPLE).replace('["*"]', '["*/api.example.net"]'), virtualService())).toHaveLength(
      1,
    );
  });

  it.each<[string, number]>([
    ['api', 1],
    ['api.ml', 1],
    ['api.ml.svc.cluster.local', 1],
    ['api.example.com', 0],
  ])('S20 takes the destination %s for %i of ours', (host, count) => {
    const text = virtualService().replace('host: api,', `host: ${host},`);
    expect(istioLines(istioGateway(SIMPLE), text)).toHaveLength(count);
  });

  it('sees a policy at the proxy that asks who is there', () => {
    const policy = (spec: string): string =>
      `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p, namespace: edge }\nspec: { selector: { matchLabels: { app: proxy } }, ${spec} }\n`;
    const of = (spec: string): string | undefined =>
      istioLines(istioGateway(SIMPLE), virtualService(), PROXY, policy(spec))[0];
    expect(of('rules: [{ from: [{ source: { requestPrincipals: ["*"] } }] }]')).toContain(
      'by=edge/p[AuthorizationPolicy]',
    );
    expect(of('action: CUSTOM, provider: { name: oauth }, rules: [{}]')).toContain('by=edge/p[AuthorizationPolicy]');
    expect(of('action: DENY, rules: [{ from: [{ source: { notRequestPrincipals: ["*"] } }] }]')).toContain('by=edge/p');
    expect(of('rules: [{}]')).not.toContain('by=');
    expect(of('action: DENY, rules: [{ to: [{ operation: { paths: [/admin] } }] }]')).not.toContain('by=');
  });

  it('does not know of a Gateway that was not given', () => {
    expect(linesOf(ISTIO, POD, SERVICE, virtualService())).toEqual(['unknown not-given ml/vs[VirtualService]']);
  });
});

describe('Routes of OpenShift', () => {
  const route = (spec = '', annotations = '{}'): string =>
    `apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: { name: r, namespace: ml, annotations: ${annotations} }\nspec: { host: api.example.net, to: { kind: Service, name: api }${spec} }\n`;
  const controller = (strategy: string): string =>
    `apiVersion: operator.openshift.io/v1\nkind: IngressController\nmetadata: { name: default, namespace: openshift-ingress-operator }\nspec: { endpointPublishingStrategy: ${strategy} }\n`;

  it.each<[string, string]>([
    ['', 'tls=none'],
    [', tls: { termination: edge }', 'tls=terminated'],
    [', tls: { termination: edge, insecureEdgeTerminationPolicy: Redirect }', 'tls=terminated'],
    [', tls: { termination: edge, insecureEdgeTerminationPolicy: Allow }', 'tls=optional'],
    [', tls: { termination: passthrough }', 'tls=passthrough'],
  ])('S20 leads through a Route%s: %s', (spec, tls) => {
    expect(exposureLines(POD, SERVICE, route(spec))).toEqual([
      `route anybody ${tls} ml/r[Route] > ml/api[Service] > ml/api[Pod] TCP 8080`,
    ]);
  });

  it('S20 goes by the routers that take it', () => {
    const of = (strategy: string): string | undefined => exposureLines(POD, SERVICE, route(), controller(strategy))[0];
    expect(of('{ type: LoadBalancerService, loadBalancer: { scope: Internal } }')).toMatch(/^route private /);
    expect(of('{ type: LoadBalancerService, loadBalancer: { scope: External } }')).toMatch(/^route anybody /);
    expect(of('{ type: HostNetwork }')).toMatch(/^route node /);
    expect(of('{ type: Private }')).toMatch(/^route private /);
  });

  it('follows alternate backends, and heeds a list of sources', () => {
    const text = route(
      ', alternateBackends: [{ kind: Service, name: copy }]',
      '{ haproxy.router.openshift.io/ip_whitelist: 192.0.2.0/24 10.0.0.1 }',
    );
    const lines = exposureLines(POD, SERVICE, text, service('copy'), pod('copy'));
    expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['route listed', 'route listed']);
    expect(linesOf('exposure-route', POD, SERVICE, text)).toEqual(['fail medium ml/r[Route]']);
  });
});

describe('heads of Ray clusters', () => {
  const ray = (group: string, spec = ''): string => `
apiVersion: ray.io/v1
kind: RayCluster
metadata: { name: ray, namespace: ml }
spec:
  headGroupSpec:
    rayStartParams: {}
    ${group}
    template: { spec: { containers: [{ name: head, image: "rayproject/ray:2" }] } }
  ${spec}
`;
  const RULE = 'exposure-ray-head';

  it('S20 finds a dashboard that is open to the outside', () => {
    expect(exposureLines(ray('serviceType: LoadBalancer'))).toEqual(
      [6379, 8265, 10_001].map(
        (port) => `ray-head anybody tls=none ml/ray[RayCluster] > ml/ray[RayCluster] TCP ${port}`,
      ),
    );
    expect(linesOf(RULE, ray('serviceType: LoadBalancer'))).toEqual(['fail critical ml/ray[RayCluster]']);
    expect(linesOf(RULE, ray('serviceType: NodePort'))).toEqual(['fail high ml/ray[RayCluster]']);
    expect(linesOf(RULE, ray('enableIngress: true'))).toEqual(['fail critical ml/ray[RayCluster]']);
    expect(linesOf(RULE, ray('serviceType: ClusterIP'))).toEqual(['pass ml/ray[RayCluster]']);
    expect(linesOf(RULE, ray(''))).toEqual(['pass ml/ray[RayCluster]']);
  });

  it('S20 tells an internal load balancer apart, and one that asks for a token', () => {
    const internal =
      'serviceType: LoadBalancer\n    headService: { metadata: { annotations: { networking.gke.io/load-balancer-type: Internal } } }';
    expect(linesOf(RULE, ray(internal))).toEqual(['pass ml/ray[RayCluster]']);
    expect(linesOf(RULE, ray('serviceType: LoadBalancer', 'authOptions: { mode: token }'))).toEqual([
      'fail medium ml/ray[RayCluster]',
    ]);
  });
});

describe('inference services', () => {
  const inference = (metadata = ''): string =>
    `apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: { name: llama, namespace: ml${metadata} }\nspec: { predictor: { containers: [{ name: kserve-container, image: "vllm:1" }] } }\n`;
  const GATEWAY_POD = pod('gateway', '', 'istio-system').replace(
    'labels: { app: gateway }',
    'labels: { app: gateway, istio: ingressgateway }',
  );
  const front = (spec: string): string => service('gateway', spec).replace('namespace: ml', 'namespace: istio-system');
  const RULE = 'exposure-inference-service';

  it('S20 is served through the gateway, unless it is local', () => {
    expect(linesOf(RULE, inference(), GATEWAY_POD, front(', type: LoadBalancer'))).toEqual([
      'fail medium ml/llama[InferenceService]',
    ]);
    expect(linesOf(RULE, inference(), GATEWAY_POD, front(''))).toEqual(['pass ml/llama[InferenceService]']);
    const local = inference(', labels: { networking.kserve.io/visibility: cluster-local }');
    expect(linesOf(RULE, local, GATEWAY_POD, front(', type: LoadBalancer'))).toEqual([
      'pass ml/llama[InferenceService]',
    ]);
  });

  it('does not know without the gateway, and heeds KServe that makes no ingress', () => {
    expect(linesOf(RULE, inference())).toEqual(['unknown not-given ml/llama[InferenceService]']);
    const config = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: inferenceservice-config, namespace: kserve }\ndata: { ingress: '{"disableIngressCreation": true}' }\n`;
    expect(linesOf(RULE, inference(), config)).toEqual(['pass ml/llama[InferenceService]']);
    expect(linesOf(RULE, inference(), config.replace('true', 'tru'))).toEqual([
      'unknown not-given ml/llama[InferenceService]',
    ]);
  });
});

describe('Sallyport in the pod', () => {
  const config = (mode: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: sallyport, namespace: ml }
data:
  sallyport.yaml: |
    trustDomain: ai.example
    policy: { path: p, mode: ${mode} }
    listeners:
    - { name: in, bind: "0.0.0.0:8443", routes: [{ component: registry, upstream: "http://127.0.0.1:8080" }] }
`;
  const guarded = pod('api', ', volumes: [{ name: c, configMap: { name: sallyport } }]').replace(
    'containers: [',
    'containers: [{ name: sallyport, image: "registry.example/sallyport:1", ports: [{ containerPort: 8443, name: mtls }], volumeMounts: [{ name: c, mountPath: /etc/sallyport/config }] }, ',
  );
  const front = service('api', ', type: LoadBalancer').replace('targetPort: http', 'targetPort: mtls');

  it('asks who is there, before the workload has to', () => {
    const [line] = exposureLines(guarded, front, config('enforce'));
    expect(line).toBe('load-balancer anybody tls=passthrough by=Sallyport ml/api[Service] > ml/api[Pod] TCP 8443');
    expect(linesOf('exposure-load-balancer', guarded, front, config('enforce'))).toEqual(['fail low ml/api[Service]']);
  });

  it('does not at a port that it does not guard, or in shadow', () => {
    expect(exposureLines(guarded, service('api', ', type: LoadBalancer'), config('enforce'))[0]).not.toContain('by=');
    expect(exposureLines(guarded, front, config('shadow'))[0]).not.toContain('by=');
  });
});
