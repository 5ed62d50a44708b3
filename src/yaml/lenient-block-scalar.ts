// Block scalars (`|` and `>`) in the fast reader.
// https://yaml.org/spec/1.2.2/#81-block-scalar-styles

import {
  BEYOND,
  codeAt,
  CR,
  type Cursor,
  LF,
  lineEnd,
  nextLine,
  passLineEnd,
  SPACE,
  TAB,
  toContent,
} from './lenient-cursor.ts';

interface Header {
  readonly isFolded: boolean;
  readonly chomping: 'strip' | 'clip' | 'keep';
  /** Of the content, beyond its parent; null when the content shows it. */
  readonly indentation: number | null;
}

/** The scalar at the cursor, inside of something in column `parent`. Leaves the cursor at the next content. */
export function readBlockScalar(cursor: Cursor, parent: number): string {
  if (parent < 0) throw BEYOND;
  const header = readHeader(cursor);
  passLineEnd(cursor);
  const { indentation } = header;
  const value = readLines(
    cursor,
    indentation === null ? findIndentation(cursor, parent + 1) : parent + indentation,
    header,
  );
  toContent(cursor);
  if (cursor.column > parent) throw BEYOND;
  return value;
}

function readHeader(cursor: Cursor): Header {
  const { text } = cursor;
  const isFolded = text.charAt(cursor.at) === '>';
  let chomping: Header['chomping'] | null = null;
  let indentation: number | null = null;
  cursor.at += 1;
  for (;;) {
    const character = text.charAt(cursor.at);
    if (chomping === null && (character === '-' || character === '+')) chomping = character === '-' ? 'strip' : 'keep';
    else if (indentation === null && character >= '1' && character <= '9') indentation = Number(character);
    else return { isFolded, chomping: chomping ?? 'clip', indentation };
    cursor.at += 1;
  }
}

/** That of the first line which is not empty. */
function findIndentation(cursor: Cursor, minimum: number): number {
  let widest = minimum;
  for (let lineStart = cursor.at; lineStart < cursor.end; lineStart = nextLine(cursor, lineStart)) {
    let at = lineStart;
    while (codeAt(cursor, at) === SPACE) at += 1;
    const code = codeAt(cursor, at);
    if (code === TAB) throw BEYOND;
    const width = at - lineStart;
    if (code !== LF && code !== CR) {
      // Readers differ about empty lines that are wider than the content behind them.
      if (widest > Math.max(width, minimum)) throw BEYOND;
      return Math.max(width, minimum);
    }
    widest = Math.max(widest, width);
  }
  return widest;
}

function readLines(cursor: Cursor, indentation: number, { isFolded, chomping }: Header): string {
  const { text, end } = cursor;
  let value = '';
  let hasLine = false;
  let emptyLines = 0;
  /** Lines that begin with a blank are kept apart when others are folded. */
  let wasBlank = false;
  while (cursor.at < end) {
    let at = cursor.at;
    while (at - cursor.at < indentation && codeAt(cursor, at) === SPACE) at += 1;
    const code = codeAt(cursor, at);
    if (code === LF || code === CR) {
      if (at >= end) {
        cursor.at = end;
        break;
      }
      emptyLines += 1;
    } else {
      if (at - cursor.at < indentation) {
        if (code === TAB) throw BEYOND;
        break;
      }
      const startsBlank = code === SPACE || code === TAB;
      if (hasLine && !(isFolded && !wasBlank && !startsBlank)) value += '\n';
      else if (hasLine && emptyLines === 0) value += ' ';
      value += '\n'.repeat(emptyLines) + text.slice(at, lineEnd(cursor, at));
      hasLine = true;
      emptyLines = 0;
      wasBlank = startsBlank;
    }
    cursor.at = nextLine(cursor, at);
  }
  if (chomping === 'strip') return value;
  if (hasLine) value += '\n';
  return chomping === 'keep' ? value + '\n'.repeat(emptyLines) : value;
}
