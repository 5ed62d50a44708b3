// Bytes of an upstream connection to responses, pulled one event at a time.

import { BodyDecoder } from './body-decoder.ts';
import type { FieldLines } from './field-lines.ts';
import { everyField, FieldSection } from './field-section.ts';
import { Http1Error } from './http1-error.ts';
import { InputQueue } from './input-queue.ts';
import { octetAt } from './octets.ts';
import type { HeadLimits } from './request-head.ts';
import type { DecoderEvent } from './request-decoder.ts';
import type { ResponseHead } from './response-head.ts';
import { parseResponseHead } from './response-head-parser.ts';
import { SectionReader } from './section-reader.ts';

/** `idle`: no request is outstanding, so no octet may arrive. */
type ResponseState = 'idle' | 'head' | 'body' | 'failed';

/** Progress reports of a long operation (102) are a few a minute; more than this for one request is a flood. */
const MAX_INFORMATIONAL = 32;
const LETTER_H = 0x48;

/** Pull decoder without a socket; bytes are lent as to RequestDecoder. */
export class ResponseDecoder {
  readonly #input = new InputQueue();
  readonly #section: SectionReader;
  readonly #fields: FieldSection;
  readonly #body: BodyDecoder;
  #state: ResponseState = 'idle';
  #requestMethod = '';
  #informational = 0;
  #hasEnded = false;
  #head: ResponseHead | null = null;
  #failure: unknown = null;

  /** `isPassedOn` says by name, in lower case, which fields `lines` is made of. */
  constructor(limits: HeadLimits, isPassedOn: (name: string) => boolean = everyField) {
    this.#section = new SectionReader('response', limits);
    this.#fields = new FieldSection(isPassedOn);
    this.#body = new BodyDecoder(this.#section);
  }

  /** Announces the request that the next response answers; the one before must be complete. */
  begin(requestMethod: string): void {
    if (this.#state !== 'idle') throw new TypeError('the response before is not complete');
    // Octets that came before the request cannot be its answer.
    if (this.#input.length > 0) throw this.#fail(new Http1Error('unexpected-response', 'response'));
    this.#state = 'head';
    this.#requestMethod = requestMethod;
    this.#informational = 0;
  }

  push(bytes: Buffer): void {
    this.#input.push(bytes);
  }

  /** The connection has ended: once what was pushed is read, next() ends a body that lasts until then and throws for any other. */
  eof(): void {
    this.#hasEnded = true;
  }

  /** 'head' comes again after each 1xx but 101. Throws Http1Error, and then every time. */
  next(): DecoderEvent {
    try {
      switch (this.#state) {
        case 'idle':
          if (this.#input.length > 0) throw new Http1Error('unexpected-response', 'response');
          return 'need-more';
        case 'head':
          return this.#nextHead();
        case 'body':
          return this.#nextOfBody();
        case 'failed':
          throw this.#failure;
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** The response of the last 'head' event. */
  get head(): ResponseHead {
    if (this.#head === null) throw new TypeError('no response head has been decoded');
    return this.#head;
  }

  /** Of the fields of that response those that are passed on, encoded. */
  get lines(): FieldLines {
    return this.#fields.lines;
  }

  /** The octets of the last 'data' event, without chunk framing: a view of what was pushed, never larger. */
  get data(): Buffer {
    return this.#body.data;
  }

  /** True when no response is outstanding: before the first begin() and after each 'end'. */
  get isComplete(): boolean {
    return this.#state === 'idle';
  }

  /** Octets that were pushed and are not delivered. */
  get bufferedBytes(): number {
    return this.#input.length + this.#section.heldBytes;
  }

  #nextHead(): DecoderEvent {
    const section = this.#section;
    if (section.heldBytes === 0 && this.#input.fill() && octetAt(this.#input.chunk, this.#input.offset) !== LETTER_H) {
      throw new Http1Error('invalid-status-line', 'response');
    }
    if (!section.read(this.#input, 'head')) {
      if (this.#hasEnded) throw new Http1Error(this.#isUntouched ? 'no-response' : 'truncated-head', 'response');
      return 'need-more';
    }
    const head = parseResponseHead(section, this.#fields, this.#requestMethod);
    section.release();
    this.#head = head;
    if (head.status < 200 && head.status !== 101) {
      this.#informational += 1;
      if (this.#informational > MAX_INFORMATIONAL) throw new Http1Error('too-many-informational', 'response');
    } else {
      this.#body.begin(head.body);
      this.#state = 'body';
    }
    return 'head';
  }

  #nextOfBody(): DecoderEvent {
    const event = this.#body.next(this.#input);
    if (event === 'need-more' && this.#hasEnded) {
      if (!this.#body.endsWithConnection) throw new Http1Error('truncated-body', 'response');
      this.#state = 'idle';
      return 'end';
    }
    if (event === 'end') this.#state = 'idle';
    return event;
  }

  /** Not an octet of this response has arrived. */
  get #isUntouched(): boolean {
    return this.#informational === 0 && this.#section.heldBytes === 0;
  }

  #fail(error: unknown): unknown {
    this.#state = 'failed';
    this.#failure = error;
    this.#input.clear();
    return error;
  }
}
