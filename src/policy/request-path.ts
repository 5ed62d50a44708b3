// The path of a request as the matrix sees it: segments, percent-decoded only when there is anything to decode.

export interface RequestPath {
  /** Exactly as received. */
  readonly text: string;
  /** Decoded segments; those of a path without `%` are split when first asked for. */
  segments(): readonly string[];
}

class PlainPath implements RequestPath {
  readonly text: string;
  #segments: readonly string[] | null = null;

  constructor(text: string) {
    this.text = text;
  }

  segments(): readonly string[] {
    this.#segments ??= this.text.slice(1).split('/');
    return this.#segments;
  }
}

/** A path that was put together from text already decoded, or that has no `%`. Must begin with `/`. */
export function toPlainPath(text: string): RequestPath {
  return new PlainPath(text);
}

/**
 * Null when the path is not one of plain segments: it does not begin with `/`, its percent-encoding is not valid UTF-8, or it has
 * empty or dot segments, which mean another path to many servers. Callers have refused such paths before; decide does not rely on it.
 */
export function findRequestPath(text: string): RequestPath | null {
  if (text.charCodeAt(0) !== 0x2f) return null;
  if (!text.includes('%')) return text.includes('//') || hasDotSegment(text) ? null : new PlainPath(text);
  let segments: readonly string[];
  try {
    segments = text.slice(1).split('/').map(decodeURIComponent);
  } catch {
    // Not a fail-open: the caller denies with `malformed-path`.
    return null;
  }
  if (segments.indexOf('') < segments.length - 1 && segments.includes('')) return null;
  return segments.includes('.') || segments.includes('..') ? null : { text, segments: () => segments };
}

function hasDotSegment(text: string): boolean {
  return text.includes('/.') && /\/\.{1,2}(?:\/|$)/.test(text);
}
