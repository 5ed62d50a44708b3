// Drives the decoders the way the proxy does, and checks on the way what every decoding must keep to.

import { expect } from 'vitest';
import { Http1Error, type Http1ErrorCode, type Http1Status } from '../../src/http1/http1-error.ts';
import type { HeadLimits, RequestHead } from '../../src/http1/request-head.ts';
import { RequestDecoder } from '../../src/http1/request-decoder.ts';
import { ResponseDecoder } from '../../src/http1/response-decoder.ts';
import type { ResponseHead } from '../../src/http1/response-head.ts';

export const LIMITS: HeadLimits = { maxHeadBytes: 16_384, maxFieldCount: 100 };

export interface Message<Head> {
  readonly head: Head;
  readonly body: string;
  readonly isComplete: boolean;
}

/** A head as a test writes it down: only a parser makes parsed fields. */
export type Expected<Head> = Omit<Head, 'fields'> & { readonly fields: readonly string[] };

export interface Decoded<Head> {
  readonly messages: readonly Message<Head>[];
  readonly refusal: { readonly code: Http1ErrorCode; readonly status: Http1Status } | null;
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Decodes `pieces` in turn, pulling everything after each. */
export function decodeRequests(pieces: readonly Buffer[], limits: HeadLimits = LIMITS): Decoded<RequestHead> {
  return decode(new RequestDecoder(limits), pieces, 'stays-open');
}

/** Decodes what answers one request of `method`; `ending` says whether the connection ends after the last piece. */
export function decodeResponses(
  pieces: readonly Buffer[],
  options: { readonly method?: string; readonly ending?: 'ends' | 'stays-open'; readonly limits?: HeadLimits } = {},
): Decoded<ResponseHead> {
  const decoder = new ResponseDecoder(options.limits ?? LIMITS);
  decoder.begin(options.method ?? 'GET');
  return decode(decoder, pieces, options.ending ?? 'ends');
}

/** Cuts `bytes` at each of `cuts`, taken as fractions of its length. */
export function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

export function splitIntoOctets(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (octet) => Buffer.of(octet));
}

interface Decoder<Head> {
  push(bytes: Buffer): void;
  next(): 'head' | 'data' | 'end' | 'need-more';
  readonly head: Head;
  readonly data: Buffer;
  readonly bufferedBytes: number;
}

function decode<Head>(
  decoder: Decoder<Head> | ResponseDecoder,
  pieces: readonly Buffer[],
  ending: 'ends' | 'stays-open',
): Decoded<Head> {
  const pulled = decoder as Decoder<Head>;
  const messages: { head: Head; body: string; isComplete: boolean }[] = [];
  try {
    for (const piece of pieces) {
      const lent = Buffer.from(piece);
      pulled.push(lent);
      pull(pulled, lent.length, messages);
      // The decoder has asked for more: what was lent may be reused, and nothing decoded may change.
      lent.fill(0xee);
    }
    if (ending === 'ends' && decoder instanceof ResponseDecoder) {
      decoder.eof();
      pull(pulled, 0, messages);
    }
  } catch (error) {
    // Anything but a typed refusal is a defect of the codec.
    if (!(error instanceof Http1Error)) throw error;
    expect(() => pulled.next(), 'a refused connection stays refused').toThrow(error);
    return { messages, refusal: { code: error.code, status: error.status } };
  }
  return { messages, refusal: null };
}

function pull<Head>(
  decoder: Decoder<Head>,
  pushedBytes: number,
  messages: { head: Head; body: string; isComplete: boolean }[],
): void {
  let dataBytes = 0;
  for (;;) {
    const event = decoder.next();
    const open = messages.at(-1);
    switch (event) {
      case 'need-more':
        // Twice in a row changes nothing.
        expect(decoder.next()).toBe('need-more');
        expect(dataBytes).toBeLessThanOrEqual(pushedBytes);
        return;
      case 'head':
        messages.push({ head: decoder.head, body: '', isComplete: false });
        break;
      case 'data':
        expect(open?.isComplete).toBe(false);
        expect(decoder.data.length).toBeGreaterThan(0);
        dataBytes += decoder.data.length;
        if (open !== undefined) open.body += decoder.data.toString('latin1');
        break;
      case 'end':
        expect(open?.isComplete).toBe(false);
        if (open !== undefined) open.isComplete = true;
        break;
    }
  }
}
