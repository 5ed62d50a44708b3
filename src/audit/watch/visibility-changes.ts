// What of a cluster can be seen no longer, and what can be seen again.

import type { Unreadable, UnreadableReason } from '../inventory.ts';

export interface VisibilityChange {
  /** `absent`: the server has the kinds no longer, and so no objects of them; `served`: it has them now. */
  readonly change: 'lost' | 'regained' | 'absent' | 'served';
  /** At least one: a server that is away takes all with it. */
  readonly what: readonly string[];
  readonly reason: UnreadableReason;
  /** Of the first. */
  readonly detail: string;
}

export function compareVisibility(
  before: readonly Unreadable[],
  after: readonly Unreadable[],
): readonly VisibilityChange[] {
  const [was, is] = [byPlace(before), byPlace(after)];
  const gone = [...is].flatMap(([place, entry]) => (was.has(place) ? [] : [entry]));
  const back = [...was].flatMap(([place, entry]) => (is.has(place) ? [] : [entry]));
  return [
    ...together(gone, ({ reason }) => (reason === 'absent-kind' ? 'absent' : 'lost')),
    ...together(back, ({ reason }) => (reason === 'absent-kind' ? 'served' : 'regained')),
  ];
}

/** Not by the text: a kind that is out of reach goes by the name of its resource or of itself. */
function byPlace(unreadable: readonly Unreadable[]): ReadonlyMap<string, Unreadable> {
  return new Map(
    unreadable.map((entry) => [`${entry.kind ?? entry.what} ${entry.namespace ?? ''} ${entry.reason}`, entry]),
  );
}

function together(
  entries: readonly Unreadable[],
  changeOf: (entry: Unreadable) => VisibilityChange['change'],
): readonly VisibilityChange[] {
  return [...Map.groupBy(entries, ({ reason }) => reason).values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const { reason, detail } = first;
    return [{ change: changeOf(first), what: same.map(({ what }) => what), reason, detail }];
  });
}
