// What policies are asked about: pods, nodes, and addresses outside of the cluster.

import type { KnownLabels } from '../selector.ts';
import type { Protocol } from './connection-set.ts';
import type { AddressRange } from './ip-address.ts';

export interface NamespaceFacts extends KnownLabels {
  readonly name: string;
}

export interface NamedPort {
  readonly protocol: Protocol;
  readonly number: number;
}

/** All that a policy can ask of a pod. */
export interface PodFacts {
  readonly namespace: NamespaceFacts;
  /** Implied when a controller may add others. */
  readonly labels: KnownLabels;
  /** Null when it could be any. */
  readonly serviceAccount: string | null;
  readonly serviceAccountLabels: KnownLabels;
  readonly ports: ReadonlyMap<string, readonly NamedPort[]>;
  /** What a name that is not among `ports` may still be. */
  readonly otherPorts: 'none' | 'unknown';
}

export interface PodEndpoint {
  readonly kind: 'pod';
  readonly pod: PodFacts;
}

/** A node, and with it every pod on its network, seen from a pod on the same node or on another one. */
export interface NodeEndpoint {
  readonly kind: 'node';
  readonly place: 'same' | 'other';
}

/** Addresses of which every one is treated alike. */
export interface OutsideEndpoint {
  readonly kind: 'outside';
  readonly range: AddressRange;
}

export type Endpoint = PodEndpoint | NodeEndpoint | OutsideEndpoint;

export const SAME_NODE: NodeEndpoint = { kind: 'node', place: 'same' };
export const OTHER_NODE: NodeEndpoint = { kind: 'node', place: 'other' };
