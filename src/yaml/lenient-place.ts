// Where the parts of a document stand in its text, as offsets; made only when somebody asks.

export interface Place {
  /** Where the value begins. */
  readonly at: number;
  /** Null for a scalar. */
  readonly inside: ReadonlyMap<string, Entry> | readonly Place[] | null;
}

export interface Entry {
  readonly keyAt: number;
  readonly place: Place;
}

/** The place of what stands at `path`, or of its nearest parent that exists: a scalar where it begins, a collection at its key if it has one. */
export function findPlace(root: Place, path: readonly (string | number)[]): number {
  let place = root;
  let at = root.at;
  for (const step of path) {
    const { inside } = place;
    if (inside instanceof Map) {
      const entry = (inside as ReadonlyMap<string, Entry>).get(String(step));
      if (entry === undefined) return at;
      at = entry.keyAt;
      place = entry.place;
    } else if (Array.isArray(inside) && typeof step === 'number') {
      const item = (inside as readonly Place[])[step];
      if (item === undefined) return at;
      at = item.at;
      place = item;
    } else {
      return at;
    }
  }
  return place.inside === null ? place.at : at;
}
