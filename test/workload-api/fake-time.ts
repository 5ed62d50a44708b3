// Time for what waits under test: it stands still until the test lets some of it pass.

import type { Clock, Schedule } from '../../src/core/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class FakeTime {
  readonly clock: Clock = {
    wallMs: () => this.wallOffsetMs + this.nowMs,
    monotonicMs: () => this.nowMs,
  };
  nowMs = 1_000;
  /** What the wall clock is ahead of the monotonic one. */
  wallOffsetMs = Date.now();
  readonly #timers = new Set<Timer>();

  readonly schedule: Schedule = (delayMs, callback) => {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  };

  /** Until each timer that is set, earliest first. */
  get delaysMs(): readonly number[] {
    return [...this.#timers].map(({ atMs }) => atMs - this.nowMs).sort((left, right) => left - right);
  }

  /** Calls back everything that is due by then, each at its own time. */
  advance(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ atMs }) => atMs <= endMs)
        .sort((left, right) => left.atMs - right.atMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
    }
    this.nowMs = endMs;
  }
}
