// Decoded fields of HTTP/2 as the lines they would be in HTTP/1.1, for its parser to read.

import { breaksLine } from '../http1/field-lines.ts';
import { Http1Error, type MessageSide } from '../http1/http1-error.ts';
import type { HeadLimits } from '../http1/request-head.ts';
import { SectionReader } from '../http1/section-reader.ts';

/** What an HTTP/2 message may not have (RFC 9113 §8.2.2). */
const CONNECTION_FIELDS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
const NOT_IN_NAME = /[:A-Z]/;
const OUTER_WHITESPACE = /^[ \t]|[ \t]$/;
const FIRST_OCTETS = 1024;

/** Reused for every section of one side of a connection. */
export class FieldText {
  readonly #limits: HeadLimits;
  readonly #side: MessageSide;
  readonly #section: SectionReader;
  #octets = Buffer.allocUnsafeSlow(FIRST_OCTETS);

  constructor(side: MessageSide, limits: HeadLimits) {
    this.#side = side;
    this.#limits = limits;
    this.#section = new SectionReader(side, limits);
  }

  /** `start` and one line for each field, to be released when it has been read. @throws {Http1Error} */
  load(start: string, fields: readonly string[]): SectionReader {
    let text = start;
    for (let at = 0; at < fields.length; at += 2) {
      const [name = '', value = ''] = [fields[at], fields[at + 1]];
      // Pseudo-header fields among them (RFC 9113 §8.3).
      if (NOT_IN_NAME.test(name) || breaksLine(name)) throw new Http1Error('invalid-field-name', this.#side);
      if (breaksLine(value) || OUTER_WHITESPACE.test(value)) throw new Http1Error('invalid-field-value', this.#side);
      if (CONNECTION_FIELDS.has(name)) throw new Http1Error('invalid-connection', this.#side);
      text += `${name}: ${value}\r\n`;
    }
    text += '\r\n';
    if (text.length > this.#limits.maxHeadBytes) throw new Http1Error('head-too-large', this.#side);
    if (this.#octets.length < text.length) this.#octets = Buffer.allocUnsafeSlow(this.#limits.maxHeadBytes);
    const section = this.#section;
    section.bytes = this.#octets;
    section.start = 0;
    section.end = this.#octets.write(text, 'latin1');
    return section;
  }
}
