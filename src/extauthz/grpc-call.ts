// One unary call of gRPC over HTTP/2: one bounded message in, one out, within the time that the caller gives.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

import type { Clock, Schedule } from '../core/clock.ts';
import type { Http2Channel, RawFields, ReceivedFields, StreamUser } from '../http2/endpoint-ports.ts';
import { ERROR_CODE } from '../http2/frame.ts';
import { GRPC_TIMEOUT, parseGrpcTimeout } from '../proxy/grpc-timeout.ts';
import { GRPC_STATUS, type GrpcStatus } from '../proxy/grpc-status.ts';

export interface GrpcMethod {
  readonly path: string;
  /** The encoded answer. `deadlineMs` is monotonic, and infinite when the caller gives none. */
  readonly answer: (message: Buffer, timing: { readonly receivedMs: number; readonly deadlineMs: number }) => Buffer;
  /** In place of a message that is too large to be read. */
  readonly answerUnread: () => Buffer;
}

export interface CallParts {
  readonly method: GrpcMethod;
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/** `served`: to its end. `broken-off`: by the caller, or because of what it sent. */
export type CallOutcome = 'served' | 'broken-off';

/** Envoy sends the fields of a request, a certificate, and as much of a body as it is told to. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

const PREFIX_BYTES = 5;
/** For a message to come whole, whatever longer time the caller has. */
const MAX_READ_MS = 10_000;
const NOTHING = Buffer.alloc(0);
const CONTENT_TYPE = 'application/grpc';
const ANSWER_HEAD: RawFields = [':status', '200', 'content-type', CONTENT_TYPE];
const ANSWER_TRAILERS: RawFields = ['grpc-status', String(GRPC_STATUS.ok)];

export class GrpcCall implements StreamUser {
  readonly #channel: Http2Channel;
  readonly #parts: CallParts;
  readonly #onClosed: (outcome: CallOutcome) => void;
  readonly #deadlineMs: number;
  /** As much as has come of it, framed, in the first octets. */
  #message: Buffer = NOTHING;
  #bytes = 0;
  #isAnswered = false;
  #outcome: CallOutcome = 'served';
  #cancelTimer: () => void;

  constructor(
    { channel, fields }: { readonly channel: Http2Channel; readonly fields: ReceivedFields },
    parts: CallParts,
    onClosed: (outcome: CallOutcome) => void,
  ) {
    const { method, clock, schedule } = parts;
    this.#channel = channel;
    this.#parts = parts;
    this.#onClosed = onClosed;
    const timeoutMs = readTimeout(fields);
    this.#deadlineMs = clock.monotonicMs() + (timeoutMs ?? 0);
    this.#cancelTimer = schedule(Math.min(timeoutMs ?? MAX_READ_MS, MAX_READ_MS), () => this.#onReadTimeout());
    const refusal = findRefusal(fields, method, timeoutMs);
    if (refusal !== null) this.#answerAlone(refusal);
    channel.resume();
  }

  data(bytes: Buffer): void {
    if (this.#isAnswered) return;
    if (this.#bytes + bytes.length > PREFIX_BYTES + MAX_MESSAGE_BYTES)
      return this.#answer(this.#parts.method.answerUnread());
    if (this.#bytes + bytes.length > this.#message.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes + bytes.length, 2 * this.#bytes));
      this.#message.copy(grown, 0, 0, this.#bytes);
      this.#message = grown;
    }
    this.#bytes += bytes.copy(this.#message, this.#bytes);
  }

  ended(): void {
    if (this.#isAnswered) return;
    const { method, clock } = this.#parts;
    const framed = this.#message.subarray(0, this.#bytes);
    const receivedMs = clock.monotonicMs();
    if (framed.length < PREFIX_BYTES || framed.readUInt32BE(1) !== framed.length - PREFIX_BYTES)
      return this.#fail(GRPC_STATUS.internal, 'not one message');
    if (framed[0] !== 0) return this.#fail(GRPC_STATUS.unimplemented, 'compressed messages are not read');
    const deadlineMs = this.#deadlineMs;
    const message = method.answer(framed.subarray(PREFIX_BYTES), { receivedMs, deadlineMs });
    if (clock.monotonicMs() < deadlineMs) return this.#answer(message);
    this.#fail(GRPC_STATUS.deadlineExceeded, 'the decision is late');
  }

  reset(): void {
    this.#outcome = 'broken-off';
  }

  closed(): void {
    this.#cancelTimer();
    this.#onClosed(this.#outcome);
  }

  /** Nothing in them concerns one message. */
  trailers(): void {}
  headers(): void {}
  drained(): void {}
  sent(): void {}

  #onReadTimeout(): void {
    if (!this.#isAnswered) this.#fail(GRPC_STATUS.deadlineExceeded, 'the message did not come in time');
    // An answer that is not taken, or what is left of a request that was answered early, is not waited for for ever.
    this.#cancelTimer = this.#parts.schedule(MAX_READ_MS, () => this.#channel.reset(ERROR_CODE.noError));
  }

  #answer(message: Buffer): void {
    this.#isAnswered = true;
    this.#message = NOTHING;
    const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
    framed[0] = 0;
    framed.writeUInt32BE(message.length, 1);
    message.copy(framed, PREFIX_BYTES);
    this.#channel.sendHeaders(ANSWER_HEAD, false);
    this.#channel.sendData(framed, null);
    this.#channel.sendEnd(ANSWER_TRAILERS);
  }

  #fail(status: GrpcStatus, message: string): void {
    this.#answerAlone(statusFields(status, message));
  }

  /** An answer without a message: its trailers are its head. */
  #answerAlone(fields: RawFields): void {
    this.#isAnswered = true;
    this.#message = NOTHING;
    this.#channel.sendHeaders(fields, true);
  }
}

/** Why it is no call of `method`, as the fields of the answer. */
function findRefusal(fields: ReceivedFields, method: GrpcMethod, timeoutMs: number | null): RawFields | null {
  if (fields === 'too-large') return [':status', '431'];
  if (valueOf(fields, ':method') !== 'POST') return [':status', '405'];
  if (!/^application\/grpc(?:\+proto)?$/.test(valueOf(fields, 'content-type') ?? '')) return [':status', '415'];
  if (valueOf(fields, ':path') !== method.path) return statusFields(GRPC_STATUS.unimplemented, 'no such method');
  return timeoutMs === null ? statusFields(GRPC_STATUS.invalidArgument, 'malformed grpc-timeout') : null;
}

/** In milliseconds; infinite when there is none, null when it is malformed. */
function readTimeout(fields: ReceivedFields): number | null {
  if (fields === 'too-large' || !isAmong(fields, GRPC_TIMEOUT)) return Number.POSITIVE_INFINITY;
  const text = valueOf(fields, GRPC_TIMEOUT);
  return text === null ? null : parseGrpcTimeout(text);
}

function isAmong(fields: RawFields, name: string): boolean {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return true;
  return false;
}

/** Null when there are none or several. */
function valueOf(fields: RawFields, name: string): string | null {
  let value: string | null = null;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== name) continue;
    if (value !== null) return null;
    value = fields[at + 1] ?? null;
  }
  return value;
}

function statusFields(status: GrpcStatus, message: string): RawFields {
  return [...ANSWER_HEAD, 'grpc-status', String(status), 'grpc-message', message];
}
