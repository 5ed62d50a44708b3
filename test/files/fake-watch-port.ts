// Time for a watch under test: it stands still until the test lets the next look happen.

import { nodeFileSystem, type FileSystem } from '../../src/files/file-system.ts';
import { systemWatchPort, type WatchPort, type WatchTiming } from '../../src/files/watch-file-group.ts';

interface Scheduled {
  readonly delayMs: number;
  readonly callback: () => void;
}

export class FakeWatchPort implements WatchPort {
  readonly fileSystem: FileSystem;
  readonly timing: WatchTiming = systemWatchPort.timing;
  readonly clock = { wallMs: (): number => this.nowMs, monotonicMs: (): number => this.nowMs };
  nowMs = 1_000;
  #scheduled: Scheduled | null = null;
  #arrival: (() => void) | null = null;

  constructor(fileSystem: FileSystem = nodeFileSystem) {
    this.fileSystem = fileSystem;
  }

  readonly schedule = (delayMs: number, callback: () => void): (() => void) => {
    if (this.#scheduled !== null) throw new Error('two looks were scheduled at once');
    const scheduled = { delayMs, callback };
    this.#scheduled = scheduled;
    this.#arrival?.();
    return () => {
      if (this.#scheduled === scheduled) this.#scheduled = null;
    };
  };

  /** Of the next look; null when none is planned. */
  get delayMs(): number | null {
    return this.#scheduled?.delayMs ?? null;
  }

  /** Begins the next look without waiting for it. */
  begin(): void {
    const scheduled = this.#scheduled;
    if (scheduled === null) throw new Error('no look is scheduled');
    this.#scheduled = null;
    this.nowMs += scheduled.delayMs;
    scheduled.callback();
  }

  /** Lets the next look happen and resolves when the one after it is planned. */
  async look(): Promise<void> {
    const planned = this.planned();
    this.begin();
    await planned;
  }

  /** Resolves when the next look is planned. */
  planned(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrival = resolve;
    });
  }

  /** As many looks as fit into this time. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.nowMs + durationMs;
    while (this.delayMs !== null && this.nowMs + this.delayMs <= endMs) await this.look();
    this.nowMs = endMs;
  }
}
