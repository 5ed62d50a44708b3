// Requests that are refused without being routed: no identity, no whole head, or no sense in it.

import type { RequestHead } from '../http1/request-head.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { RequestRecord } from '../telemetry/recorder.ts';
import type { ListenerContext } from './context.ts';
import { type Refusal, statusOfRefusal } from './refusal.ts';
import { encodeRefusal } from './respond.ts';

export interface RefusedRequest {
  readonly refusal: Refusal;
  /** Null when the peer proved none. */
  readonly principal: SpiffeId | null;
  /** Null when it was not read. */
  readonly head: RequestHead | null;
}

/** The answer as latin1 text, and what is to be recorded of it. */
export function refuseRequest(
  context: ListenerContext,
  refused: RefusedRequest & { readonly keepAlive: boolean },
): { readonly answer: string; readonly record: RequestRecord } {
  const record = requestRefusal(context, refused);
  const { refusal, keepAlive } = refused;
  const { decisionId, method } = record;
  return { answer: encodeRefusal({ refusal, decisionId, method, keepAlive }), record };
}

/** What is recorded of it, whatever protocol carries the answer. */
export function requestRefusal(context: ListenerContext, { refusal, principal, head }: RefusedRequest): RequestRecord {
  return {
    listener: context.name,
    decision: null,
    target: context.component,
    refusal,
    decisionId: context.decisionIds.next(),
    principal,
    actor: null,
    method: head?.method ?? '',
    path: head?.path ?? '',
    authority: head?.authority ?? '',
    upgrade: head?.upgrade ?? null,
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
