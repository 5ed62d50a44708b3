// Bytes of a connection to requests, pulled one event at a time.

import type { HeadLimits, RequestHead } from './request-head.ts';
import { Http1Error } from './http1-error.ts';

export type DecoderEvent = 'head' | 'data' | 'end' | 'need-more';

export class RequestDecoder {
  #bytes: Buffer = Buffer.alloc(0);
  #head: RequestHead | null = null;
  #inBody = false;
  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  next(): DecoderEvent {
    if (this.#inBody) {
      this.#inBody = false;
      return 'end';
    }
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end === -1) {
      if (this.#bytes.length > this.#limits.maxHeadBytes) throw new Http1Error('head-too-large', 'request');
      return 'need-more';
    }
    const lines = this.#bytes.toString('latin1', 0, end).split('\r\n');
    this.#bytes = this.#bytes.subarray(end + 4);
    const [method = '', target = ''] = (lines[0] ?? '').split(' ');
    const fields: string[] = [];
    let authority = '';
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === 'host') authority = value;
      else fields.push(name, value);
    }
    const mark = target.indexOf('?');
    this.#inBody = true;
    this.#head = {
      method,
      authority,
      host: authority.split(':')[0] ?? '',
      path: mark === -1 ? target : target.slice(0, mark),
      query: mark === -1 ? null : target.slice(mark + 1),
      fields,
      body: { kind: 'none' },
      persistent: true,
      expectsContinue: false,
      upgrade: null,
      version: '1.1',
    };
    return 'head';
  }

  get head(): RequestHead {
    if (this.#head === null) throw new Error('no head yet');
    return this.#head;
  }

  get data(): Buffer {
    return this.#bytes;
  }

  get bufferedBytes(): number {
    return this.#bytes.length;
  }

  get atMessageBoundary(): boolean {
    return !this.#inBody && this.#bytes.length === 0;
  }

  get receivingHead(): boolean {
    return !this.#inBody && this.#bytes.length > 0;
  }
}
