// Where things stand in the documents of texts that were read leniently: found by reading a document again, or one item of a long one, since
// nobody asks where most things stand.

import { type Extent, readFast, readItemPlaces, readOutline } from './lenient-block.ts';
import { readSlowly } from './lenient-library.ts';
import { findPlace, type Place } from './lenient-place.ts';

/** Places that were asked for lately. What is asked for together mostly stands together. */
export class PlaceCache {
  readonly #places = new Map<string, Place>();
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  take(key: string, read: () => Place): Place {
    const place = this.#places.get(key) ?? read();
    this.#places.delete(key);
    this.#places.set(key, place);
    const [oldest] = this.#places.keys();
    if (this.#places.size > this.#maxEntries && oldest !== undefined) this.#places.delete(oldest);
    return place;
  }
}

export interface LocatedDocument {
  /** With unified line breaks. */
  readonly text: string;
  readonly extent: Extent;
  /** Different from that of every other document in the cache. */
  readonly key: string;
}

const LONG = 65_536;

/** The offset of what stands at `path`, or of its nearest parent that exists: a scalar where it begins, a collection at its key if it has one. */
export function offsetInDocument(
  document: LocatedDocument,
  path: readonly (string | number)[],
  cache: PlaceCache,
): number {
  const { text, extent, key } = document;
  if (extent.end - extent.start > LONG) {
    const offset = offsetInLong(document, path, cache);
    if (offset !== undefined) return offset;
  }
  const root = cache.take(key, () => readFast(text, extent, 'places')?.root ?? readSlowly(text, extent).root);
  return findPlace(root, path);
}

/** Undefined when the document is beyond the fast reader, or the path does not lead into a list at its top. */
function offsetInLong(
  { text, extent, key }: LocatedDocument,
  path: readonly (string | number)[],
  cache: PlaceCache,
): number | undefined {
  const outline = cache.take(`${key} outline`, () => readOutline(text, extent) ?? NO_OUTLINE);
  if (outline === NO_OUTLINE) return undefined;
  const itemAt = itemOf(outline, path);
  if (itemAt === undefined || path.length === 2) return itemAt;
  const item = cache.take(`${key} ${itemAt}`, () => readItemPlaces(text, extent, itemAt) ?? NO_OUTLINE);
  return item === NO_OUTLINE ? undefined : findPlace({ at: itemAt, inside: item.inside }, path.slice(2));
}

const NO_OUTLINE: Place = { at: -1, inside: null };

/** Where the list item begins in which the path goes on; undefined when its first two steps lead elsewhere. */
function itemOf(outline: Place, [key, index]: readonly (string | number)[]): number | undefined {
  const list = outline.inside instanceof Map ? outline.inside.get(key)?.place.inside : undefined;
  return Array.isArray(list) ? list[Number(index)]?.at : undefined;
}
