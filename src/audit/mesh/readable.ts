// Whether what is not there may be taken for absent.

import type { Cluster } from '../cluster.ts';
import type { Unreadable } from '../inventory.ts';

/** Null when absence is known. Of files, what was given is all there is: nobody writes a policy into a repository to say that it does not exist. */
export function findUnread(
  cluster: Cluster,
  { group, kind, namespace }: { readonly group: string; readonly kind: string; readonly namespace: string | null },
): Unreadable | null {
  const known = cluster.isKnown(group, kind, namespace);
  if (known === true) return null;
  return known.reason === 'not-given' && cluster.inventory.completeKinds === 'as-given' ? null : known;
}

export function describeUnread({ what, detail }: Unreadable): string {
  return `${what} could not be read: ${detail}`;
}
