// Octets of a body without their framing: as long as announced, in chunks, or until the connection ends.

import { everyField, FieldSection } from './field-section.ts';
import { Http1Error, type Http1ErrorCode } from './http1-error.ts';
import type { InputQueue } from './input-queue.ts';
import { CR, HEX, HTAB, LF, NOT_HEX, octetAt, SEMICOLON, SP } from './octets.ts';
import type { SectionReader } from './section-reader.ts';

export type BodyEvent = 'data' | 'end' | 'need-more';

/** Where the next octet stands, by the grammar of RFC 9112 §7.1. */
type FramingState = 'chunk-size' | 'chunk-size-lf' | 'chunk-cr' | 'chunk-lf' | 'trailers' | 'last-lf';
type BodyState = FramingState | 'octets' | 'chunk-octets' | 'until-close' | 'trailer-section' | 'ended';

/** Fixed-width sizes are padded with zeros, so the digits are bounded apart from the value. */
const MAX_SIZE_DIGITS = 16;
const NOTHING = Buffer.alloc(0);

export class BodyDecoder {
  /** The octets of the last 'data' event: a view of what was pushed. */
  data: Buffer = NOTHING;
  readonly #section: SectionReader;
  #state: BodyState = 'ended';
  /** Octets still to come of the body, or of the chunk. */
  #remaining = 0;
  #sizeDigits = 0;

  /** `section` reads trailers: heads and trailers never overlap, so they share one. */
  constructor(section: SectionReader) {
    this.#section = section;
  }

  begin(
    framing:
      | { readonly kind: 'none' | 'chunked' | 'until-close' }
      | { readonly kind: 'length'; readonly bytes: number },
  ): void {
    switch (framing.kind) {
      case 'none':
        this.#state = 'ended';
        return;
      case 'length':
        this.#state = framing.bytes === 0 ? 'ended' : 'octets';
        this.#remaining = framing.bytes;
        return;
      case 'chunked':
        this.#expectChunk();
        return;
      case 'until-close':
        this.#state = 'until-close';
        return;
    }
  }

  /** Whether the end of the connection is the end of this body. */
  get endsWithConnection(): boolean {
    return this.#state === 'until-close';
  }

  next(input: InputQueue): BodyEvent {
    while (this.#state !== 'ended') {
      if (this.#state === 'trailer-section') {
        if (!this.#section.read(input, 'trailers')) break;
        this.#dropTrailers();
        this.#state = 'ended';
        continue;
      }
      if (!input.fill()) break;
      switch (this.#state) {
        case 'octets':
        case 'chunk-octets':
          this.data = input.take(this.#remaining);
          this.#remaining -= this.data.length;
          if (this.#remaining === 0) this.#state = this.#state === 'octets' ? 'ended' : 'chunk-cr';
          return 'data';
        case 'until-close':
          this.data = input.take(Number.POSITIVE_INFINITY);
          return 'data';
        case 'chunk-size':
        case 'chunk-size-lf':
        case 'chunk-cr':
        case 'chunk-lf':
        case 'trailers':
        case 'last-lf':
          this.#readFraming(this.#state, input);
      }
    }
    this.data = NOTHING;
    return this.#state === 'ended' ? 'end' : 'need-more';
  }

  /** One octet between chunks. */
  #readFraming(state: FramingState, input: InputQueue): void {
    const octet = octetAt(input.chunk, input.offset);
    switch (state) {
      case 'chunk-size':
        this.#readSize(octet);
        break;
      case 'chunk-size-lf':
        if (octet !== LF) throw this.#refusal('bare-cr');
        this.#state = this.#remaining === 0 ? 'trailers' : 'chunk-octets';
        break;
      case 'chunk-cr':
        if (octet !== CR) throw this.#refusal('invalid-chunk-end');
        this.#state = 'chunk-lf';
        break;
      case 'chunk-lf':
        if (octet !== LF) throw this.#refusal('invalid-chunk-end');
        this.#expectChunk();
        break;
      case 'trailers':
        if (octet !== CR) {
          this.#state = 'trailer-section';
          return;
        }
        this.#state = 'last-lf';
        break;
      case 'last-lf':
        if (octet !== LF) throw this.#refusal('bare-cr');
        this.#state = 'ended';
        break;
    }
    input.offset += 1;
  }

  #expectChunk(): void {
    this.#state = 'chunk-size';
    this.#remaining = 0;
    this.#sizeDigits = 0;
  }

  #readSize(octet: number): void {
    const digit = octetAt(HEX, octet);
    if (digit !== NOT_HEX) {
      this.#sizeDigits += 1;
      this.#remaining = this.#remaining * 16 + digit;
      if (this.#sizeDigits > MAX_SIZE_DIGITS || !Number.isSafeInteger(this.#remaining))
        throw this.#refusal('invalid-chunk-size');
      return;
    }
    if (this.#sizeDigits === 0) throw this.#refusal('invalid-chunk-size');
    switch (octet) {
      case CR:
        this.#state = 'chunk-size-lf';
        return;
      case LF:
        throw this.#refusal('bare-lf');
      // RFC 9112 §7.1.1 has extensions ignored, and parsers have disagreed about where one ends: nobody needs them, none passes.
      case SEMICOLON:
      case SP:
      case HTAB:
        throw this.#refusal('chunk-extension');
      default:
        throw this.#refusal('invalid-chunk-size');
    }
  }

  /** Trailers are parsed so that nothing hides in them, and dropped: RFC 9110 §6.5.1 allows it, and the upstream decides on heads. */
  #dropTrailers(): void {
    const section = this.#section;
    const trailers = new FieldSection(everyField);
    trailers.parse(section, section.start);
    if (trailers.touchesFraming) throw section.refusal('forbidden-trailer');
    section.release();
  }

  #refusal(code: Http1ErrorCode): Http1Error {
    return new Http1Error(code, this.#section.side);
  }
}
