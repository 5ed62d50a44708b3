// What became of the requests of a peer: answered, refused, or failed. Of one without an answer, the next answer says which.

export class Tally {
  #answered = 0;
  #refused = 0;
  #failed = 0;
  #isInDoubt = false;

  get answered(): number {
    return this.#answered;
  }

  /** Told no, or cut off and then told no. */
  get refused(): number {
    return this.#refused;
  }

  get failed(): number {
    return this.#failed;
  }

  /** The last one had no answer: whoever is refused from now on is told so only when it asks again. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** `status` is 0 when there was no answer, or only a part of one. */
  settle(status: number): void {
    const inDoubt = this.#isInDoubt ? 1 : 0;
    this.#isInDoubt = status === 0;
    switch (status) {
      case 0:
        this.#failed += inDoubt;
        return;
      case 200:
        this.#answered += 1;
        this.#failed += inDoubt;
        return;
      case 401:
      case 403:
        this.#refused += 1 + inDoubt;
        return;
      default:
        this.#failed += 1 + inDoubt;
    }
  }
}
