// Path patterns of rules and routes: whole segments, anchored at both ends, compared after percent-decoding; no regular expressions.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

/**
 * `literal`: decoded text. `one`: `*`, a segment that is not empty. `affix`: the same between a prefix and a suffix. `several`: a
 * route's `**`, one or more such segments. `rest`: a rule's final `**`, all that follows, a trailing `/` included, so that a
 * denied `/secret/**` leaves no way around by adding a slash.
 */
export type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'affix'; readonly prefix: string; readonly suffix: string }
  | { readonly kind: 'several' }
  | { readonly kind: 'rest' };

export interface PathPattern {
  /** As written. */
  readonly text: string;
  readonly segments: readonly PathSegment[];
}

export class PathPatternError extends SallyportError<'bad-path-pattern'> {}

/**
 * A rule's pattern has literal segments, `*` and a final `**`; a route's may also have its one `**` anywhere and a `*` inside a
 * segment. Rules are people's and may be many thousands, so theirs is the grammar whose matching cost does not grow with them.
 */
export type PathGrammar = 'rule' | 'route';

export const ANY_PATH: PathPattern = { text: '/**', segments: [{ kind: 'rest' }] };

// RFC 3986 §3.3: none of these stands raw in a path. They are what regular expressions and globs are made of, so say so.
const NOT_IN_PATHS = /[\^|[\]{}\\<>"`;?#\p{Cc}]/u;

/** @throws {PathPatternError} */
export function parsePathPattern(text: string, grammar: PathGrammar): PathPattern {
  const refuse = (why: string): never => {
    throw new PathPatternError('bad-path-pattern', `path pattern ${quote(text)} ${why}`);
  };
  if (!text.startsWith('/')) refuse('must begin with `/`; patterns are whole paths, not regular expressions');
  const forbidden = NOT_IN_PATHS.exec(text);
  if (forbidden !== null) {
    refuse(
      `has ${quote(forbidden[0])}; patterns are segments, \`*\` for one and \`**\` for the rest, not regular expressions`,
    );
  }
  const written = text.slice(1).split('/');
  const segments = written.map((segment, index): PathSegment => {
    const isLast = index === written.length - 1;
    if (segment === '**') return { kind: grammar === 'rule' ? 'rest' : 'several' };
    if (segment === '*') return { kind: 'one' };
    if (segment === '' && !isLast) refuse('has an empty segment; the proxy refuses such paths, so it can never match');
    if (segment === '.' || segment === '..') refuse(`has the segment \`${segment}\`, which no accepted path has`);
    const star = segment.indexOf('*');
    if (star < 0) return { kind: 'literal', text: decodeSegment(segment, refuse) };
    if (grammar === 'rule') refuse('has a `*` inside a segment; a `*` stands for a whole one');
    if (segment.includes('*', star + 1)) refuse('has two `*` in one segment; at most one is possible');
    const prefix = decodeSegment(segment.slice(0, star), refuse);
    return { kind: 'affix', prefix, suffix: decodeSegment(segment.slice(star + 1), refuse) };
  });
  const wide = segments.findIndex(isWide);
  if (wide !== segments.findLastIndex(isWide)) refuse('has more than one `**`');
  if (grammar === 'rule' && wide >= 0 && wide < segments.length - 1) {
    refuse('has a `**` that is not its last segment; in a rule it stands for the rest of the path');
  }
  return { text, segments };
}

/**
 * The patterns that a route's path with alternatives stands for: `/{api,ajax-api}/x{,/y}` is four. Alternatives do not nest.
 * @throws {PathPatternError}
 */
export function parseRoutePatterns(text: string): readonly PathPattern[] {
  let paths = [''];
  for (const [index, part] of text.split(ALTERNATIVES).entries()) {
    const alternatives = index % 2 === 0 ? [part] : part.split(',');
    if (paths.length * alternatives.length > MAX_ALTERNATIVES) {
      const message = `path pattern ${quote(text)} stands for more than ${MAX_ALTERNATIVES} paths; split it`;
      throw new PathPatternError('bad-path-pattern', message);
    }
    paths = paths.flatMap((path) => alternatives.map((alternative) => path + alternative));
  }
  return [...new Set(paths)].map((path) => parsePathPattern(path, 'route'));
}

const ALTERNATIVES = /\{([^{}]*)\}/;
const MAX_ALTERNATIVES = 1024;

/** The one path a pattern without wildcards matches, as decoded text; null when it has wildcards or the text could not be told from an encoded path. */
export function literalPathOf(pattern: PathPattern): string | null {
  let path = '';
  for (const segment of pattern.segments) {
    if (segment.kind !== 'literal' || segment.text.includes('%')) return null;
    path += `/${segment.text}`;
  }
  return path;
}

/** True when some path matches both patterns. */
export function overlaps(left: PathPattern, right: PathPattern): boolean {
  return segmentsOverlap(left.segments, right.segments);
}

function segmentsOverlap(left: readonly PathSegment[], right: readonly PathSegment[]): boolean {
  const [first, ...leftTail] = left;
  const [second, ...rightTail] = right;
  if (first === undefined || second === undefined) return first === second;
  if (isWide(first)) return wideOverlaps(first, leftTail, right);
  if (isWide(second)) return wideOverlaps(second, rightTail, left);
  return segmentOverlaps(first, second) && segmentsOverlap(leftTail, rightTail);
}

/** Whether a `**` followed by `tail` can match what `other` matches: it may swallow any number of its segments, at least one. */
function wideOverlaps(wide: PathSegment, tail: readonly PathSegment[], other: readonly PathSegment[]): boolean {
  for (let swallowed = 1; swallowed <= other.length; swallowed += 1) {
    const last = other[swallowed - 1];
    // A route's `**` does not stand for the empty segment behind a trailing slash.
    if (wide.kind === 'several' && last?.kind === 'literal' && last.text === '') break;
    if (segmentsOverlap(tail, other.slice(swallowed))) return true;
  }
  // A `**` in `other` may itself stand for more segments than it is written with.
  return other.some((segment, index) => isWide(segment) && segmentsOverlap(tail, other.slice(index)));
}

function isWide(segment: PathSegment): boolean {
  return segment.kind === 'several' || segment.kind === 'rest';
}

function segmentOverlaps(left: PathSegment, right: PathSegment): boolean {
  if (left.kind === 'literal' && right.kind === 'literal') return left.text === right.text;
  if (left.kind === 'literal') return segmentMatches(right, left.text);
  if (right.kind === 'literal') return segmentMatches(left, right.text);
  if (left.kind !== 'affix' || right.kind !== 'affix') return true;
  const prefixesAgree = left.prefix.startsWith(right.prefix) || right.prefix.startsWith(left.prefix);
  return prefixesAgree && (left.suffix.endsWith(right.suffix) || right.suffix.endsWith(left.suffix));
}

/** Whether one decoded segment is matched by a pattern's; no wildcard matches the empty segment behind a trailing `/`. */
export function segmentMatches(pattern: PathSegment, text: string): boolean {
  switch (pattern.kind) {
    case 'literal':
      return pattern.text === text;
    case 'one':
      return text !== '';
    case 'affix':
      return (
        text.length > pattern.prefix.length + pattern.suffix.length &&
        text.startsWith(pattern.prefix) &&
        text.endsWith(pattern.suffix)
      );
    case 'several':
      return text !== '';
    case 'rest':
      return true;
  }
}

function decodeSegment(segment: string, refuse: (why: string) => never): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    return refuse('has percent-encoding that is not valid UTF-8');
  }
  if (decoded.includes('/') || /\p{Cc}/u.test(decoded)) {
    refuse('encodes a `/` or a control character, which no accepted path does');
  }
  return decoded;
}
