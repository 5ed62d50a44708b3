// Ingresses: what they lead to, with or without TLS, and who is asked for what on the way.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { type Exposure, narrowerReach, type Reach, type Tls } from './exposure.ts';
import { reachOfIngress } from './ingress-controllers.ts';
import { exposeService, type ServiceReference } from './routed.ts';
import { isEverybody, readBlocks } from './source-ranges.ts';

export function readIngressExposures(cluster: Cluster): readonly Exposure[] {
  return INGRESS_GROUPS.flatMap((group) => cluster.byKind(group, 'Ingress')).flatMap((ingress) =>
    exposuresOf(cluster, ingress),
  );
}

const INGRESS_GROUPS = ['networking.k8s.io', 'extensions'];

function exposuresOf(cluster: Cluster, ingress: KubeObject): readonly Exposure[] {
  const spec = cluster.field(ingress, 'spec');
  const reach = withSources(reachOfIngress(cluster, ingress), ingress);
  const common = {
    entry: 'ingress' as const,
    object: ingress,
    through: [formatObject(ingress)],
    reach,
    authentication: authenticationOf(ingress),
  };
  const tls = spec.get('tls').asList();
  const expose = (backend: Field, hosts: readonly string[]): readonly Exposure[] => {
    const to = readBackend(backend, ingress.namespace ?? '');
    if (to === null) return [];
    return exposeService(cluster, { ...common, at: backend.path, hosts, tls: tlsOf(tls, hosts, ingress) }, to);
  };
  const fallback = spec.get('defaultBackend').isPresent ? spec.get('defaultBackend') : spec.get('backend');
  return [
    ...expose(fallback, []),
    ...spec
      .get('rules')
      .asList()
      .flatMap((rule) => {
        const host = rule.get('host').asText();
        const hosts = host === null || host === '' ? [] : [host];
        return rule
          .get('http', 'paths')
          .asList()
          .flatMap((path) => expose(path.get('backend'), hosts));
      }),
  ];
}

/** Also as it was before `networking.k8s.io/v1`. */
function readBackend(backend: Field, namespace: string): ServiceReference | null {
  const service = backend.get('service');
  const name = service.get('name').asText() ?? backend.get('serviceName').asText();
  if (name === null) return null;
  const port =
    service.get('port', 'number').asInteger() ??
    service.get('port', 'name').asText() ??
    backend.get('servicePort').asIntegerOrText();
  return { namespace, name, port };
}

const SOURCE_ANNOTATIONS = [
  'nginx.ingress.kubernetes.io/whitelist-source-range',
  'nginx.ingress.kubernetes.io/allowlist-source-range',
  'alb.ingress.kubernetes.io/inbound-cidrs',
  'haproxy.org/allow-list',
  'haproxy-ingress.github.io/allowlist-source-range',
  'ingress.kubernetes.io/whitelist-source-range',
];

function withSources(reach: Reach, { annotations }: KubeObject): Reach {
  const key = SOURCE_ANNOTATIONS.find((annotation) => annotations.has(annotation));
  const sources = key === undefined ? [] : readBlocks(annotations.get(key) ?? '');
  if (key === undefined || sources.length === 0 || sources.some(isEverybody)) return reach;
  return narrowerReach(reach, { kind: 'listed', sources, why: key });
}

/** Each says who asks; what a plugin or middleware does is not looked into. */
function authenticationOf({ annotations }: KubeObject): string | null {
  for (const [key, pattern, what] of AUTHENTICATION_ANNOTATIONS) {
    if (pattern.test(annotations.get(key) ?? '')) return what;
  }
  return null;
}

const AUTHENTICATION_ANNOTATIONS: readonly (readonly [string, RegExp, string])[] = [
  ['nginx.ingress.kubernetes.io/auth-url', /./, 'an external service'],
  ['nginx.ingress.kubernetes.io/auth-type', /^(?:basic|digest)$/, 'a password'],
  ['nginx.ingress.kubernetes.io/auth-tls-secret', /./, 'a client certificate'],
  ['alb.ingress.kubernetes.io/auth-type', /^(?:oidc|cognito)$/, 'OpenID Connect'],
  ['alb.ingress.kubernetes.io/mutual-authentication', /"mode"\s*:\s*"verify"/, 'a client certificate'],
  ['haproxy.org/auth-type', /./, 'a password'],
  ['haproxy-ingress.github.io/auth-url', /./, 'an external service'],
  ['haproxy-ingress.github.io/auth-secret', /./, 'a password'],
  ['ingress.kubernetes.io/auth-type', /./, 'a password'],
  ['appgw.ingress.kubernetes.io/appgw-ssl-profile', /./, 'a client certificate'],
];

const CERTIFICATE_ANNOTATIONS = [
  'alb.ingress.kubernetes.io/certificate-arn',
  'ingress.gcp.kubernetes.io/pre-shared-cert',
  'networking.gke.io/managed-certificates',
  'appgw.ingress.kubernetes.io/appgw-ssl-certificate',
];

function tlsOf(tls: readonly Field[], hosts: readonly string[], { annotations }: KubeObject): Tls {
  if (annotations.get('nginx.ingress.kubernetes.io/ssl-passthrough') === 'true') return 'passthrough';
  const covers = (entry: Field): boolean => {
    const names = entry.get('hosts').asTexts();
    return names.length === 0 || hosts.some((host) => names.some((name) => isCovered(host, name)));
  };
  const isSecured = tls.some(covers) || CERTIFICATE_ANNOTATIONS.some((key) => annotations.has(key));
  if (!isSecured) return 'none';
  const isRefused =
    annotations.get('nginx.ingress.kubernetes.io/ssl-redirect') === 'false' &&
    annotations.get('nginx.ingress.kubernetes.io/force-ssl-redirect') !== 'true';
  return isRefused ? 'optional' : 'terminated';
}

/** `*.a.example` covers one label more, as in a certificate. */
function isCovered(host: string, name: string): boolean {
  if (name === host) return true;
  return name.startsWith('*.') && host.slice(host.indexOf('.') + 1) === name.slice(2);
}
