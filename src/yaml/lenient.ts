// YAML as Kubernetes reads it: many documents, each for itself, of which a broken one takes nothing from the others. The strict reader for our
// own files is in located.ts.

import { quote } from '../core/quote.ts';
import { type Extent, type FastReading, readFast } from './lenient-block.ts';
import { BrokenDocument, MAX_SLOW_LENGTH, readSlowly } from './lenient-library.ts';

export interface LenientProblem {
  readonly message: string;
  /** Offset in the text. */
  readonly at: number;
}

export type LenientDocument =
  | {
      readonly kind: 'value';
      /** Plain JSON. Parts of it may be the same object, where the text has aliases. */
      readonly value: unknown;
      readonly extent: Extent;
      /** Keys that are there twice; the last one counts. */
      readonly problems: readonly LenientProblem[];
    }
  | { readonly kind: 'broken'; readonly extent: Extent; readonly problem: LenientProblem };

/** To Kubernetes these are all breaks of a line, behind a comment too. Keeps every offset. */
export function unifyLineBreaks(text: string): string {
  return OTHER_BREAK.test(text) ? text.replaceAll(OTHER_BREAKS, '\n') : text;
}

/** What may still be read slowly, of everything that is read together. */
export interface SlowAllowance {
  characters: number;
}

export function createSlowAllowance(): SlowAllowance {
  return { characters: MAX_SLOW_CHARACTERS };
}

// Text that means harm takes seconds for each million.
const MAX_SLOW_CHARACTERS = 4 * MAX_SLOW_LENGTH;
// A reading has its price, however short the document is.
const LEAST_SLOW_CHARACTERS = 128;

/** The documents of a text with unified line breaks, without those that are empty or null. Never throws for what stands in the text. */
export function readLenientYaml(text: string): readonly LenientDocument[] {
  const allowance = createSlowAllowance();
  return [...splitDocuments(text)].flatMap((extent) => readLenientDocument(text, extent, allowance) ?? []);
}

/** One of `splitDocuments`; null when it is empty. */
export function readLenientDocument(text: string, extent: Extent, allowance: SlowAllowance): LenientDocument | null {
  try {
    refuseControl(text, extent);
    const reading: FastReading = readFast(text, extent, 'values') ?? readWithin(allowance, text, extent);
    if (reading.value === null) return null;
    const problems = reading.duplicates.map(({ key, at }) => ({
      message: `key ${quote(key)} stands here a second time`,
      at,
    }));
    return { kind: 'value', value: reading.value, extent, problems };
  } catch (error) {
    if (!(error instanceof BrokenDocument)) throw error;
    return { kind: 'broken', extent, problem: { message: error.message, at: error.at } };
  }
}

function readWithin(allowance: SlowAllowance, text: string, extent: Extent): FastReading {
  const length = extent.end - extent.start;
  if (length <= MAX_SLOW_LENGTH) {
    allowance.characters -= Math.max(length, LEAST_SLOW_CHARACTERS);
    if (allowance.characters < 0) {
      const message = `one document too many that is broken, or uses more of YAML than manifests do: more than ${MAX_SLOW_CHARACTERS} characters of such; give them as JSON, or in parts`;
      throw new BrokenDocument(extent.start, message);
    }
  }
  return readSlowly(text, extent);
}

const OTHER_BREAK = /\r(?!\n)|[\u0085\u2028\u2029]/;
const OTHER_BREAKS = new RegExp(OTHER_BREAK, 'g');
// What YAML calls not printable. https://yaml.org/spec/1.2.2/#51-character-set
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]/;

function refuseControl(text: string, { start, end }: Extent): void {
  const at = text.slice(start, end).search(CONTROL);
  if (at >= 0) throw new BrokenDocument(start + at, 'a control character, which text has none of');
}

const MARKER = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)(?:[ \t]*(?:#.*)?(?:\r?\n|$))?/gm;
const BYTE_ORDER_MARK = '\ufeff';

/** Between markers in the first column. A marker that has content behind it belongs to its document. */
export function* splitDocuments(text: string): Iterable<Extent> {
  let start = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  for (const match of text.matchAll(MARKER)) {
    const end = match.index;
    if (end > start && !isDirectives(text, start, end)) yield { start, end };
    const isAlone = match[0].endsWith('\n') || end + match[0].length === text.length || match[0].startsWith('.');
    start = isAlone ? end + match[0].length : end;
  }
  const end = text.length;
  if (end > start && !isDirectives(text, start, end)) yield { start, end };
}

const DIRECTIVE_OR_NOTHING = /(?:%|[ \t\r]*(?:#|$))/my;

/** `%YAML 1.2` and the like stand before the marker of their document. */
function isDirectives(text: string, start: number, end: number): boolean {
  if (text.charAt(start) !== '%') return false;
  for (let at = start; at < end; ) {
    DIRECTIVE_OR_NOTHING.lastIndex = at;
    if (!DIRECTIVE_OR_NOTHING.test(text)) return false;
    const lineFeed = text.indexOf('\n', at);
    at = lineFeed < 0 ? end : lineFeed + 1;
  }
  return true;
}
