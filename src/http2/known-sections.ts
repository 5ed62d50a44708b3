// What has been read of the field sections that came last on a connection: a decoder hands out the same array for the same octets, so that
// the array says whether it has been read before.

import type { RawFields } from './endpoint-ports.ts';

/** More than the kinds of messages that usually take turns on a connection; looking through them costs less than a map. */
const MAX_KNOWN = 8;

export class KnownSections<T> {
  readonly #sections: RawFields[] = [];
  readonly #meanings: T[] = [];
  #next = 0;

  find(section: RawFields): T | undefined {
    const at = this.#sections.indexOf(section);
    return at < 0 ? undefined : this.#meanings[at];
  }

  /** In the place of the one that was kept first. */
  keep(section: RawFields, meaning: T): void {
    this.#sections[this.#next] = section;
    this.#meanings[this.#next] = meaning;
    this.#next = (this.#next + 1) % MAX_KNOWN;
  }
}
