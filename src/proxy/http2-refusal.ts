// The answer to a peer that speaks HTTP/2 and is not let in: its first requests are told so, and nothing of them is looked at but whether
// they are calls of gRPC, which are told in another way.

import { constants, performServerHandshake } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { NO_LINES } from '../http1/field-lines.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { ListenerContext } from './context.ts';
import { http2Options } from './http2-settings.ts';
import { Http2Stream } from './http2-stream.ts';
import type { Refusal } from './refusal.ts';

export interface RefusedPeer {
  readonly refusal: Refusal;
  readonly principal: SpiffeId | null;
}

const { NGHTTP2_ENHANCE_YOUR_CALM } = constants;
// What comes with the first read or two; more than that is no misunderstanding.
const MAX_ANSWERS = 16;

/** `onAnswered` is called with the first answer; whoever calls ends the socket if it never is, or when the peer does not leave. */
export function refuseHttp2Peer(
  socket: TLSSocket,
  context: ListenerContext,
  { refusal, principal, onAnswered }: RefusedPeer & { readonly onAnswered: () => void },
): void {
  const session = performServerHandshake(socket, http2Options(context.limits));
  let answers = 0;
  session.on('error', () => undefined);
  session.on('stream', (stream, _headers, _flags, raw) => {
    stream.on('error', () => undefined);
    answers += 1;
    if (answers > MAX_ANSWERS) {
      if (!session.destroyed)
        session.destroy(new Error('too many requests of a peer that is refused'), NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    if (stream.closed || stream.destroyed) return;
    const downstream = new Http2Stream(stream, raw, {
      context,
      owner: { streamClosed: () => undefined },
      readTrailers: () => NO_LINES,
    });
    downstream.refuseUnrouted(refusal, principal, null);
    if (answers === 1) onAnswered();
    session.close();
  });
}
