// Whether an upstream still lives that says nothing on a connection of many exchanges, which may be quiet for long.

/**
 * A connection on which exchanges are quiet is asked whether it lives, and has that long to say so. Servers of gRPC take more than one question
 * in five minutes for abuse, unless they have sent something in between.
 */
const QUIET_MS = 330_000;
const ANSWER_MS = 20_000;

export class UpstreamLiveness {
  #heard = false;
  #heardMs = 0;
  #askedMs: number | null = null;

  heard(): void {
    this.#heard = true;
  }

  /** `isCarrying`: whether anything is expected of it. @returns what is to be done. */
  sweep(nowMs: number, isCarrying: boolean): 'nothing' | 'ask' | 'leave' {
    if (this.#heard || !isCarrying) {
      this.#heard = false;
      this.#heardMs = nowMs;
      this.#askedMs = null;
      return 'nothing';
    }
    if (this.#askedMs !== null) return nowMs - this.#askedMs >= ANSWER_MS ? 'leave' : 'nothing';
    if (nowMs - this.#heardMs < QUIET_MS) return 'nothing';
    this.#askedMs = nowMs;
    return 'ask';
  }
}
