// The few literals of Python that NumPy writes into its headers; anything else Python would take as well is none.

export type PythonLiteral =
  | { readonly kind: 'text'; readonly value: string }
  /** Not negative. */
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'bool' }
  | { readonly kind: 'list' | 'tuple'; readonly items: readonly PythonLiteral[] }
  | { readonly kind: 'dict'; readonly entries: ReadonlyMap<string, PythonLiteral> };

const MAX_DEPTH = 16;

/** Null for what is not one of these, whole and by itself. */
export function parsePythonLiteral(text: string): PythonLiteral | null {
  const cursor: Cursor = { text, at: 0 };
  const literal = readLiteral(cursor, 0);
  take(cursor, SPACE);
  return cursor.at === text.length ? literal : null;
}

interface Cursor {
  readonly text: string;
  at: number;
}

const SPACE = /[ \t\r\n]*/y;
// No escapes; and two of them in a row, which Python joins, are an error where a comma is expected.
const TEXT = /'[^'"\\\r\n]*'|"[^'"\\\r\n]*"/y;
/** Python 2 wrote long ones with an L. */
const INTEGER = /(?:0|[1-9]\d{0,18})L?(?![\w.])/y;
const BOOL = /(?:True|False)(?!\w)/y;
const OPENING = /[[({]/y;

function take(cursor: Cursor, pattern: RegExp): string | null {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0] ?? null;
  if (found !== null) cursor.at += found.length;
  return found;
}

function readLiteral(cursor: Cursor, depth: number): PythonLiteral | null {
  if (depth > MAX_DEPTH) return null;
  take(cursor, SPACE);
  const text = take(cursor, TEXT);
  if (text !== null) return { kind: 'text', value: text.slice(1, -1) };
  const integer = take(cursor, INTEGER);
  if (integer !== null) return { kind: 'integer', value: BigInt(integer.replace('L', '')) };
  if (take(cursor, BOOL) !== null) return { kind: 'bool' };
  switch (take(cursor, OPENING) ?? '') {
    case '[': {
      const read = readItems(cursor, ']', depth);
      return read === null ? null : { kind: 'list', items: read.items };
    }
    case '(': {
      const read = readItems(cursor, ')', depth);
      // One in parentheses without a comma is no tuple.
      return read === null || (read.commas === 0 && read.items.length > 0)
        ? null
        : { kind: 'tuple', items: read.items };
    }
    case '{':
      return readDict(cursor, depth);
    default:
      return null;
  }
}

function readItems(
  cursor: Cursor,
  close: string,
  depth: number,
): { readonly items: readonly PythonLiteral[]; readonly commas: number } | null {
  const items: PythonLiteral[] = [];
  for (let commas = 0; ; commas += 1) {
    if (hasNext(cursor, close)) return { items, commas };
    const item = readLiteral(cursor, depth + 1);
    if (item === null) return null;
    items.push(item);
    if (hasNext(cursor, close)) return { items, commas };
    if (!hasNext(cursor, ',')) return null;
  }
}

function readDict(cursor: Cursor, depth: number): PythonLiteral | null {
  const entries = new Map<string, PythonLiteral>();
  for (;;) {
    if (hasNext(cursor, '}')) return { kind: 'dict', entries };
    const key = take(cursor, TEXT)?.slice(1, -1);
    if (key === undefined || entries.has(key) || !hasNext(cursor, ':')) return null;
    const value = readLiteral(cursor, depth + 1);
    if (value === null) return null;
    entries.set(key, value);
    if (hasNext(cursor, '}')) return { kind: 'dict', entries };
    if (!hasNext(cursor, ',')) return null;
  }
}

/** Passes it as well. */
function hasNext(cursor: Cursor, punctuation: string): boolean {
  take(cursor, SPACE);
  if (cursor.text[cursor.at] !== punctuation) return false;
  cursor.at += 1;
  return true;
}
