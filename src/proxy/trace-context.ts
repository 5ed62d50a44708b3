// The opaque ids decisions are known by, and W3C Trace Context for the requests they belong to.
// https://www.w3.org/TR/trace-context/#traceparent-header

export const TRACEPARENT = 'traceparent';
export const TRACESTATE = 'tracestate';

const POOL_BYTES = 4096;
const ID_DIGITS = 32;
// §4.3: a version to come is read as far as version 00 goes; only what is behind that may be new.
const WELL_FORMED =
  /^(?:00-(?=.{52}$)|(?!00|ff)[0-9a-f]{2}-(?=.{52}(?:-|$)))(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;

/** Unpredictable ids of 32 hex digits: they tell nobody how many decisions there were, and serve as trace ids as well. */
export class DecisionIds {
  readonly #pool = Buffer.alloc(POOL_BYTES);
  readonly #fill: (pool: Buffer) => void;
  /** The pool as digits: they are made of all of it at once, and each id is a piece of them. */
  #digits = '';
  #offset = 0;

  /** `fill` overwrites the whole buffer with random bytes. */
  constructor(fill: (pool: Buffer) => void) {
    this.#fill = fill;
  }

  next(): string {
    if (this.#offset === this.#digits.length) {
      this.#fill(this.#pool);
      this.#digits = this.#pool.toString('hex');
      this.#offset = 0;
    }
    const end = this.#offset + ID_DIGITS;
    const id = this.#digits.slice(this.#offset, end);
    this.#offset = end;
    return id;
  }
}

/**
 * The peer's `traceparent` as it is when it is well formed; otherwise a new trace named after the decision. We record no spans,
 * so a continued trace keeps the peer's parent id and a new one is not marked as sampled.
 */
export function continueTrace(received: string | null, decisionId: string): string {
  if (received !== null && WELL_FORMED.test(received)) return received;
  return `00-${decisionId}-${decisionId.slice(0, 16)}-00`;
}
