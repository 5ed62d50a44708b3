// Time for several watches at once: it passes as fast as they look, and stands still while nobody waits for anything.

import { type FileSystem, nodeFileSystem } from '../../src/files/file-system.ts';
import { systemWatchPort, type WatchPort } from '../../src/files/watch-file-group.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class WatchTimers implements WatchPort {
  fileSystem: FileSystem = nodeFileSystem;
  readonly timing = systemWatchPort.timing;
  readonly clock = { wallMs: (): number => this.nowMs, monotonicMs: (): number => this.nowMs };
  nowMs = 1_000;
  readonly #timers = new Set<Timer>();
  #waiting: (() => void)[] = [];

  readonly schedule = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timers.add(timer);
    this.poke();
    return () => void this.#timers.delete(timer);
  };

  /** How many would call back. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Something has happened that until() may be waiting for. */
  poke(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Lets time pass until there is what is looked for. */
  async until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const arrival = new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
      const [next] = [...this.#timers].toSorted((left, right) => left.atMs - right.atMs);
      if (next !== undefined) {
        this.#timers.delete(next);
        this.nowMs = Math.max(this.nowMs, next.atMs);
        next.callback();
      }
      await arrival;
    }
  }
}
