// Connections that are allowed for certain, and those that may be.

import {
  ALL_CONNECTIONS,
  type ConnectionSet,
  formatConnections,
  intersect,
  isSame,
  NO_CONNECTIONS,
  unite,
} from './connection-set.ts';

export interface Bounds {
  readonly certain: ConnectionSet;
  /** With those that are certain. */
  readonly possible: ConnectionSet;
}

export const ALL_BOUNDS: Bounds = { certain: ALL_CONNECTIONS, possible: ALL_CONNECTIONS };
export const UNKNOWN_BOUNDS: Bounds = { certain: NO_CONNECTIONS, possible: ALL_CONNECTIONS };

/** What both let through. */
export function meet(left: Bounds, right: Bounds): Bounds {
  if (left === right) return left;
  return { certain: intersect(left.certain, right.certain), possible: intersect(left.possible, right.possible) };
}

/** One of the two, and nobody knows which. */
export function eitherOf(left: Bounds, right: Bounds): Bounds {
  if (left === right) return left;
  return { certain: intersect(left.certain, right.certain), possible: unite(left.possible, right.possible) };
}

export function isExact({ certain, possible }: Bounds): boolean {
  return isSame(certain, possible);
}

/** Equal for equal bounds only. */
export function keyOfBounds({ certain, possible }: Bounds): string {
  return `${formatConnections(certain)}|${formatConnections(possible)}`;
}

/** `TCP 80`, or `Unknown`. */
export function formatBounds(bounds: Bounds): string {
  return isExact(bounds) ? formatConnections(bounds.certain) : 'Unknown';
}
