// One unary call of gRPC over HTTP/2: one bounded message in, one out, within the time that the caller gives.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Clock, Schedule } from '../core/clock.ts';
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

/** Envoy sends the fields of a request, a certificate, and as much of a body as it is told to. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

const PREFIX_BYTES = 5;
/** For a message to come whole, whatever longer time the caller has. */
const MAX_READ_MS = 10_000;
const CONTENT_TYPE = 'application/grpc';

export function serveCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, parts: CallParts): void {
  const { method, clock, schedule } = parts;
  // What matters about an error is that 'close' follows it.
  stream.on('error', () => undefined);
  const timeoutMs = readTimeout(headers[GRPC_TIMEOUT]);
  const refusal = findRefusal(headers, method, timeoutMs);
  const deadlineMs = clock.monotonicMs() + (timeoutMs ?? 0);
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isAnswered = false;
  const answer = (send: () => void): void => {
    isAnswered = true;
    send();
  };
  const cancels = [
    schedule(Math.min(timeoutMs ?? MAX_READ_MS, MAX_READ_MS), () => {
      if (!isAnswered) answer(() => fail(stream, GRPC_STATUS.deadlineExceeded, 'the message did not come in time'));
    }),
    // What is left of a request that was answered early is thrown away, but not for ever.
    schedule(2 * MAX_READ_MS, () => stream.close(constants.NGHTTP2_NO_ERROR)),
  ];
  stream.on('close', () => {
    for (const cancel of cancels) cancel();
  });
  stream.on('data', (chunk: Buffer) => {
    if (isAnswered) return;
    bytes += chunk.length;
    if (bytes <= PREFIX_BYTES + MAX_MESSAGE_BYTES) chunks.push(chunk);
    else answer(() => sendMessage(stream, method.answerUnread()));
  });
  stream.on('end', () => {
    if (isAnswered) return;
    const framed = Buffer.concat(chunks, bytes);
    const receivedMs = clock.monotonicMs();
    if (framed.length < PREFIX_BYTES || framed.readUInt32BE(1) !== framed.length - PREFIX_BYTES)
      return answer(() => fail(stream, GRPC_STATUS.internal, 'not one message'));
    if (framed[0] !== 0)
      return answer(() => fail(stream, GRPC_STATUS.unimplemented, 'compressed messages are not read'));
    const message = method.answer(framed.subarray(PREFIX_BYTES), { receivedMs, deadlineMs });
    if (clock.monotonicMs() < deadlineMs) return answer(() => sendMessage(stream, message));
    answer(() => fail(stream, GRPC_STATUS.deadlineExceeded, 'the decision is late'));
  });
  if (refusal !== null) answer(() => respondAlone(stream, refusal));
}

/** Why it is no call of `method`, as the fields of the answer. */
function findRefusal(
  headers: IncomingHttpHeaders,
  method: GrpcMethod,
  timeoutMs: number | null,
): OutgoingHttpHeaders | null {
  if (headers[':method'] !== 'POST') return { ':status': 405 };
  if (!/^application\/grpc(?:\+proto)?$/.test(headers['content-type'] ?? '')) return { ':status': 415 };
  if (headers[':path'] !== method.path) return statusFields(GRPC_STATUS.unimplemented, 'no such method');
  return timeoutMs === null ? statusFields(GRPC_STATUS.invalidArgument, 'malformed grpc-timeout') : null;
}

/** In milliseconds; infinite when there is none, null when it is malformed. */
function readTimeout(text: string | string[] | undefined): number | null {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  return typeof text === 'string' ? parseGrpcTimeout(text) : null;
}

function sendMessage(stream: ServerHttp2Stream, message: Buffer): void {
  if (stream.destroyed) return;
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  stream.respond({ ':status': 200, 'content-type': CONTENT_TYPE }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GRPC_STATUS.ok) }));
  stream.end(Buffer.concat([prefix, message]));
}

function fail(stream: ServerHttp2Stream, status: GrpcStatus, message: string): void {
  respondAlone(stream, statusFields(status, message));
}

/** An answer without a message: its trailers are its head. */
function respondAlone(stream: ServerHttp2Stream, fields: OutgoingHttpHeaders): void {
  if (!stream.destroyed) stream.respond(fields, { endStream: true });
}

function statusFields(status: GrpcStatus, message: string): OutgoingHttpHeaders {
  return { ':status': 200, 'content-type': CONTENT_TYPE, 'grpc-status': String(status), 'grpc-message': message };
}
