// Bytes of a connection to requests, pulled one event at a time.

import { BodyDecoder } from './body-decoder.ts';
import type { FieldLines } from './field-lines.ts';
import { everyField, FieldSection } from './field-section.ts';
import { Http1Error } from './http1-error.ts';
import { InputQueue } from './input-queue.ts';
import { octetAt, TOKEN } from './octets.ts';
import type { HeadLimits, RequestHead } from './request-head.ts';
import { RequestHeadParser } from './request-head-parser.ts';
import { SectionReader } from './section-reader.ts';

/** 'head', then any number of 'data', then 'end', for each message; 'need-more' between any two octets. */
export type DecoderEvent = 'head' | 'data' | 'end' | 'need-more';

/** `closed`: after a request that is not persistent, further octets are discarded (RFC 9112 §9.6). */
type RequestState = 'head' | 'body' | 'closed' | 'failed';

/**
 * Pull decoder without a socket. Whoever pushes may stop pulling: what is unread stays as it is, by reference. When next() has
 * returned 'need-more' no pushed bytes are referred to any more, so a read buffer may then be reused.
 */
export class RequestDecoder {
  readonly #input = new InputQueue();
  readonly #section: SectionReader;
  readonly #fields: FieldSection;
  readonly #parser: RequestHeadParser;
  readonly #body: BodyDecoder;
  #state: RequestState = 'head';
  #head: RequestHead | null = null;
  #failure: unknown = null;

  /** `isPassedOn` says by name, in lower case, which fields `lines` is made of. */
  constructor(limits: HeadLimits, isPassedOn: (name: string) => boolean = everyField) {
    this.#section = new SectionReader('request', limits);
    this.#fields = new FieldSection(isPassedOn);
    this.#parser = new RequestHeadParser(this.#fields);
    this.#body = new BodyDecoder(this.#section);
  }

  push(bytes: Buffer): void {
    this.#input.push(bytes);
  }

  /** Makes what is unread of the last push independent of its memory, which may be overwritten then. */
  keepLast(): void {
    this.#input.keepLast();
  }

  /** What follows the last request, be it here already, is no HTTP: it comes as 'data', and there is no 'end'. */
  beginTunnel(): void {
    this.#body.begin({ kind: 'until-close' });
    this.#state = 'body';
  }

  /** Throws Http1Error, and then every time: after a malformed octet nothing on the connection can be trusted. */
  next(): DecoderEvent {
    try {
      switch (this.#state) {
        case 'head':
          return this.#nextHead();
        case 'body':
          return this.#nextOfBody();
        case 'closed':
          this.#input.clear();
          return 'need-more';
        case 'failed':
          throw this.#failure;
      }
    } catch (error) {
      this.#state = 'failed';
      this.#failure = error;
      this.#input.clear();
      throw error;
    }
  }

  /** The request of the last 'head' event. */
  get head(): RequestHead {
    if (this.#head === null) throw new TypeError('no request head has been decoded');
    return this.#head;
  }

  /** Of the fields of that request those that are passed on, encoded. */
  get lines(): FieldLines {
    return this.#fields.lines;
  }

  /** The octets of the last 'data' event, without chunk framing: a view of what was pushed, never larger. */
  get data(): Buffer {
    return this.#body.data;
  }

  /** Octets that were pushed and are neither delivered nor discarded. */
  get bufferedBytes(): number {
    return this.#input.length + this.#section.heldBytes;
  }

  /** True between two requests while no octet of the next has arrived. */
  get atMessageBoundary(): boolean {
    return this.#state === 'head' && this.bufferedBytes === 0;
  }

  /** True when some octets of a head have arrived, decoded or not. */
  get receivingHead(): boolean {
    return this.#state === 'head' && this.bufferedBytes > 0;
  }

  #nextHead(): DecoderEvent {
    const section = this.#section;
    // Told at the first octet, not at the end of the head: a TLS record or a binary protocol may never send an empty line. RFC
    // 9112 §2.2 would have a leading empty line skipped; only clients of the last century sent one.
    if (
      section.heldBytes === 0 &&
      this.#input.fill() &&
      octetAt(TOKEN, octetAt(this.#input.chunk, this.#input.offset)) === 0
    ) {
      throw new Http1Error('invalid-method', 'request');
    }
    if (!section.read(this.#input, 'head')) return 'need-more';
    this.#head = this.#parser.parse(section);
    section.release();
    this.#body.begin(this.#head.body);
    this.#state = 'body';
    return 'head';
  }

  #nextOfBody(): DecoderEvent {
    const event = this.#body.next(this.#input);
    if (event === 'end') this.#state = this.head.persistent ? 'head' : 'closed';
    return event;
  }
}
