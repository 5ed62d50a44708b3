// What is in force, as a worker has it from the process that reads it: under the same epochs, and in the same order.

import type { Snapshot, SnapshotView } from '../../core/snapshot.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';
import { NO_REVOCATIONS, type Revocations } from '../../revocation/revocations.ts';
import type { OwnIdentity } from '../../spiffe/own-identity.ts';
import type { TrustBundles } from '../../spiffe/trust-bundle.ts';
import type { AdmissionMaterials } from '../decision-parts.ts';
import { type PolicyChange, type StateChange, unpackPolicy, unpackRevocations, unpackTrust } from './state-change.ts';

/** Of nothing that was ever in force: epochs count from 1. */
const NEVER = 0;

export class FollowedState implements AdmissionMaterials {
  readonly #identity: FollowedCell<OwnIdentity | null>;
  readonly #trust: FollowedCell<TrustBundles>;
  readonly #revocations: FollowedCell<Revocations>;
  readonly #policy: FollowedCell<CompiledPolicy>;
  readonly trust: AdmissionMaterials['trust'];

  /**
   * Begins with everything at one moment. `assertCurrent` is asked by whoever reads what admissions and decisions rest on, and throws
   * where that may be out of date. @throws {Error} when something is not in `state`: nothing is decided by a part.
   */
  constructor(state: readonly StateChange[], assertCurrent: () => void) {
    const policy = state.find((change): change is PolicyChange => change.what === 'policy');
    const others = new Set(state.map(({ what }) => what));
    if (policy === undefined || others.size < 4) throw new Error('what is in force did not come whole');
    this.#identity = new FollowedCell<OwnIdentity | null>(null, NEVER, () => undefined);
    this.#trust = new FollowedCell<TrustBundles>(new Map(), NEVER, () => undefined);
    // Each request asks for these two: whether its peer is revoked, and what it may.
    this.#revocations = new FollowedCell(NO_REVOCATIONS, NEVER, assertCurrent);
    this.#policy = new FollowedCell(unpackPolicy(policy), policy.epoch, assertCurrent);
    this.trust = { view: this.#trust };
    for (const change of state) if (change !== policy) this.apply(change);
  }

  get identity(): SnapshotView<OwnIdentity | null> {
    return this.#identity;
  }

  get revocations(): SnapshotView<Revocations> {
    return this.#revocations;
  }

  get policy(): SnapshotView<CompiledPolicy> {
    return this.#policy;
  }

  /** It is in force when this returns. */
  apply(change: StateChange): void {
    switch (change.what) {
      case 'identity':
        this.#identity.put({ epoch: change.epoch, value: change.identity });
        return;
      case 'trust':
        this.#trust.put({ epoch: change.epoch, value: unpackTrust(change) });
        return;
      case 'revocations':
        this.#revocations.put({ epoch: change.epoch, value: unpackRevocations(change) });
        return;
      case 'policy':
        this.#policy.put({ epoch: change.epoch, value: unpackPolicy(change) });
    }
  }
}

/** As a SnapshotCell, except that the epochs are given to it. */
class FollowedCell<T> implements SnapshotView<T> {
  #current: Snapshot<T>;
  readonly #assertCurrent: () => void;
  readonly #subscribers = new Set<(snapshot: Snapshot<T>) => void>();

  constructor(value: T, epoch: number, assertCurrent: () => void) {
    this.#current = { epoch, value };
    this.#assertCurrent = assertCurrent;
  }

  get current(): Snapshot<T> {
    this.#assertCurrent();
    return this.#current;
  }

  /** @throws {Error} for what is not newer: what was revoked since would be trusted again. */
  put(next: Snapshot<T>): void {
    if (next.epoch <= this.#current.epoch) {
      throw new Error(`epoch ${next.epoch} came after epoch ${this.#current.epoch}`);
    }
    this.#current = next;
    for (const subscriber of this.#subscribers) subscriber(next);
  }

  subscribe(subscriber: (snapshot: Snapshot<T>) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  }
}
