// TCP connections that are refused before anybody decides about them: nothing is sent, since nobody knows what the peer speaks.

import type { Socket } from 'node:net';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { ListenerContext } from './context.ts';
import { requestRefusal } from './refused-request.ts';
import type { Refusal, Termination } from './refusal.ts';

const LINGER_MS = 2_000;

/** Closes in good order, throwing away what still comes. */
export function refuseTunnel(
  socket: Socket,
  context: ListenerContext,
  why: { readonly refusal: Refusal; readonly termination: Termination; readonly principal: SpiffeId | null },
): void {
  const { refusal, termination, principal } = why;
  // No status goes with it on the wire.
  context.recorder.request({ ...requestRefusal(context, { refusal, principal, head: null }), status: 0 });
  context.recorder.connectionTerminated(termination);
  socket.end();
  socket.resume();
  const linger = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.on('close', () => clearTimeout(linger));
}
