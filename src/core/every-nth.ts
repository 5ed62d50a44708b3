// A deterministic sample of a stream of events.

export class EveryNth {
  readonly #n: number;
  #left = 0;

  /** `n` of 0 samples nothing, 1 everything; otherwise the first event and every nth after it. */
  constructor(n: number) {
    this.#n = n;
  }

  take(): boolean {
    if (this.#left > 0) {
      this.#left -= 1;
      return false;
    }
    if (this.#n === 0) return false;
    this.#left = this.#n - 1;
    return true;
  }
}
