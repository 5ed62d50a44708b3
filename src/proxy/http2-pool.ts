// The HTTP/2 connections to one upstream: as few as carry what there is, one more when those are full.

import type { Clock } from '../core/clock.ts';
import { Ejection } from './ejection.ts';
import {
  type Http2Server,
  type Http2SessionOwner,
  Http2UpstreamSession,
  MAX_STREAMS_PER_SESSION,
} from './http2-upstream-session.ts';
import { Http2UpstreamStream } from './http2-upstream-stream.ts';
import { ReadBuffers } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';
import type { UpstreamPoolOptions } from './upstream-pool.ts';
import type { Upstream, UpstreamStream, UpstreamWaiter } from './upstream.ts';
import { WaitingLine } from './waiting-line.ts';

export class Http2Pool implements Upstream, Http2SessionOwner {
  readonly #server: Http2Server;
  readonly #options: UpstreamPoolOptions;
  readonly #clock: Clock;
  readonly #buffers = new ReadBuffers();
  readonly #line: WaitingLine;
  readonly #ejection: Ejection;
  /** In the order in which they were opened: the first ones are filled, so that the last ones become idle. */
  readonly #sessions = new Set<Http2UpstreamSession>();
  /** At most one at a time: how many exchanges it can carry is known only when it is open. */
  #connecting: Http2UpstreamSession | null = null;
  #closed = false;

  constructor(server: Http2Server, options: UpstreamPoolOptions, clock: Clock) {
    this.#server = server;
    this.#options = options;
    this.#clock = clock;
    this.#line = new WaitingLine(options.connectTimeoutMs);
    this.#ejection = new Ejection(options);
  }

  takeIdle(): UpstreamStream | null {
    for (const session of this.#sessions) if (session.hasRoom) return new Http2UpstreamStream(session);
    return null;
  }

  acquire(waiter: UpstreamWaiter): void {
    const stream = this.takeIdle();
    if (stream !== null) {
      waiter.upstreamReady(stream);
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    const isEjected = this.#ejection.isOn(nowMs);
    if (this.#closed || (isEjected && !this.#isServing)) return waiter.upstreamRefused('upstream-ejected');
    if (this.#connecting === null && this.#hasRoom && !isEjected) this.#connect(nowMs);
    // Whoever waits for a connection that is being opened will most likely find room on it.
    const expected = this.#connecting === null ? 0 : MAX_STREAMS_PER_SESSION;
    if (this.#line.length < this.#options.maxPending + expected) this.#line.add(waiter, nowMs);
    else waiter.upstreamRefused('upstream-saturated');
  }

  cancel(waiter: UpstreamWaiter): void {
    this.#line.cancel(waiter);
  }

  opened(session: Http2UpstreamSession): void {
    this.#connecting = null;
    this.#ejection.reached();
    session.sinceMs = this.#clock.monotonicMs();
    this.#serve();
  }

  roomMade(session: Http2UpstreamSession): void {
    if (session.isIdle) session.sinceMs = this.#clock.monotonicMs();
    this.#serve();
  }

  closed(session: Http2UpstreamSession, why: Refusal): void {
    this.#sessions.delete(session);
    if (session === this.#connecting) {
      this.#connecting = null;
      // Without an SVID of our own nothing has been tried.
      if (why !== 'own-svid-withdrawn') this.#ejection.failed(this.#clock.monotonicMs());
      this.#refuseHopeless(why);
    }
    this.#serve();
    this.#refuseHopeless(why);
  }

  sweep(nowMs: number): void {
    const connecting = this.#connecting;
    if (connecting !== null && nowMs - connecting.sinceMs >= this.#options.connectTimeoutMs) {
      connecting.destroy('upstream-connect-timeout');
    }
    let idle = 0;
    for (const session of this.#sessions) {
      session.sweep(nowMs);
      if (!session.isIdle) continue;
      idle += 1;
      const isSpare = idle > this.#options.maxIdleConnections;
      if (isSpare || nowMs - session.sinceMs >= this.#options.idleTimeoutMs) session.drain();
    }
    this.#line.sweep(nowMs);
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#line.takeAll()) waiter.upstreamRefused('upstream-saturated');
    for (const session of this.#sessions) session.destroy('upstream-reset');
  }

  /** Whether there is a connection that has room, or will have. */
  get #isServing(): boolean {
    for (const session of this.#sessions) if (session.isUsable) return true;
    return false;
  }

  /** Those that take nothing more do not take the place of those that follow them, as long as they are not as many. */
  get #hasRoom(): boolean {
    const { maxConnections } = this.#options;
    let leaving = 0;
    for (const session of this.#sessions) if (session !== this.#connecting && !session.isUsable) leaving += 1;
    return this.#sessions.size - leaving < maxConnections && leaving < maxConnections;
  }

  #connect(nowMs: number): void {
    const session = new Http2UpstreamSession(this.#server, this, this.#buffers);
    session.sinceMs = nowMs;
    this.#connecting = session;
    this.#sessions.add(session);
  }

  /** Whoever waits where nothing will make room. */
  #refuseHopeless(why: Refusal): void {
    if (this.#connecting !== null || this.#isServing) return;
    for (const waiter of this.#line.takeAll()) waiter.upstreamRefused(why);
  }

  #serve(): void {
    while (this.#line.length > 0) {
      const stream = this.takeIdle();
      if (stream === null) break;
      this.#line.next()?.upstreamReady(stream);
    }
    const nowMs = this.#clock.monotonicMs();
    const mayConnect = !this.#closed && this.#connecting === null && this.#hasRoom && !this.#ejection.isOn(nowMs);
    if (this.#line.length > 0 && mayConnect) this.#connect(nowMs);
  }
}
