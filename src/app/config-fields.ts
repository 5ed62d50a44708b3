// The kinds of field a configuration file has, as zod schemas whose messages say what was expected and what was found.

import { z } from 'zod';
import { SallyportError } from '../core/error.ts';
import { findNearestName } from '../core/nearest-name.ts';
import { quote } from '../core/quote.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { formatDuration, formatSize, parseDuration, parsePath, parseSize } from './config-values.ts';

/** `expected …, found …`, or that the key is missing. */
export function describeMismatch(expectation: string, found: unknown, key: PropertyKey | undefined): string {
  if (found === undefined && key !== undefined) return `${quote(String(key))} is missing; expected ${expectation}`;
  return `expected ${expectation}, found ${describe(found)}`;
}

function describe(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  // A key pasted where a path belongs must not be told further.
  if (typeof value === 'string') return value.includes('-----BEGIN') ? 'PEM text' : `the text ${quote(value)}`;
  if (typeof value === 'number') return `the number \`${value}\``;
  if (typeof value === 'boolean') return `\`${value}\``;
  return 'a mapping';
}

interface MismatchIssue {
  readonly input?: unknown;
  readonly path?: PropertyKey[] | undefined;
}

function mismatch(expectation: string): (issue: MismatchIssue) => string {
  return (issue) => describeMismatch(expectation, issue.input, issue.path?.at(-1));
}

/** An unknown key's message is a line of its own, in the order of the issue's `keys`. */
export function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return mappingOf(shape, new Map());
}

/** One of several mappings that a key tells apart. `foreign` are the keys of the others, each with what it goes with. */
export function variant<Shape extends z.core.$ZodLooseShape>(shape: Shape, foreign: Readonly<Record<string, string>>) {
  return mappingOf(shape, new Map(Object.entries(foreign)));
}

function mappingOf<Shape extends z.core.$ZodLooseShape>(shape: Shape, foreign: ReadonlyMap<string, string>) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return mismatch('a mapping')(issue);
      return issue.keys
        .map((key) => {
          const home = foreign.get(key);
          return home === undefined ? describeUnknownKey(key, known) : `${quote(key)} goes with \`${home}\` only`;
        })
        .join('\n');
    },
  });
}

function describeUnknownKey(key: string, known: readonly string[]): string {
  const nearest = findNearestName(key, known);
  const help = nearest === null ? `expected one of ${known.map(quote).join(', ')}` : `did you mean ${quote(nearest)}?`;
  return `unknown key ${quote(key)}; ${help}`;
}

export const EMPTY_LIST = 'the list is empty; it needs at least one entry';

export function list<Element extends z.ZodType>(element: Element, expectation: string) {
  return listOrNone(element, expectation).min(1, { error: EMPTY_LIST });
}

export function listOrNone<Element extends z.ZodType>(element: Element, expectation: string) {
  return z.array(element, { error: mismatch(expectation) });
}

/** A text alone stands for the list of it. */
export function oneOrMore<Element extends z.ZodType>(element: Element, expectation: string) {
  return z.preprocess((value) => (typeof value === 'string' ? [value] : value), list(element, expectation));
}

export function choice<const Names extends readonly string[]>(...names: Names) {
  return z.enum(names, { error: mischoice(names) });
}

function mischoice(names: readonly string[]): (issue: MismatchIssue) => string {
  return (issue) => {
    const nearest = typeof issue.input === 'string' ? findNearestName(issue.input, names) : null;
    const help = nearest === null ? '' : `; did you mean ${quote(nearest)}?`;
    return mismatch(`one of ${names.map(quote).join(', ')}`)(issue) + help;
  };
}

/** The message for what is none of the mappings that `key` tells apart. */
export function noVariant(key: string, names: readonly string[]): (issue: MismatchIssue & { code: string }) => string {
  return ({ code, input, path }) => {
    if (code !== 'invalid_union') return mismatch('a mapping')({ input, path });
    const named: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, key) : undefined;
    return mischoice(names)({ input: named, path });
  };
}

export function flag() {
  return z.boolean({ error: mismatch('`true` or `false`') });
}

export function text<T>(expectation: string, parse: (text: string) => T) {
  return z.string({ error: mismatch(expectation) }).transform((value, context): T => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      context.addIssue({ code: 'custom', message: error.message, params: { code: error.code } });
      return z.NEVER;
    }
  });
}

export function count(least: number, most: number) {
  const error = mismatch(`a whole number from ${least} to ${most}`);
  return z.number({ error }).refine((value) => Number.isInteger(value) && value >= least && value <= most, { error });
}

export function duration(least: string, most: string) {
  return between(
    text(`a duration such as \`10s\``, parseDuration),
    [parseDuration(least), parseDuration(most)],
    formatDuration,
  );
}

/** A duration that is told to others in seconds. */
export function seconds(least: string, most: string) {
  return duration(least, most).refine((ms) => ms % 1_000 === 0, {
    error: (issue) => `${quote(formatDuration(Number(issue.input)))} is not a whole number of seconds`,
  });
}

export function size(least: string, most: string) {
  return between(text(`a size such as \`16KiB\``, parseSize), [parseSize(least), parseSize(most)], formatSize);
}

function between<Amount extends z.ZodType<number>>(
  amount: Amount,
  [least, most]: readonly [number, number],
  format: (amount: number) => string,
) {
  return amount.refine((value) => value >= least && value <= most, {
    error: (issue) =>
      `${quote(format(Number(issue.input)))} is not between ${quote(format(least))} and ${quote(format(most))}`,
  });
}

export function filePath() {
  return text('the path of a file', parsePath);
}

export function trustDomain() {
  return text('a trust domain such as `ai.example`', parseTrustDomain);
}

/** `expectation` is of the whole mapping, `key` what it is the value of. The result is a map since `__proto__` is a trust domain too. */
export function byTrustDomain<Entry extends z.ZodType>(entry: Entry, expectation: string, key: string) {
  return z
    .unknown()
    .transform((value, context): Map<unknown, unknown> => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value));
      const code = value === undefined ? 'missing-key' : 'wrong-type';
      context.addIssue({ code: 'custom', message: describeMismatch(expectation, value, key), params: { code } });
      return z.NEVER;
    })
    .pipe(z.map(trustDomainKey, entry));
}

const trustDomainKey = z.unknown().transform((value, context): TrustDomain => {
  const { data, error } = trustDomain().safeParse(value);
  if (data !== undefined) return data;
  for (const { message, code, ...issue } of error?.issues ?? []) {
    const reason = code === 'custom' && 'params' in issue ? issue.params?.['code'] : 'wrong-type';
    context.addIssue({ code: 'custom', message, params: { code: reason, at: 'key' } });
  }
  return z.NEVER;
});
