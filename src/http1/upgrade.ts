// The protocol that a request asks to switch to (RFC 9110 §7.8).

import { isToken } from './octets.ts';

/** Ignored, as RFC 9113 §3.1 allows: it would be a tunnel of unseen requests. */
export const H2C = 'h2c';

/** One protocol, a name and perhaps a version, in lower case; null for a list, or anything else. */
export function readProtocol(value: string): string | null {
  const protocol = value.toLowerCase();
  const [name = '', version, ...more] = protocol.split('/');
  const isProtocol = isToken(name) && (version === undefined || isToken(version)) && more.length === 0;
  return isProtocol ? protocol : null;
}

/** Whether the options of a Connection field say that Upgrade is meant. */
export function nominatesUpgrade(connection: string): boolean {
  return connection.split(',').some((option) => option.trim().toLowerCase() === 'upgrade');
}
