// The fields of an HTTP/2 response to a ResponseHead: read by the parser of HTTP/1.1 heads, from the lines that an HTTP/1.1 upstream would
// have sent, so that one upstream may say nothing that another may not.

import type { FieldLines } from '../http1/field-lines.ts';
import { FieldSection } from '../http1/field-section.ts';
import { Http1Error } from '../http1/http1-error.ts';
import type { HeadLimits } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { parseResponseHead } from '../http1/response-head-parser.ts';
import { FieldText } from './field-text.ts';

export interface AnsweredRequest {
  readonly method: string;
  /** Whether the response ends with its head. */
  readonly endsStream: boolean;
}

const STATUS = ':status';

/** For the responses of one connection, whose streams all answer alike. */
export class ResponseFieldsReader {
  readonly #text: FieldText;
  readonly #fields: FieldSection;

  /** `isPassedOn` says by name, in lower case, which fields `lines` is made of. */
  constructor(limits: HeadLimits, isPassedOn: (name: string) => boolean) {
    this.#text = new FieldText('response', limits);
    this.#fields = new FieldSection(isPassedOn);
  }

  /** Of the fields read last those that are passed on, encoded. */
  get lines(): FieldLines {
    return this.#fields.lines;
  }

  /** `raw`: flat name, value, name, value …, as they were decoded. @throws {Http1Error} */
  read(raw: readonly string[], { method, endsStream }: AnsweredRequest): ResponseHead {
    const [name, status = ''] = raw;
    // RFC 9113 §8.6: there is no 101.
    if (name !== STATUS || !/^[1-5]\d\d$/.test(status) || status === '101')
      throw new Http1Error('invalid-status-line', 'response');
    const section = this.#text.load(`HTTP/1.1 ${status} \r\n`, raw.slice(2));
    try {
      const head = parseResponseHead(section, this.#fields, method);
      return { ...head, body: bodyOf(head, endsStream), persistent: true };
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
