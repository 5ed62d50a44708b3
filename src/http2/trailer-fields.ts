// Trailers of HTTP/2, in either direction: what comes after the decision, or after the head of an answer, may not change what either meant.

import { FieldSection } from '../http1/field-section.ts';
import { Http1Error, type MessageSide } from '../http1/http1-error.ts';
import type { HeadLimits } from '../http1/request-head.ts';
import { NO_TRAILERS, type Trailers } from '../http1/trailers.ts';
import { neverIndexedOf, type RawFields } from './endpoint-ports.ts';
import { FieldText } from './field-text.ts';
import { KnownSections } from './known-sections.ts';

/** RFC 9110 §6.5.1: controls, conditionals, authentication, and what says how the content is to be understood. */
const NEVER_IN_TRAILERS = new Set([
  'accept-ranges',
  'age',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expires',
  'forwarded',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'location',
  'max-forwards',
  'pragma',
  'range',
  'retry-after',
  'set-cookie',
  'traceparent',
  'tracestate',
  'vary',
  'via',
  'www-authenticate',
]);

export class TrailerFieldsReader {
  readonly #side: MessageSide;
  readonly #text: FieldText;
  readonly #fields: FieldSection;
  readonly #known = new KnownSections<Trailers>();

  /** `isPassedOn` says by name, in lower case, which fields may be in a head of that side. */
  constructor(side: MessageSide, limits: HeadLimits, isPassedOn: (name: string) => boolean) {
    this.#side = side;
    this.#text = new FieldText(side, limits);
    this.#fields = new FieldSection((name) => isPassedOn(name) && !NEVER_IN_TRAILERS.has(name));
  }

  /** `raw`: as it was decoded; what has no place there is left out. @throws {Http1Error} for framing and routing. */
  read(raw: RawFields): Trailers {
    if (raw.length === 0) return NO_TRAILERS;
    const known = this.#known.find(raw);
    if (known !== undefined) return known;
    const section = this.#text.load('', raw);
    try {
      this.#fields.parse(section, section.start);
    } finally {
      section.release();
    }
    if (this.#fields.touchesFraming) throw new Http1Error('forbidden-trailer', this.#side);
    const trailers = { lines: this.#fields.lines, neverIndexed: neverIndexedOf(raw) };
    this.#known.keep(raw, trailers);
    return trailers;
  }
}
