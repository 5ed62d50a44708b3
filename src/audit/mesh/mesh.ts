// Who in a cluster has to prove an identity, to whom, and what the meshes make of it: what rules, lists and the access matrix ask.

import type { Cluster, Namespace } from '../cluster.ts';
import type { AuditOptions } from '../finding.ts';
import type { Workload } from '../workload.ts';
import { authorize, findCaller, type MeshAnswer, type Target } from './admission.ts';
import { ANONYMOUS, type CallerIdentity } from './caller.ts';
import { DATAPLANE_MODE, LINKERD_INJECT } from './carrier.ts';
import { NAMESPACE_INJECTION, REVISION } from './injection.ts';
import type { Admission } from './istio-authorization.ts';
import { readMeshParts, remembering, type MeshParts } from './mesh-parts.ts';
import { decideMtls, type MtlsMode } from './mtls-mode.ts';

export interface Mesh extends MeshParts {
  /** Something of a mesh is there, be it in use or not. */
  readonly isPresent: boolean;
  /** `port` is that of the workload, not of a Service; null for one that nobody declares. */
  readonly mtlsMode: (workload: Workload, port: number | null) => MtlsMode;
}

export interface MeshAuthorization extends MeshAnswer {
  /** `admission` is that of a caller who shows whatever identity it has. */
  readonly caller: CallerIdentity;
  /** Of one who shows none, as whoever has broken into it may choose to; null when the port takes nobody without. */
  readonly withoutIdentity: Admission | null;
}

export type MeshOptions = Pick<AuditOptions, 'meshRootNamespace'>;

/** Made once for a cluster and its options. */
export function meshOf(cluster: Cluster, { meshRootNamespace }: MeshOptions): Mesh {
  const meshes = cluster.once(createMeshes);
  const mesh = meshes.get(meshRootNamespace) ?? createMesh(readMeshParts(cluster, meshRootNamespace));
  meshes.set(meshRootNamespace, mesh);
  return mesh;
}

/** Whether nobody gets an answer at a port without proving who it is. */
export function requiresIdentity(mesh: Mesh, workload: Workload, port: number | null): 'yes' | 'no' | 'unknown' {
  const { mode, assumption } = mesh.mtlsMode(workload, port);
  if (mode === 'UNKNOWN' || (mode === 'STRICT' && assumption !== null)) return 'unknown';
  return mode === 'STRICT' ? 'yes' : 'no';
}

/** `from` is null for somebody outside of the cluster. Whether the port takes plaintext is `requiresIdentity`. */
export function meshAuthorization(mesh: Mesh, from: Workload | null, target: Target): MeshAuthorization {
  const caller = findCaller(mesh, from, target);
  const isOpen = requiresIdentity(mesh, target.to, target.port) !== 'yes';
  const withoutIdentity = isOpen ? authorize(mesh, ANONYMOUS, target).admission : null;
  return { ...authorize(mesh, caller, target), caller, withoutIdentity };
}

function createMeshes(): Map<string, Mesh> {
  return new Map();
}

function createMesh(parts: MeshParts): Mesh {
  const modesOf = remembering(() => new Map<number | null, MtlsMode>());
  return {
    ...parts,
    isPresent: isPresent(parts),
    mtlsMode: (workload, port) => {
      const modes = modesOf(workload);
      const mode = modes.get(port) ?? decideMtls(parts, workload, port);
      modes.set(port, mode);
      return mode;
    },
  };
}

const KINDS: readonly (readonly [group: string, kind: string])[] = [
  ['security.istio.io', 'PeerAuthentication'],
  ['security.istio.io', 'AuthorizationPolicy'],
  ['networking.istio.io', 'DestinationRule'],
  ['policy.linkerd.io', 'Server'],
  ['policy.linkerd.io', 'AuthorizationPolicy'],
];
/** Somebody means to have a mesh there. */
function isEnrolled({ labels, annotations }: Namespace): boolean {
  return (
    labels.get(NAMESPACE_INJECTION) === 'enabled' ||
    labels.has(REVISION) ||
    labels.get(DATAPLANE_MODE) === 'ambient' ||
    annotations.get(LINKERD_INJECT) === 'enabled'
  );
}

const CONTROL_PLANES = /^(?:istiod(?:-.+)?|ztunnel|linkerd-proxy-injector|linkerd-destination)$/;

function isPresent({ cluster, settings, cilium, carrierOf }: MeshParts): boolean {
  if (settings.webhooks !== null || cilium.isUsed) return true;
  if (KINDS.some(([group, kind]) => cluster.byKind(group, kind).length > 0)) return true;
  if ([...cluster.namespaces.values()].some(isEnrolled)) return true;
  return cluster.workloads.some((workload) => {
    const { kind } = carrierOf(workload);
    return CONTROL_PLANES.test(workload.name) || (kind !== 'none' && kind !== 'unknown');
  });
}
