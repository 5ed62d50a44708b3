// Time for federation under test: it moves when the test says so, and calls back whatever came due meanwhile.

import type { Clock, Schedule } from '../../src/core/clock.ts';

interface Planned {
  readonly dueMs: number;
  readonly callback: () => void;
}

const START_WALL_MS = Date.UTC(2025, 0, 1);

export class FakeTime {
  #monotonicMs = 5_000;
  #wallMs = START_WALL_MS;
  readonly #planned = new Set<Planned>();

  readonly clock: Clock = { wallMs: () => this.#wallMs, monotonicMs: () => this.#monotonicMs };

  readonly schedule: Schedule = (delayMs, callback) => {
    if (!(delayMs >= 0 && delayMs < 2 ** 31)) throw new RangeError(`no timer takes ${delayMs} ms`);
    const planned = { dueMs: this.#monotonicMs + delayMs, callback };
    this.#planned.add(planned);
    return () => void this.#planned.delete(planned);
  };

  /** How many callbacks are waiting for their time. */
  get pending(): number {
    return this.#planned.size;
  }

  /** Lets the next callback happen if it is due by `untilMs`; gives whether one was. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    const next = [...this.#planned].toSorted((left, right) => left.dueMs - right.dueMs)[0];
    if (next === undefined || next.dueMs > untilMs) return false;
    this.#planned.delete(next);
    this.#pass(Math.max(0, next.dueMs - this.#monotonicMs));
    next.callback();
    return true;
  }

  /** Lets everything happen that is due within `durationMs`. */
  advance(durationMs: number): void {
    const untilMs = this.#monotonicMs + durationMs;
    while (this.step(untilMs));
    this.#pass(untilMs - this.#monotonicMs);
  }

  /** Somebody sets the clock, or the machine slept: no callback comes due by that. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  #pass(durationMs: number): void {
    this.#monotonicMs += durationMs;
    this.#wallMs += durationMs;
  }
}
