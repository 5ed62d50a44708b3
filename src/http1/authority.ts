// The Host field: a name or address and perhaps a port, in the one spelling that is let through.

import { COLON, DIGIT_0, HEX, NOT_HEX, tableOf } from './octets.ts';

/** RFC 1035 §2.3.4, and the length of the longest bracketed IPv6 address is far below. */
const MAX_HOST_OCTETS = 255;
const MAX_PORT = 65_535;
const MAX_PORT_DIGITS = 5;
const IPV6_GROUPS = 8;

const LEFT_BRACKET = 0x5b;

/**
 * reg-name without percent-encoding and sub-delims (RFC 3986 §3.2.2): no name of a service holds them, and `,`, `;` and `=`
 * are the delimiters of the forwarding headers this ends up in. The entry is the lower-case form, 0 if refused.
 */
const HOST_OCTETS = tableOf((character) =>
  /[0-9A-Za-z\-._]/.test(character) ? character.toLowerCase().charCodeAt(0) : 0,
);

/**
 * Where the host of `authority` ends and its port, if any, begins; null when it is not `host[:port]` (RFC 9110 §7.2). The host
 * is not empty; a port is decimal, from 1 to 65535, without leading zeros; an IPv6 address stands in brackets, without a zone.
 */
export function findHostEnd(authority: string): number | null {
  const hostEnd = authority.charCodeAt(0) === LEFT_BRACKET ? endOfIpLiteral(authority) : endOfName(authority);
  if (hostEnd === null || hostEnd > MAX_HOST_OCTETS) return null;
  if (hostEnd === authority.length) return hostEnd;
  return authority.charCodeAt(hostEnd) === COLON && isPort(authority, hostEnd + 1) ? hostEnd : null;
}

function endOfName(authority: string): number | null {
  let at = 0;
  while (HOST_OCTETS[authority.charCodeAt(at)]) at += 1;
  return at === 0 ? null : at;
}

function endOfIpLiteral(authority: string): number | null {
  const bracket = authority.indexOf(']');
  return bracket !== -1 && isIpv6(authority.slice(1, bracket)) ? bracket + 1 : null;
}

function isPort(authority: string, from: number): boolean {
  const digits = authority.length - from;
  if (digits === 0 || digits > MAX_PORT_DIGITS || authority.charCodeAt(from) === DIGIT_0) return false;
  let port = 0;
  for (let at = from; at < authority.length; at += 1) {
    const digit = authority.charCodeAt(at) - DIGIT_0;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= MAX_PORT;
}

/** RFC 4291 §2.2: eight groups, `::` once for one or more zero groups, the last two perhaps as dotted IPv4. */
function isIpv6(address: string): boolean {
  const halves = address.split('::');
  const [head = '', tail] = halves;
  if (halves.length > 2) return false;
  if (tail === undefined) return countGroups(head, 'may-end-in-ipv4') === IPV6_GROUPS;
  const before = head === '' ? 0 : countGroups(head, 'hex-only');
  const after = tail === '' ? 0 : countGroups(tail, 'may-end-in-ipv4');
  return before !== null && after !== null && before + after < IPV6_GROUPS;
}

function countGroups(text: string, form: 'hex-only' | 'may-end-in-ipv4'): number | null {
  const groups = text.split(':');
  const last = groups.at(-1) ?? '';
  const endsInIpv4 = form === 'may-end-in-ipv4' && isIpv4(last);
  const hexGroups = endsInIpv4 ? groups.slice(0, -1) : groups;
  return hexGroups.every(isHexGroup) ? hexGroups.length + (endsInIpv4 ? 2 : 0) : null;
}

function isHexGroup(group: string): boolean {
  if (group.length === 0 || group.length > 4) return false;
  for (let at = 0; at < group.length; at += 1) {
    if ((HEX[group.charCodeAt(at)] ?? NOT_HEX) === NOT_HEX) return false;
  }
  return true;
}

function isIpv4(text: string): boolean {
  const octets = text.split('.');
  return octets.length === 4 && octets.every((octet) => /^(?:0|[1-9][0-9]{0,2})$/.test(octet) && Number(octet) <= 255);
}
