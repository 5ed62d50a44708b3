// What is in force after a reading: a list that follows from the one before replaces it, anything else only adds to it.

import type { ListContents, StoredEntry } from './list-contents.ts';
import { compareMarks } from './list-mark.ts';

/** Why what Redis holds is not taken for the whole list. */
export type Doubt =
  /** Nobody has declared a list yet, or it was lost before this process knew it. */
  | 'no-list'
  /** Its mark is gone: Redis was emptied or replaced, or the mark was damaged. */
  | 'list-lost'
  /** Redis holds an older state than was seen, or one that came of an older state. */
  | 'list-rolled-back';

export interface Succession {
  readonly inForce: ListContents;
  /** Null: what was found is the whole list. */
  readonly doubt: Doubt | null;
}

/** @param whole the last that was found to be the whole list; `NO_CONTENTS` when none was */
export function succeed(whole: ListContents, found: ListContents): Succession {
  if (whole.mark === null) return { inForce: found, doubt: found.mark === null ? 'no-list' : null };
  if (found.mark === null) return { inForce: join(whole, found), doubt: 'list-lost' };
  switch (compareMarks(whole.mark, found.mark)) {
    case 'same':
    case 'new':
      return { inForce: found, doubt: null };
    case 'rolled-back':
      return { inForce: join(whole, found), doubt: 'list-rolled-back' };
  }
}

/** Everything that either revokes. To revoke is always safe to follow; to let go of a revocation needs a list that can be trusted. */
function join(whole: ListContents, found: ListContents): ListContents {
  const entries = new Map(whole.entries);
  for (const [field, entry] of found.entries) {
    const known = entries.get(field);
    entries.set(field, known === undefined ? entry : longerLasting(known, entry));
  }
  return { mark: whole.mark, entries, problems: found.problems };
}

function longerLasting(known: StoredEntry, found: StoredEntry): StoredEntry {
  const knownUntilMs = known.revocation.expiresMs ?? Number.POSITIVE_INFINITY;
  return (found.revocation.expiresMs ?? Number.POSITIVE_INFINITY) > knownUntilMs ? found : known;
}
