// Current state that is replaced whole: readers hold one reference, writers swap it, watchers re-decide what is open.

export interface Snapshot<T> {
  /** Starts at 1 and grows by 1 with every swap. */
  readonly epoch: number;
  readonly value: T;
}

/** A cell as its readers see it. */
export interface SnapshotView<T> {
  readonly current: Snapshot<T>;
  /** Calls `subscriber` after each swap, never for the current value; returns the way out. */
  subscribe(subscriber: (snapshot: Snapshot<T>) => void): () => void;
}

export class SnapshotCell<T> implements SnapshotView<T> {
  #current: Snapshot<T>;
  readonly #subscribers = new Set<(snapshot: Snapshot<T>) => void>();

  constructor(initial: T) {
    this.#current = { epoch: 1, value: initial };
  }

  get current(): Snapshot<T> {
    return this.#current;
  }

  /** Publishes `value` under the next epoch; every subscriber has seen it when this returns. */
  swap(value: T): Snapshot<T> {
    const next = { epoch: this.#current.epoch + 1, value };
    this.#current = next;
    for (const subscriber of this.#subscribers) subscriber(next);
    return next;
  }

  subscribe(subscriber: (snapshot: Snapshot<T>) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  }
}
