// How gRPC is told what HTTP tells by a status: clients of gRPC look at grpc-status, and take any other answer for a broken server.
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, http-grpc-status-mapping.md, PROTOCOL-HTTP2.md

import { type Refusal, type RefusalStatus, statusOfRefusal, type Termination } from './refusal.ts';

const GRPC = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** By the HTTP status of the refusal; clients map what is not listed to UNKNOWN, so all are. */
const GRPC_OF_STATUS: Readonly<Record<RefusalStatus, number>> = {
  400: GRPC.invalidArgument,
  401: GRPC.unauthenticated,
  403: GRPC.permissionDenied,
  404: GRPC.unimplemented,
  408: GRPC.deadlineExceeded,
  413: GRPC.resourceExhausted,
  414: GRPC.invalidArgument,
  417: GRPC.invalidArgument,
  421: GRPC.unimplemented,
  431: GRPC.resourceExhausted,
  500: GRPC.internal,
  501: GRPC.unimplemented,
  502: GRPC.unavailable,
  503: GRPC.unavailable,
  504: GRPC.deadlineExceeded,
  505: GRPC.unimplemented,
};

/** Of a call whose answer had begun. */
const GRPC_OF_TERMINATION: Readonly<Record<Termination, number>> = {
  'svid-expired': GRPC.permissionDenied,
  'token-expired': GRPC.permissionDenied,
  'trust-changed': GRPC.permissionDenied,
  revoked: GRPC.permissionDenied,
  'policy-changed': GRPC.permissionDenied,
  'no-identity': GRPC.unauthenticated,
  'maximum-age': GRPC.unavailable,
  'own-svid-withdrawn': GRPC.unavailable,
  'idle-timeout': GRPC.unavailable,
  'head-timeout': GRPC.unavailable,
  drain: GRPC.unavailable,
  'drain-deadline': GRPC.unavailable,
  'protocol-error': GRPC.internal,
  'refused-with-body': GRPC.internal,
  'upstream-failed': GRPC.unavailable,
  'upstream-untrusted': GRPC.unavailable,
  'peer-stalled': GRPC.deadlineExceeded,
  'deadline-exceeded': GRPC.deadlineExceeded,
  limit: GRPC.resourceExhausted,
};

/** PROTOCOL-HTTP2.md: `application/grpc`, then nothing, a message format or a parameter. gRPC-Web is another protocol. */
const GRPC_CONTENT_TYPE = /^application\/grpc(?:[+;]|$)/i;

export function isGrpcContentType(value: string): boolean {
  return GRPC_CONTENT_TYPE.test(value);
}

export function grpcStatusOfRefusal(refusal: Refusal): number {
  return GRPC_OF_STATUS[statusOfRefusal(refusal)];
}

export function grpcStatusOfTermination(termination: Termination): number {
  return GRPC_OF_TERMINATION[termination];
}
