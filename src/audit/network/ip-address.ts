// IP addresses as numbers, blocks of them, and sets of blocks.

export type Family = 4 | 6;

/** Inclusive. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export interface IpAddress {
  readonly family: Family;
  readonly value: bigint;
}

const BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

export function lastAddress(family: Family): bigint {
  return (1n << BigInt(BITS[family])) - 1n;
}

/** Null for what is no address. An octet with a leading zero is none: readers disagree on its base. An IPv4-mapped IPv6 address is IPv6. */
export function parseAddress(text: string): IpAddress | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** `10.0.0.0/8`; bits of the host are ignored, as every CNI does. Null for what is no block. */
export function parseBlock(text: string): AddressRange | null {
  const slash = text.indexOf('/');
  if (slash === -1) return null;
  const address = parseAddress(text.slice(0, slash));
  const prefix = text.slice(slash + 1);
  if (address === null || !/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > BITS[address.family]) return null;
  const hostBits = BigInt(BITS[address.family] - Number(prefix));
  const first = (address.value >> hostBits) << hostBits;
  return { family: address.family, first, last: first + (1n << hostBits) - 1n };
}

/** A block, or an address that stands for the block of itself. */
export function parseBlockOrAddress(text: string): AddressRange | null {
  if (text.includes('/')) return parseBlock(text);
  const address = parseAddress(text);
  return address === null ? null : { family: address.family, first: address.value, last: address.value };
}

export function formatAddress({ family, value }: IpAddress): string {
  return family === 4 ? formatIpv4(value) : formatIpv6(value);
}

/** As one block where it is one; otherwise from address to address. */
export function formatRange({ family, first, last }: AddressRange): string {
  const size = last - first + 1n;
  const hostBits = size.toString(2).length - 1;
  const start = formatAddress({ family, value: first });
  const isBlock = size === 1n << BigInt(hostBits) && first % size === 0n;
  return isBlock ? `${start}/${BITS[family] - hostBits}` : `${start}-${formatAddress({ family, value: last })}`;
}

function parseIpv4(text: string): IpAddress | null {
  const octets = text.split('.');
  if (octets.length !== 4) return null;
  let value = 0n;
  for (const octet of octets) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255) return null;
    value = (value << 8n) | BigInt(octet);
  }
  return { family: 4, value };
}

function parseIpv6(text: string): IpAddress | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head = [], tail = null] = halves.map((half, index) => parseGroups(half, index === halves.length - 1));
  if (head === null || (halves.length === 2 && tail === null)) return null;
  const given = head.length + (tail?.length ?? 0);
  // `::` stands for at least one group.
  if (tail === null ? given !== 8 : given > 7) return null;
  const groups = tail === null ? head : [...head, ...Array<number>(8 - given).fill(0), ...tail];
  return { family: 6, value: groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n) };
}

/** An IPv4 address may stand for the last two groups of all. */
function parseGroups(text: string, isLast: boolean): readonly number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const embedded = isLast && index === parts.length - 1 ? parseIpv4(part) : null;
      if (embedded === null) return null;
      groups.push(Number(embedded.value >> 16n), Number(embedded.value & 0xffffn));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function formatIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
}

/** RFC 5952: the longest run of zero groups, at least two, becomes `::`. */
function formatIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(16 * (7 - index))) & 0xffffn));
  let start = -1;
  let length = 1;
  for (let index = 0; index < 8; index += 1) {
    let end = index;
    while (end < 8 && groups[end] === 0) end += 1;
    if (end - index > length) [start, length] = [index, end - index];
    index = Math.max(index, end - 1);
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (start === -1) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}
