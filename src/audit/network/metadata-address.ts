// The addresses at which clouds hand out instance metadata, and with it credentials of the node.

import { type AddressSet, addressesIn, withoutAddresses, ALL_ADDRESSES } from './address-set.ts';
import { type AddressRange, parseBlockOrAddress } from './ip-address.ts';

export const METADATA_ADDRESSES = ['169.254.169.254', 'fd00:ec2::254'] as const;

export const METADATA: AddressSet = addressesIn(
  METADATA_ADDRESSES.flatMap((address): readonly AddressRange[] =>
    [parseBlockOrAddress(address)].filter((range) => range !== null),
  ),
);

export const ALL_BUT_METADATA: AddressSet = withoutAddresses(ALL_ADDRESSES, METADATA);

/** Names by which clouds serve it. */
const METADATA_NAMES: readonly string[] = [
  'metadata',
  'metadata.google.internal',
  'instance-data',
  'instance-data.ec2.internal',
];

/** Whether a name, or a pattern with `*`, can stand for the metadata service. */
export function mayNameMetadata(pattern: string): boolean {
  const canonical = pattern.toLowerCase().replace(/\.$/, '');
  return METADATA_NAMES.some((name) => matchesPattern(name, canonical));
}

/** In linear steps, which a regular expression of many stars is not: the first place at which the next part fits is as good as any. */
function matchesPattern(text: string, pattern: string): boolean {
  const parts = pattern.split('*');
  const first = parts.shift() ?? '';
  const last = parts.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let position = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, position);
    if (found === -1 || found + part.length > end) return false;
    position = found + part.length;
  }
  return true;
}
