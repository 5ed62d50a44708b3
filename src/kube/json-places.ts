// Where things stand in a JSON text that JSON.parse has accepted. Nothing is kept for a value until somebody asks for its place, and then only
// where the items of long lists begin.

const QUOTE = 34;
const COMMA = 44;
const OPENING_BRACKET = 91;
const BACKSLASH = 92;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;
const SPACE = 32;

export class JsonPlaces {
  readonly #text: string;
  readonly #start: number;
  /** Of long collections, by where they begin. */
  readonly #kept = new Map<number, Parts>();
  /** Of others that were asked for lately: what is asked for together mostly stands together. */
  readonly #recent = new Map<number, Parts>();

  constructor(text: string, start: number) {
    this.#text = text;
    this.#start = start;
  }

  /** The offset of what stands at `path`, or of its nearest parent that exists: a scalar where it begins, a collection at its key if it has one. */
  offsetOf(path: readonly (string | number)[]): number {
    let at = skipSpace(this.#text, this.#start);
    let place = at;
    for (const step of path) {
      const part = this.#partsOf(at).get(step);
      if (part === undefined) return place;
      place = part.at;
      at = part.valueAt;
    }
    return isCollection(this.#text.charCodeAt(at)) ? place : at;
  }

  #partsOf(collection: number): Parts {
    const known = this.#kept.get(collection) ?? this.#recent.get(collection);
    if (known !== undefined) return known;
    const { parts, end } = readParts(this.#text, collection);
    if (end - collection > WORTH_KEEPING) {
      this.#kept.set(collection, parts);
    } else {
      if (this.#recent.size === MAX_RECENT) this.#recent.clear();
      this.#recent.set(collection, parts);
    }
    return parts;
  }
}

const WORTH_KEEPING = 65_536;
const MAX_RECENT = 256;

interface Part {
  /** A key, or an item. */
  readonly at: number;
  readonly valueAt: number;
}

type Parts = ReadonlyMap<string | number, Part>;

function isCollection(code: number): boolean {
  return code === OPENING_BRACE || code === OPENING_BRACKET;
}

/** Of several members with one name it is the last that counts. */
function readParts(text: string, collection: number): { readonly parts: Parts; readonly end: number } {
  const parts = new Map<string | number, Part>();
  const opening = text.charCodeAt(collection);
  if (!isCollection(opening)) return { parts, end: collection };
  let at = skipSpace(text, collection + 1);
  while (at < text.length && !isClosing(text.charCodeAt(at))) {
    const start = at;
    if (opening === OPENING_BRACKET) {
      parts.set(parts.size, { at, valueAt: at });
    } else {
      const keyEnd = skipString(text, at);
      at = skipSpace(text, skipSpace(text, keyEnd) + 1);
      parts.set(nameIn(text, start, keyEnd), { at: start, valueAt: at });
    }
    const end = skipSpace(text, skipValue(text, at));
    at = text.charCodeAt(end) === COMMA ? skipSpace(text, end + 1) : end;
  }
  return { parts, end: at };
}

function isClosing(code: number): boolean {
  return code === CLOSING_BRACE || code === CLOSING_BRACKET;
}

/** Behind the JSON value that begins at `at`; at the end of the text when it does not end. */
export function skipValue(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return skipString(text, at);
  if (!isCollection(code)) return skipWord(text, at);
  let depth = 0;
  for (let next = at; next < text.length; next += 1) {
    const code = text.charCodeAt(next);
    if (code === QUOTE) {
      next = skipString(text, next) - 1;
    } else if (isCollection(code)) {
      depth += 1;
    } else if (isClosing(code)) {
      depth -= 1;
      if (depth === 0) return next + 1;
    }
  }
  return text.length;
}

export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= SPACE) at += 1;
  return at;
}

/** Behind the string that begins at `at`. */
export function skipString(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function skipWord(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code <= SPACE || code === COMMA || isClosing(code)) break;
  }
  return at;
}

/** The string between two offsets, without its quotes and escapes. */
export function nameIn(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  return raw.includes('\\') ? String(JSON.parse(text.slice(start, end))) : raw;
}
