// The fields of an HTTP/2 response to a ResponseHead: read by the parser of HTTP/1.1 heads, from the lines that an HTTP/1.1 upstream would
// have sent, so that one upstream may say nothing that another may not.

import { type FieldLines, NO_LINES } from '../http1/field-lines.ts';
import { FieldSection } from '../http1/field-section.ts';
import { Http1Error } from '../http1/http1-error.ts';
import type { HeadLimits } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { parseResponseHead } from '../http1/response-head-parser.ts';
import { neverIndexedOf, type RawFields } from './endpoint-ports.ts';
import { FieldText } from './field-text.ts';
import { KnownSections } from './known-sections.ts';

export interface AnsweredRequest {
  readonly method: string;
  /** Whether the response ends with its head. */
  readonly endsStream: boolean;
}

/** Neither of the two is ever changed. */
interface Meaning {
  readonly head: ResponseHead;
  readonly lines: FieldLines;
  readonly answersHead: boolean;
  readonly endsStream: boolean;
}

const STATUS = ':status';

/** For the responses of one connection, whose streams all answer alike. */
export class ResponseFieldsReader {
  readonly #text: FieldText;
  readonly #fields: FieldSection;
  readonly #known = new KnownSections<Meaning>();
  #lines: FieldLines = NO_LINES;

  /** `isPassedOn` says by name, in lower case, which fields `lines` is made of. */
  constructor(limits: HeadLimits, isPassedOn: (name: string) => boolean) {
    this.#text = new FieldText('response', limits);
    this.#fields = new FieldSection(isPassedOn);
  }

  /** Of the fields read last those that are passed on, encoded. */
  get lines(): FieldLines {
    return this.#lines;
  }

  /** `raw`: as it was decoded. The same array for another answer of the same kind means the same. @throws {Http1Error} */
  read(raw: RawFields, { method, endsStream }: AnsweredRequest): ResponseHead {
    // All that a method says about the answer to it.
    const answersHead = method === 'HEAD';
    const known = this.#known.find(raw);
    if (known !== undefined && known.answersHead === answersHead && known.endsStream === endsStream) {
      this.#lines = known.lines;
      return known.head;
    }
    const head = this.#parse(raw, { method, endsStream });
    this.#lines = this.#fields.lines;
    this.#known.keep(raw, { head, lines: this.#lines, answersHead, endsStream });
    return head;
  }

  /**
   * A 2xx to an extended CONNECT for a WebSocket (RFC 8441 §5) as the 101 that it stands for; `accept` is what HTTP/1.1 has besides.
   * @throws {Http1Error}
   */
  readWebSocket(raw: RawFields, accept: string): ResponseHead {
    const fields: string[] = [];
    for (let at = 2; at < raw.length; at += 2) {
      const [name = '', value = ''] = [raw[at], raw[at + 1]];
      // RFC 9110 §9.3.6: what follows has no length, whatever is announced.
      if (name !== 'sec-websocket-accept' && name !== 'content-length') fields.push(name, value);
    }
    const handshake = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n`;
    const section = this.#text.load(`HTTP/1.1 101 \r\n${handshake}`, fields);
    try {
      const head = parseResponseHead(section, this.#fields, 'GET');
      this.#lines = this.#fields.lines;
      return { ...head, neverIndexed: neverIndexedOf(raw) };
    } finally {
      section.release();
    }
  }

  #parse(raw: RawFields, { method, endsStream }: AnsweredRequest): ResponseHead {
    const [name, status = ''] = raw;
    // RFC 9113 §8.6: there is no 101.
    if (name !== STATUS || !/^[1-5]\d\d$/.test(status) || status === '101')
      throw new Http1Error('invalid-status-line', 'response');
    const section = this.#text.load(`HTTP/1.1 ${status} \r\n`, raw.slice(2));
    try {
      const head = parseResponseHead(section, this.#fields, method);
      const neverIndexed = neverIndexedOf(raw);
      return { ...head, body: bodyOf(head, endsStream), persistent: true, neverIndexed };
    } finally {
      section.release();
    }
  }
}

function bodyOf({ body }: ResponseHead, endsStream: boolean): ResponseHead['body'] {
  if (!endsStream) return body.kind === 'until-close' ? { kind: 'chunked' } : body;
  if (body.kind !== 'length') return { kind: 'none' };
  // RFC 9113 §8.1.1: the octets of DATA must be as many as were announced.
  if (body.bytes > 0) throw new Http1Error('truncated-body', 'response');
  return body;
}
