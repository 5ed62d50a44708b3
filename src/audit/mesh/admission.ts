// Who asks at a port, as the mesh sees it, and whether its policies let him through.

import type { KubeObject } from '../kube-object.ts';
import type { Workload } from '../workload.ts';
import { ANONYMOUS, type CallerIdentity } from './caller.ts';
import { findInboundOpening, isOpen } from './capture.ts';
import { namespaceOf, type MeshKind } from './carrier.ts';
import type { Admission } from './istio-authorization.ts';
import type { Match } from './match.ts';
import type { MeshParts } from './mesh-parts.ts';
import { findUnreadLinkerd } from './mtls-mode.ts';
import { describeUnread, findUnread } from './readable.ts';

export interface MeshAnswer {
  readonly admission: Admission;
  /** What enforces it; null when nothing at that port does. */
  readonly enforcer: MeshKind | null;
  readonly why: readonly string[];
  readonly policies: readonly KubeObject[];
}

/** A port of a workload; null for one that nobody declares. */
export interface Target {
  readonly to: Workload;
  readonly port: number | null;
}

/** `from` is null for somebody outside of the cluster. */
export function findCaller(parts: MeshParts, from: Workload | null, { to, port }: Target): CallerIdentity {
  if (from === null) return ANONYMOUS;
  const { carrierOf, openingsOf } = parts;
  const own = carrierOf(from);
  const theirs = carrierOf(to);
  if (own.kind === 'none' || theirs.kind === 'none') return ANONYMOUS;
  if (own.kind === 'unknown') return { kind: 'unknown', reason: `${from.ref}: ${own.reason}` };
  if (theirs.kind === 'unknown') return { kind: 'unknown', reason: `${to.ref}: ${theirs.reason}` };
  // The meshes do not believe each other.
  if ((own.kind === 'linkerd') !== (theirs.kind === 'linkerd')) return ANONYMOUS;
  const outbound = openingsOf(from).filter(({ direction }) => direction === 'outbound');
  if (outbound.some(({ ports }) => isOpen(ports, port) === 'yes')) return ANONYMOUS;
  const tls = own.kind === 'istio-sidecar' ? tlsTowards(parts, from, { to, port }) : 'own';
  if (tls === 'other') return ANONYMOUS;
  if (tls === 'either')
    return { kind: 'unknown', reason: 'a DestinationRule takes the TLS of the mesh away on some ways' };
  const uncertain = outbound.find(({ ports }) => isOpen(ports, port) === 'unknown');
  if (uncertain !== undefined) {
    return { kind: 'unknown', reason: `${from.ref} may pass its own proxy by: ${uncertain.setting}` };
  }
  return { kind: 'proven', namespace: from.namespace, serviceAccount: from.serviceAccount };
}

/** With which TLS the Services that lead to a port are called: that of the mesh itself, or what DestinationRules say. */
function tlsTowards(
  { services, destinationRules }: MeshParts,
  from: Workload,
  { to, port }: Target,
): 'own' | 'either' | 'other' {
  const modes = services.selecting(to).flatMap(({ object, ports }) =>
    ports.flatMap(({ port: servicePort, target }) => {
      const number = typeof target === 'string' ? namedPort(to, target) : (target ?? servicePort);
      return number === port ? (destinationRules.modeOf(from, object, servicePort)?.mode ?? 'ISTIO_MUTUAL') : [];
    }),
  );
  const others = modes.filter((mode) => mode !== 'ISTIO_MUTUAL').length;
  if (others === 0) return 'own';
  return others === modes.length ? 'other' : 'either';
}

function namedPort({ containers }: Workload, name: string): number | null {
  return containers.flatMap(({ ports }) => ports).find((port) => port.name === name)?.number ?? null;
}

export function authorize(parts: MeshParts, caller: CallerIdentity, { to, port }: Target): MeshAnswer {
  const { cluster, carrierOf, openingsOf, linkerd } = parts;
  const carrier = carrierOf(to);
  if (carrier.kind === 'none') return notEnforced('allowed', `${to.ref} is in no mesh: ${carrier.reason}`);
  if (carrier.kind === 'unknown') return notEnforced('unknown', `${to.ref}: ${carrier.reason}`);
  const opening = findInboundOpening(openingsOf(to), port);
  if (opening !== null) {
    const isCertain = isOpen(opening.ports, port) === 'yes';
    return notEnforced(isCertain ? 'allowed' : 'unknown', `not seen by the mesh: ${opening.setting}`);
  }
  if (carrier.kind !== 'linkerd') return askIstio(parts, caller, { to, port, carrier: carrier.kind });
  const unread = findUnreadLinkerd(cluster, to.namespace);
  if (unread !== null) return { admission: 'unknown', enforcer: 'linkerd', why: [unread], policies: [] };
  const asked = { caller, port, address: 'unknown' } as const;
  const { match, source, object } = linkerd.answer(to, namespaceOf(cluster, to), asked);
  return {
    admission: ADMISSIONS[match],
    enforcer: 'linkerd',
    why: [source],
    policies: object === null ? [] : [object],
  };
}

const ADMISSIONS: Readonly<Record<Match, Admission>> = {
  yes: 'allowed',
  no: 'denied',
  request: 'depends',
  unknown: 'unknown',
};

function askIstio(
  parts: MeshParts,
  caller: CallerIdentity,
  { to, port, carrier }: Target & { readonly carrier: 'istio-sidecar' | 'istio-ambient' },
): MeshAnswer {
  const { cluster, settings, authorizationPolicies } = parts;
  const unread = [to.namespace, settings.rootNamespace]
    .map((namespace) => findUnread(cluster, { group: 'security.istio.io', kind: 'AuthorizationPolicy', namespace }))
    .find((entry) => entry !== null);
  if (unread !== null && unread !== undefined) {
    return { admission: 'unknown', enforcer: carrier, why: [describeUnread(unread)], policies: [] };
  }
  const waypoint = carrier === 'istio-ambient' ? findWaypoint(parts, to) : null;
  if (waypoint !== null && authorizationPolicies.hasTargetedFor(to)) {
    const why = [`waypoint ${waypoint} stands before it, with policies that are not evaluated here`];
    return { admission: 'unknown', enforcer: carrier, why, policies: [] };
  }
  const enforcer = carrier === 'istio-ambient' ? 'ztunnel' : 'sidecar';
  return { ...authorizationPolicies.answer(to, { caller, port, enforcer }), enforcer: carrier };
}

function findWaypoint({ cluster, services }: MeshParts, workload: Workload): string | null {
  const labels = [
    workload.labels,
    ...services.selecting(workload).map(({ object }) => object.labels),
    namespaceOf(cluster, workload).labels,
  ];
  const waypoint = labels.map((of) => of.get('istio.io/use-waypoint')).find((name) => name !== undefined);
  return waypoint === undefined || waypoint === 'none' ? null : waypoint;
}

function notEnforced(admission: Admission, why: string): MeshAnswer {
  return { admission, enforcer: null, why: [why], policies: [] };
}
