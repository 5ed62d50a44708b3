// What was read for an audit, and what could not be.

import type { SourcePosition } from '../core/source-position.ts';
import type { KubeObject } from './kube-object.ts';
import type { KindKey } from './scope.ts';

export type UnreadableReason =
  /** The API server refused. */
  | 'forbidden'
  /** The API server does not know the kind. */
  | 'absent-kind'
  | 'timeout'
  /** The connection, or the server, failed. */
  | 'unavailable'
  | 'malformed'
  | 'too-large'
  /** A file or directory that may not be read, or that leads round in a circle. */
  | 'unreadable-file'
  /** It was read, over a connection that does not prove where from. */
  | 'unverified'
  /** Nothing of the kind is among the given files, which need not be all there is. */
  | 'not-given';

export interface Unreadable {
  /** For people: "networkpolicies.networking.k8s.io in namespace ml", or a file. */
  readonly what: string;
  /** Null when it could have been any. */
  readonly kind: KindKey | null;
  /** Null for every namespace. */
  readonly namespace: string | null;
  readonly reason: UnreadableReason;
  readonly detail: string;
  readonly position: SourcePosition | null;
}

export interface Inventory {
  readonly objects: readonly KubeObject[];
  readonly unreadable: readonly Unreadable[];
  /**
   * From an API server: what was listed to its end, as `completeKind` writes it. From files: what was given is all there is, and a kind of
   * which nothing is there is unknown where it matters.
   */
  readonly completeKinds: ReadonlySet<string> | 'as-given';
}

/** An entry of `completeKinds`: a kind in all namespaces (null), or in one. */
export function completeKind(kind: KindKey, namespace: string | null): string {
  return namespace === null ? kind : `${namespace}/${kind}`;
}
