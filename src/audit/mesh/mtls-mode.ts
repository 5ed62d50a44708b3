// Whether a port of a workload takes mutual TLS only, plaintext too, or nothing but plaintext.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Workload } from '../workload.ts';
import { ANONYMOUS } from './caller.ts';
import { findInboundOpening, isOpen, type Opening } from './capture.ts';
import { isGateway, namespaceOf, type Carrier, type MeshKind } from './carrier.ts';
import type { MeshParts } from './mesh-parts.ts';
import { describeUnread, findUnread } from './readable.ts';
import { findListener, type Sallyport } from './sallyport.ts';

export interface MtlsMode {
  readonly mode: 'STRICT' | 'PERMISSIVE' | 'DISABLE' | 'UNKNOWN';
  /** Which object decided, or why it is not known. */
  readonly source: string;
  /** What enforces it; null when nothing does. */
  readonly by: MeshKind | 'cilium' | 'sallyport' | null;
  /** That says so; null for a default. */
  readonly object: KubeObject | null;
  /** What was taken for granted; the mode is a fact only when this is null. */
  readonly assumption: string | null;
  /** Why the mesh does not see this port; null when it does, or when there is none. */
  readonly opening: Opening | null;
  /** Metrics and health of Sallyport itself, behind which nothing stands. */
  readonly isProbes: boolean;
}

/** `port` is that of the workload; null for one that nobody declares. */
export function decideMtls(parts: MeshParts, workload: Workload, port: number | null): MtlsMode {
  const mode = findMode(parts, workload, port);
  return isProbesPort(parts.sallyportOf(workload), port) ? { ...mode, isProbes: true } : mode;
}

function isProbesPort(sallyport: Sallyport | null, port: number | null): boolean {
  return sallyport?.config.kind === 'read' && sallyport.config.probesPort === port && port !== null;
}

function findMode(parts: MeshParts, workload: Workload, port: number | null): MtlsMode {
  const sallyport = parts.sallyportOf(workload);
  const guarded = sallyport === null ? null : sallyportMode(sallyport, port);
  if (guarded?.mode === 'STRICT') return guarded;
  if (isGateway(workload)) return noMode('UNKNOWN', 'a gateway, whose ports are opened by Gateway resources');
  const carrier = parts.carrierOf(workload);
  if (carrier.kind === 'none') {
    return ciliumMode(parts, workload, port) ?? guarded ?? noMode('DISABLE', `no mesh: ${carrier.reason}`);
  }
  return carrier.kind === 'linkerd'
    ? linkerdMode(parts, workload, port)
    : istioMode(parts, { workload, port, carrier });
}

/** Null for a port that is none of Sallyport's. */
function sallyportMode(sallyport: Sallyport, port: number | null): MtlsMode | null {
  const { container, config } = sallyport;
  if (config.kind === 'unknown') {
    const isItsPort = container.ports.some(({ number }) => number === port);
    return isItsPort ? noMode('UNKNOWN', `a port of Sallyport's: ${config.reason}`) : null;
  }
  const listener = findListener(sallyport, port);
  if (listener === null) {
    return isProbesPort(sallyport, port)
      ? noMode('DISABLE', "Sallyport's probes: metrics and health, in plain HTTP")
      : null;
  }
  if (config.mode === 'shadow') {
    const source = `Sallyport's listener ${listener.name} is in shadow, and forwards what it would deny`;
    return { ...noMode('PERMISSIVE', source), object: config.object };
  }
  const proof = listener.authenticate.includes('x509') ? 'X.509-SVID of the peer' : 'JWT-SVID in every request';
  const source = `Sallyport's listener ${listener.name} for ${listener.components.join(', ')}: ${proof}`;
  return { ...noMode('STRICT', source), by: 'sallyport', object: config.object };
}

function ciliumMode({ cilium }: MeshParts, workload: Workload, port: number | null): MtlsMode | null {
  const answer = cilium.answer(workload, port);
  if (answer === null) return null;
  const { mode, source, object } = answer;
  return { ...noMode(mode, source), by: mode === 'UNKNOWN' ? null : 'cilium', object };
}

function linkerdMode(parts: MeshParts, workload: Workload, port: number | null): MtlsMode {
  const { cluster, linkerd, openingsOf } = parts;
  const opening = findInboundOpening(openingsOf(workload), port);
  if (opening !== null) return openMode(opening, port);
  const unread = findUnreadLinkerd(cluster, workload.namespace);
  if (unread !== null) return noMode('UNKNOWN', unread);
  // Whoever comes from the right address may stand for all who prove nothing.
  const asked = { caller: ANONYMOUS, port, address: 'somewhere' } as const;
  const { match, source, object } = linkerd.answer(workload, namespaceOf(cluster, workload), asked);
  if (match === 'unknown') return noMode('UNKNOWN', source);
  const text = `Linkerd, ${source}${match === 'request' ? ' for some requests' : ''}`;
  return { ...noMode(match === 'no' ? 'STRICT' : 'PERMISSIVE', text), by: 'linkerd', object };
}

export function findUnreadLinkerd(cluster: Cluster, namespace: string): string | null {
  for (const kind of ['Server', 'AuthorizationPolicy', 'ServerAuthorization']) {
    const unread = findUnread(cluster, { group: 'policy.linkerd.io', kind, namespace });
    // Older and newer installations do not have all kinds.
    if (unread !== null && unread.kind !== null && unread.reason !== 'absent-kind') return describeUnread(unread);
  }
  return null;
}

function istioMode(
  { cluster, peerAuthentications, openingsOf }: MeshParts,
  {
    workload,
    port,
    carrier,
  }: {
    readonly workload: Workload;
    readonly port: number | null;
    readonly carrier: Exclude<Carrier, { readonly kind: 'none' }>;
  },
): MtlsMode {
  if (carrier.kind === 'unknown' && !hasIstioPolicies(cluster)) return noMode('UNKNOWN', carrier.reason);
  const opening = findInboundOpening(openingsOf(workload), port);
  if (opening !== null) return openMode(opening, port);
  const { mode, by: object, source } = peerAuthentications.decide(workload, port);
  if (mode === 'UNKNOWN') return noMode('UNKNOWN', source);
  const assumption = assumptionOf(cluster, workload, carrier);
  // ztunnel cannot refuse mutual TLS, and takes plaintext beside it.
  const isAmbientDisable = carrier.kind === 'istio-ambient' && mode === 'DISABLE';
  const notes = [
    ...(isAmbientDisable ? ['ambient mode takes DISABLE for PERMISSIVE'] : []),
    ...(assumption === null ? [] : [assumption]),
  ];
  return {
    ...noMode(isAmbientDisable ? 'PERMISSIVE' : mode, [source, ...notes].join('; ')),
    by: carrier.kind === 'unknown' ? null : carrier.kind,
    object,
    assumption,
  };
}

function hasIstioPolicies(cluster: Cluster): boolean {
  return ['PeerAuthentication', 'AuthorizationPolicy'].some(
    (kind) => cluster.byKind('security.istio.io', kind).length > 0,
  );
}

function assumptionOf(cluster: Cluster, { namespace }: Workload, carrier: Carrier): string | null {
  if (carrier.kind === 'unknown') return `provided that it is in the mesh: ${carrier.reason}`;
  const unread = findUnread(cluster, { group: 'security.istio.io', kind: 'PeerAuthentication', namespace });
  return unread === null ? null : `provided that nothing else is said in ${unread.what}, which could not be read`;
}

function openMode(opening: Opening, port: number | null): MtlsMode {
  const { ports, setting } = opening;
  if (isOpen(ports, port) === 'yes') return { ...noMode('DISABLE', `not seen by the mesh: ${setting}`), opening };
  return { ...noMode('UNKNOWN', `whether the mesh sees it is not known: ${setting}`), opening };
}

function noMode(mode: MtlsMode['mode'], source: string): MtlsMode {
  return { mode, source, by: null, object: null, assumption: null, opening: null, isProbes: false };
}
