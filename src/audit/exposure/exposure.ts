// A way from outside of the cluster to a workload, as far as objects tell.

import type { KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';
import type { Workload } from '../workload.ts';

export type EntryKind =
  | 'load-balancer'
  | 'node-port'
  | 'external-ip'
  | 'host-port'
  | 'ingress'
  | 'gateway'
  | 'istio-gateway'
  | 'route'
  | 'ray-head'
  | 'inference-service';

/** Who gets to the entry. */
export type Reach =
  /** Nothing that is seen keeps anybody away. `isPresumed`: what stands in front, such as a controller's Service, was not given. */
  | { readonly kind: 'anybody'; readonly isPresumed: boolean; readonly why: string }
  | { readonly kind: 'listed'; readonly sources: readonly string[]; readonly why: string }
  /** Whoever reaches the address of a node. */
  | { readonly kind: 'node'; readonly why: string }
  | { readonly kind: 'private'; readonly why: string }
  | { readonly kind: 'unknown'; readonly reason: string; readonly why: string };

/** `optional`: plain text is answered as well. */
export type Tls = 'none' | 'optional' | 'terminated' | 'passthrough' | 'unknown';

export interface ExposedPort {
  /** In the pod; null when it is not known. */
  readonly number: number | null;
  /** TCP, UDP or SCTP. */
  readonly protocol: string;
}

export interface Exposure {
  readonly entry: EntryKind;
  /** Who opens it, and where it says so. */
  readonly object: KubeObject;
  readonly at: Path;
  /** From the outside in: `ml/web[Ingress]`, `ml/api[Service]`. */
  readonly through: readonly string[];
  /** Null when nothing that was given stands behind it. */
  readonly workload: Workload | null;
  readonly port: ExposedPort;
  readonly reach: Reach;
  readonly tls: Tls;
  /** What asks who is there before the workload does; null when nothing is seen. */
  readonly authentication: string | null;
  readonly hosts: readonly string[];
}

/** Whether somebody outside of the cluster gets there, private networks aside. */
export function isFromOutside({ reach }: Exposure): boolean {
  return reach.kind === 'anybody' || reach.kind === 'listed' || reach.kind === 'node';
}

const WIDTH: Readonly<Record<Reach['kind'], number>> = { anybody: 4, node: 3, listed: 2, unknown: 1, private: 0 };

/** The one that lets the most in; null of none. */
export function widestReach(reaches: readonly Reach[]): Reach | null {
  return reaches.reduce<Reach | null>(
    (widest, reach) => (widest === null || WIDTH[reach.kind] > WIDTH[widest.kind] ? reach : widest),
    null,
  );
}

/** Both have to be passed. */
export function narrowerReach(left: Reach, right: Reach): Reach {
  return WIDTH[left.kind] <= WIDTH[right.kind] ? left : right;
}
