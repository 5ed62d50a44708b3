// What makes an exchange a call of gRPC, and how long its client gives it.

import type { RequestHead } from '../http1/request-head.ts';
import { isGrpcContentType } from './grpc-status.ts';
import { GRPC_TIMEOUT, parseGrpcTimeout } from './grpc-timeout.ts';

/** `timeoutMs`: infinite where the client gives no limit, null where what it gives is none. */
export interface GrpcCall {
  readonly timeoutMs: number | null;
}

/** Null for any other request, which has the deadlines of any other: gRPC is a use of HTTP/2, and calls are POSTs. */
export function findGrpcCall({
  version,
  method,
  fields,
}: Pick<RequestHead, 'version' | 'method' | 'fields'>): GrpcCall | null {
  if (version !== '2' || method !== 'POST') return null;
  let isCall = false;
  let timeoutMs: number | null = Number.POSITIVE_INFINITY;
  let timeouts = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value = ''] = [fields[at], fields[at + 1]];
    if (name === 'content-type') isCall = isGrpcContentType(value);
    else if (name === GRPC_TIMEOUT) {
      timeouts += 1;
      // Of two, the server might take the other one.
      timeoutMs = timeouts === 1 ? parseGrpcTimeout(value) : null;
    }
  }
  return isCall ? { timeoutMs } : null;
}
