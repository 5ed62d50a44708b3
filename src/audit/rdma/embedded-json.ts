// JSON in a string of another object: CNI configurations and annotations.

import type { Field } from '../fields.ts';

/** What the text says, in the place where the text stands; null when it is no JSON. */
export function parseEmbedded(place: Field, text: string): Field | null {
  try {
    return place.literal(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Of a mapping; absent of anything else, which is nothing to complain about. */
export function entry(field: Field, ...keys: readonly string[]): Field {
  return keys.reduce((inner, key) => (inner.kind === 'map' ? inner.get(key) : inner.literal(undefined)), field);
}

export function textOf(field: Field): string | null {
  return field.kind === 'text' ? field.asText() : null;
}

export function itemsOf(field: Field): readonly Field[] {
  return field.kind === 'list' ? field.asList() : [];
}
