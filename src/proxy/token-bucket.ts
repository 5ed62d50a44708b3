// What may happen a number of times at once and then only as often as the bucket fills up.

export interface BucketSize {
  readonly burst: number;
  readonly perSecond: number;
}

export class TokenBucket {
  readonly #size: BucketSize;
  #tokens: number;
  #filledMs: number;

  constructor(size: BucketSize, nowMs: number) {
    this.#size = size;
    this.#tokens = size.burst;
    this.#filledMs = nowMs;
  }

  /** @returns false when there are not as many left. */
  take(nowMs: number, tokens: number): boolean {
    this.#add(((nowMs - this.#filledMs) / 1000) * this.#size.perSecond);
    this.#filledMs = nowMs;
    if (this.#tokens < tokens) return false;
    this.#tokens -= tokens;
    return true;
  }

  giveBack(tokens: number): void {
    this.#add(tokens);
  }

  #add(tokens: number): void {
    this.#tokens = Math.min(this.#size.burst, this.#tokens + tokens);
  }
}
