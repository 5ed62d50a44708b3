// Keys that an object may have: one that is not known could change the meaning of all the others.

import type { Field } from '../fields.ts';

/** Notes every other key. True when there is none, or nothing that has keys. */
export function hasOnly(field: Field, keys: readonly string[]): boolean {
  if (field.kind !== 'map') return true;
  let isKnown = true;
  for (const [key, value] of field.asMap()) {
    if (keys.includes(key) || !value.isPresent) continue;
    value.noteWrong(`one of ${keys.join(', ')}`);
    isKnown = false;
  }
  return isKnown;
}

/** Whether something stands there that is no list. */
export function isNoList(field: Field): boolean {
  return field.isPresent && field.kind !== 'list';
}
