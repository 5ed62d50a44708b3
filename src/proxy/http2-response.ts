// Writes the answer of one HTTP/2 stream, in as few frames as its pieces permit, and in such a way that half of it never looks whole.

import type { ServerHttp2Stream } from 'node:http2';
import { type FieldLines, fieldsOf, NO_LINES } from '../http1/field-lines.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { grpcStatusOfTermination, hasGrpcContentType } from './grpc-status.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal, Termination } from './refusal.ts';
import { describeGrpcRefusal, describeRefusal } from './respond.ts';
import { WEBSOCKET_ACCEPT } from './switching.ts';

/** What is answered. */
export interface AnsweredRequest {
  readonly method: string;
  readonly isGrpc: boolean;
}

/** `awaited`: there is none yet. `held`: its head is, with what came with it. `open`: its head is sent. `ending`: all is being delivered. */
type Phase = 'awaited' | 'held' | 'open' | 'ending';

// Small pieces are copied, so that the buffer they were read into can be read into again at once; larger ones are lent as they are.
const COPIED_BYTES = 16 * 1024;
/** RFC 9110 §6.4.1, §15.3.6: whatever the upstream sends with these. */
const BODILESS_STATUSES = new Set([204, 205, 304]);

export class Http2Response {
  readonly #stream: ServerHttp2Stream;
  readonly #onSent: () => void;
  #phase: Phase = 'awaited';
  /** Whether the answer is one of gRPC too, so that its trailers say how the call ended. */
  #isGrpc = false;
  /** While held. */
  #heldHead: readonly string[] = [];
  #heldBody: Buffer | null = null;
  /** Whether the end waits for our word. */
  #waitsForEnd = false;
  #trailers: readonly string[] = [];

  /** `onSent` is called when all of it has been handed to the connection. */
  constructor(stream: ServerHttp2Stream, onSent: () => void) {
    this.#stream = stream;
    this.#onSent = onSent;
    stream.on('wantTrailers', () => this.#onWantTrailers());
    stream.on('finish', () => {
      if (!this.#waitsForEnd) this.#onSent();
    });
  }

  get isEnding(): boolean {
    return this.#phase === 'ending';
  }

  informational(head: ResponseHead, lines: FieldLines): void {
    if (!this.#isOpen) return;
    this.#stream.additionalHeaders({ ':status': head.status, ...toHeaders(fieldsOf(lines)) });
  }

  head(head: ResponseHead, lines: FieldLines, { method, isGrpc }: AnsweredRequest): void {
    if (!this.#isOpen) return;
    const { body, declaredLength } = head;
    const isSwitch = head.status === 101;
    // RFC 8441 §5: a stream that has become a WebSocket says so by 200, and has no handshake besides.
    const status = isSwitch ? 200 : head.status;
    const passedOn = isSwitch ? withoutAccept(fieldsOf(lines)) : fieldsOf(lines);
    const fields = [':status', String(status), ...passedOn];
    const hasBody = method !== 'HEAD' && body.kind !== 'none' && !BODILESS_STATUSES.has(status);
    if (hasBody && body.kind === 'length') fields.push('content-length', String(body.bytes));
    // As in HTTP/1.1: the answer to HEAD and a 304 say how long the body would be.
    else if (!hasBody && declaredLength !== null && status !== 204 && status !== 205) {
      fields.push('content-length', String(declaredLength));
    }
    if (hasBody) {
      this.#isGrpc = isGrpc && hasGrpcContentType(fields);
      this.#heldHead = fields;
      this.#phase = 'held';
      return;
    }
    this.#respond(fields, { endStream: true, waitForTrailers: false });
    this.#phase = 'ending';
  }

  data(bytes: Buffer, loan: Loan): void {
    const isSmall = bytes.length <= COPIED_BYTES;
    if (this.#phase === 'held') {
      if (isSmall && this.#heldBody === null) {
        this.#heldBody = Buffer.from(bytes);
        return;
      }
      this.flush();
    }
    if (this.#phase !== 'open' || !this.#isOpen) return;
    if (isSmall) this.#stream.write(Buffer.from(bytes));
    else this.#stream.write(bytes, loan.hold());
  }

  /**
   * Sends what is held. From here on the stream ends by our word alone: for one that does not wait for it, Node puts an end to the answer
   * before it resets the stream, and half of it would look whole.
   */
  flush(): void {
    if (this.#phase !== 'held' || !this.#isOpen) return;
    this.#phase = 'open';
    this.#waitsForEnd = true;
    this.#respond(this.#heldHead, { endStream: false, waitForTrailers: true });
    if (this.#heldBody !== null) this.#stream.write(this.#heldBody);
    this.#heldBody = null;
  }

  end(trailers: FieldLines): void {
    if (!this.#hasBegun || !this.#isOpen) return;
    if (this.#phase === 'held' && trailers === NO_LINES) {
      this.#respond(this.#heldHead, { endStream: false, waitForTrailers: false });
      if (this.#heldBody === null) this.#stream.end();
      else this.#stream.end(this.#heldBody);
      this.#phase = 'ending';
    } else {
      this.#endWith(fieldsOf(trailers));
    }
  }

  /** Answers in the upstream's place. */
  refuse(refusal: Refusal, decisionId: string, { method, isGrpc }: AnsweredRequest): void {
    if (!this.#isOpen || this.#stream.headersSent) return;
    if (isGrpc) {
      const fields = describeGrpcRefusal({ refusal, decisionId });
      this.#respond([':status', '200', ...fields], { endStream: true, waitForTrailers: false });
    } else {
      const { status, fields, body } = describeRefusal({ refusal, decisionId });
      const all = [':status', String(status), ...fields, 'content-length', String(body.length)];
      const endStream = method === 'HEAD';
      this.#respond(all, { endStream, waitForTrailers: false });
      if (!endStream) this.#stream.end(body, 'latin1');
    }
    this.#phase = 'ending';
  }

  /**
   * Ends a call of gRPC by a status of ours, which its client believes; a reset it takes for a fault, and tries again. @returns false for
   * every other answer, of which half would be taken for the whole.
   */
  endCall(termination: Termination, decisionId: string): boolean {
    if (!this.#isGrpc || !this.#hasBegun || !this.#isOpen) return false;
    const status = String(grpcStatusOfTermination(termination));
    this.#endWith(['grpc-status', status, 'grpc-message', termination, 'x-sallyport-decision-id', decisionId]);
    return true;
  }

  get #hasBegun(): boolean {
    return this.#phase === 'held' || this.#phase === 'open';
  }

  /** Whether the peer still listens. */
  get #isOpen(): boolean {
    return !this.#stream.closed && !this.#stream.destroyed;
  }

  #endWith(trailers: readonly string[]): void {
    this.flush();
    this.#trailers = trailers;
    this.#stream.end();
    this.#phase = 'ending';
  }

  /** Without a date of ours: an HTTP/1.1 peer gets none either. */
  #respond(
    fields: readonly string[],
    options: { readonly endStream: boolean; readonly waitForTrailers: boolean },
  ): void {
    const undated = { ...options, sendDate: false };
    this.#stream.respond(fields, undated);
  }

  #onWantTrailers(): void {
    this.#stream.sendTrailers(toHeaders(this.#trailers));
    // Node sends them in an immediate of its own, which is before this one.
    setImmediate(() => this.#onSent());
  }
}

function withoutAccept(fields: readonly string[]): string[] {
  return fields.filter((_, at) => fields[at - (at % 2)] !== WEBSOCKET_ACCEPT);
}

/** Fields that occur several times have their values in a list. */
function toHeaders(fields: readonly string[]): Record<string, string | string[]> {
  const headers = new Map<string, string[]>();
  for (let at = 0; at < fields.length; at += 2) {
    const [name = '', value = ''] = [fields[at], fields[at + 1]];
    headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  return Object.fromEntries(headers);
}
