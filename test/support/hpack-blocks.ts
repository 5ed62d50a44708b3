// Field blocks by hand.

import type { ReceivedFields } from '../../src/http2/endpoint-ports.ts';
import type { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { HpackError, type HpackErrorCode } from '../../src/http2/hpack-error.ts';

export function octets(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

/** RFC 7541 §5.1. */
export function integer(pattern: number, prefix: number, value: number): Buffer {
  if (value < prefix) return Buffer.of(pattern | value);
  const octets = [pattern | prefix];
  let rest = value - prefix;
  for (; rest > 127; rest = Math.floor(rest / 128)) octets.push(128 + (rest % 128));
  return Buffer.from([...octets, rest]);
}

/** Without Huffman codes. */
export function text(value: string): Buffer {
  return Buffer.concat([integer(0, 127, value.length), Buffer.from(value, 'latin1')]);
}

export function outcome(decoder: HpackDecoder, block: Buffer): ReceivedFields | HpackErrorCode {
  try {
    return decoder.decode(block);
  } catch (error) {
    if (error instanceof HpackError) return error.code;
    throw error;
  }
}
