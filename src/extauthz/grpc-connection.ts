// One HTTP/2 connection of a data plane that asks: its calls, and bounds on what else it can make us do.

import type { Socket } from 'node:net';
import type {
  EndpointLimits,
  EndpointOwner,
  Http2Channel,
  ReceivedFields,
  StreamUser,
} from '../http2/endpoint-ports.ts';
import { Http2Endpoint } from '../http2/endpoint.ts';
import { ERROR_CODE, type ErrorCode } from '../http2/frame.ts';
import { Http2Transport } from '../proxy/http2-transport.ts';
import { TokenBucket } from '../proxy/token-bucket.ts';
import { type CallOutcome, type CallParts, GrpcCall } from './grpc-call.ts';

const LIMITS: EndpointLimits = {
  maxConcurrentStreams: 256,
  maxFieldSectionBytes: 16 * 1024,
  maxFieldCount: 128,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  enableConnectProtocol: false,
};
/** A data plane breaks off the checks of those who have left it; each that is served makes up for one. */
const BROKEN_CALLS = { burst: 1_000, perSecond: 100 };
/** grpc-go measures the path by a PING for each answer; so here too each one that is served makes up for one. */
const IDLE_FRAMES = { burst: 1_000, perSecond: 500 };
/** For a connection to begin: one of which nothing is heard would keep its place from others. */
const GREETING_MS = 10_000;
/** For what was said last to be read. */
const LINGER_MS = 2_000;

export class GrpcConnection implements EndpointOwner {
  readonly #socket: Socket;
  readonly #parts: CallParts;
  readonly #mayAsk: () => boolean;
  readonly #endpoint: Http2Endpoint;
  readonly #transport: Http2Transport;
  readonly #brokenCalls: TokenBucket;
  readonly #idleFrames: TokenBucket;
  readonly #cancelGreeting: () => void;
  #calls = 0;
  #isDraining = false;
  #isEnding = false;

  /** `mayAsk` is asked of each call. */
  constructor(socket: Socket, parts: CallParts, mayAsk: () => boolean) {
    this.#socket = socket;
    this.#parts = parts;
    this.#mayAsk = mayAsk;
    const nowMs = parts.clock.monotonicMs();
    this.#brokenCalls = new TokenBucket(BROKEN_CALLS, nowMs);
    this.#idleFrames = new TokenBucket(IDLE_FRAMES, nowMs);
    this.#endpoint = new Http2Endpoint({ role: 'server', limits: LIMITS, owner: this });
    this.#transport = new Http2Transport(socket, this.#endpoint);
    this.#transport.outputWaits();
    this.#cancelGreeting = parts.schedule(GREETING_MS, () => socket.destroy());
    socket.on('close', this.#cancelGreeting);
  }

  /** Takes no more calls, and ends with the last of those under way. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#endpoint.close();
    if (this.#calls === 0) this.#end(null);
  }

  /** Ends it and all calls at once. */
  cut(): void {
    this.#socket.destroy();
  }

  streamOpened(channel: Http2Channel, fields: ReceivedFields): StreamUser | null {
    if (this.#mayAsk()) {
      this.#calls += 1;
      return new GrpcCall({ channel, fields }, this.#parts, (outcome) => this.#onCallClosed(outcome));
    }
    this.cut();
    return null;
  }

  streamBroken(): void {
    this.#onBrokenCall();
  }

  idleFrame(): void {
    if (!this.#idleFrames.take(this.#parts.clock.monotonicMs(), 1)) this.#end(ERROR_CODE.enhanceYourCalm);
  }

  failed(): void {
    this.#end(null);
  }

  outputWaits(): void {
    this.#transport.outputWaits();
  }

  settings(): void {
    this.#cancelGreeting();
  }

  pong(): void {}
  goaway(): void {}

  #onCallClosed(outcome: CallOutcome): void {
    this.#calls -= 1;
    if (outcome === 'served') {
      this.#brokenCalls.giveBack(1);
      this.#idleFrames.giveBack(1);
    } else this.#onBrokenCall();
    if (this.#isDraining && this.#calls === 0) this.#end(null);
  }

  #onBrokenCall(): void {
    if (!this.#brokenCalls.take(this.#parts.clock.monotonicMs(), 1)) this.#end(ERROR_CODE.enhanceYourCalm);
  }

  #end(code: ErrorCode | null): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#transport.end(code);
    const cancel = this.#parts.schedule(LINGER_MS, () => this.#socket.destroy());
    this.#socket.on('close', cancel);
  }
}
