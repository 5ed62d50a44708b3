// Whether an answer to a request to upgrade switches protocols, and what HTTP/1.1 needs for a WebSocket that HTTP/2 does without.

import { createHash, randomBytes } from 'node:crypto';
import type { RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';

export const WEBSOCKET_KEY = 'sec-websocket-key';
export const WEBSOCKET_ACCEPT = 'sec-websocket-accept';

/** RFC 6455 §1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY_BYTES = 16;

/**
 * The key of a WebSocket whose peer sent none, since HTTP/2 has none (RFC 8441 §5); null where the handshake is between the peer and the
 * upstream alone.
 */
export function createWebSocketKey({ version, upgrade }: RequestHead): string | null {
  return version === '2' && upgrade !== null ? randomBytes(KEY_BYTES).toString('base64') : null;
}

/** `invalid`: whoever believed it would read octets of one protocol as another's. */
export type Switching = 'switch' | 'response' | 'invalid';

/** `key`: that of createWebSocketKey(). */
export function readSwitching(
  { status, upgrade, fields }: ResponseHead,
  asked: { readonly upgrade: string | null; readonly key: string | null },
): Switching {
  if (status === 101) {
    // RFC 9110 §7.8: only where it was asked to, and only to that protocol.
    const isAsked = upgrade !== null && upgrade === asked.upgrade;
    return isAsked && (asked.key === null || isAccepted(fields, asked.key)) ? 'switch' : 'invalid';
  }
  // To a peer over HTTP/2 any 2xx says that it has switched (RFC 8441 §5), and here it has not.
  return asked.key !== null && status >= 200 && status < 300 ? 'invalid' : 'response';
}

/** What a server answers to `key` with (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_SUFFIX)
    .digest('base64');
}

function isAccepted(fields: ResponseHead['fields'], key: string): boolean {
  const accept = acceptOf(key);
  const values = fields.filter((_, at) => at % 2 === 1 && fields[at - 1] === WEBSOCKET_ACCEPT);
  return values.length === 1 && values[0] === accept;
}
