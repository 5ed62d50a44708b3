// What a listener's limits are to an HTTP/2 endpoint, and what its end means to us.

import type { EndpointLimits, Violation } from '../http2/endpoint-ports.ts';
import type { ListenerLimits } from './context.ts';
import type { Termination } from './refusal.ts';

/** `:method`, `:scheme`, `:authority`, `:path` and `:protocol` count too. */
const PSEUDO_FIELDS = 5;
/** RFC 9113 §6.5.2: what each field counts for besides its octets. */
const FIELD_OVERHEAD = 32;
// Of the pieces of a cookie, which are counted as one field when they have been put together (RFC 9113 §8.2.3).
const FIELD_ALLOWANCE = 2;
// What one stream can have us hold while its upstream is slow; and together, on the way from one peer.
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 1024 * 1024;

export function endpointLimits({ maxHeadBytes, maxFieldCount, maxConcurrentStreams }: ListenerLimits): EndpointLimits {
  const maxFields = FIELD_ALLOWANCE * maxFieldCount + PSEUDO_FIELDS;
  return {
    maxConcurrentStreams,
    maxFieldSectionBytes: maxHeadBytes + FIELD_OVERHEAD * maxFields,
    maxFieldCount: maxFields,
    streamWindowBytes: STREAM_WINDOW_BYTES,
    connectionWindowBytes: CONNECTION_WINDOW_BYTES,
    // RFC 8441 §3: whether a WebSocket may be opened, policy says.
    enableConnectProtocol: true,
  };
}

export function terminationOfViolation({ kind }: Violation): Termination {
  switch (kind) {
    case 'flood':
      return 'limit';
    case 'protocol':
      return 'protocol-error';
  }
}
