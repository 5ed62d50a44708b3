// Partitions of a fabric: InfiniBand partition keys, VLANs, and networks of a cloud.

import type { Field } from '../fields.ts';

export interface Partition {
  /** Equal for members of the same one. */
  readonly key: string;
  /** "partition 0x0006". */
  readonly title: string;
  /** Every port is in it that nobody has put elsewhere. */
  readonly isDefault: boolean;
}

const DEFAULT_PKEY = 0x7fff;

/** Null for what is no partition key. The highest bit tells full members from limited ones, not partitions apart. */
export function parsePkey(text: string): Partition | null {
  if (!/^(?:0[xX][0-9a-fA-F]{1,4}|\d{1,5})$/.test(text)) return null;
  const value = Number(text);
  if (value > 0xffff) return null;
  const partition = value & 0x7fff;
  if (partition === 0) return null;
  const hexadecimal = `0x${partition.toString(16).padStart(4, '0')}`;
  return { key: `pkey ${hexadecimal}`, title: `partition ${hexadecimal}`, isDefault: partition === DEFAULT_PKEY };
}

export const DEFAULT_PARTITION: Partition = {
  key: 'pkey 0x7fff',
  title: 'the default partition 0x7fff',
  isDefault: true,
};

/** Without a tag, or with tag 0, a port is in the network of its switch port. */
export function vlanPartition(vlan: number | null): Partition {
  if (vlan === null || vlan === 0) return { key: 'untagged', title: 'the untagged network', isDefault: true };
  return { key: `vlan ${vlan}`, title: `VLAN ${vlan}`, isDefault: false };
}

/** IPoIB names an interface of a partition after its parent and the key: `ib0.8006`. */
export function partitionOfInterface(name: string): Partition | null {
  const [, key] = /^ib\w*\.([0-9a-fA-F]{4})$/.exec(name) ?? [];
  if (key !== undefined) return parsePkey(`0x${key}`);
  return /^ib\w*$/.test(name) ? DEFAULT_PARTITION : null;
}

export function cloudNetwork(name: string): Partition {
  return { key: `network ${name}`, title: `network \`${name}\``, isDefault: false };
}

/** A number, or a text that is one. */
export function integerOf(field: Field): number | null {
  if (field.kind === 'number') return field.asInteger();
  const text = field.kind === 'text' ? field.asText() : null;
  return text !== null && /^\d{1,4}$/.test(text) ? Number(text) : null;
}
