// The mark of a list: one field of its hash that says that this is a whole list, and of which changes it is the outcome.

import { SallyportError } from '../core/error.ts';

/**
 * Redis forgets: one without persistence starts empty, one with snapshots starts with the list of minutes ago, a failover loses the last
 * writes. A list that lost its mark, or whose mark does not descend from the one seen before, is no reason to trust anybody again.
 */
export interface ListMark {
  /** When an operator declared the list whole (wall time); a later one is another list, meant to replace what was there before. */
  readonly madeMs: number;
  /** Grows by 1 with every change. */
  readonly revision: number;
  /** The identifiers of the last changes, newest last, that of `revision`; the first of all is that of the declaration. */
  readonly changes: readonly string[];
}

export class ListMarkError extends SallyportError<'bad-list-mark'> {}

/** No field of an entry begins with a dot: `revocationKey` begins with a word. */
export const MARK_FIELD = '.list';

const MAX_CHANGES = 32;
const MARK = /^1 (0|[1-9]\d{0,14}) (0|[1-9]\d{0,14}) ([0-9a-f]{16}(?:,[0-9a-f]{16}){0,31})$/;

/** Of a list that replaces the one with the mark `previous`; null where none is known. */
export function startMark(previous: ListMark | null, nowMs: number, changeId: string): ListMark {
  // Later than what it replaces, also when the clock of whoever declared that was ahead.
  return { madeMs: Math.max(nowMs, (previous?.madeMs ?? 0) + 1), revision: 0, changes: [changeId] };
}

export function advanceMark({ madeMs, revision, changes }: ListMark, changeId: string): ListMark {
  return { madeMs, revision: revision + 1, changes: [...changes, changeId].slice(-MAX_CHANGES) };
}

export function formatMark({ madeMs, revision, changes }: ListMark): string {
  return `1 ${madeMs} ${revision} ${changes.join(',')}`;
}

/** @throws {ListMarkError} */
export function parseMark(text: string): ListMark {
  const match = MARK.exec(text);
  if (match === null) throw new ListMarkError('bad-list-mark', 'it is not the mark of a list');
  const [, madeMs, revision, changes = ''] = match;
  return { madeMs: Number(madeMs), revision: Number(revision), changes: changes.split(',') };
}

/** How the mark found now relates to that of the list in force. */
export type Lineage =
  /** The same list, later or not. */
  | 'same'
  /** Declared anew by an operator. */
  | 'new'
  /** Older than what was seen, or changed from something older. */
  | 'rolled-back';

export function compareMarks(seen: ListMark, found: ListMark): Lineage {
  if (found.madeMs > seen.madeMs) return 'new';
  const ahead = found.revision - seen.revision;
  if (found.madeMs < seen.madeMs || ahead < 0) return 'rolled-back';
  const changeThen = found.changes.at(-1 - ahead);
  // Further back than is written down nothing can be told; that many changes are not made between two readings of one connection.
  return changeThen === undefined || changeThen === seen.changes.at(-1) ? 'same' : 'rolled-back';
}
