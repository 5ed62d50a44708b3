// Quoted scalars in the fast reader, on one line or several.
// https://yaml.org/spec/1.2.2/#57-escaped-characters, https://yaml.org/spec/1.2.2/#65-line-folding

import { APOSTROPHE, BEYOND, type Cursor, QUOTE } from './lenient-cursor.ts';

export function isQuote(code: number): boolean {
  return code === QUOTE || code === APOSTROPHE;
}

/** The scalar at the cursor, which is then behind it. */
export function readQuoted(cursor: Cursor): string {
  const { text, at } = cursor;
  const isDouble = text.charCodeAt(at) === QUOTE;
  const end = isDouble ? findDoubleEnd(cursor) : findSingleEnd(cursor);
  const raw = text.slice(at + 1, end);
  cursor.at = end + 1;
  const inside = raw.includes('\n') ? fold(raw, isDouble) : raw;
  if (!isDouble) return inside.includes("''") ? inside.replaceAll("''", "'") : inside;
  if (!inside.includes('\\')) return inside;
  if (inside.length > MAX_ESCAPED_LENGTH) throw BEYOND;
  return inside.replace(ESCAPE, unescape);
}

function findSingleEnd({ text, at, end }: Cursor): number {
  for (let from = at + 1; ; from += 2) {
    from = text.indexOf("'", from);
    if (from < 0 || from >= end) throw BEYOND;
    if (text.charCodeAt(from + 1) !== APOSTROPHE || from + 1 >= end) return from;
  }
}

const BACKSLASH = 92;

function findDoubleEnd({ text, at, end }: Cursor): number {
  for (let from = at + 1; from < end; from += 1) {
    const code = text.charCodeAt(from);
    if (code === QUOTE) return from;
    if (code === BACKSLASH) from += 1;
  }
  throw BEYOND;
}

/** A line break is a space, and each empty line a line break. A break that is escaped is nothing. */
function fold(raw: string, isDouble: boolean): string {
  const lines = raw.split(/\r?\n/);
  const last = lines.length - 1;
  let folded = '';
  let emptyLines = 0;
  let joint = '';
  for (const [index, line] of lines.entries()) {
    const begun = index === 0 ? line : line.replace(LEADING_BLANKS, '');
    const content = index === last ? begun : begun.replace(TRAILING_BLANKS, '');
    if (index > 0 && index < last && content === '') {
      emptyLines += 1;
      continue;
    }
    const isEscaped = isDouble && index < last && endsInEscape(content);
    // A blank that is escaped.
    if (isEscaped && content.length < begun.length) throw BEYOND;
    folded += emptyLines === 0 ? joint : '\n'.repeat(emptyLines);
    folded += isEscaped ? content.slice(0, -1) : content;
    emptyLines = 0;
    joint = isEscaped ? '' : ' ';
  }
  return folded;
}

function endsInEscape(content: string): boolean {
  return (TRAILING_BACKSLASHES.exec(content)?.[0].length ?? 0) % 2 === 1;
}

const LEADING_BLANKS = /^[ \t]+/;
const TRAILING_BLANKS = /[ \t]+$/;
const TRAILING_BACKSLASHES = /\\+$/;

// Each escape costs a hundred times its length in memory while it is replaced.
const MAX_ESCAPED_LENGTH = 1024 * 1024;
const ESCAPE = /\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([^]))/g;

const ESCAPED: ReadonlyMap<string, string> = new Map([
  ['0', '\0'],
  ['a', '\u0007'],
  ['b', '\b'],
  ['t', '\t'],
  ['n', '\n'],
  ['v', '\v'],
  ['f', '\f'],
  ['r', '\r'],
  ['e', '\u001b'],
  [' ', ' '],
  ['"', '"'],
  ['/', '/'],
  ['\\', '\\'],
  ['N', '\u0085'],
  ['_', '\u00a0'],
  ['L', '\u2028'],
  ['P', '\u2029'],
]);

function unescape(_escape: string, ...groups: readonly (string | undefined)[]): string {
  const [two, four, eight, character] = groups;
  const hexadecimal = two ?? four ?? eight;
  if (hexadecimal === undefined) {
    const replacement = ESCAPED.get(character ?? '');
    if (replacement === undefined) throw BEYOND;
    return replacement;
  }
  const code = Number.parseInt(hexadecimal, 16);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw BEYOND;
  return String.fromCodePoint(code);
}
