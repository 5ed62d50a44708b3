// What is revoked at present, from every list there is: whatever one of them names is revoked.

import { SnapshotCell, type SnapshotView } from '../../core/snapshot.ts';
import type { Crl } from '../../pki/crl.ts';
import type { Revocation } from '../../revocation/revocation.ts';
import {
  compileRevocations,
  NO_REVOCATIONS,
  type Revocations,
  type RevocationSources,
} from '../../revocation/revocations.ts';

export type ListOrigin = 'file' | 'redis';

export class RevocationComposition {
  readonly #cell = new SnapshotCell<Revocations>(NO_REVOCATIONS);
  readonly #lists = new Map<ListOrigin, readonly Revocation[]>();
  #crls: readonly Crl[] = [];

  get view(): SnapshotView<Revocations> {
    return this.#cell;
  }

  /** What the lists of this moment are compiled from. */
  get sources(): RevocationSources {
    return { entries: [...this.#lists.values()].flat(), crls: this.#crls };
  }

  giveList(origin: ListOrigin, entries: readonly Revocation[]): void {
    if (this.#lists.get(origin) === entries) return;
    this.#lists.set(origin, entries);
    this.#compose();
  }

  /** Swaps nothing when these are the same again, as with every SVID that the agent rotates. */
  giveCrls(crls: readonly Crl[]): void {
    const isSame =
      crls.length === this.#crls.length && crls.every(({ sha256 }, at) => this.#crls[at]?.sha256 === sha256);
    if (isSame) return;
    this.#crls = crls;
    this.#compose();
  }

  #compose(): void {
    this.#cell.swap(compileRevocations(this.sources));
  }
}
