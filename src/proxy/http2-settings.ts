// What node:http2 is told of a listener's limits, and what its errors mean to us.

import type { ServerOptions } from 'node:http2';
import type { Termination } from './refusal.ts';
import type { ListenerLimits } from './context.ts';

/** `:method`, `:scheme`, `:authority`, `:path` and `:protocol` count too. */
const PSEUDO_FIELDS = 5;
/** RFC 9113 §6.5.2: what each field counts for besides its octets. */
const FIELD_OVERHEAD = 32;
// Node resets the stream of a head that is larger than what it is told, without a word to us. So that most are answered with 431, it is
// told of more.
const HEAD_ALLOWANCE = 2;
// What one stream can have us hold while its upstream is slow; and together, on the way from one peer.
const STREAM_WINDOW_BYTES = 256 * 1024;

export function http2Options({ maxHeadBytes, maxFieldCount, maxConcurrentStreams }: ListenerLimits): ServerOptions {
  const maxHeaderListPairs = HEAD_ALLOWANCE * maxFieldCount + PSEUDO_FIELDS;
  return {
    maxHeaderListPairs,
    // Of a whole connection; also empty DATA frames count as such.
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    // Ours is stricter and counts what the peer has us reset as well; this is the net below it.
    streamResetBurst: 1_000,
    streamResetRate: 100,
    // Twice the same field is for the upstream to answer for: nothing of it frames anything here.
    strictSingleValueFields: false,
    settings: {
      // RFC 8441 §3: whether a WebSocket may be opened, policy says.
      enableConnectProtocol: true,
      maxConcurrentStreams,
      maxHeaderListSize: HEAD_ALLOWANCE * maxHeadBytes + FIELD_OVERHEAD * maxHeaderListPairs,
      initialWindowSize: STREAM_WINDOW_BYTES,
    },
  };
}

/** Of nghttp2.h: FLOODED, TOO_MANY_CONTINUATIONS, TOO_MANY_SETTINGS. */
const FLOOD_ERRNOS = new Set([-904, -905, -537]);

/** Why Node has ended a session; null when it was the peer or the network. */
export function terminationOfSessionError(error: Error): Termination | null {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES') return 'limit';
  if (code !== 'ERR_HTTP2_ERROR') return null;
  return FLOOD_ERRNOS.has(errno ?? 0) ? 'limit' : 'protocol-error';
}
