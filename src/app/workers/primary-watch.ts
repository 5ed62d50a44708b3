// Whether what is in force here is what the first process says: without word from it nobody here knows what was revoked a moment ago.

import type { Clock } from '../../core/clock.ts';

export interface PrimaryWatchOptions {
  readonly clock: Clock;
  readonly maxSilenceMs: number;
  /** Calls back after what has come meanwhile has been read. */
  readonly afterReading: (callback: () => void) => void;
  /** Ends the process. */
  readonly onSilence: () => void;
}

export class PrimaryWatch {
  readonly #options: PrimaryWatchOptions;
  #saidMs: number;

  constructor(options: PrimaryWatchOptions) {
    this.#options = options;
    this.#saidMs = options.clock.monotonicMs();
  }

  /** `saidMs` is when it was said and not when it was heard: in between, more may have been said that lies there unread. */
  heard(saidMs: number): void {
    this.#saidMs = Math.max(this.#saidMs, saidMs);
  }

  /** To be called ever again. A turn of the event loop that took long is no silence: what was said meanwhile lies there unread. */
  look(): void {
    if (!this.#isSilent()) return;
    this.#options.afterReading(() => {
      if (this.#isSilent()) this.#options.onSilence();
    });
  }

  /**
   * Before anything is decided: a process that stood still may come to read a request before it reads what was revoked meanwhile.
   * @throws {Error} should it be alive after the end.
   */
  assertCurrent(): void {
    if (!this.#isSilent()) return;
    this.#options.onSilence();
    throw new Error('nothing is decided by what may be out of date');
  }

  #isSilent(): boolean {
    return this.#options.clock.monotonicMs() - this.#saidMs > this.#options.maxSilenceMs;
  }
}
