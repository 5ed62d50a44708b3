// What stands between two workloads at one port, layer by layer: the network, mutual TLS, the mesh's own policies, and Sallyport.

import { meshAuthorization, requiresIdentity, type Mesh, type MeshAuthorization } from '../mesh/mesh.ts';
import { findListener } from '../mesh/sallyport.ts';
import type { Bounds } from '../network/bounds.ts';
import { type ConnectionSet, includes, isNone } from '../network/connection-set.ts';
import type { Workload } from '../workload.ts';
import type { CellPort } from './cell.ts';
import type { Grants } from './grants.ts';

export const LAYERS = ['network', 'mtls', 'mesh-authorization', 'sallyport'] as const;
export type Layer = (typeof LAYERS)[number];

export const LAYER_NAMES: Readonly<Record<Layer, string>> = {
  network: 'the network policies',
  mtls: 'mutual TLS',
  'mesh-authorization': "the mesh's authorization",
  sallyport: 'Sallyport',
};

/** `absent`: the layer is not there, or asks nothing, and so lets everybody through. */
export type LayerAnswer = 'admits' | 'denies' | 'unknown' | 'absent';

export interface LayerOpinion {
  readonly layer: Layer;
  /** To somebody who tries every way that the caller has, such as leaving its identity out. */
  readonly answer: LayerAnswer;
  /** To the caller as it is meant to ask. */
  readonly toRegular: LayerAnswer;
  /** Somebody wrote that this caller may. */
  readonly isMeant: boolean;
  readonly detail: string;
  /** Kebab-case, of what is unknown. */
  readonly reason: string;
}

export interface KnownOpinion extends LayerOpinion {
  /** Equal for equal ones. */
  readonly id: number;
}

export function askNetwork({ certain, possible }: Bounds, { number, protocol }: CellPort): LayerAnswer {
  const asks = (set: ConnectionSet): boolean => (number === null ? !isNone(set) : includes(set, protocol, number));
  if (asks(certain)) return 'admits';
  return asks(possible) ? 'unknown' : 'denies';
}

export interface Passage {
  readonly from: Workload;
  readonly to: Workload;
  /** Of `from` in the matrix. */
  readonly component: string | null;
  readonly port: CellPort;
}

export interface Guards {
  readonly mesh: Mesh;
  /** Nothing of a mesh is there, and it would have been seen: what nobody knows of a workload does not matter then. */
  readonly isMeshless: boolean;
  readonly grants: Grants;
  readonly opinions: Opinions;
}

/** Everything but the network. A mesh and Sallyport see no more than TCP. */
export function askGuards({ mesh, isMeshless, grants, opinions }: Guards, passage: Passage): readonly KnownOpinion[] {
  const { to, port } = passage;
  if (port.protocol !== 'TCP') return [];
  const bySallyport = askSallyport(mesh, grants, passage);
  const byMesh = isMeshless ? [] : askAll(mesh, passage);
  const { by, source } = mesh.mtlsMode(to, port.number);
  const byOwn = isMeshless && by === 'sallyport' ? [opinion('mtls', 'admits', source)] : [];
  return [...byMesh, ...byOwn, bySallyport].map((each) => opinions.keep(each));
}

function askAll(mesh: Mesh, passage: Passage): readonly LayerOpinion[] {
  const { from, to, port } = passage;
  const authorization = meshAuthorization(mesh, from, { to, port: port.number });
  return [askTls(mesh, passage, authorization), askMesh(authorization)];
}

/** Most of millions of opinions are the same. */
export class Opinions {
  readonly #known = new Map<string, KnownOpinion>();

  keep(opinion: LayerOpinion): KnownOpinion {
    const { layer, answer, toRegular, isMeant, detail } = opinion;
    const key = `${layer} ${answer} ${toRegular} ${isMeant ? '+' : '-'} ${detail}`;
    const known = this.#known.get(key) ?? { ...opinion, id: this.#known.size };
    this.#known.set(key, known);
    return known;
  }
}

function askTls(mesh: Mesh, { to, port: { number } }: Passage, { caller }: MeshAuthorization): LayerOpinion {
  const needed = requiresIdentity(mesh, to, number);
  const { by, source } = mesh.mtlsMode(to, number);
  if (needed === 'no') return opinion('mtls', 'absent', source);
  // Every component has a SPIFFE ID; whether it may is for the matrix to say.
  if (by === 'sallyport') return opinion('mtls', 'admits', source);
  if (by === 'cilium') return opinion('mtls', 'unknown', `${source}; whether the caller can is not known`, 'mesh-mode');
  if (caller.kind === 'proven') return opinion('mtls', 'admits', source);
  if (needed === 'unknown') return opinion('mtls', 'unknown', source, 'mesh-mode');
  if (caller.kind === 'unknown') return opinion('mtls', 'unknown', caller.reason, 'mesh-mode');
  return opinion('mtls', 'denies', `${source}, and the caller proves no identity of the mesh`);
}

function askMesh({ enforcer, admission, withoutIdentity, why, policies }: MeshAuthorization): LayerOpinion {
  const detail = why.join(', ');
  const isUnsaid = enforcer === null && admission === 'allowed';
  if (isUnsaid || (policies.length === 0 && admission === 'allowed')) {
    return opinion('mesh-authorization', 'absent', detail);
  }
  const toRegular = ANSWERS[admission];
  const isLetIn = admission === 'allowed' || withoutIdentity === 'allowed';
  const isOpen = admission === 'unknown' || admission === 'depends' || isDoubtful(withoutIdentity);
  const answer = isLetIn ? 'admits' : isOpen ? 'unknown' : 'denies';
  const isMeant = admission === 'allowed';
  const plain = !isMeant && isLetIn ? `${detail}, and lets through who shows no identity` : detail;
  return { layer: 'mesh-authorization', answer, toRegular, isMeant, detail: plain, reason: 'mesh-policy' };
}

const ANSWERS = { allowed: 'admits', denied: 'denies', depends: 'unknown', unknown: 'unknown' } as const;

function isDoubtful(admission: keyof typeof ANSWERS | null): boolean {
  return admission === 'unknown' || admission === 'depends';
}

function askSallyport(mesh: Mesh, grants: Grants, { to, component, port: { number } }: Passage): LayerOpinion {
  const sallyport = mesh.sallyportOf(to);
  if (sallyport === null) return opinion('sallyport', 'absent', 'no Sallyport stands before it');
  const { config, container } = sallyport;
  if (config.kind === 'unknown') {
    const isItsPort = container.ports.some((port) => port.number === number);
    return opinion('sallyport', isItsPort ? 'unknown' : 'absent', config.reason, 'not-given');
  }
  const listener = findListener(sallyport, number);
  if (listener === null) return opinion('sallyport', 'absent', 'Sallyport does not stand before this port');
  if (config.mode === 'shadow')
    return opinion('sallyport', 'absent', 'Sallyport is in shadow, and forwards what it denies');
  if (to.isHostNetwork) {
    const detail = 'on the network of its node, where others of the node find the service around Sallyport';
    return opinion('sallyport', 'unknown', detail, 'host-network');
  }
  if (listener.components.length === 0) {
    return opinion('sallyport', 'unknown', `its listener ${listener.name} names no component`, 'not-given');
  }
  const granted = listener.components.filter((target) => grants.has(component, target));
  if (granted.length > 0) {
    const detail = `the matrix grants ${component ?? 'it'} requests to ${granted.join(', ')}`;
    return { ...opinion('sallyport', 'admits', detail), isMeant: true };
  }
  return opinion('sallyport', 'denies', `its listener ${listener.name} decides by the matrix`);
}

function opinion(layer: Layer, answer: LayerAnswer, detail: string, reason = ''): LayerOpinion {
  return { layer, answer, toRegular: answer, isMeant: false, detail, reason };
}
