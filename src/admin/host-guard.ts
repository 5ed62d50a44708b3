// Against DNS rebinding: a web page on this machine reaches a loopback port under any name its owner chose.

import { isIP } from 'node:net';
import { isLoopbackHost } from '../core/loopback.ts';
import type { BindAddress } from './bind-address.ts';

/**
 * Whether a request may be answered that calls us `host` (its Host field). A listener on loopback is called by an IP address
 * or `localhost`: a page cannot rebind those. Other listeners have names we do not know, and no page reaches a unix socket.
 */
export function isTrustedHost(bind: BindAddress, host: string | undefined): boolean {
  if (bind.kind === 'unix' || !isLoopbackHost(bind.host)) return true;
  if (host === undefined) return false;
  const name = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(host)?.[1] ?? /^([^:]*)(?::\d{1,5})?$/.exec(host)?.[1] ?? '';
  return isIP(name) !== 0 || name.toLowerCase() === 'localhost';
}
