// Plain scalars in the fast reader, on one line or several.
// https://yaml.org/spec/1.2.2/#733-plain-style

import {
  BEYOND,
  codeAt,
  COLON,
  CR,
  type Cursor,
  finishLine,
  HASH,
  HYPHEN,
  isBlank,
  LF,
  nextLine,
  SPACE,
  TAB,
} from './lenient-cursor.ts';
import { type PlainValue, resolvePlain } from './lenient-plain.ts';

/** Characters that mean something else, or nothing, at the beginning; the first three only with a blank behind them. */
const INDICATORS = new Set(Buffer.from('-?:,[]{}#&*!|>\'"%@`'));
export const QUESTION_MARK = 63;

export function canBeginPlain(cursor: Cursor, at: number): boolean {
  const code = codeAt(cursor, at);
  if (!INDICATORS.has(code)) return true;
  return (code === HYPHEN || code === COLON || code === QUESTION_MARK) && !isBlank(codeAt(cursor, at + 1));
}

export interface PlainEnd {
  /** At what ends it: a colon with a blank behind it, a comment, the end of the line; in a flow collection, its punctuation too. */
  readonly at: number;
  /** Without the spaces before that. */
  readonly trimmed: number;
}

const FLOW_PUNCTUATION = new Set(Buffer.from(',[]{}'));

export function findPlainEnd(cursor: Cursor, start: number, context: 'block' | 'flow'): PlainEnd {
  const { text, end } = cursor;
  let trimmed = start;
  let at = start;
  for (; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === SPACE) continue;
    if (code === LF || code === CR) break;
    if (code === TAB) throw BEYOND;
    if (code === HASH && at > trimmed) break;
    if (code === COLON && isBlank(codeAt(cursor, at + 1))) break;
    if (context === 'flow' && FLOW_PUNCTUATION.has(code)) break;
    trimmed = at + 1;
  }
  return { at, trimmed };
}

/** A plain scalar of a block collection in column `parent`. Leaves the cursor at the next content. */
export function readPlain(cursor: Cursor, parent: number): PlainValue {
  if (!canBeginPlain(cursor, cursor.at)) throw BEYOND;
  let end = findPlainEnd(cursor, cursor.at, 'block');
  let text = cursor.text.slice(cursor.at, end.trimmed);
  for (;;) {
    const more = findContinuation(cursor, end, parent);
    if (more === null) break;
    end = findPlainEnd(cursor, more.at, 'block');
    text += `${more.emptyLines === 0 ? ' ' : '\n'.repeat(more.emptyLines)}${cursor.text.slice(more.at, end.trimmed)}`;
  }
  cursor.at = end.trimmed;
  finishLine(cursor);
  if (cursor.column > parent) throw BEYOND;
  return toJsonValue(text);
}

/** @throws BEYOND for infinity and NaN, which JSON does not have */
export function toJsonValue(text: string): PlainValue {
  const value = resolvePlain(text);
  if (typeof value === 'number' && !Number.isFinite(value)) throw BEYOND;
  return value;
}

interface Continuation {
  readonly at: number;
  readonly emptyLines: number;
}

/** The next line that is further in than the parent; a comment ends a scalar for good. */
function findContinuation(cursor: Cursor, { at }: PlainEnd, parent: number): Continuation | null {
  const { end } = cursor;
  const code = codeAt(cursor, at);
  if (code === COLON) throw BEYOND;
  if (code === HASH) return null;
  let emptyLines = 0;
  for (let lineStart = nextLine(cursor, at); lineStart < end; lineStart = nextLine(cursor, lineStart)) {
    let first = lineStart;
    while (codeAt(cursor, first) === SPACE) first += 1;
    const begin = codeAt(cursor, first);
    if (begin === TAB) throw BEYOND;
    if (begin !== LF && begin !== CR)
      return first - lineStart > parent && begin !== HASH ? { at: first, emptyLines } : null;
    emptyLines += 1;
  }
  return null;
}
