// Whether anything could be missing from what was read that would have been a policy.

import type { Cluster } from '../cluster.ts';
import type { Unreadable } from '../inventory.ts';

/** Input that could have held objects of any kind; null when all of it was read. What is missing of one kind is doubted where it matters. */
export function findUnreadInput({ inventory }: Cluster): Unreadable | null {
  return inventory.unreadable.find(({ kind }) => kind === null) ?? null;
}
