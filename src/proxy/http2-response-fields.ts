// The fields of a final answer as they are sent over HTTP/2, made once for answers that are alike.

import { type FieldLines, fieldsOf, NO_LINES } from '../http1/field-lines.ts';
import { type NeverIndexed, NONE_NEVER_INDEXED } from '../http1/never-indexed.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { NO_TRAILERS, type Trailers } from '../http1/trailers.ts';
import { type RawFields, withNeverIndexed } from '../http2/endpoint-ports.ts';
import { hasGrpcContentType } from './grpc-status.ts';
import { WEBSOCKET_ACCEPT } from './switching.ts';

export interface ResponseFields {
  readonly fields: RawFields;
  /** Whether anything but the end may follow them. */
  readonly hasBody: boolean;
  /** Whether trailers say how a call has ended. */
  readonly isGrpc: boolean;
}

/** RFC 9110 §6.4.1, §15.3.6: whatever the upstream sends with these. */
const BODILESS_STATUSES = new Set([204, 205, 304]);

/** What they are made of. */
interface Source {
  readonly lines: FieldLines;
  readonly neverIndexed: NeverIndexed;
  readonly status: number;
  readonly hasBody: boolean;
  readonly contentLength: number | null;
}

/** For the answers of one connection. */
export class ResponseFieldsWriter {
  #lastSource: Source = {
    lines: NO_LINES,
    neverIndexed: NONE_NEVER_INDEXED,
    status: 0,
    hasBody: false,
    contentLength: null,
  };
  #last: ResponseFields = { fields: [], hasBody: false, isGrpc: false };
  #lastTrailers = NO_TRAILERS;
  #lastTrailerFields: RawFields = [];

  /** `lines`: the fields of `head` that are passed on; `method`: of the request. */
  head(head: ResponseHead, lines: FieldLines, method: string): ResponseFields {
    const { body, declaredLength, status, neverIndexed } = head;
    const hasBody = method !== 'HEAD' && body.kind !== 'none' && !BODILESS_STATUSES.has(status);
    let contentLength: number | null = null;
    if (hasBody) contentLength = body.kind === 'length' ? body.bytes : null;
    // As in HTTP/1.1: the answer to HEAD and a 304 say how long the body would be.
    else if (status !== 204 && status !== 205) contentLength = declaredLength;
    const last = this.#lastSource;
    const isSame = last.status === status && last.hasBody === hasBody && last.contentLength === contentLength;
    if (isSame && last.lines === lines && last.neverIndexed === neverIndexed) return this.#last;
    const fields = withNeverIndexed(toFields(status, lines, contentLength), neverIndexed);
    this.#lastSource = { lines, neverIndexed, status, hasBody, contentLength };
    this.#last = { fields, hasBody, isGrpc: hasBody && hasGrpcContentType(fields) };
    return this.#last;
  }

  trailers(trailers: Trailers): RawFields {
    const last = this.#lastTrailers;
    const { lines, neverIndexed } = trailers;
    if (last.lines !== lines || last.neverIndexed !== neverIndexed) {
      this.#lastTrailers = trailers;
      this.#lastTrailerFields = withNeverIndexed(fieldsOf(lines), neverIndexed);
    }
    return this.#lastTrailerFields;
  }
}

function toFields(status: number, lines: FieldLines, contentLength: number | null): string[] {
  // RFC 8441 §5: a stream that has become a WebSocket says so by 200, and has no handshake besides.
  const passedOn = status === 101 ? withoutAccept(fieldsOf(lines)) : fieldsOf(lines);
  const fields = [':status', status === 101 ? '200' : String(status), ...passedOn];
  if (contentLength !== null) fields.push('content-length', String(contentLength));
  return fields;
}

function withoutAccept(fields: readonly string[]): string[] {
  return fields.filter((_, at) => fields[at - (at % 2)] !== WEBSOCKET_ACCEPT);
}
