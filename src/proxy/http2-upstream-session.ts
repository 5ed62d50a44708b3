// One HTTP/2 connection to an upstream: carries as many exchanges at a time as the upstream and we allow, and none after its GOAWAY.

import type { Socket } from 'node:net';
import type { HeadLimits } from '../http1/request-head.ts';
import type {
  EndpointLimits,
  EndpointOutput,
  EndpointOwner,
  Http2Channel,
  PeerSettings,
  RawFields,
} from '../http2/endpoint-ports.ts';
import { Http2Endpoint } from '../http2/endpoint.ts';
import { dataFrames, ERROR_CODE, type ErrorCode, MAX_STREAM_ID } from '../http2/frame.ts';
import { ResponseFieldsReader } from '../http2/response-fields.ts';
import { TrailerFieldsReader } from '../http2/trailer-fields.ts';
import { FrameTurns } from './frame-turns.ts';
import { GatheredData } from './gathered-data.ts';
import type { Http2UpstreamStream } from './http2-upstream-stream.ts';
import { IdleFrames } from './idle-frames.ts';
import type { LapseReason } from './lease.ts';
import type { ReadBuffer, ReadBuffers } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';
import { isPassedOn } from './upstream-connection.ts';
import type { Dial, DialUser, ServerLease } from './upstream-dial.ts';
import { UpstreamLiveness } from './upstream-liveness.ts';

export interface Http2Server {
  readonly dial: Dial;
  /** Of requests there: whether what they go over is encrypted. */
  readonly scheme: 'http' | 'https';
}

/** How a session tells its pool what became of it. */
export interface Http2SessionOwner {
  /** The upstream has said hello: it can be used. */
  opened(session: Http2UpstreamSession): void;
  /** An exchange on it is over, or more of them are allowed at a time. */
  roomMade(session: Http2UpstreamSession): void;
  /** Called once, before the exchanges it carried are told; it must not be used from here on. */
  closed(session: Http2UpstreamSession, why: Refusal): void;
}

/** `greeting`: it may be written to, and the upstream has not said what it takes. */
type Phase = 'dialling' | 'greeting' | 'open' | 'draining' | 'closed';

const RESPONSE_LIMITS: HeadLimits = { maxHeadBytes: 64 * 1024, maxFieldCount: 256 };
/** Whatever the upstream allows: each may hold a window of what a slow peer has not taken. */
export const MAX_STREAMS_PER_SESSION = 256;
const ENDPOINT_LIMITS: EndpointLimits = {
  maxConcurrentStreams: 0,
  maxFieldSectionBytes: RESPONSE_LIMITS.maxHeadBytes,
  // And :status.
  maxFieldCount: RESPONSE_LIMITS.maxFieldCount + 1,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  enableConnectProtocol: false,
};
/** Small frames of a stream that we have left may still be on their way, as many as fit into its window. */
const FRAMES_UNDERWAY = 8_192;
const TCP_KEEP_ALIVE_MS = 30_000;

export class Http2UpstreamSession implements DialUser, EndpointOwner, EndpointOutput {
  readonly scheme: 'http' | 'https';
  readonly headReader = new ResponseFieldsReader(RESPONSE_LIMITS, isPassedOn);
  readonly trailerReader = new TrailerFieldsReader('response', RESPONSE_LIMITS, isPassedOn);
  readonly #owner: Http2SessionOwner;
  readonly #socket: Socket;
  readonly #endpoint: Http2Endpoint;
  readonly #buffers: ReadBuffers;
  #buffer: ReadBuffer;
  readonly #gathered = new GatheredData();
  /** Null where the upstream has nothing to prove. */
  #lease: ServerLease | null = null;
  #phase: Phase = 'dialling';
  /** While something is told by the endpoint, what is to be written waits until that is over. */
  #isInTurn = false;
  #outputWaits = false;
  /** Those for which something came in this turn. */
  readonly #touched: Http2UpstreamStream[] = [];
  /** Why it will have ended, if it ends now, and what the upstream is told. */
  #why: Refusal = 'upstream-unreachable';
  #code: ErrorCode = ERROR_CODE.noError;
  readonly #streams = new Set<Http2UpstreamStream>();
  #maxStreams = 0;
  #takesWebSockets = false;
  /** Those above have not been seen by an upstream that is going away. */
  #lastStreamId = Number.POSITIVE_INFINITY;
  #hasAnswered = false;
  readonly #turns: FrameTurns;
  readonly #idleFrames = new IdleFrames();
  readonly #liveness = new UpstreamLiveness();
  /** Monotonic ms; set by the pool: when it was asked for, later when its last exchange ended. */
  sinceMs = 0;

  constructor({ dial, scheme }: Http2Server, owner: Http2SessionOwner, buffers: ReadBuffers) {
    this.#owner = owner;
    this.scheme = scheme;
    this.#endpoint = new Http2Endpoint({ role: 'client', limits: ENDPOINT_LIMITS, owner: this });
    this.#buffers = buffers;
    this.#buffer = buffers.take();
    const onread = {
      buffer: () => this.#buffer.bytes,
      callback: (count: number): boolean => this.#onRead(count),
    };
    this.#socket = dial(this, onread);
    this.#turns = new FrameTurns(this.#socket);
    this.#socket.on('drain', () => this.#onDrain());
    this.#socket.on('end', () => this.#gone());
    this.#socket.on('error', () => this.#gone());
    this.#socket.on('close', () => this.#onClose());
    this.#socket.resume();
  }

  dialled(lease: ServerLease | null): void {
    this.#lease = lease;
    this.#socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    this.#why = 'upstream-reset';
    this.#phase = 'greeting';
    this.#outputWaits = true;
    this.#flush();
  }

  dialRefused(refusal: Refusal): void {
    this.#why = refusal;
    this.#gone();
  }

  lapse(): LapseReason | null {
    return this.#lease === null ? null : this.#lease.lapse();
  }

  /** Whether exchanges may begin on it, now or when others have ended. */
  get isUsable(): boolean {
    if (this.#phase !== 'open' || this.isGone) return false;
    return this.#lease === null || (this.#lease.lapse() === null && !this.#lease.endsSoon);
  }

  get hasRoom(): boolean {
    return this.#streams.size < this.#maxStreams && this.isUsable;
  }

  get isIdle(): boolean {
    return this.#phase === 'open' && this.#streams.size === 0;
  }

  /** Whether it has ended, and not only an exchange on it; that is known before it is told. */
  get isGone(): boolean {
    return this.#phase === 'closed' || this.#socket.destroyed;
  }

  /** What exchanges are told whose end is that of the session. */
  get why(): Refusal {
    return this.#why;
  }

  /** Whether it has carried an exchange to its answer. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Whether one can be opened there (RFC 8441 §3). */
  get takesWebSockets(): boolean {
    return this.#takesWebSockets;
  }

  /** Whether the upstream has said that it will not have looked at that stream (RFC 9113 §6.8). */
  hasDisowned(streamId: number): boolean {
    return streamId > this.#lastStreamId;
  }

  /** @returns null when there is no number left, or the upstream has gone away. */
  open(stream: Http2UpstreamStream, fields: RawFields, endsStream: boolean): Http2Channel | null {
    const channel = this.#endpoint.open(fields, endsStream, stream);
    if (channel !== null) this.#streams.add(stream);
    // Another would have no number, and there is none that is used twice (RFC 9113 §5.1.1).
    if (channel === null || channel.id >= MAX_STREAM_ID) this.drain();
    return channel;
  }

  /** Something came back for `stream`, which is told once when all of this turn has. */
  heard(stream: Http2UpstreamStream): void {
    this.#liveness.heard();
    this.#hasAnswered = true;
    this.#touched.push(stream);
  }

  /** `bytes` have come for `stream`, which takes them when all that follows on them has come. */
  gather(stream: Http2UpstreamStream, bytes: Buffer): void {
    this.#gathered.add(stream, bytes, this.#buffer);
  }

  /** What came is taken before what follows it is told. */
  handOver(): void {
    this.#gathered.handOver(this.#buffer);
  }

  resume(channel: Http2Channel): void {
    if (this.#isInTurn) return channel.resume();
    this.#isInTurn = true;
    channel.resume();
    this.#endTurn();
  }

  /** `stream` is over, on our side at least. */
  ended(stream: Http2UpstreamStream): void {
    if (!this.#streams.delete(stream) || this.#phase === 'closed') return;
    this.#owner.roomMade(this);
    if (this.#phase === 'draining' && this.#streams.size === 0) this.#gone();
  }

  /** Of a stream that has been reset something may still come. */
  abandoned(): void {
    this.#idleFrames.expect(FRAMES_UNDERWAY);
  }

  /** grpc-go answers each frame of DATA with a PING, for as long as a stream lasts. */
  dataSent(bytes: number): void {
    this.#idleFrames.expect(dataFrames(bytes));
  }

  /** Takes no more exchanges, and ends with the last of those it has. */
  drain(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'draining';
    this.#endpoint.close();
    if (this.#streams.size === 0) this.#gone();
  }

  /** Ends it and all that it carries. */
  destroy(why: Refusal): void {
    this.#why = why;
    this.#gone();
  }

  sweep(nowMs: number): void {
    if (this.#phase === 'open' && !this.isUsable) this.drain();
    this.#idleFrames.sweep();
    switch (this.#liveness.sweep(nowMs, this.#streams.size > 0)) {
      case 'nothing':
        return;
      case 'ask':
        return this.#endpoint.ping();
      case 'leave':
        return this.destroy('upstream-timeout');
    }
  }

  settings({ maxConcurrentStreams, enableConnectProtocol }: PeerSettings): void {
    this.#takesWebSockets = enableConnectProtocol;
    this.#maxStreams = Math.min(maxConcurrentStreams, MAX_STREAMS_PER_SESSION);
    if (this.#phase === 'open') return this.#owner.roomMade(this);
    if (this.#phase !== 'greeting') return;
    this.#phase = 'open';
    this.#owner.opened(this);
  }

  /** Of a client, whose upstream opens none. */
  streamOpened(): null {
    return null;
  }

  /** Of a client, whose upstream opens none. */
  streamBroken(): void {}

  idleFrame(): void {
    if (this.#idleFrames.take()) return;
    this.#code = ERROR_CODE.enhanceYourCalm;
    this.destroy('upstream-invalid-response');
  }

  pong(): void {
    this.#liveness.heard();
  }

  goaway(code: number, lastStreamId: number): void {
    this.#lastStreamId = lastStreamId;
    if (this.#phase === 'open') this.#phase = 'draining';
    // What it has looked at, and could still answer, it does not mean to.
    if (code !== ERROR_CODE.noError || this.#streams.size === 0) this.#gone();
  }

  failed(): void {
    this.destroy('upstream-invalid-response');
  }

  outputWaits(): void {
    this.#outputWaits = true;
    // So that what all peers have sent by this round of the loop goes out together.
    if (!this.#isInTurn) setImmediate(flush, this);
  }

  write(bytes: Buffer, written: (() => void) | null): boolean {
    if (written === null) this.#socket.write(bytes);
    else {
      this.#socket.write(bytes, (error) => {
        // Of what was cancelled, parts may be on their way.
        if (error === null || error === undefined) written();
      });
    }
    return !this.#socket.writableNeedDrain;
  }

  /** What waits to be written. */
  flush(): void {
    if (this.#phase !== 'dialling' && this.#phase !== 'closed') this.#flush();
  }

  #onRead(count: number): boolean {
    const buffer = this.#buffer;
    this.#isInTurn = true;
    this.#turns.count(this.#endpoint.receive(buffer.bytes.subarray(0, count)));
    this.#endTurn();
    if (buffer.isLent) {
      buffer.letGo();
      this.#buffer = this.#buffers.take();
    }
    return true;
  }

  #onDrain(): void {
    if (this.#phase === 'closed') return;
    this.#isInTurn = true;
    this.#endpoint.drained();
    this.#outputWaits = true;
    this.#endTurn();
  }

  #onClose(): void {
    this.#gone();
    this.#buffer.letGo();
  }

  #endTurn(): void {
    this.handOver();
    for (const stream of this.#touched) stream.flush();
    this.#touched.length = 0;
    this.#isInTurn = false;
    this.flush();
  }

  #flush(): void {
    if (!this.#outputWaits) return;
    this.#outputWaits = false;
    this.#isInTurn = true;
    // Large DATA is handed over apart from what is around it.
    this.#socket.cork();
    this.#endpoint.flush(this);
    this.#socket.uncork();
    this.#isInTurn = false;
  }

  #gone(): void {
    if (this.#phase === 'closed') return;
    const isHeard = this.#phase !== 'dialling' && this.#socket.writable;
    this.#phase = 'closed';
    if (isHeard) this.#sayGoodbye();
    this.#endpoint.disconnected();
    // Whoever does not take even that is not waited for.
    if (isHeard && this.#socket.writableLength === 0) this.#socket.destroySoon();
    else this.#socket.destroy();
    this.#owner.closed(this, this.#why);
    for (const stream of this.#streams) stream.sessionGone();
    this.#streams.clear();
  }

  #sayGoodbye(): void {
    if (this.#streams.size > 0 || this.#code !== ERROR_CODE.noError) this.#endpoint.fail(this.#code);
    this.#flush();
  }
}

function flush(session: Http2UpstreamSession): void {
  session.flush();
}
