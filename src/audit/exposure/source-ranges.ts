// Address blocks from which an entry may be reached.

import { isIP } from 'node:net';

/** Whether a block is as good as all addresses, or the half of them that people write to get around a filter. */
export function isEverybody(block: string): boolean {
  const slash = block.indexOf('/');
  return slash > 0 && isIP(block.slice(0, slash)) !== 0 && /^[01]$/.test(block.slice(slash + 1));
}

/** RFC 1918, RFC 6598, RFC 4193 and what is local to a link or a machine. */
export function isPrivateAddress(address: string): boolean {
  if (isIP(address) === 6) return /^(?:f[cd]|fe[89ab]|::1$)/i.test(address);
  if (isIP(address) !== 4) return false;
  const [first = 0, second = 0] = address.split('.').map(Number);
  return (
    first === 10 ||
    first === 127 ||
    (first === 172 && second >= 16 && second < 32) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254) ||
    (first === 100 && second >= 64 && second < 128)
  );
}

/** "10.0.0.0/8, 192.0.2.1/32" in whatever way annotations separate them. */
export function readBlocks(text: string): readonly string[] {
  return text
    .split(/[\s,;]+/)
    .map((block) => block.replaceAll(/["'[\]]/g, ''))
    .filter((block) => block !== '');
}
