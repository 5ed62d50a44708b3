// What a plain scalar means to Kubernetes: kubectl and the API server read YAML 1.1 as go-yaml v2 does, `yes` and `0644` included.
// https://pkg.go.dev/sigs.k8s.io/yaml#Unmarshal

export type PlainValue = string | number | boolean | null;

/** Infinity and NaN stay numbers here; JSON has none, and kubectl refuses a document that has one. */
export function resolvePlain(text: string): PlainValue {
  switch (HINTS[text.charCodeAt(0)]) {
    case undefined:
      return text === '' ? null : text;
    case 'word':
      return text.length > MAX_WORD_LENGTH ? text : resolveWord(text);
    case 'point': {
      const special = SPECIAL_NUMBERS.get(text);
      return special ?? (POINT_FLOAT.test(text) ? finite(Number(text), text) : text);
    }
    case 'number':
      return resolveNumber(text);
  }
}

/** Keys are strings in JSON; null cannot be one. */
export function formatKey(key: Exclude<PlainValue, null>): string {
  if (typeof key !== 'number' || Number.isInteger(key)) return String(key);
  if (Number.isNaN(key)) return '.nan';
  if (!Number.isFinite(key)) return key > 0 ? '.inf' : '-.inf';
  return shortestSingle(key);
}

type Hint = 'word' | 'number' | 'point';

const HINTS: readonly (Hint | undefined)[] = createHints();

function createHints(): readonly (Hint | undefined)[] {
  const hints = Array.from({ length: 128 }, (): Hint | undefined => undefined);
  for (const character of 'yYnNtTfFoO~') hints[character.charCodeAt(0)] = 'word';
  for (const character of '0123456789+-') hints[character.charCodeAt(0)] = 'number';
  hints['.'.charCodeAt(0)] = 'point';
  return hints;
}

const MAX_WORD_LENGTH = 5;

const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ...['y', 'yes', 'true', 'on'].flatMap((word) => spellings(word).map((text): [string, boolean] => [text, true])),
  ...['n', 'no', 'false', 'off'].flatMap((word) => spellings(word).map((text): [string, boolean] => [text, false])),
  ...['~', ...spellings('null')].map((text): [string, null] => [text, null]),
]);

/** `yes`, `Yes`, `YES`. */
function spellings(word: string): readonly string[] {
  return [word, `${word.charAt(0).toUpperCase()}${word.slice(1)}`, word.toUpperCase()];
}

function resolveWord(text: string): PlainValue {
  const value = WORDS.get(text);
  return value === undefined ? text : value;
}

const SPECIAL_NUMBERS: ReadonlyMap<string, number> = new Map([
  ...['.nan', '.NaN', '.NAN'].map((text): [string, number] => [text, Number.NaN]),
  ...['.inf', '.Inf', '.INF'].flatMap((text): [string, number][] => [
    [text, Number.POSITIVE_INFINITY],
    [`+${text}`, Number.POSITIVE_INFINITY],
    [`-${text}`, Number.NEGATIVE_INFINITY],
  ]),
]);

const POINT_FLOAT = /^\.[0-9]+(?:[eE][-+]?[0-9]+)?$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const DECIMAL = /^[-+]?(?:0|[1-9][0-9]*)$/;
const OCTAL = /^([-+]?)0[oO]?([0-7]+)$/;
const HEXADECIMAL_OR_BINARY = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+)$/;

function resolveNumber(text: string): PlainValue {
  const special = SPECIAL_NUMBERS.get(text);
  if (special !== undefined) return special;
  const digits = text.includes('_') ? text.replaceAll('_', '') : text;
  if (DECIMAL.test(digits)) return Number(digits) + 0;
  const octal = OCTAL.exec(digits);
  if (octal !== null) return signed(octal[1], Number.parseInt(octal[2] ?? '', 8));
  const other = HEXADECIMAL_OR_BINARY.exec(digits);
  if (other !== null) return signed(other[1], Number(other[2]));
  return FLOAT.test(digits) ? finite(Number(digits), text) : text;
}

function signed(sign: string | undefined, value: number): number {
  return sign === '-' && value !== 0 ? -value : value;
}

/** What overflows is no number to Go. */
function finite(value: number, text: string): PlainValue {
  return Number.isFinite(value) ? value : text;
}

/** Go writes a key that is a float with 32 bits. */
function shortestSingle(value: number): string {
  const single = Math.fround(value);
  for (let digits = 1; digits <= 9; digits += 1) {
    const text = single.toPrecision(digits);
    if (Math.fround(Number(text)) === single) return goExponent(Number(text));
  }
  return goExponent(single);
}

/** Format `g` of Go: an exponent below 10^-4 and from 10^6 on, of two digits at least. */
function goExponent(value: number): string {
  const magnitude = Math.abs(value);
  const text = magnitude < 1e-4 || magnitude >= 1e6 ? value.toExponential() : String(value);
  return text.replace(/e([-+])([0-9])$/, 'e$10$2');
}
