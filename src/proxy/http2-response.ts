// Writes the answer of one HTTP/2 stream, in such a way that half of it never looks whole.

import { type FieldLines, fieldsOf } from '../http1/field-lines.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Trailers } from '../http1/trailers.ts';
import { type Http2Channel, type RawFields, withNeverIndexed } from '../http2/endpoint-ports.ts';
import { grpcStatusOfTermination } from './grpc-status.ts';
import type { ResponseFieldsWriter } from './http2-response-fields.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal, Termination } from './refusal.ts';
import { describeGrpcRefusal, describeRefusal } from './respond.ts';

/** What is answered. */
export interface AnsweredRequest {
  readonly method: string;
  readonly isGrpc: boolean;
}

/** `awaited`: there is none yet. `open`: its head is sent. `ending`: all of it is, and being delivered. */
type Phase = 'awaited' | 'open' | 'ending';

const NO_FIELDS: RawFields = [];

export class Http2Response {
  readonly #channel: Http2Channel;
  readonly #writer: ResponseFieldsWriter;
  #phase: Phase = 'awaited';
  #hasBody = false;
  /** Whether the answer is one of gRPC too, so that its trailers say how the call ended. */
  #isGrpc = false;

  constructor(channel: Http2Channel, writer: ResponseFieldsWriter) {
    this.#channel = channel;
    this.#writer = writer;
  }

  get isEnding(): boolean {
    return this.#phase === 'ending';
  }

  informational(head: ResponseHead, lines: FieldLines): void {
    const fields = [':status', String(head.status), ...fieldsOf(lines)];
    this.#channel.sendHeaders(withNeverIndexed(fields, head.neverIndexed), false);
  }

  head(head: ResponseHead, lines: FieldLines, { method, isGrpc }: AnsweredRequest): void {
    const answer = this.#writer.head(head, lines, method);
    this.#isGrpc = isGrpc && answer.isGrpc;
    this.#hasBody = answer.hasBody;
    this.#phase = 'open';
    // Also without a body the end is that of the exchange, which nobody would watch over any more. As a rule it comes in the same turn, and is
    // sent with the head.
    this.#channel.sendHeaders(answer.fields, false);
  }

  data(bytes: Buffer, loan: Loan): void {
    if (this.#phase === 'open' && this.#hasBody) this.#channel.sendData(bytes, loan);
  }

  end(trailers: Trailers): void {
    if (this.#phase === 'open') this.#endWith(this.#hasBody ? this.#writer.trailers(trailers) : NO_FIELDS);
  }

  /**
   * Answers in the upstream's place. `ending`: whether the stream ends with it, or is to be reset behind it.
   * @returns false when the upstream has begun to answer.
   */
  refuse(
    { refusal, decisionId }: { readonly refusal: Refusal; readonly decisionId: string },
    { method, isGrpc }: AnsweredRequest,
    ending: 'ends' | 'to-be-reset',
  ): boolean {
    if (this.#phase !== 'awaited') return false;
    this.#phase = 'ending';
    const ends = ending === 'ends';
    if (isGrpc) {
      this.#channel.sendHeaders([':status', '200', ...describeGrpcRefusal({ refusal, decisionId })], ends);
      return true;
    }
    const { status, fields, body } = describeRefusal({ refusal, decisionId });
    const hasBody = method !== 'HEAD';
    const all = [':status', String(status), ...fields, 'content-length', String(body.length)];
    this.#channel.sendHeaders(all, ends && !hasBody);
    if (!hasBody) return true;
    this.#channel.sendData(Buffer.from(body, 'latin1'), null);
    if (ends) this.#channel.sendEnd(NO_FIELDS);
    return true;
  }

  /**
   * Ends a call of gRPC by a status of ours, which its client believes; a reset it takes for a fault, and tries again. @returns false for
   * every other answer, of which half would be taken for the whole.
   */
  endCall(termination: Termination, decisionId: string): boolean {
    if (!this.#isGrpc || this.#phase !== 'open' || !this.#channel.canSend) return false;
    const status = String(grpcStatusOfTermination(termination));
    this.#endWith(['grpc-status', status, 'grpc-message', termination, 'x-sallyport-decision-id', decisionId]);
    return true;
  }

  #endWith(trailers: RawFields): void {
    this.#phase = 'ending';
    this.#channel.sendEnd(trailers);
  }
}
