// What JSON.parse does not mind in a JSON text: nesting without end, and keys that are there twice, of which it drops one without a word.

import { nameIn, skipSpace, skipString } from './json-places.ts';

export interface JsonFaults {
  /** Where the text goes deeper than anybody should follow; null when it does not. */
  readonly tooDeepAt: number | null;
  readonly duplicates: readonly { readonly key: string; readonly at: number }[];
}

export const MAX_DEPTH = 200;
const MAX_DUPLICATES = 32;

const QUOTE = 34;
const COLON = 58;
const OPENING_BRACKET = 91;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;

/**
 * Of a text that may be JSON; duplicates count only if it is.
 * @throws {SyntaxError} for a key that is none
 */
export function findJsonFaults(text: string): JsonFaults {
  const duplicates: { key: string; at: number }[] = [];
  const keysAtDepth: Set<string>[] = [];
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = skipString(text, at);
        if (text.charCodeAt(skipSpace(text, end)) === COLON) {
          const keys = keysAtDepth[depth];
          const key = nameIn(text, at, end);
          if (keys?.has(key) === true && duplicates.length < MAX_DUPLICATES) duplicates.push({ key, at });
          keys?.add(key);
        }
        at = end - 1;
        break;
      }
      case OPENING_BRACE:
      case OPENING_BRACKET:
        depth += 1;
        if (depth > MAX_DEPTH) return { tooDeepAt: at, duplicates };
        if (keysAtDepth[depth] === undefined) keysAtDepth[depth] = new Set();
        else keysAtDepth[depth]?.clear();
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        depth -= 1;
        break;
      default:
    }
  }
  return { tooDeepAt: null, duplicates };
}
