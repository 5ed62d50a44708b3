// What comes after a body, as one end passes it on to the other.

import { type FieldLines, NO_LINES } from './field-lines.ts';
import { type NeverIndexed, NONE_NEVER_INDEXED } from './never-indexed.ts';

export interface Trailers {
  readonly lines: FieldLines;
  readonly neverIndexed: NeverIndexed;
}

export const NO_TRAILERS: Trailers = { lines: NO_LINES, neverIndexed: NONE_NEVER_INDEXED };
