// How soon a worker that has ended is replaced, and when it has to be said that this does not help.

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
/** One that served for this long did not end for how it began. */
const LASTING_MS = 30_000;
const MANY = 5;

export class Respawn {
  /** Of those that did not last, how many in a row. */
  #shortLived = 0;

  /** Ends come faster than they could be by chance. */
  get isLooping(): boolean {
    return this.#shortLived >= MANY;
  }

  /** After one that served for `servedMs`: how long to wait before the next. */
  delayAfter(servedMs: number): number {
    this.#shortLived = servedMs >= LASTING_MS ? 1 : this.#shortLived + 1;
    return Math.min(FIRST_DELAY_MS * 2 ** (this.#shortLived - 1), MAX_DELAY_MS);
  }
}
