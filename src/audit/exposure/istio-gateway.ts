// Istio's own Gateways and VirtualServices.
// https://istio.io/latest/docs/reference/config/networking/gateway/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { compileEquality, matchLabels } from '../selector.ts';
import type { Workload } from '../workload.ts';
import { reachOfWorkloads } from './direct.ts';
import type { Exposure, Reach, Tls } from './exposure.ts';
import { sharedHosts } from './hosts.ts';
import { exposeService, type ServiceReference } from './routed.ts';

const GROUP = 'networking.istio.io';

export function readIstioExposures(cluster: Cluster): readonly Exposure[] {
  return cluster.byKind(GROUP, 'VirtualService').flatMap((service) => exposuresOf(cluster, service));
}

interface Server {
  readonly hosts: readonly string[];
  readonly tls: Tls;
  readonly authentication: string | null;
}

function exposuresOf(cluster: Cluster, virtualService: KubeObject): readonly Exposure[] {
  const spec = cluster.field(virtualService, 'spec');
  const hosts = spec.get('hosts').asTexts();
  const destinations = destinationsOf(spec);
  return spec
    .get('gateways')
    .asTexts()
    .filter((name) => name !== 'mesh')
    .flatMap((name) => {
      const slash = name.indexOf('/');
      const namespace = slash < 0 ? (virtualService.namespace ?? '') : name.slice(0, slash);
      const gatewayName = name.slice(slash + 1);
      const gateway = cluster.find(GROUP, 'Gateway', { namespace, name: gatewayName });
      const through = [formatObject({ namespace, name: gatewayName, kind: 'Gateway' }), formatObject(virtualService)];
      const found =
        gateway === null
          ? unseen(cluster, namespace, gatewayName)
          : attach(cluster, gateway, { virtualService, hosts });
      return found.flatMap(({ server, reach, shared }) =>
        destinations.flatMap(({ field, host, port }) => {
          const entry = {
            entry: 'istio-gateway' as const,
            object: virtualService,
            at: field.path,
            through,
            reach,
            tls: server.tls,
            authentication: server.authentication,
            hosts: shared,
          };
          const to = toService(host, port, virtualService.namespace ?? '');
          return to === null ? [] : exposeService(cluster, entry, to);
        }),
      );
    });
}

interface Attachment {
  readonly server: Server;
  readonly reach: Reach;
  readonly shared: readonly string[];
}

function unseen(cluster: Cluster, namespace: string, name: string): readonly Attachment[] {
  const known = cluster.isKnown(GROUP, 'Gateway', namespace);
  if (known === true && cluster.inventory.completeKinds !== 'as-given') return [];
  const reason = known === true ? 'not-given' : known.reason;
  const reach: Reach = { kind: 'unknown', reason, why: `Gateway ${namespace}/${name}, which it names, was not given` };
  return [{ server: { hosts: [], tls: 'unknown', authentication: null }, reach, shared: [] }];
}

function attach(
  cluster: Cluster,
  gateway: KubeObject,
  { virtualService, hosts }: { readonly virtualService: KubeObject; readonly hosts: readonly string[] },
): readonly Attachment[] {
  const workloads = workloadsOf(cluster, gateway);
  if (!isExported(cluster, virtualService, workloads)) return [];
  const reach: Reach = (workloads.length === 0 ? null : reachOfWorkloads(cluster, workloads)) ?? {
    kind: 'anybody',
    isPresumed: true,
    why: 'a Gateway whose proxy, or the Service of it, is not among the objects',
  };
  const authentication = authorizationAt(cluster, workloads);
  return serversOf(cluster, gateway, virtualService).flatMap((server): readonly Attachment[] => {
    const shared = sharedHosts(withoutAll(hosts), withoutAll(server.hosts));
    if (shared === null) return [];
    return [{ server: { ...server, authentication: server.authentication ?? authentication }, reach, shared }];
  });
}

/** The pods of a Gateway may be in any namespace. */
function workloadsOf(cluster: Cluster, gateway: KubeObject): readonly Workload[] {
  const selector = compileEquality(cluster.field(gateway, 'spec', 'selector'));
  if (selector.isEmpty) return [];
  return cluster.workloads.filter(({ labels }) => matchLabels(selector, labels) === 'yes');
}

/** Only what is exported to its namespace gets to a gateway. */
function isExported(cluster: Cluster, virtualService: KubeObject, gateways: readonly Workload[]): boolean {
  const exportTo = cluster.field(virtualService, 'spec', 'exportTo').asTexts();
  if (exportTo.length === 0 || exportTo.includes('*') || gateways.length === 0) return true;
  return gateways.some(({ namespace }) =>
    exportTo.some((one) => (one === '.' ? namespace === virtualService.namespace : one === namespace)),
  );
}

/** Those that would take the VirtualService; one that only redirects to HTTPS takes none. */
function serversOf(cluster: Cluster, gateway: KubeObject, virtualService: KubeObject): readonly Server[] {
  return cluster
    .field(gateway, 'spec', 'servers')
    .asList()
    .flatMap((field): readonly Server[] => {
      const tls = field.get('tls');
      if (tls.get('httpsRedirect').asBoolean() === true) return [];
      const hosts = field
        .get('hosts')
        .asTexts()
        .flatMap((host) => {
          const slash = host.indexOf('/');
          if (slash < 0) return [host];
          const namespace = host.slice(0, slash);
          const isMeant =
            namespace === '*' || virtualService.namespace === (namespace === '.' ? gateway.namespace : namespace);
          return isMeant ? [host.slice(slash + 1)] : [];
        });
      if (hosts.length === 0) return [];
      const mode = tls.get('mode').asText() ?? (tls.isPresent ? 'SIMPLE' : null);
      const protocol = field.get('port', 'protocol').asText()?.toUpperCase() ?? '';
      return [
        {
          hosts,
          tls: tlsOf(mode, protocol),
          authentication: CERTIFICATE_MODES.has(mode ?? '') ? 'a client certificate' : null,
        },
      ];
    });
}

const CERTIFICATE_MODES = new Set(['MUTUAL', 'ISTIO_MUTUAL', 'AUTO_PASSTHROUGH']);

function tlsOf(mode: string | null, protocol: string): Tls {
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') return 'passthrough';
  if (mode !== null) return 'terminated';
  return protocol.startsWith('HTTP') || protocol.startsWith('GRPC') ? 'none' : 'unknown';
}

interface Destination {
  readonly field: Field;
  readonly host: string;
  readonly port: number | null;
}

function destinationsOf(spec: Field): readonly Destination[] {
  const routes = ['http', 'tls', 'tcp'].flatMap((kind) => spec.get(kind).asList());
  const fields = routes.flatMap((route) => [
    ...route
      .get('route')
      .asList()
      .map((one) => one.get('destination')),
    route.get('mirror'),
    ...route
      .get('mirrors')
      .asList()
      .map((one) => one.get('destination')),
  ]);
  return fields.flatMap((field): readonly Destination[] => {
    const host = field.get('host').asText();
    return host === null ? [] : [{ field, host, port: field.get('port', 'number').asInteger() }];
  });
}

/** `svc`, `svc.ns`, `svc.ns.svc.cluster.local`; null for a host outside of the cluster. */
function toService(host: string, port: number | null, namespace: string): ServiceReference | null {
  const [name = '', ofNamespace, service] = host.split('.');
  if (ofNamespace === undefined) return { namespace, name, port };
  return service === undefined || service === 'svc' ? { namespace: ofNamespace, name, port } : null;
}

/** `*` is every host. */
function withoutAll(hosts: readonly string[]): readonly string[] {
  return hosts.includes('*') ? [] : hosts;
}

/** A policy at the proxy that asks for a token, or asks another who asks. */
function authorizationAt(cluster: Cluster, gateways: readonly Workload[]): string | null {
  for (const { namespace, labels } of gateways) {
    const policy = cluster.inNamespace('security.istio.io', 'AuthorizationPolicy', namespace).find((candidate) => {
      const spec = cluster.field(candidate, 'spec');
      const selector = compileEquality(spec.get('selector', 'matchLabels'));
      return matchLabels(selector, labels) === 'yes' && asksForIdentity(spec);
    });
    if (policy !== undefined) return formatObject(policy);
  }
  return null;
}

function asksForIdentity(spec: Field): boolean {
  const action = spec.get('action').asText() ?? 'ALLOW';
  if (action === 'CUSTOM') return true;
  const key = action === 'DENY' ? 'notRequestPrincipals' : 'requestPrincipals';
  return spec
    .get('rules')
    .asList()
    .some((rule) => {
      const sources = rule.get('from').asList();
      return sources.length > 0 && sources.every((from) => from.get('source', key).asTexts().length > 0);
    });
}
