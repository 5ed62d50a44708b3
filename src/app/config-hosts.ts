// How the configuration file spells hosts, IP addresses and ports: one canonical form each, or none.

import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** Splits at the colon before the port; an IPv6 address must be in brackets, which are taken off. */
export function splitHostPort(text: string): { readonly host: string; readonly port: string } | null {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]+)):([^:]*)$/.exec(text);
  if (match === null) return null;
  const [, bracketed, plain, port = ''] = match;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : null;
  return { host: plain ?? '', port };
}

export function parsePort(text: string): number | null {
  if (!/^(?:0|[1-9]\d{0,4})$/.test(text)) return null;
  const port = Number(text);
  return port <= 65_535 ? port : null;
}

/** One spelling for each address, so that two spellings cannot hide that they are the same (or that it is loopback). */
export function canonicalIp(text: string): string | null {
  if (isIPv4(text)) return text;
  // A zone (`%eth0`) is not an address that means the same everywhere.
  if (!isIPv6(text) || text.includes('%')) return null;
  return new SocketAddress({ address: text, family: 'ipv6' }).address;
}

/** RFC 1123 §2.1 with `_`, in lower case; what the resolver could read as an IPv4 number (`127.1`, `0x7f000001`) is not a name. */
export function canonicalHostName(text: string): string | null {
  const name = text.toLowerCase();
  const labels = (name.endsWith('.') ? name.slice(0, -1) : name).split('.');
  if (name.length > 253 || !labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)))
    return null;
  return /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') ? null : name;
}
