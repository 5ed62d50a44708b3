// Parts of the outside with equal connections, put together and named.

import { type AddressSet, addressesIn, countAddresses, formatAddresses } from './address-set.ts';
import { keyOfBounds } from './bounds.ts';
import type { PlacedConnection } from './connectivity.ts';
import type { Outside } from './outside.ts';

export interface OutsideGroup {
  /** `outside` for the largest, which stands for all that no other names; `outside[10.0.0.0/8]` for the others. */
  readonly ref: string;
  readonly addresses: AddressSet;
  /** Of one of its parts; those of the others are the same, for reasons of their own. */
  readonly connection: PlacedConnection;
}

export const OUTSIDE = 'outside';

export function groupOutside(
  parts: readonly Outside[],
  connect: (part: Outside) => PlacedConnection,
): readonly OutsideGroup[] {
  const groups = new Map<string, { readonly connection: PlacedConnection; readonly parts: Outside[] }>();
  for (const part of parts) {
    const connection = connect(part);
    const key = keyOfBounds(connection.bounds);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { connection, parts: [part] });
    else group.parts.push(part);
  }
  const sized = [...groups.values()].map((group) => {
    const addresses = addressesIn(group.parts.flatMap((part) => part.addresses));
    return { ...group, addresses, size: countAddresses(addresses, 4) };
  });
  const largest = sized.reduce((best, group) => (group.size > best.size ? group : best), sized[0] ?? NOBODY);
  return sized
    .map(({ connection, addresses, size }) => {
      const isLargest = addresses === largest.addresses && size === largest.size;
      return { ref: isLargest ? OUTSIDE : `${OUTSIDE}[${formatAddresses(addresses)}]`, addresses, connection };
    })
    .sort((left, right) => (left.ref < right.ref ? -1 : 1));
}

const NOBODY = { addresses: [] as AddressSet, size: -1n };
