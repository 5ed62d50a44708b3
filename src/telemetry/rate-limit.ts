// How many log records a second: so many in all, and half of that for any one principal.

const WINDOW_MS = 1_000;

export class RateLimit {
  readonly #perSecond: number;
  readonly #byPrincipal = new Map<string, number>();
  #windowStartMs = -Infinity;
  #admitted = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** `nowMs` is monotonic. */
  admits(principal: string, nowMs: number): boolean {
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#admitted = 0;
      this.#byPrincipal.clear();
    }
    const ofPrincipal = this.#byPrincipal.get(principal) ?? 0;
    if (this.#admitted >= this.#perSecond || ofPrincipal >= this.#perSecond / 2) return false;
    this.#admitted += 1;
    this.#byPrincipal.set(principal, ofPrincipal + 1);
    return true;
  }
}
