// Sets of IP addresses of both families.

import { type AddressRange, type Family, formatRange, lastAddress } from './ip-address.ts';

/** Immutable: ranges in order, IPv4 first, apart from each other. */
export type AddressSet = readonly AddressRange[];

export const ALL_ADDRESSES: AddressSet = [
  { family: 4, first: 0n, last: lastAddress(4) },
  { family: 6, first: 0n, last: lastAddress(6) },
];

export function addressesIn(ranges: readonly AddressRange[]): AddressSet {
  const united: AddressRange[] = [];
  for (const range of [...ranges].sort(compareRanges)) {
    const before = united.at(-1);
    if (before === undefined || before.family !== range.family || range.first > before.last + 1n) united.push(range);
    else if (range.last > before.last) united[united.length - 1] = { ...before, last: range.last };
  }
  return united;
}

export function withoutAddresses(set: AddressSet, holes: AddressSet): AddressSet {
  let rest: AddressSet = set;
  for (const hole of holes) {
    rest = rest.flatMap((range) => {
      if (hole.family !== range.family || hole.last < range.first || hole.first > range.last) return [range];
      const parts: AddressRange[] = [];
      if (hole.first > range.first) parts.push({ ...range, last: hole.first - 1n });
      if (hole.last < range.last) parts.push({ ...range, first: hole.last + 1n });
      return parts;
    });
  }
  return rest;
}

export function intersectAddresses(left: AddressSet, right: AddressSet): AddressSet {
  return withoutAddresses(left, withoutAddresses(ALL_ADDRESSES, right));
}

/** Whether all of `range` is in the set. */
export function containsRange(set: AddressSet, range: AddressRange): boolean {
  return set.some(({ family, first, last }) => family === range.family && first <= range.first && range.last <= last);
}

export function isWholeFamily(set: AddressSet, family: Family): boolean {
  return containsRange(set, { family, first: 0n, last: lastAddress(family) });
}

export function isEveryAddress(set: AddressSet): boolean {
  return isWholeFamily(set, 4) && isWholeFamily(set, 6);
}

export function countAddresses(set: AddressSet, family: Family): bigint {
  let count = 0n;
  for (const range of set) if (range.family === family) count += range.last - range.first + 1n;
  return count;
}

export function formatAddresses(set: AddressSet): string {
  return set.map(formatRange).join(', ');
}

function compareRanges(left: AddressRange, right: AddressRange): number {
  if (left.family !== right.family) return left.family - right.family;
  if (left.first !== right.first) return left.first < right.first ? -1 : 1;
  return left.last < right.last ? -1 : 1;
}
