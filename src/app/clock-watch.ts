// Notices that the wall clock was set, or that time has passed while nothing ran: validity is asked anew at once, not at the next deadline.

import type { Clock } from '../core/clock.ts';

/** Less than this is what NTP does to a clock, and what a busy machine makes of a timer. */
const MIN_JUMP_MS = 2_000;

export class ClockWatch {
  readonly #clock: Clock;
  readonly #onJump: (differenceMs: number) => void;
  #offsetMs: number;

  /** `onJump` is told by how much wall time went ahead of monotonic time; negative when it was set back. */
  constructor(clock: Clock, onJump: (differenceMs: number) => void) {
    this.#clock = clock;
    this.#onJump = onJump;
    this.#offsetMs = this.#read();
  }

  /** To be called every now and then. */
  look(): void {
    const offsetMs = this.#read();
    const differenceMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (Math.abs(differenceMs) >= MIN_JUMP_MS) this.#onJump(differenceMs);
  }

  /** Monotonic time stands still while the machine is asleep; wall time does not. */
  #read(): number {
    return this.#clock.wallMs() - this.#clock.monotonicMs();
  }
}
