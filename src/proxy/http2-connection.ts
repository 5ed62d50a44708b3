// One HTTP/2 connection: many requests at a time, each decided by itself, and bounds on what else a peer can make us do.

import type { Socket } from 'node:net';
import { Http1Error } from '../http1/http1-error.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { Trailers } from '../http1/trailers.ts';
import type {
  Endpoint,
  EndpointOwner,
  Http2Channel,
  RawFields,
  ReceivedFields,
  StreamUser,
  Violation,
} from '../http2/endpoint-ports.ts';
import { Http2Endpoint } from '../http2/endpoint.ts';
import { dataFrames, ERROR_CODE, type ErrorCode } from '../http2/frame.ts';
import { Http2Error } from '../http2/http2-error.ts';
import { RequestFieldsReader } from '../http2/request-fields.ts';
import { TrailerFieldsReader } from '../http2/trailer-fields.ts';
import type { ListenerContext } from './context.ts';
import type { ConnectionOwner, DownstreamConnection } from './downstream-connection.ts';
import { ResponseFieldsWriter } from './http2-response-fields.ts';
import { endpointLimits, terminationOfViolation } from './http2-settings.ts';
import { Http2Stream, type Http2StreamOwner, type StreamOutcome, type UnroutedRequest } from './http2-stream.ts';
import { Http2Transport } from './http2-transport.ts';
import type { LapseReason } from './lease.ts';
import { refusalOfCodecStatus, type Termination } from './refusal.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * `greeting`: the preface is still to come. `open`: requests are taken. `noticed`: the peer was told to open no more, which it may not have
 * read yet (RFC 9113 §6.8). `closing`: none are taken; those under way end. `ending`: none are under way. `closed`: the socket is.
 */
type Phase = 'greeting' | 'open' | 'noticed' | 'closing' | 'ending' | 'closed';

const NOTICE_MS = 1_000;
const LINGER_MS = 2_000;
// Streams that the peer breaks off, or makes us break off, cost an upstream its connection. Each one that is served makes up for one.
const BROKEN_STREAMS = { burst: 200, perSecond: 20 };
// A PING or a SETTINGS costs little. What crosses with the end of a stream counts among them, so that here too each one that is served makes up
// for one; and so does each frame of DATA that we send, which clients that measure the path answer with a PING (grpc-go does, for as long as a
// stream lasts).
const IDLE_FRAMES = { burst: 1_000, perSecond: 500 };

export class Http2Connection implements DownstreamConnection, Http2StreamOwner, EndpointOwner {
  readonly responseFields = new ResponseFieldsWriter();
  readonly #context: ListenerContext;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #endpoint: Endpoint;
  readonly #transport: Http2Transport;
  readonly #reader: RequestFieldsReader;
  readonly #trailerReader: TrailerFieldsReader;
  readonly #streams = new Set<Http2Stream>();
  readonly #brokenStreams: TokenBucket;
  readonly #idleFrames: TokenBucket;
  readonly #openedMs: number;
  #phase: Phase = 'greeting';
  #phaseSinceMs: number;
  /** Since when there has been no stream. */
  #quietSinceMs: number;
  /** What had come in part when that was last looked at, and since when it has. */
  #unfinished: number | null = null;
  #unfinishedSinceMs = 0;
  /** Whether anybody is known to be at the other end: from the beginning by certificate, or since the first token. */
  #hasProven: boolean;
  #ending: Termination | null = null;
  /** While ending: what has not been written, and how long that may stay as it is. */
  #unsentBytes = 0;
  #patienceMs = LINGER_MS;
  #isPeerLeaving = false;
  #recorded = false;

  constructor(socket: Socket, context: ListenerContext, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#context = context;
    this.#owner = owner;
    this.#hasProven = owner.principal !== null;
    const { limits, identityFields, clock } = context;
    const scheme = context.egress === null ? 'https' : 'http';
    this.#reader = new RequestFieldsReader(limits, identityFields.isForwarded, scheme);
    this.#trailerReader = new TrailerFieldsReader('request', limits, identityFields.isForwarded);
    this.#openedMs = clock.monotonicMs();
    this.#phaseSinceMs = this.#openedMs;
    this.#quietSinceMs = this.#openedMs;
    this.#brokenStreams = new TokenBucket(BROKEN_STREAMS, this.#openedMs);
    this.#idleFrames = new TokenBucket(IDLE_FRAMES, this.#openedMs);
    // Before the transport hears of it: streams are told of the end of their connection, and ask what it is up to.
    socket.on('close', () => {
      this.#phase = 'closed';
    });
    this.#endpoint = new Http2Endpoint({ role: 'server', limits: endpointLimits(limits), owner: this });
    this.#transport = new Http2Transport(socket, this.#endpoint);
    this.#transport.flush();
  }

  /** What was read of the peer before there was a connection to take it. */
  received(bytes: Buffer): void {
    this.#transport.received(bytes);
  }

  get hasExchange(): boolean {
    for (const stream of this.#streams) if (stream.hasExchange) return true;
    return false;
  }

  redecide(): void {
    for (const stream of this.#streams) stream.redecide();
  }

  recheck(): void {
    for (const stream of this.#streams) stream.recheck();
  }

  lapsed(reason: LapseReason): void {
    if (this.#isEnding) return;
    const isIdle = !this.hasExchange;
    for (const stream of this.#streams) stream.lapsed(reason);
    if (isIdle && this.#context.leases.onLapse[reason] === 'reset') this.#destroy(reason, ERROR_CODE.noError);
    else this.#close(reason);
  }

  terminate(termination: Termination): void {
    this.#destroy(termination, ERROR_CODE.noError);
  }

  sweep(nowMs: number, elapsedMs: number): void {
    for (const stream of this.#streams) stream.sweep(nowMs, elapsedMs);
    const { limits } = this.#context;
    const inPhaseMs = nowMs - this.#phaseSinceMs;
    if (!this.#isEnding && this.#isHeldUp(nowMs)) return this.#destroy('head-timeout', ERROR_CODE.noError);
    switch (this.#phase) {
      case 'greeting':
        if (inPhaseMs >= limits.headTimeoutMs) this.#destroy('head-timeout', ERROR_CODE.noError);
        return;
      case 'open': {
        const notice = this.#reasonToLeave(nowMs);
        if (notice !== null) this.#notice(notice);
        else if (this.#streams.size === 0 && nowMs - this.#quietSinceMs >= this.#idleTimeoutMs) {
          this.#close('idle-timeout');
        }
        return;
      }
      case 'noticed':
        if (inPhaseMs < NOTICE_MS) return;
        if (this.#ending === 'maximum-age') this.lapsed('maximum-age');
        else this.#close(this.#ending ?? 'drain');
        return;
      case 'ending':
        this.#sweepEnd(nowMs);
        return;
      case 'closing':
      case 'closed':
    }
  }

  readTrailers(fields: RawFields): Trailers {
    return this.#trailerReader.read(fields);
  }

  lasting(bytes: Buffer): Buffer {
    return this.#transport.lasting(bytes);
  }

  dataSent(bytes: number): void {
    this.#idleFrames.giveBack(dataFrames(bytes));
  }

  flush(): void {
    this.#transport.flush();
  }

  streamClosed(stream: Http2Stream, outcome: StreamOutcome): void {
    this.#streams.delete(stream);
    if (this.#streams.size === 0) {
      this.#quietSinceMs = this.#context.clock.monotonicMs();
      if (this.#phase === 'closing') this.#end(this.#context.deadlines.bodyIdleTimeoutMs);
      else if (this.#isPeerLeaving) this.#leave();
    }
    if (outcome === 'broken-off') return this.streamBroken();
    this.#brokenStreams.giveBack(1);
    this.#idleFrames.giveBack(1);
  }

  settings(): void {
    if (this.#phase === 'greeting') this.#enter('open');
  }

  streamOpened(channel: Http2Channel, fields: ReceivedFields, endsStream: boolean): StreamUser {
    const startedMs = this.#context.clock.monotonicMs();
    const stream = new Http2Stream(channel, { fields, endsStream }, { context: this.#context, owner: this });
    this.#streams.add(stream);
    const head = this.#readHead(fields, endsStream);
    const { principal } = this.#owner;
    if ('flaw' in head) {
      stream.refuseUnrouted({ ...head, principal, head: null });
      return stream;
    }
    const who = this.#owner.identify(head);
    if (who.kind === 'refused') {
      stream.refuseUnrouted({ refusal: who.refusal, principal, head, flaw: 'understood' });
      if (who.termination !== null) this.#close(who.termination);
      return stream;
    }
    this.#hasProven = true;
    stream.begin({ peer: who.peer, head, lines: this.#reader.lines, startedMs });
    return stream;
  }

  streamBroken(): void {
    if (!this.#brokenStreams.take(this.#context.clock.monotonicMs(), 1)) this.#calmDown();
  }

  idleFrame(): void {
    if (!this.#idleFrames.take(this.#context.clock.monotonicMs(), 1)) this.#calmDown();
  }

  /** Nothing is asked of a peer that would be answered by one. */
  pong(): void {}

  /** The peer has what it asked for answered before it goes; what bounds that is as ever. */
  goaway(): void {
    this.#isPeerLeaving = true;
    if (this.#streams.size === 0) this.#leave();
  }

  failed(violation: Violation): void {
    this.#record(terminationOfViolation(violation));
    this.#end(LINGER_MS);
  }

  outputWaits(): void {
    this.#transport.outputWaits();
  }

  #readHead(fields: ReceivedFields, endsStream: boolean): RequestHead | Pick<UnroutedRequest, 'refusal' | 'flaw'> {
    if (fields === 'too-large') return { refusal: 'head-too-large', flaw: 'too-large' };
    try {
      return this.#reader.read(fields, endsStream ? 'ends' : 'goes-on');
    } catch (error) {
      if (error instanceof Http1Error) return { refusal: refusalOfCodecStatus(error.status), flaw: 'understood' };
      if (error instanceof Http2Error)
        return { refusal: 'ambiguous-request', flaw: error.isMalformed ? 'malformed' : 'understood' };
      throw error;
    }
  }

  #calmDown(): void {
    this.#destroy('limit', ERROR_CODE.enhanceYourCalm);
  }

  /** Who has not said yet who it is has to begin before long. */
  get #idleTimeoutMs(): number {
    const { headTimeoutMs, idleTimeoutMs } = this.#context.limits;
    return this.#hasProven ? idleTimeoutMs : Math.min(headTimeoutMs, idleTimeoutMs);
  }

  /** Whether something has been on its way for longer than heads may be: until it is there, nothing else comes (RFC 9113 §4.3). */
  #isHeldUp(nowMs: number): boolean {
    const { unfinished } = this.#endpoint;
    if (unfinished !== this.#unfinished) this.#unfinishedSinceMs = nowMs;
    this.#unfinished = unfinished;
    return unfinished !== null && nowMs - this.#unfinishedSinceMs >= this.#context.limits.headTimeoutMs;
  }

  #reasonToLeave(nowMs: number): Termination | null {
    if (this.#owner.isDraining) return 'drain';
    return nowMs - this.#openedMs >= this.#context.limits.maxConnectionAgeMs ? 'maximum-age' : this.#owner.endsSoon;
  }

  /** Tells the peer to go elsewhere with what it has not sent yet. */
  #notice(why: Termination): void {
    this.#ending = why;
    this.#record(why);
    this.#enter('noticed');
    this.#endpoint.notice();
  }

  get #isEnding(): boolean {
    return this.#phase === 'ending' || this.#phase === 'closed';
  }

  /** Takes no more streams, and says why; the connection ends with the last of those that there are. */
  #close(why: Termination): void {
    if (this.#phase === 'closing' || this.#isEnding) return;
    this.#record(why);
    this.#leave();
  }

  #leave(): void {
    if (this.#phase === 'closing' || this.#isEnding) return;
    this.#enter('closing');
    this.#endpoint.close();
    if (this.#streams.size === 0) this.#end(this.#context.deadlines.bodyIdleTimeoutMs);
  }

  /** Ends everything, with a last word to the peer. */
  #destroy(why: Termination, code: ErrorCode): void {
    if (this.#isEnding) return;
    this.#record(why);
    this.#enter('ending');
    for (const stream of this.#streams) stream.terminate(why);
    this.#transport.end(code);
  }

  /** There is nothing more to be said; `patienceMs`: how long what has been said may take to get on. */
  #end(patienceMs: number): void {
    if (this.#isEnding) return;
    this.#patienceMs = patienceMs;
    this.#enter('ending');
    this.#transport.end(null);
  }

  /** The socket ends when all of it is written, which is up to the peer. */
  #sweepEnd(nowMs: number): void {
    const unsentBytes = this.#socket.writableLength;
    if (unsentBytes !== this.#unsentBytes) this.#phaseSinceMs = nowMs;
    this.#unsentBytes = unsentBytes;
    const patienceMs = unsentBytes > 0 ? this.#patienceMs : LINGER_MS;
    if (nowMs - this.#phaseSinceMs >= patienceMs) this.#socket.destroy();
  }

  /** Once a connection. */
  #record(why: Termination): void {
    if (this.#recorded) return;
    this.#recorded = true;
    this.#context.recorder.connectionTerminated(why);
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#context.clock.monotonicMs();
  }
}
