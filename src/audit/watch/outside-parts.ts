// The parts of the outside in two states of a cluster, cut along both.

import { containsRange, formatAddresses, intersectAddresses } from '../network/address-set.ts';
import { OUTSIDE } from '../network/outside-groups.ts';
import { largestPart, type Outside } from '../network/outside.ts';

export interface PartPair {
  readonly was: Outside;
  readonly is: Outside;
  /** `outside` for the world at large, `metadata`, or `outside[10.0.0.0/8]`. */
  readonly name: string;
}

/** Every pair of parts that have addresses in common. */
export function pairParts(before: readonly Outside[], after: readonly Outside[]): readonly PartPair[] {
  const largest = new Set([
    largestPart(before, 4),
    largestPart(before, 6),
    largestPart(after, 4),
    largestPart(after, 6),
  ]);
  const pairs = new Map<string, PartPair>();
  const keep = (was: Outside | undefined, is: Outside | undefined): void => {
    if (was === undefined || is === undefined || pairs.has(`${was.id} ${is.id}`)) return;
    const isWorld = largest.has(was) && largest.has(is);
    pairs.set(`${was.id} ${is.id}`, { was, is, name: isWorld ? OUTSIDE : nameOf(was, is) });
  };
  // Two that meet do so at the first address of a range of one of them.
  for (const was of before) for (const start of startsOf(was)) keep(was, partAt(after, start));
  for (const is of after) for (const start of startsOf(is)) keep(partAt(before, start), is);
  return [...pairs.values()];
}

type Range = Outside['addresses'][number];

function startsOf({ addresses }: Outside): readonly Range[] {
  return addresses.map(({ family, first }) => ({ family, first, last: first }));
}

function partAt(parts: readonly Outside[], address: Range): Outside | undefined {
  return parts.find(({ addresses }) => containsRange(addresses, address));
}

function nameOf(was: Outside, is: Outside): string {
  if (was.isMetadata || is.isMetadata) return 'metadata';
  return `${OUTSIDE}[${formatAddresses(intersectAddresses(was.addresses, is.addresses))}]`;
}
