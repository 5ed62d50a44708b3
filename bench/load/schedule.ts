// When requests are due at a constant arrival rate, whatever became of those before.

export class ArrivalSchedule {
  /** Arrivals that have been taken. */
  taken = 0;
  readonly #startNs: number;
  readonly #intervalNs: number;

  constructor(startNs: number, ratePerSecond: number) {
    this.#startNs = startNs;
    this.#intervalNs = 1e9 / ratePerSecond;
  }

  /** When the next arrival was meant to be sent: counted from the start, so that lateness is not handed on. */
  get dueNs(): number {
    return this.#startNs + this.taken * this.#intervalNs;
  }

  /** The intended time of an arrival that is due, or NaN when none is. */
  take(nowNs: number): number {
    const due = this.dueNs;
    if (due > nowNs) return Number.NaN;
    this.taken += 1;
    return due;
  }
}
