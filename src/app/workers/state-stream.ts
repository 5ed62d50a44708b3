// What is in force, as one numbered stream of changes for whoever serves by it elsewhere.

import type { Materials } from '../materials/materials.ts';
import { packIdentity, packPolicy, packRevocations, packTrust, type StateChange } from './state-change.ts';

/** Of the materials, what is sent on. */
type Streamed = Pick<Materials, 'identity' | 'revocations' | 'revocationSources' | 'policy' | 'policySources'> & {
  readonly trust: Pick<Materials['trust'], 'view'>;
};

export class StateStream {
  readonly #materials: Streamed;
  readonly #unsubscribe: readonly (() => void)[];
  #sequence = 1;

  /** `onChange` is told of each change in the order in which they came into force here, before anybody is told that they did. */
  constructor(materials: Streamed, onChange: (sequence: number, change: StateChange) => void) {
    this.#materials = materials;
    const send = (change: StateChange): void => {
      this.#sequence += 1;
      onChange(this.#sequence, change);
    };
    this.#unsubscribe = [
      materials.identity.subscribe((snapshot) => send(packIdentity(snapshot))),
      materials.trust.view.subscribe((snapshot) => send(packTrust(snapshot))),
      materials.revocations.subscribe(({ epoch }) => send(packRevocations(epoch, materials.revocationSources))),
      materials.policy.subscribe((snapshot) => send(packPolicy(snapshot, materials.policySources))),
    ];
  }

  /** Of the last change. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Everything at this moment, for one that begins with it. */
  all(): readonly StateChange[] {
    const { identity, trust, revocations, revocationSources, policy, policySources } = this.#materials;
    return [
      packIdentity(identity.current),
      packTrust(trust.view.current),
      packRevocations(revocations.current.epoch, revocationSources),
      packPolicy(policy.current, policySources),
    ];
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }
}
