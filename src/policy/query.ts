// The few query parameters a route reads, taken only when every reader of the query would take them the same way.

export type QueryParameters = ReadonlyMap<string, string>;

/**
 * The decoded values of the parameters among `names` that are present; null when one of them is ambiguous: given twice, written
 * with `+` (a space to some readers), not valid UTF-8, or in a query with `;` (a second separator to some readers).
 */
export function readParameters(query: string | null, names: readonly string[]): QueryParameters | null {
  if (query === null || query === '') return NO_PARAMETERS;
  if (query.includes(';')) return null;
  const parameters = new Map<string, string>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    if (name === null) return null;
    if (!names.includes(name)) continue;
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    if (value === null || parameters.has(name)) return null;
    parameters.set(name, value);
  }
  return parameters;
}

const NO_PARAMETERS: QueryParameters = new Map();

/** True when a value can stand in a path as one or more of its segments without meaning anything else there. */
export function isPlainPathText(value: string): boolean {
  return /^[A-Za-z0-9._~:@=+,-]+(?:\/[A-Za-z0-9._~:@=+,-]+)*$/.test(value) && !/(?:^|\/)\.{1,2}(?:\/|$)/.test(value);
}

function decode(text: string): string | null {
  if (text.includes('+')) return null;
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
