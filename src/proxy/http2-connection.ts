// One HTTP/2 connection: many requests at a time, each decided by itself, and bounds on what else a peer can make us do.

import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { Http1Error } from '../http1/http1-error.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { Http2Error } from '../http2/http2-error.ts';
import { type RawFields, RequestFieldsReader } from '../http2/request-fields.ts';
import { TrailerFieldsReader } from '../http2/trailer-fields.ts';
import type { ListenerContext } from './context.ts';
import type { ConnectionOwner, DownstreamConnection } from './downstream-connection.ts';
import { http2Options, terminationOfSessionError } from './http2-settings.ts';
import { Http2Stream, type Http2StreamOwner, type StreamOutcome } from './http2-stream.ts';
import type { LapseReason } from './lease.ts';
import { type Refusal, refusalOfCodecStatus, type Termination } from './refusal.ts';
import { TokenBucket } from './token-bucket.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;

/**
 * `greeting`: the preface is still to come. `open`: requests are taken. `noticed`: the peer was told to open no more, which it may not have
 * read yet (RFC 9113 §6.8). `closing`: none are taken; those under way end. `closed`: the socket is.
 */
type Phase = 'greeting' | 'open' | 'noticed' | 'closing' | 'closed';

const NOTICE_MS = 1_000;
const COUNT_INTERVAL_MS = 1_000;
const LINGER_MS = 2_000;
const LAST_STREAM_ID = 2 ** 31 - 1;
// Streams that the peer breaks off, or makes us break off, cost an upstream its connection. Each one that is served makes up for one.
const BROKEN_STREAMS = { burst: 200, perSecond: 20 };
// A PING or a SETTINGS costs little; as many as clients send that measure the path are far below.
const CONTROL_FRAMES = { burst: 1_000, perSecond: 500 };

export class Http2Connection implements DownstreamConnection, Http2StreamOwner {
  readonly #socket: Socket;
  readonly #context: ListenerContext;
  readonly #owner: ConnectionOwner;
  readonly #session: ServerHttp2Session;
  readonly #reader: RequestFieldsReader;
  readonly #trailerReader: TrailerFieldsReader;
  readonly #streams = new Set<Http2Stream>();
  readonly #brokenStreams: TokenBucket;
  readonly #controlFrames: TokenBucket;
  readonly #openedMs: number;
  /** As many as we know of, and when that was last compared with what the session knows. */
  #begunStreams = 0;
  #countedMs: number;
  #phase: Phase = 'greeting';
  #phaseSinceMs: number;
  /** Since when there has been no stream. */
  #quietSinceMs: number;
  /** Whether anybody is known to be at the other end: from the beginning by certificate, or since the first token. */
  #hasProven: boolean;
  #ending: Termination | null = null;
  #recorded = false;

  constructor(socket: Socket, context: ListenerContext, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#context = context;
    this.#owner = owner;
    this.#hasProven = owner.principal !== null;
    this.#reader = new RequestFieldsReader(
      context.limits,
      context.identityFields.isForwarded,
      context.egress === null ? 'https' : 'http',
    );
    this.#trailerReader = new TrailerFieldsReader('request', context.limits, context.identityFields.isForwarded);
    this.#openedMs = context.clock.monotonicMs();
    this.#phaseSinceMs = this.#openedMs;
    this.#quietSinceMs = this.#openedMs;
    this.#countedMs = this.#openedMs;
    this.#brokenStreams = new TokenBucket(BROKEN_STREAMS, this.#openedMs);
    this.#controlFrames = new TokenBucket(CONTROL_FRAMES, this.#openedMs);
    this.#session = performServerHandshake(socket, http2Options(context.limits));
    this.#session.on('stream', (stream, _headers, _flags, raw) => this.#onStream(stream, raw));
    this.#session.on('remoteSettings', () => this.#onSettings());
    this.#session.on('ping', () => this.#onControlFrame());
    this.#session.on('error', (error) => this.#onSessionError(error));
    socket.on('close', () => {
      this.#phase = 'closed';
    });
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
    if (this.#phase === 'closed') return;
    const isIdle = !this.hasExchange;
    for (const stream of this.#streams) stream.lapsed(reason);
    if (isIdle && this.#context.leases.onLapse[reason] === 'reset') this.#destroy(reason, NGHTTP2_NO_ERROR);
    else this.#close(reason);
  }

  terminate(termination: Termination): void {
    this.#destroy(termination, NGHTTP2_NO_ERROR);
  }

  sweep(nowMs: number, elapsedMs: number): void {
    for (const stream of this.#streams) stream.sweep(nowMs, elapsedMs);
    this.#countUnseen(nowMs);
    const { limits } = this.#context;
    const inPhaseMs = nowMs - this.#phaseSinceMs;
    switch (this.#phase) {
      case 'greeting':
        if (inPhaseMs >= limits.headTimeoutMs) this.#destroy('head-timeout', NGHTTP2_NO_ERROR);
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
      case 'closing':
        // The socket ends when all of it is written, which is up to the peer.
        if (this.#streams.size === 0 && nowMs - Math.max(this.#phaseSinceMs, this.#quietSinceMs) >= LINGER_MS) {
          this.#socket.destroy();
        }
        return;
      case 'closed':
    }
  }

  streamClosed(stream: Http2Stream, outcome: StreamOutcome): void {
    this.#streams.delete(stream);
    if (this.#streams.size === 0) this.#quietSinceMs = this.#context.clock.monotonicMs();
    if (outcome === 'served') this.#brokenStreams.giveBack();
    else this.#onBrokenStreams(1);
  }

  #onStream(stream: ServerHttp2Stream, raw: RawFields): void {
    this.#begunStreams += 1;
    // What matters about an error is that 'close' follows it.
    stream.on('error', () => undefined);
    // Broken off before it was looked at.
    if (stream.closed || stream.destroyed) return this.#onBrokenStreams(1);
    const startedMs = this.#context.clock.monotonicMs();
    const downstream = new Http2Stream(stream, raw, {
      context: this.#context,
      owner: this,
      readTrailers: (fields) => this.#trailerReader.read(fields),
    });
    this.#streams.add(downstream);
    const head = this.#readHead(raw, stream.endAfterHeaders ? 'ends' : 'goes-on');
    const { principal } = this.#owner;
    if (typeof head === 'string') return downstream.refuseUnrouted(head, principal, null);
    const who = this.#owner.identify(head);
    if (who.kind === 'refused') {
      downstream.refuseUnrouted(who.refusal, principal, head);
      if (who.termination !== null) this.#close(who.termination);
      return;
    }
    this.#hasProven = true;
    downstream.begin({ peer: who.peer, head, lines: this.#reader.lines, startedMs });
  }

  #readHead(raw: RawFields, end: 'ends' | 'goes-on'): RequestHead | Refusal {
    try {
      return this.#reader.read(raw, end);
    } catch (error) {
      if (error instanceof Http1Error) return refusalOfCodecStatus(error.status);
      if (error instanceof Http2Error) return 'ambiguous-request';
      throw error;
    }
  }

  #onSettings(): void {
    if (this.#phase === 'greeting') this.#enter('open');
    this.#onControlFrame();
  }

  #onControlFrame(): void {
    if (!this.#controlFrames.take(this.#context.clock.monotonicMs(), 1)) this.#calmDown();
  }

  #onBrokenStreams(count: number): void {
    if (!this.#brokenStreams.take(this.#context.clock.monotonicMs(), count)) this.#calmDown();
  }

  /** Streams whose head was too large or too small are reset by Node, or by nghttp2, without a word to us: but their numbers are gone. */
  #countUnseen(nowMs: number): void {
    if (nowMs - this.#countedMs < COUNT_INTERVAL_MS || this.#session.destroyed) return;
    this.#countedMs = nowMs;
    const begun = ((this.#session.state.lastProcStreamID ?? 0) + 1) >> 1;
    const unseen = begun - this.#begunStreams;
    this.#begunStreams = begun;
    if (unseen > 0) this.#onBrokenStreams(unseen);
  }

  #calmDown(): void {
    this.#destroy('limit', NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** Node has ended the session, or the socket has failed. */
  #onSessionError(error: Error): void {
    const termination = terminationOfSessionError(error);
    if (termination !== null) this.#record(termination);
  }

  /** Who has not said yet who it is has to begin before long. */
  get #idleTimeoutMs(): number {
    const { headTimeoutMs, idleTimeoutMs } = this.#context.limits;
    return this.#hasProven ? idleTimeoutMs : Math.min(headTimeoutMs, idleTimeoutMs);
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
    if (!this.#session.destroyed) this.#session.goaway(NGHTTP2_NO_ERROR, LAST_STREAM_ID);
  }

  /** Takes no more streams; the connection ends with the last of those that there are. */
  #close(why: Termination): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return;
    this.#record(why);
    this.#enter('closing');
    this.#session.close();
  }

  /** Ends everything, with a last word to the peer. */
  #destroy(why: Termination, code: number): void {
    if (this.#phase === 'closed' || this.#session.destroyed) return;
    this.#record(why);
    this.#enter('closing');
    for (const stream of this.#streams) stream.terminate(why);
    // A number alone is what it makes of no error.
    if (code === NGHTTP2_NO_ERROR) this.#session.destroy();
    else this.#session.destroy(new Error(why), code);
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
