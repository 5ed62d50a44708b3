// Requests that are refused without having been read: no identity, no whole head, or no sense in it.

import type { TLSSocket } from 'node:tls';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { RequestRecord } from '../telemetry/recorder.ts';
import type { ListenerContext } from './context.ts';
import { type Refusal, statusOfRefusal } from './refusal.ts';
import { encodeRefusal } from './respond.ts';

/** Writes the refusal; the caller ends the connection and records what is returned. */
export function refuseUnread(
  context: ListenerContext,
  socket: TLSSocket,
  why: { readonly refusal: Refusal; readonly principal: SpiffeId | null },
): RequestRecord {
  const decisionId = context.decisionIds.next();
  const { refusal, principal } = why;
  socket.write(encodeRefusal({ refusal, decisionId, method: '', keepAlive: false }), 'latin1');
  return {
    listener: context.name,
    decision: null,
    target: context.component,
    refusal,
    decisionId,
    principal,
    method: '',
    path: '',
    authority: '',
    status: statusOfRefusal(refusal),
    traceparent: '',
    decisionSeconds: Number.NaN,
    overheadSeconds: Number.NaN,
    durationSeconds: 0,
    upstreamSeconds: Number.NaN,
    requestBytes: 0,
    responseBytes: 0,
  };
}
