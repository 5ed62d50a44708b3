import { describe, expect, it } from 'vitest';
import { exposureRules } from '../../../src/audit/exposure/exposure-rules.ts';
import { linesOf as linesOfRules } from '../credentials/verdicts.ts';
import { exposureLines, pod, POD, service, SERVICE } from './exposure-lines.ts';

function linesOf(rule: string, ...documents: readonly string[]): readonly string[] {
  return linesOfRules(rule, documents.join('\n---\n'), { rules: exposureRules });
}

/** Annotations, and what else stands in the spec. */
function ingress(annotations = '{}', spec = ''): string {
  return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web, namespace: ml, annotations: ${annotations} }
spec:
  rules:
  - host: api.example.net
    http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: api, port: { number: 80 } } } }] }
${spec}
`;
}

const TLS = '  tls: [{ hosts: [api.example.net], secretName: tls }]';
const INGRESS = 'exposure-ingress';

describe('Ingress', () => {
  it('S20 leads through the Service to the pods, with or without TLS', () => {
    expect(exposureLines(POD, SERVICE, ingress())).toEqual([
      'ingress anybody tls=none ml/web[Ingress] > ml/api[Service] > ml/api[Pod] TCP 8080',
    ]);
    expect(exposureLines(POD, SERVICE, ingress('{}', TLS))[0]).toMatch(/^ingress anybody tls=terminated /);
    expect(linesOf(INGRESS, POD, SERVICE, ingress())).toEqual(['fail high ml/web[Ingress]']);
    expect(linesOf(INGRESS, POD, SERVICE, ingress('{}', TLS))).toEqual(['fail medium ml/web[Ingress]']);
  });

  it.each<[string, string, string]>([
    ['its host', '[api.example.net]', 'terminated'],
    ['a wildcard over it', '["*.example.net"]', 'terminated'],
    ['no host in particular', '[]', 'terminated'],
    ['another host', '[other.example.net]', 'none'],
    ['a wildcard a label further up', '["*.net"]', 'none'],
  ])('S20 sees whether TLS is for %s', (_what, hosts, tls) => {
    expect(exposureLines(POD, SERVICE, ingress('{}', `  tls: [{ hosts: ${hosts}, secretName: t }]`))[0]).toContain(
      `tls=${tls} `,
    );
  });

  it.each<[string, string]>([
    ['nginx.ingress.kubernetes.io/ssl-redirect: "false"', 'tls=optional'],
    ['nginx.ingress.kubernetes.io/ssl-passthrough: "true"', 'tls=passthrough'],
    ['nginx.ingress.kubernetes.io/auth-url: https://auth.example.net', 'by=an external service'],
    ['nginx.ingress.kubernetes.io/auth-type: basic', 'by=a password'],
    ['nginx.ingress.kubernetes.io/auth-tls-secret: ml/ca', 'by=a client certificate'],
    ['alb.ingress.kubernetes.io/auth-type: oidc', 'by=OpenID Connect'],
  ])('S20 reads %s', (annotation, expected) => {
    expect(exposureLines(POD, SERVICE, ingress(`{ ${annotation} }`, TLS))[0]).toContain(`${expected} `);
  });

  it('takes an Ingress that asks over TLS, or has a list of sources, for a smaller matter', () => {
    const asks = '{ nginx.ingress.kubernetes.io/auth-url: https://auth.example.net }';
    expect(linesOf(INGRESS, POD, SERVICE, ingress(asks, TLS))).toEqual(['fail low ml/web[Ingress]']);
    const sources = (list: string): string => `{ nginx.ingress.kubernetes.io/whitelist-source-range: "${list}" }`;
    expect(linesOf(INGRESS, POD, SERVICE, ingress(sources('192.0.2.0/24'), TLS))).toEqual(['fail low ml/web[Ingress]']);
    expect(linesOf(INGRESS, POD, SERVICE, ingress(sources('192.0.2.0/24,0.0.0.0/0'), TLS))).toEqual([
      'fail medium ml/web[Ingress]',
    ]);
  });

  it.each<[string, string, string]>([
    ['an internal class of Google', ingress('{ kubernetes.io/ingress.class: gce-internal }'), 'private'],
    ['an ALB, internal by default', ingress('{}', '  ingressClassName: alb'), 'private'],
    [
      'an ALB that faces the internet',
      ingress('{ alb.ingress.kubernetes.io/scheme: internet-facing }', '  ingressClassName: alb'),
      'anybody',
    ],
    ['a private address of Azure', ingress('{ appgw.ingress.kubernetes.io/use-private-ip: "true" }'), 'private'],
    ['a tailnet', ingress('{}', '  ingressClassName: tailscale'), 'private'],
    [
      'a tailnet with a funnel',
      ingress('{ tailscale.com/funnel: "true" }', '  ingressClassName: tailscale'),
      'anybody',
    ],
  ])('S20 tells who gets to %s', (_what, text, reach) => {
    expect(exposureLines(POD, SERVICE, text)[0]).toMatch(new RegExp(`^ingress ${reach} `));
  });

  it('S20 follows a class to its controller, and that to its Service', () => {
    const ingressClass =
      'apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: { name: inside }\nspec: { controller: k8s.io/inside-nginx }\n';
    const controller = pod('controller', '', 'edge').replace(
      'image: "controller:1"',
      'image: registry.k8s.io/ingress-nginx/controller:v1.12, args: [--controller-class=k8s.io/inside-nginx]',
    );
    const front = (spec: string): string => service('controller', spec).replace('namespace: ml', 'namespace: edge');
    const of = (spec: string): string | undefined =>
      exposureLines(
        POD,
        SERVICE,
        ingress('{}', '  ingressClassName: inside'),
        ingressClass,
        controller,
        front(spec),
      ).find((line) => line.startsWith('ingress '));
    expect(of('')).toMatch(/^ingress private /);
    expect(of(', type: NodePort')).toMatch(/^ingress node /);
    expect(of(', type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24]')).toMatch(/^ingress listed /);
    expect(of(', type: LoadBalancer')).toMatch(/^ingress anybody /);
  });

  it('leads to a default backend, and to a port by its name', () => {
    const text = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web, namespace: ml }
spec: { defaultBackend: { service: { name: api, port: { name: web } } } }
`;
    expect(exposureLines(POD, SERVICE, text)).toEqual([
      'ingress anybody tls=none ml/web[Ingress] > ml/api[Service] > ml/api[Pod] TCP 8080',
    ]);
  });

  it('tells of one whose Service was not given', () => {
    expect(exposureLines(ingress())).toEqual([
      'ingress anybody tls=none ml/web[Ingress] > ml/api[Service] > nothing TCP 80',
    ]);
    expect(linesOf(INGRESS, ingress())).toEqual(['fail high ml/web[Ingress]']);
  });
});

function gateway(listener: string, more = ''): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw, namespace: edge }
spec: { gatewayClassName: envoy, listeners: [{ name: main, ${listener} }]${more} }
`;
}

const ALL = 'allowedRoutes: { namespaces: { from: All } }';
const HTTPS = `port: 443, protocol: HTTPS, ${ALL}`;

function route(
  spec = '',
  { kind = 'HTTPRoute', parent = '{ name: gw, namespace: edge }', backend = '{ name: api, port: 80 }' } = {},
): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: r, namespace: ml }
spec: { parentRefs: [${parent}], rules: [{ backendRefs: [${backend}] }]${spec} }
`;
}

const GATEWAY = 'exposure-gateway';

describe('Gateway API', () => {
  it('S20 leads from a listener through the route', () => {
    expect(exposureLines(POD, SERVICE, gateway(HTTPS), route())).toEqual([
      'gateway anybody tls=terminated edge/gw[Gateway] > ml/r[HTTPRoute] > ml/api[Service] > ml/api[Pod] TCP 8080',
    ]);
    expect(linesOf(GATEWAY, POD, SERVICE, gateway(HTTPS), route())).toEqual(['fail medium ml/r[HTTPRoute]']);
    expect(linesOf(GATEWAY, POD, SERVICE, gateway(`port: 80, protocol: HTTP, ${ALL}`), route())).toEqual([
      'fail high ml/r[HTTPRoute]',
    ]);
  });

  it.each<[string, string, string]>([
    ['namespaces of its own only', 'port: 443, protocol: HTTPS', route()],
    ['no namespace', 'port: 443, protocol: HTTPS, allowedRoutes: { namespaces: { from: None } }', route()],
    [
      'other labels',
      'port: 443, protocol: HTTPS, allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { kubernetes.io/metadata.name: other } } } }',
      route(),
    ],
    [
      'another kind',
      `port: 443, protocol: HTTPS, allowedRoutes: { kinds: [{ kind: GRPCRoute }], namespaces: { from: All } }`,
      route(),
    ],
    ['another protocol', `port: 53, protocol: UDP, ${ALL}`, route()],
    [
      'another host',
      `port: 443, protocol: HTTPS, hostname: a.example.net, ${ALL}`,
      route(', hostnames: [b.example.net]'),
    ],
    ['another section', HTTPS, route('', { parent: '{ name: gw, namespace: edge, sectionName: other }' })],
    ['another port', HTTPS, route('', { parent: '{ name: gw, namespace: edge, port: 8443 }' })],
    ['a mesh', HTTPS, route('', { parent: '{ group: "", kind: Service, name: api }' })],
  ])('S20 sees that a listener for %s does not take the route', (_what, listener, text) => {
    expect(exposureLines(POD, SERVICE, gateway(listener), text)).toEqual([]);
    expect(linesOf(GATEWAY, POD, SERVICE, gateway(listener), text)).toEqual(['pass ml/r[HTTPRoute]']);
  });

  it.each<[string, string]>([
    ['a.example.net', '*.example.net'],
    ['*.example.net', 'a.b.example.net'],
    ['*.example.net', '*.b.example.net'],
    ['a.example.net', 'a.example.net'],
  ])('S20 knows that %s and %s have a host in common', (listener, host) => {
    const text = [
      gateway(`port: 443, protocol: HTTPS, hostname: "${listener}", ${ALL}`),
      route(`, hostnames: ["${host}"]`),
    ];
    expect(exposureLines(POD, SERVICE, ...text)).toHaveLength(1);
  });

  it.each<[string, string, string]>([
    ['TLSRoute', `port: 443, protocol: TLS, tls: { mode: Passthrough }, ${ALL}`, 'tls=passthrough'],
    ['TCPRoute', `port: 5432, protocol: TCP, ${ALL}`, 'tls=unknown'],
    ['GRPCRoute', HTTPS, 'tls=terminated'],
    ['UDPRoute', `port: 53, protocol: UDP, ${ALL}`, 'tls=unknown'],
  ])('S20 follows a %s', (kind, listener, tls) => {
    expect(exposureLines(POD, SERVICE, gateway(listener), route('', { kind }))[0]).toContain(tls);
  });

  it('S20 follows mirrors, and needs a grant to get into another namespace', () => {
    const mirror = route().replace(
      'rules: [{',
      'rules: [{ filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: copy, port: 80 } } }],',
    );
    expect(exposureLines(POD, SERVICE, gateway(HTTPS), mirror, service('copy'), pod('copy'))).toHaveLength(2);
    const across = route('', { backend: '{ name: api, namespace: ml, port: 80 }' }).replace(
      'namespace: ml }\nspec',
      'namespace: web }\nspec',
    );
    const grant = (from: string): string => `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: g, namespace: ml }
spec: { from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: ${from} }], to: [{ group: "", kind: Service }] }
`;
    expect(exposureLines(POD, SERVICE, gateway(HTTPS), across, grant('web'))).toHaveLength(1);
    expect(exposureLines(POD, SERVICE, gateway(HTTPS), across, grant('other'))).toEqual([]);
    // There may be one, when none could be looked at.
    expect(exposureLines(POD, SERVICE, gateway(HTTPS), across)).toHaveLength(1);
  });

  it.each<[string, string, string]>([
    [
      'an annotation for its load balancer',
      gateway(HTTPS, ', infrastructure: { annotations: { networking.gke.io/load-balancer-type: Internal } }'),
      'private',
    ],
    ['an internal class', gateway(HTTPS).replace('envoy', 'gke-l7-rilb'), 'private'],
    [
      'a Service inside of the cluster',
      gateway(HTTPS, ', infrastructure: { annotations: { networking.istio.io/service-type: ClusterIP } }'),
      'private',
    ],
    ['a private address', `${gateway(HTTPS)}status: { addresses: [{ value: 10.0.0.1 }] }\n`, 'private'],
    ['a public address', `${gateway(HTTPS)}status: { addresses: [{ value: 192.0.2.1 }] }\n`, 'anybody'],
  ])('S20 tells who gets to a Gateway with %s', (_what, text, reach) => {
    expect(exposureLines(POD, SERVICE, text, route())[0]).toMatch(new RegExp(`^gateway ${reach} `));
  });

  it('S20 goes by the Service that the controller made', () => {
    const own = service(
      'envoy',
      ', type: NodePort',
      ', labels: { gateway.networking.k8s.io/gateway-name: gw }',
    ).replace('namespace: ml', 'namespace: edge');
    expect(exposureLines(POD, SERVICE, gateway(HTTPS), route(), own).at(-1)).toMatch(/^gateway node /);
  });

  it('takes a waypoint for no way in, and does not know of a Gateway that was not given', () => {
    expect(exposureLines(POD, SERVICE, gateway(HTTPS).replace('envoy', 'istio-waypoint'), route())).toEqual([]);
    expect(exposureLines(POD, SERVICE, route())[0]).toMatch(/^gateway unknown /);
    expect(linesOf(GATEWAY, POD, SERVICE, route())).toEqual(['unknown not-given ml/r[HTTPRoute]']);
  });

  it('sees client certificates and policies of Envoy Gateway', () => {
    const certificates = gateway(
      `port: 443, protocol: HTTPS, tls: { frontendValidation: { caCertificateRefs: [] } }, ${ALL}`,
    );
    expect(exposureLines(POD, SERVICE, certificates, route())[0]).toContain('by=a client certificate');
    const policy =
      'apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: { name: p, namespace: ml }\nspec: { targetRefs: [{ kind: HTTPRoute, name: r }], jwt: { providers: [] } }\n';
    expect(exposureLines(POD, SERVICE, gateway(HTTPS), route(), policy)[0]).toContain('by=ml/p[SecurityPolicy]');
    expect(linesOf(GATEWAY, POD, SERVICE, gateway(HTTPS), route(), policy)).toEqual(['fail low ml/r[HTTPRoute]']);
  });
});
