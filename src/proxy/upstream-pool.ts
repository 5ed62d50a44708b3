// The bounded set of connections to one upstream: last used first, waiting in line when all are busy, and a pause for an
// upstream that keeps failing.

import type { Clock } from '../core/clock.ts';
import { Ejection, type EjectionTerms } from './ejection.ts';
import { ReadBuffers } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';
import type { Upstream, UpstreamWaiter } from './upstream.ts';
import { UpstreamConnection, type UpstreamOwner } from './upstream-connection.ts';
import type { Dial } from './upstream-dial.ts';
import { WaitingLine } from './waiting-line.ts';

export interface UpstreamPoolOptions extends EjectionTerms {
  readonly connectTimeoutMs: number;
  /** How long an unused connection is kept. */
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
  /** More are kept for a moment, unless it is 0. */
  readonly maxIdleConnections: number;
  /** Requests that may wait for a connection. */
  readonly maxPending: number;
}

// Idle connections above their maximum are kept as long as this: load that comes and goes would have each opened anew.
const SPARE_MS = 1_000;

export class UpstreamPool implements Upstream, UpstreamOwner {
  readonly #dial: Dial;
  readonly #options: UpstreamPoolOptions;
  readonly #clock: Clock;
  readonly #buffers = new ReadBuffers();
  /** In the order in which they became idle. */
  readonly #idle: UpstreamConnection[] = [];
  /** Null once the waiter has left: the connection will serve another. */
  readonly #connecting = new Map<UpstreamConnection, UpstreamWaiter | null>();
  /** Open or being opened. Not told apart by what they do: that changes twice a request. */
  readonly #all = new Set<UpstreamConnection>();
  readonly #line: WaitingLine;
  readonly #ejection: Ejection;
  #closed = false;

  constructor(dial: Dial, options: UpstreamPoolOptions, clock: Clock) {
    this.#dial = dial;
    this.#options = options;
    this.#clock = clock;
    this.#line = new WaitingLine(options.connectTimeoutMs);
    this.#ejection = new Ejection(options);
  }

  takeIdle(): UpstreamConnection | null {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      if (last.isProven) return last;
      last.destroy();
    }
    return null;
  }

  acquire(waiter: UpstreamWaiter): void {
    if (this.#hasRoom) {
      this.#connect(waiter);
    } else if (this.#line.length < this.#options.maxPending) {
      this.#line.add(waiter, this.#clock.monotonicMs());
    } else {
      waiter.upstreamRefused('upstream-saturated');
    }
  }

  cancel(waiter: UpstreamWaiter): void {
    for (const [connection, other] of this.#connecting) if (other === waiter) this.#connecting.set(connection, null);
    this.#line.cancel(waiter);
  }

  /** Takes a connection back, with or without an exchange on it; one that is not fit for another is destroyed. */
  release(connection: UpstreamConnection, nowMs: number): void {
    if (!connection.isReusable || !connection.isProven || this.#closed) {
      // Counts until closed() is called.
      connection.destroy();
      return;
    }
    for (let next = this.#line.next(); next !== null; next = this.#line.next()) {
      if (next.upstreamReady(connection)) return;
    }
    if (this.#options.maxIdleConnections === 0) {
      connection.destroy();
      return;
    }
    connection.sinceMs = nowMs;
    this.#idle.push(connection);
  }

  connected(connection: UpstreamConnection): void {
    this.#ejection.reached();
    const waiter = this.#connecting.get(connection) ?? null;
    this.#connecting.delete(connection);
    if (waiter?.upstreamReady(connection) !== true) this.release(connection, this.#clock.monotonicMs());
  }

  closed(connection: UpstreamConnection, why: Refusal): void {
    this.#all.delete(connection);
    const waiter = this.#connecting.get(connection);
    if (waiter !== undefined) {
      this.#connecting.delete(connection);
      // Without an SVID of our own nothing has been tried.
      if (why !== 'own-svid-withdrawn') this.#ejection.failed(this.#clock.monotonicMs());
      waiter?.upstreamRefused(why);
    } else {
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    }
    this.#serveQueue();
  }

  sweep(nowMs: number): void {
    for (const [connection, waiter] of this.#connecting) {
      if (nowMs - connection.sinceMs < this.#options.connectTimeoutMs) continue;
      this.#connecting.delete(connection);
      connection.destroy();
      this.#ejection.failed(nowMs);
      waiter?.upstreamRefused('upstream-connect-timeout');
    }
    for (let longest = this.#idle[0]; longest !== undefined; longest = this.#idle[0]) {
      const idleMs = nowMs - longest.sinceMs;
      const isSpare = this.#idle.length > this.#options.maxIdleConnections && idleMs >= SPARE_MS;
      if (!isSpare && idleMs < this.#options.idleTimeoutMs) break;
      this.#idle.shift();
      longest.destroy();
    }
    for (let at = this.#idle.length - 1; at >= 0; at -= 1) {
      if (this.#idle[at]?.isProven === false) this.#idle.splice(at, 1)[0]?.destroy();
    }
    this.#line.sweep(nowMs);
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#line.takeAll()) waiter.upstreamRefused('upstream-saturated');
    for (const connection of this.#all) connection.destroy();
    this.#idle.length = 0;
  }

  get #hasRoom(): boolean {
    return this.#all.size < this.#options.maxConnections;
  }

  #connect(waiter: UpstreamWaiter): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#closed || this.#ejection.isOn(nowMs)) {
      waiter.upstreamRefused('upstream-ejected');
      return;
    }
    const connection = new UpstreamConnection(this.#dial, this, this.#buffers);
    connection.sinceMs = nowMs;
    this.#connecting.set(connection, waiter);
    this.#all.add(connection);
  }

  /** A connection is gone: whoever waits may have its place. */
  #serveQueue(): void {
    while (this.#hasRoom) {
      const next = this.#line.next();
      if (next === null) return;
      this.#connect(next);
    }
  }
}
