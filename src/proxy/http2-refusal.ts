// The answer to a peer that speaks HTTP/2 and is not let in: its first requests are told so, and nothing of them is looked at but whether
// they are calls of gRPC, which are told in another way.

import type { TLSSocket } from 'node:tls';
import { NO_TRAILERS, type Trailers } from '../http1/trailers.ts';
import type { Endpoint, EndpointOwner, Http2Channel, ReceivedFields, StreamUser } from '../http2/endpoint-ports.ts';
import { Http2Endpoint } from '../http2/endpoint.ts';
import { ERROR_CODE } from '../http2/frame.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { ListenerContext } from './context.ts';
import { ResponseFieldsWriter } from './http2-response-fields.ts';
import { endpointLimits } from './http2-settings.ts';
import { Http2Stream, type Http2StreamOwner } from './http2-stream.ts';
import { Http2Transport } from './http2-transport.ts';
import type { Refusal } from './refusal.ts';

export interface RefusedPeer {
  readonly refusal: Refusal;
  readonly principal: SpiffeId | null;
  /** Called with the first answer; whoever calls ends the socket if it never is, or when the peer does not leave. */
  readonly onAnswered: () => void;
}

// What comes with the first read or two; more than that is no misunderstanding.
const MAX_ANSWERS = 16;
const MAX_IDLE_FRAMES = 100;

export function refuseHttp2Peer(socket: TLSSocket, context: ListenerContext, peer: RefusedPeer): void {
  new RefusedConnection(socket, context, peer).begin();
}

class RefusedConnection implements EndpointOwner, Http2StreamOwner {
  readonly responseFields = new ResponseFieldsWriter();
  readonly #context: ListenerContext;
  readonly #peer: RefusedPeer;
  readonly #endpoint: Endpoint;
  readonly #transport: Http2Transport;
  #answers = 0;
  #open = 0;
  #idleFrames = 0;

  constructor(socket: TLSSocket, context: ListenerContext, peer: RefusedPeer) {
    this.#context = context;
    this.#peer = peer;
    this.#endpoint = new Http2Endpoint({ role: 'server', limits: endpointLimits(context.limits), owner: this });
    this.#transport = new Http2Transport(socket, this.#endpoint);
  }

  begin(): void {
    this.#transport.flush();
  }

  settings(): void {}

  streamOpened(channel: Http2Channel, fields: ReceivedFields, endsStream: boolean): StreamUser | null {
    if (this.#answers === MAX_ANSWERS) {
      this.#transport.end(ERROR_CODE.enhanceYourCalm);
      return null;
    }
    this.#answers += 1;
    this.#open += 1;
    const stream = new Http2Stream(channel, { fields, endsStream }, { context: this.#context, owner: this });
    const { refusal, principal, onAnswered } = this.#peer;
    stream.refuseUnrouted({ refusal, principal, head: null, flaw: 'understood' });
    if (this.#answers === 1) {
      onAnswered();
      this.#endpoint.notice();
    }
    return stream;
  }

  streamBroken(): void {
    this.idleFrame();
  }

  idleFrame(): void {
    this.#idleFrames += 1;
    if (this.#idleFrames > MAX_IDLE_FRAMES) this.#transport.end(ERROR_CODE.enhanceYourCalm);
  }

  pong(): void {}

  goaway(): void {}

  failed(): void {
    this.#transport.end(null);
  }

  outputWaits(): void {
    this.#transport.outputWaits();
  }

  readTrailers(): Trailers {
    return NO_TRAILERS;
  }

  /** Nobody keeps any. */
  lasting(bytes: Buffer): Buffer {
    return bytes;
  }

  /** Refusals have no part in it. */
  dataSent(): void {}

  flush(): void {
    this.#transport.flush();
  }

  streamClosed(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#endpoint.close();
    this.#transport.end(null);
  }
}
