// How gRPC is told what HTTP tells by a status: clients of gRPC look at grpc-status, and take any other answer for a broken server.
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, http-grpc-status-mapping.md, PROTOCOL-HTTP2.md

import { type Refusal, type RefusalStatus, statusOfRefusal, type Termination } from './refusal.ts';

/** Those that we answer with. */
export const GRPC_STATUS = {
  ok: 0,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type GrpcStatus = (typeof GRPC_STATUS)[keyof typeof GRPC_STATUS];

/** By the HTTP status of the refusal; clients map what is not listed to UNKNOWN, so all are. */
const GRPC_OF_STATUS: Readonly<Record<RefusalStatus, GrpcStatus>> = {
  400: GRPC_STATUS.invalidArgument,
  401: GRPC_STATUS.unauthenticated,
  403: GRPC_STATUS.permissionDenied,
  404: GRPC_STATUS.unimplemented,
  408: GRPC_STATUS.deadlineExceeded,
  413: GRPC_STATUS.resourceExhausted,
  414: GRPC_STATUS.invalidArgument,
  417: GRPC_STATUS.invalidArgument,
  421: GRPC_STATUS.unimplemented,
  431: GRPC_STATUS.resourceExhausted,
  500: GRPC_STATUS.internal,
  501: GRPC_STATUS.unimplemented,
  502: GRPC_STATUS.unavailable,
  503: GRPC_STATUS.unavailable,
  504: GRPC_STATUS.deadlineExceeded,
  505: GRPC_STATUS.unimplemented,
};

/** Of a call whose answer had begun. */
const GRPC_OF_TERMINATION: Readonly<Record<Termination, GrpcStatus>> = {
  'svid-expired': GRPC_STATUS.permissionDenied,
  'token-expired': GRPC_STATUS.permissionDenied,
  'trust-changed': GRPC_STATUS.permissionDenied,
  revoked: GRPC_STATUS.permissionDenied,
  'policy-changed': GRPC_STATUS.permissionDenied,
  'no-identity': GRPC_STATUS.unauthenticated,
  'maximum-age': GRPC_STATUS.unavailable,
  'own-svid-withdrawn': GRPC_STATUS.unavailable,
  'idle-timeout': GRPC_STATUS.unavailable,
  'head-timeout': GRPC_STATUS.unavailable,
  drain: GRPC_STATUS.unavailable,
  'drain-deadline': GRPC_STATUS.unavailable,
  'protocol-error': GRPC_STATUS.internal,
  'refused-with-body': GRPC_STATUS.internal,
  'upstream-failed': GRPC_STATUS.unavailable,
  'upstream-untrusted': GRPC_STATUS.unavailable,
  'peer-stalled': GRPC_STATUS.deadlineExceeded,
  'deadline-exceeded': GRPC_STATUS.deadlineExceeded,
  limit: GRPC_STATUS.resourceExhausted,
};

/** PROTOCOL-HTTP2.md: `application/grpc`, then nothing, a message format or a parameter. gRPC-Web is another protocol. */
const GRPC_CONTENT_TYPE = /^application\/grpc(?:[+;]|$)/i;

export function isGrpcContentType(value: string): boolean {
  return GRPC_CONTENT_TYPE.test(value);
}

/** Of flat fields, each that says what their message is. */
export function hasGrpcContentType(fields: readonly string[]): boolean {
  let isGrpc = false;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== 'content-type') continue;
    if (!isGrpcContentType(fields[at + 1] ?? '')) return false;
    isGrpc = true;
  }
  return isGrpc;
}

export function grpcStatusOfRefusal(refusal: Refusal): GrpcStatus {
  return GRPC_OF_STATUS[statusOfRefusal(refusal)];
}

export function grpcStatusOfTermination(termination: Termination): GrpcStatus {
  return GRPC_OF_TERMINATION[termination];
}
