// TCP connections that are refused before anybody decides about them: nothing is sent, since nobody knows what the peer speaks.

import type { TLSSocket } from 'node:tls';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { RequestRecord } from '../telemetry/recorder.ts';
import type { ListenerContext } from './context.ts';
import type { Refusal } from './refusal.ts';

const LINGER_MS = 2_000;

/** Closes in good order, throwing away what still comes. */
export function refuseTunnel(
  socket: TLSSocket,
  context: ListenerContext,
  { refusal, principal }: { readonly refusal: Refusal; readonly principal: SpiffeId | null },
): void {
  context.recorder.request(recordOf(context, refusal, principal));
  context.recorder.connectionTerminated(principal === null ? 'no-identity' : 'limit');
  socket.end();
  socket.resume();
  const linger = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.on('close', () => clearTimeout(linger));
}

function recordOf(context: ListenerContext, refusal: Refusal, principal: SpiffeId | null): RequestRecord {
  return {
    listener: context.name,
    decision: null,
    target: context.component,
    refusal,
    decisionId: context.decisionIds.next(),
    principal,
    actor: null,
    method: '',
    path: '',
    authority: '',
    upgrade: null,
    status: 0,
    traceparent: '',
    decisionSeconds: Number.NaN,
    overheadSeconds: Number.NaN,
    durationSeconds: 0,
    upstreamSeconds: Number.NaN,
    requestBytes: 0,
    responseBytes: 0,
  };
}
