// The bounded set of connections to one upstream: last used first, waiting in line when all are busy, and a pause for an
// upstream that keeps failing.

import type { Clock } from '../core/clock.ts';
import type { Refusal } from './refusal.ts';
import { type UpstreamAddress, UpstreamConnection } from './upstream-connection.ts';

export interface UpstreamPoolOptions {
  readonly connectTimeoutMs: number;
  /** How long an unused connection is kept. */
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxIdleConnections: number;
  /** Requests that may wait for a connection. */
  readonly maxPending: number;
  /** Failures to connect in a row after which nothing is tried for `ejectMs`. */
  readonly failuresToEject: number;
  readonly ejectMs: number;
}

export interface UpstreamWaiter {
  upstreamReady(connection: UpstreamConnection): void;
  upstreamRefused(refusal: Refusal): void;
}

interface Queued {
  readonly waiter: UpstreamWaiter;
  readonly deadlineMs: number;
}

export class UpstreamPool {
  readonly address: UpstreamAddress;
  readonly #options: UpstreamPoolOptions;
  readonly #clock: Clock;
  readonly #idle: UpstreamConnection[] = [];
  readonly #connecting = new Map<UpstreamConnection, UpstreamWaiter | null>();
  readonly #busy = new Set<UpstreamConnection>();
  #queue: Queued[] = [];
  #failuresInARow = 0;
  #ejectedUntilMs = 0;
  #closed = false;

  constructor(address: UpstreamAddress, options: UpstreamPoolOptions, clock: Clock) {
    this.address = address;
    this.#options = options;
    this.#clock = clock;
  }

  get connections(): number {
    return this.#idle.length + this.#connecting.size + this.#busy.size;
  }

  /** Calls the waiter back, at once when a connection is idle; `fresh` demands one that has carried nothing yet. */
  acquire(waiter: UpstreamWaiter, freshness: 'any' | 'fresh'): void {
    if (freshness === 'any') {
      const connection = this.#idle.pop();
      if (connection !== undefined) {
        this.#busy.add(connection);
        waiter.upstreamReady(connection);
        return;
      }
    }
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#ejectedUntilMs) {
      waiter.upstreamRefused('upstream-ejected');
    } else if (this.connections < this.#options.maxConnections) {
      this.#connect(waiter, nowMs);
    } else if (this.#queue.length < this.#options.maxPending) {
      this.#queue.push({ waiter, deadlineMs: nowMs + this.#options.connectTimeoutMs });
    } else {
      waiter.upstreamRefused('upstream-saturated');
    }
  }

  /** The waiter no longer wants a connection. */
  cancel(waiter: UpstreamWaiter): void {
    for (const [connection, other] of this.#connecting) if (other === waiter) this.#connecting.set(connection, null);
    this.#queue = this.#queue.filter((queued) => queued.waiter !== waiter);
  }

  /** Takes a connection back after its exchange; one that is not fit for another is destroyed. */
  release(connection: UpstreamConnection): void {
    connection.detach();
    if (!connection.isReusable || this.#closed) {
      connection.destroy();
      return;
    }
    const next = this.#queue.shift();
    if (next !== undefined) {
      next.waiter.upstreamReady(connection);
      return;
    }
    this.#busy.delete(connection);
    if (this.#idle.length >= this.#options.maxIdleConnections) {
      connection.destroy();
      return;
    }
    connection.sinceMs = this.#clock.monotonicMs();
    this.#idle.push(connection);
  }

  connected(connection: UpstreamConnection): void {
    this.#failuresInARow = 0;
    const waiter = this.#connecting.get(connection) ?? null;
    this.#connecting.delete(connection);
    this.#busy.add(connection);
    if (waiter === null) {
      connection.sinceMs = this.#clock.monotonicMs();
      this.#busy.delete(connection);
      this.#idle.push(connection);
      this.#serveQueue();
      return;
    }
    waiter.upstreamReady(connection);
  }

  closed(connection: UpstreamConnection): void {
    const waiter = this.#connecting.get(connection);
    if (waiter !== undefined) {
      this.#connecting.delete(connection);
      this.#countFailure();
      waiter?.upstreamRefused('upstream-unreachable');
    } else if (!this.#busy.delete(connection)) {
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    }
    this.#serveQueue();
  }

  /** Enforces the deadlines that no request watches; called a few times a second. */
  sweep(nowMs: number): void {
    for (const [connection, waiter] of this.#connecting) {
      if (nowMs - connection.sinceMs < this.#options.connectTimeoutMs) continue;
      this.#connecting.delete(connection);
      connection.destroy();
      this.#countFailure();
      waiter?.upstreamRefused('upstream-connect-timeout');
    }
    while (this.#idle[0] !== undefined && nowMs - this.#idle[0].sinceMs >= this.#options.idleTimeoutMs) {
      this.#idle.shift()?.destroy();
    }
    while (this.#queue[0] !== undefined && nowMs >= this.#queue[0].deadlineMs) {
      this.#queue.shift()?.waiter.upstreamRefused('upstream-saturated');
    }
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#idle, ...this.#connecting.keys(), ...this.#busy]) connection.destroy();
    this.#idle.length = 0;
  }

  #connect(waiter: UpstreamWaiter, nowMs: number): void {
    const connection = new UpstreamConnection(this.address, this);
    connection.sinceMs = nowMs;
    this.#connecting.set(connection, waiter);
  }

  #serveQueue(): void {
    while (this.#queue.length > 0 && !this.#closed) {
      const idle = this.#idle.pop();
      if (idle === undefined && this.connections >= this.#options.maxConnections) return;
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (idle === undefined) {
        this.#connect(next.waiter, this.#clock.monotonicMs());
      } else {
        this.#busy.add(idle);
        next.waiter.upstreamReady(idle);
      }
    }
  }

  #countFailure(): void {
    this.#failuresInARow += 1;
    if (this.#failuresInARow < this.#options.failuresToEject) return;
    // One more failure after the pause ejects again: the first request after it is the probe.
    this.#failuresInARow = this.#options.failuresToEject - 1;
    this.#ejectedUntilMs = this.#clock.monotonicMs() + this.#options.ejectMs;
  }
}
