// Whether the process that says what is in force is still there: without it nobody here knows what was revoked a moment ago.

import type { Clock } from '../../core/clock.ts';

export interface PrimaryWatchOptions {
  readonly clock: Clock;
  readonly maxSilenceMs: number;
  /** Calls back after what has come meanwhile has been read. */
  readonly afterReading: (callback: () => void) => void;
  readonly onSilence: () => void;
}

export class PrimaryWatch {
  readonly #options: PrimaryWatchOptions;
  #heardMs: number;

  constructor(options: PrimaryWatchOptions) {
    this.#options = options;
    this.#heardMs = options.clock.monotonicMs();
  }

  heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
  }

  /** To be called ever again. A turn of the event loop that took long is no silence: what was said meanwhile lies there unread. */
  look(): void {
    if (!this.#isSilent()) return;
    this.#options.afterReading(() => {
      if (this.#isSilent()) this.#options.onSilence();
    });
  }

  #isSilent(): boolean {
    return this.#options.clock.monotonicMs() - this.#heardMs > this.#options.maxSilenceMs;
  }
}
