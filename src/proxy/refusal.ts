// Why the proxy answered, or ended a connection, by itself: one closed list, and the status each reason has on the wire.

import type { LapseReason } from './lease.ts';

/** Reasons that are the answer to a request; the value is the HTTP status (RFC 9110 §15). */
const STATUS_OF_REFUSAL = {
  'no-identity': 401,
  'svid-expired': 401,
  'token-expired': 401,
  'trust-changed': 401,
  revoked: 401,
  'own-svid-withdrawn': 503,
  'maximum-age': 503,
  'no-token': 401,
  'invalid-token': 401,
  /** Valid, and not of the mTLS peer that sent it. */
  'foreign-token': 401,
  denied: 403,
  'no-route': 404,
  misdirected: 421,
  'ambiguous-request': 400,
  /** A `grpc-timeout` that says nothing: to guess one would give the call more time, or less, than its client does. */
  'invalid-grpc-timeout': 400,
  'head-too-large': 431,
  'target-too-long': 414,
  'body-too-large': 413,
  'expectation-failed': 417,
  'method-not-implemented': 501,
  'version-not-supported': 505,
  'head-timeout': 408,
  'body-timeout': 408,
  'principal-connection-limit': 503,
  'pipeline-limit': 503,
  'upstream-saturated': 503,
  'upstream-ejected': 503,
  'upstream-unreachable': 502,
  /** There was no TLS to be had with it. */
  'upstream-handshake-failed': 502,
  /** It has not proven that it is the server the route expects, or has done so and does no longer. */
  'upstream-untrusted': 502,
  'upstream-reset': 502,
  'upstream-invalid-response': 502,
  'upstream-connect-timeout': 504,
  'upstream-timeout': 504,
  /** The time is over that the client of a gRPC call gave it. */
  'deadline-exceeded': 504,
  /** Whoever asked for a decision does not wait for it any longer. */
  'decision-late': 504,
  'internal-error': 500,
} as const;

export type Refusal = keyof typeof STATUS_OF_REFUSAL;
export type RefusalStatus = (typeof STATUS_OF_REFUSAL)[Refusal];

/** Why a connection was ended by us although the peer would have gone on. */
export type Termination =
  | LapseReason
  | 'idle-timeout'
  | 'head-timeout'
  | 'drain'
  | 'drain-deadline'
  | 'protocol-error'
  | 'no-identity'
  | 'refused-with-body'
  | 'upstream-failed'
  | 'upstream-untrusted'
  | 'peer-stalled'
  | 'deadline-exceeded'
  | 'limit';

/** What a request is answered that is not admitted, or no longer, for `reason`, or whose server does not prove itself any longer. */
export function refusalOfLapse(reason: LapseReason | 'upstream-untrusted'): Refusal {
  return reason === 'policy-changed' ? 'denied' : reason;
}

export function statusOfRefusal(refusal: Refusal): RefusalStatus {
  return STATUS_OF_REFUSAL[refusal];
}

/** nginx's number for a request whose peer went away before it was answered; only ever logged. */
export const STATUS_PEER_ABORTED = 499;

const REFUSAL_OF_STATUS = new Map<number, Refusal>([
  [408, 'body-timeout'],
  [413, 'body-too-large'],
  [414, 'target-too-long'],
  [417, 'expectation-failed'],
  [431, 'head-too-large'],
  [500, 'internal-error'],
  [501, 'method-not-implemented'],
  [505, 'version-not-supported'],
]);

/** The refusal for a request the codec could not accept; anything unlisted is ambiguous. */
export function refusalOfCodecStatus(status: number): Refusal {
  return REFUSAL_OF_STATUS.get(status) ?? 'ambiguous-request';
}
