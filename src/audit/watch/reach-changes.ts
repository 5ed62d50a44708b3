// What can be reached now and could not before, and the other way round; told of whoever it happened to, with those it reaches.

import { type Bounds, formatBounds } from '../network/bounds.ts';
import { isNone, NO_CONNECTIONS, subtract } from '../network/connection-set.ts';
import type { Place } from '../network/connectivity.ts';
import { pairParts, type PartPair } from './outside-parts.ts';
import type { BoundsNumbers, ReachTable } from './reach-table.ts';

/** `uncertain`: it was certain, and is not any more. `changed`: some is reached that was not, and some was that is not. */
export type ReachShift = 'opened' | 'closed' | 'narrowed' | 'changed' | 'uncertain';

export interface ReachChange {
  readonly shift: ReachShift;
  /** False when it may be reached, and nobody knows. */
  readonly isCertain: boolean;
  /** Whether `focus` reaches the peers, or they reach it. */
  readonly direction: 'egress' | 'ingress';
  /** A workload. */
  readonly focus: string;
  /** Workloads, `outside`, `metadata`, or `outside[10.0.0.0/8]`. */
  readonly peers: readonly string[];
  /** As in the list of connections. */
  readonly before: string;
  readonly after: string;
  /** An example, to ask for reasons; null where there was no such place. */
  readonly asked: {
    readonly before: readonly [Place, Place] | null;
    readonly after: readonly [Place, Place];
  };
}

/** Of workloads that are still there. Those that reach the outside come first. */
export function compareReach(before: ReachTable, after: ReachTable, numbers: BoundsNumbers): readonly ReachChange[] {
  const comparison: Comparison = { before, after, numbers, groups: groupWorkloads(before, after) };
  return [...outsideChanges(comparison), ...pairChanges(comparison)];
}

const NOTHING: Bounds = { certain: NO_CONNECTIONS, possible: NO_CONNECTIONS };

/** Workloads that were in one place and are in one place. */
interface Group {
  /** Null for those that are new. */
  readonly was: number | null;
  readonly is: number;
  readonly refs: string[];
}

interface Comparison {
  readonly before: ReachTable;
  readonly after: ReachTable;
  readonly numbers: BoundsNumbers;
  readonly groups: readonly Group[];
}

function groupWorkloads(before: ReachTable, after: ReachTable): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const [ref, is] of after.placeOf) {
    const was = before.placeOf.get(ref) ?? null;
    const key = `${was} ${is}`;
    const group = groups.get(key) ?? { was, is, refs: [] };
    group.refs.push(ref);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function* outsideChanges(comparison: Comparison): Iterable<ReachChange> {
  const { before, after, numbers, groups } = comparison;
  const nothing = numbers.numberOf(NOTHING);
  const parts = pairParts(before.found.outside, after.found.outside);
  for (const direction of ['egress', 'ingress'] as const) {
    for (const { was, is, refs } of groups) {
      const byShift = new Map<string, { readonly pair: readonly [number, number]; readonly parts: PartPair[] }>();
      for (const part of parts) {
        const now = after[direction][is * after.found.outside.length + part.is.id] ?? nothing;
        const then =
          was === null ? nothing : (before[direction][was * before.found.outside.length + part.was.id] ?? nothing);
        if (now === then) continue;
        const key = `${then} ${now}`;
        const same = byShift.get(key) ?? { pair: [then, now], parts: [] };
        same.parts.push(part);
        byShift.set(key, same);
      }
      for (const { pair, parts: changed } of byShift.values()) {
        const peers = [...new Set(changed.map(({ name }) => name))];
        const [part] = changed;
        if (part === undefined) continue;
        for (const focus of refs) {
          const places = (table: ReachTable, peer: Place): readonly [Place, Place] | null => {
            const own = table.workloads.get(focus);
            if (own === undefined) return null;
            return direction === 'egress' ? [own, peer] : [peer, own];
          };
          yield* toChange(
            comparison,
            pair,
            { direction, focus, peers },
            {
              before: places(before, part.was),
              after: places(after, part.is),
            },
          );
        }
      }
    }
  }
}

interface ChangedPair {
  readonly from: string;
  readonly to: string;
}

function* pairChanges(comparison: Comparison): Iterable<ReachChange> {
  const { before, after } = comparison;
  for (const { pair, changed } of changedPairs(comparison)) {
    const byFrom = Map.groupBy(changed, ({ from }) => from);
    const byTo = Map.groupBy(changed, ({ to }) => to);
    // Told of the fewer: one that all may reach now is one change, not as many as there are others.
    const direction = byFrom.size <= byTo.size ? 'egress' : 'ingress';
    for (const [focus, pairs] of direction === 'egress' ? byFrom : byTo) {
      const [example] = pairs;
      if (example === undefined) continue;
      const peers = pairs.map(({ from, to }) => (direction === 'egress' ? to : from));
      const now = placesOf(after, example);
      if (now === null) continue;
      yield* toChange(comparison, pair, { direction, focus, peers }, { before: placesOf(before, example), after: now });
    }
  }
}

/** By what they were and are. */
function changedPairs({ before, after, numbers, groups }: Comparison): Iterable<{
  readonly pair: readonly [number, number];
  readonly changed: readonly ChangedPair[];
}> {
  const found = new Map<string, { readonly pair: readonly [number, number]; readonly changed: ChangedPair[] }>();
  if (before.pairs === null || after.pairs === null) return [];
  const nothing = numbers.numberOf(NOTHING);
  for (const from of groups) {
    for (const to of groups) {
      const now = after.pairs[from.is * after.places + to.is] ?? nothing;
      const then =
        from.was === null || to.was === null ? nothing : (before.pairs[from.was * before.places + to.was] ?? nothing);
      if (now === then) continue;
      const same = found.get(`${then} ${now}`) ?? { pair: [then, now], changed: [] };
      for (const source of from.refs) {
        for (const target of to.refs) if (source !== target) same.changed.push({ from: source, to: target });
      }
      found.set(`${then} ${now}`, same);
    }
  }
  return found.values();
}

function placesOf({ workloads }: ReachTable, { from, to }: ChangedPair): readonly [Place, Place] | null {
  const [source, target] = [workloads.get(from), workloads.get(to)];
  return source === undefined || target === undefined ? null : [source, target];
}

function* toChange(
  { numbers }: Comparison,
  [then, now]: readonly [number, number],
  about: Pick<ReachChange, 'direction' | 'focus' | 'peers'>,
  asked: { readonly before: readonly [Place, Place] | null; readonly after: readonly [Place, Place] | null },
): Iterable<ReachChange> {
  const [was, is] = [numbers.boundsOf(then), numbers.boundsOf(now)];
  if (asked.after === null) return;
  yield {
    ...about,
    ...shiftOf(was, is),
    before: formatBounds(was),
    after: formatBounds(is),
    asked: { before: asked.before, after: asked.after },
  };
}

function shiftOf(was: Bounds, is: Bounds): Pick<ReachChange, 'shift' | 'isCertain'> {
  const gained = !isNone(subtract(is.certain, was.certain));
  const mayGain = !isNone(subtract(is.possible, was.possible));
  const lost = !isNone(subtract(was.certain, is.certain));
  const mustLose = !isNone(subtract(was.possible, is.possible));
  if ((gained || mayGain) && (lost || mustLose)) return { shift: 'changed', isCertain: gained || mustLose };
  if (gained || mayGain) return { shift: 'opened', isCertain: gained };
  if (!mustLose) return { shift: 'uncertain', isCertain: false };
  return { shift: isNone(is.possible) ? 'closed' : 'narrowed', isCertain: true };
}
