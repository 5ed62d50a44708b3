// Those who wait for an upstream, in the order in which they came, none for longer than it may take to connect.

import type { UpstreamWaiter } from './upstream.ts';

interface Waiting {
  readonly waiter: UpstreamWaiter;
  readonly deadlineMs: number;
}

export class WaitingLine {
  readonly #line: Waiting[] = [];
  readonly #maxWaitMs: number;

  constructor(maxWaitMs: number) {
    this.#maxWaitMs = maxWaitMs;
  }

  get length(): number {
    return this.#line.length;
  }

  add(waiter: UpstreamWaiter, nowMs: number): void {
    this.#line.push({ waiter, deadlineMs: nowMs + this.#maxWaitMs });
  }

  cancel(waiter: UpstreamWaiter): void {
    const at = this.#line.findIndex((waiting) => waiting.waiter === waiter);
    if (at >= 0) this.#line.splice(at, 1);
  }

  next(): UpstreamWaiter | null {
    return this.#line.shift()?.waiter ?? null;
  }

  /** Everybody, who then waits no longer. */
  takeAll(): readonly UpstreamWaiter[] {
    return this.#line.splice(0).map(({ waiter }) => waiter);
  }

  sweep(nowMs: number): void {
    while (this.#line[0] !== undefined && nowMs >= this.#line[0].deadlineMs) {
      this.next()?.upstreamRefused('upstream-saturated');
    }
  }
}
