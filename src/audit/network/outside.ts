// The world outside of the cluster, cut along the blocks that policies name.

import { type AddressSet, addressesIn, ALL_ADDRESSES, containsRange, countAddresses } from './address-set.ts';
import type { AddressRange, Family, IpAddress } from './ip-address.ts';
import { METADATA } from './metadata-address.ts';

/** Addresses of one family that no policy tells apart. */
export interface Outside {
  /** From 0, in the order of their first addresses. */
  readonly id: number;
  readonly addresses: AddressSet;
  /** Of the cloud's instance metadata. */
  readonly isMetadata: boolean;
}

export interface OutsideMap {
  readonly parts: readonly Outside[];
  /** The parts that lie in `addresses`, which must be one of the sets that the world was cut along. */
  readonly partsIn: (addresses: AddressSet) => readonly Outside[];
  readonly partAt: (address: IpAddress) => Outside | null;
}

export function cutOutside(sets: Iterable<AddressSet>): OutsideMap {
  const distinct = new Map<string, AddressSet>([[keyOfSet(METADATA), METADATA]]);
  for (const set of sets) distinct.set(keyOfSet(set), set);
  const pieces = cutPieces([...distinct.values()]);
  const covered = [...distinct].map(([key, set]) => ({ key, pieces: findPieces(pieces, set) }));
  const groups = refine(pieces, covered);
  const parts = toParts(pieces, groups);
  const partOf = new Map(groups.map((group, index) => [index, parts.byGroup.get(group)]));
  const byKey = new Map(
    covered.map(({ key, pieces: indices }) => [key, [...new Set(indices.flatMap((index) => partOf.get(index) ?? []))]]),
  );
  return {
    parts: parts.all,
    partsIn: (addresses) => byKey.get(keyOfSet(addresses)) ?? [],
    partAt: ({ family, value }) =>
      parts.all.find(({ addresses }) => containsRange(addresses, { family, first: value, last: value })) ?? null,
  };
}

/** The one that most addresses of a family are in: what policies say of the world in general. */
export function largestPart(parts: readonly Outside[], family: Family): Outside | null {
  let largest: Outside | null = null;
  let most = 0n;
  for (const part of parts) {
    const size = countAddresses(part.addresses, family);
    if (size > most) [largest, most] = [part, size];
  }
  return largest;
}

function keyOfSet(set: AddressSet): string {
  return set.map(({ family, first, last }) => `${family}:${first.toString(36)}-${last.toString(36)}`).join();
}

/** Ranges in order, none of which has a boundary of any set inside. */
function cutPieces(sets: readonly AddressSet[]): readonly AddressRange[] {
  return ALL_ADDRESSES.flatMap(({ family, first, last }) => {
    const starts = new Set([first]);
    for (const set of sets) {
      for (const range of set) {
        if (range.family !== family) continue;
        starts.add(range.first);
        if (range.last < last) starts.add(range.last + 1n);
      }
    }
    const sorted = [...starts].sort((left, right) => (left < right ? -1 : 1));
    return sorted.map((start, index) => ({ family, first: start, last: (sorted[index + 1] ?? last + 1n) - 1n }));
  });
}

function findPieces(pieces: readonly AddressRange[], set: AddressSet): readonly number[] {
  const found: number[] = [];
  for (const { family, first, last } of set) {
    let index = lowerBound(pieces, { family, first, last });
    for (let piece = pieces[index]; piece?.family === family && piece.first <= last; piece = pieces[index]) {
      found.push(index);
      index += 1;
    }
  }
  return found;
}

function lowerBound(pieces: readonly AddressRange[], { family, first }: AddressRange): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const piece = pieces[middle];
    const isBefore = piece !== undefined && (piece.family < family || (piece.family === family && piece.first < first));
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The group of each piece: two stay in one as long as every set has both of them or neither. */
function refine(
  pieces: readonly AddressRange[],
  covered: readonly { readonly pieces: readonly number[] }[],
): readonly number[] {
  const groups = pieces.map(({ family }): number => family);
  let next = 10;
  for (const { pieces: indices } of covered) {
    const renamed = new Map<number, number>();
    for (const index of indices) {
      const group = groups[index] ?? 0;
      const name = renamed.get(group) ?? next++;
      renamed.set(group, name);
      groups[index] = name;
    }
  }
  return groups;
}

interface Parts {
  readonly all: readonly Outside[];
  readonly byGroup: ReadonlyMap<number, Outside>;
}

function toParts(pieces: readonly AddressRange[], groups: readonly number[]): Parts {
  const ranges = new Map<number, AddressRange[]>();
  for (const [index, range] of pieces.entries()) {
    const group = groups[index] ?? 0;
    const members = ranges.get(group);
    if (members === undefined) ranges.set(group, [range]);
    else members.push(range);
  }
  const byGroup = new Map<number, Outside>();
  for (const [group, members] of ranges) {
    const [first] = members;
    const isMetadata = first !== undefined && containsRange(METADATA, first);
    byGroup.set(group, { id: byGroup.size, addresses: addressesIn(members), isMetadata });
  }
  return { all: [...byGroup.values()], byGroup };
}
