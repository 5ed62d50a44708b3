// Time of a store under test: real sockets, but what was planned happens when the test says so, and only what it names.

import type { StorePort, StoreTiming } from '../../src/store/revocation-store.ts';

interface Timer {
  readonly delayMs: number;
  readonly callback: () => void;
}

export class FakeTimers implements StorePort {
  /** Each another number, by which a test names what it lets happen. */
  readonly timing: StoreTiming = {
    connectMs: 5_000,
    replyMs: 4_000,
    pingMs: 3_000,
    rereadMs: 30_000,
    restMs: 50,
    minBackoffMs: 200,
    maxBackoffMs: 6_400,
  };
  readonly clock = { wallMs: (): number => this.wallMs, monotonicMs: (): number => this.nowMs };
  nowMs = 1_000;
  wallMs = Date.UTC(2026, 2, 1);
  readonly #timers = new Set<Timer>();
  readonly #awaited: { readonly delayMs: number; readonly resolve: () => void }[] = [];

  // Delays with jitter are then as long as they can be.
  readonly random = (): number => 0;

  readonly schedule = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { delayMs, callback };
    this.#timers.add(timer);
    for (const { delayMs: awaitedMs, resolve } of this.#awaited) if (awaitedMs === delayMs) resolve();
    return () => {
      this.#timers.delete(timer);
    };
  };

  /** Of the timers that are set. */
  get delaysMs(): readonly number[] {
    return Array.from(this.#timers, ({ delayMs }) => delayMs).sort((left, right) => left - right);
  }

  /** Waits until somebody asks for exactly that time, lets it pass and calls back. */
  async pass(delayMs: number): Promise<void> {
    await this.planned(delayMs);
    const due = [...this.#timers].filter((timer) => timer.delayMs === delayMs);
    this.nowMs += delayMs;
    this.wallMs += delayMs;
    for (const timer of due) this.#timers.delete(timer);
    for (const { callback } of due) callback();
  }

  /** Resolves when somebody asks for that time, or has already. */
  async planned(delayMs: number): Promise<void> {
    if (this.delaysMs.includes(delayMs)) return;
    await new Promise<void>((resolve) => {
      this.#awaited.push({ delayMs, resolve });
    });
  }
}
