// Bytes of an upstream connection to responses, pulled one event at a time.

import type { HeadLimits } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';
import type { DecoderEvent } from './request-decoder.ts';
import { Http1Error } from './http1-error.ts';

export class ResponseDecoder {
  #bytes: Buffer = Buffer.alloc(0);
  #head: ResponseHead | null = null;
  #state: 'idle' | 'head' | 'body' = 'idle';
  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  begin(_requestMethod: string): void {
    this.#state = 'head';
  }

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  next(): DecoderEvent {
    if (this.#state === 'body') {
      this.#state = 'idle';
      return 'end';
    }
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end === -1) {
      if (this.#bytes.length > this.#limits.maxHeadBytes) throw new Http1Error('head-too-large', 'response');
      return 'need-more';
    }
    this.#state = 'body';
    this.#head = {
      status: Number(this.#bytes.toString('latin1', 9, 12)),
      reason: '',
      fields: [],
      body: { kind: 'none' },
      declaredLength: null,
      persistent: true,
    };
    this.#bytes = this.#bytes.subarray(end + 4);
    return 'head';
  }

  eof(): void {
    this.#state = 'idle';
  }

  get head(): ResponseHead {
    if (this.#head === null) throw new Error('no head yet');
    return this.#head;
  }

  get data(): Buffer {
    return this.#bytes;
  }

  get isComplete(): boolean {
    return this.#state === 'idle';
  }

  get bufferedBytes(): number {
    return this.#bytes.length;
  }
}
