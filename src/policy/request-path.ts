// The path of a request as the matrix sees it: plain segments, percent-decoded only when there is anything to decode.

const SLASH = 0x2f;
const DOT = 0x2e;

export class RequestPath {
  /** Exactly as received. */
  readonly text: string;
  #segments: readonly string[] | null | undefined = undefined;

  constructor(text: string) {
    this.text = text;
  }

  /**
   * Decoded segments, or null when the path is not one of plain segments: it does not begin with `/`, its percent-encoding is not
   * valid UTF-8, or it has empty or dot segments, which mean another path to many servers. Callers have refused such paths
   * before; the matrix does not rely on it. Split when first asked for: a path found whole in a table is never split.
   */
  segments(): readonly string[] | null {
    if (this.#segments === undefined) this.#segments = splitPath(this.text);
    return this.#segments;
  }
}

function splitPath(text: string): readonly string[] | null {
  if (text.charCodeAt(0) !== SLASH) return null;
  const isEncoded = text.includes('%');
  const segments: string[] = [];
  let start = 1;
  for (;;) {
    const slash = text.indexOf('/', start);
    const isLast = slash < 0;
    const written = isLast ? text.slice(start) : text.slice(start, slash);
    const segment = isEncoded ? decode(written) : written;
    if (segment === null || isDotSegment(segment) || (segment === '' && !isLast)) return null;
    segments.push(segment);
    if (isLast) return segments;
    start = slash + 1;
  }
}

function isDotSegment(segment: string): boolean {
  return segment.charCodeAt(0) === DOT && (segment.length === 1 || segment === '..');
}

function decode(segment: string): string | null {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    // Not a fail-open: without segments the answer is `malformed-path`.
    return null;
  }
}
