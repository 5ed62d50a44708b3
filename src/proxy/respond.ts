// What the peer is told when the proxy answers by itself: the status, an opaque id, and nothing that helps an attacker.
// application/problem+json, RFC 9457

import { STATUS_CODES } from 'node:http';
import { encodeResponseHead } from '../http1/encode.ts';
import { encodeFields } from '../http1/field-lines.ts';
import { grpcStatusOfRefusal } from './grpc-status.ts';
import { type Refusal, statusOfRefusal } from './refusal.ts';

const RETRY_AFTER_SECONDS = '1';

export interface RefusalMessage {
  readonly refusal: Refusal;
  readonly decisionId: string;
  readonly method: string;
  readonly keepAlive: boolean;
}

/** The complete response as latin1 text. */
export function encodeRefusal(message: RefusalMessage): string {
  const { status, title, fields, body } = describeRefusal(message);
  const ofConnection = message.keepAlive ? [] : ['connection', 'close'];
  const lines = encodeFields([...fields, 'content-length', String(body.length), ...ofConnection]);
  const head = encodeResponseHead({ status, reason: title, lines });
  return message.method === 'HEAD' ? head : head + body;
}

export interface DescribedRefusal {
  readonly status: number;
  readonly title: string;
  /** Flat name and value; without those that concern the connection or the length. */
  readonly fields: readonly string[];
  /** ASCII. */
  readonly body: string;
}

/** The answer, whatever protocol carries it. */
export function describeRefusal({
  refusal,
  decisionId,
}: Pick<RefusalMessage, 'refusal' | 'decisionId'>): DescribedRefusal {
  const status = statusOfRefusal(refusal);
  const title = STATUS_CODES[status] ?? 'Error';
  const fields = [
    'content-type',
    'application/problem+json',
    'x-sallyport-decision-id',
    decisionId,
    'cache-control',
    'no-store',
  ];
  // RFC 9110 §15.5.2 demands one.
  if (status === 401) fields.push('www-authenticate', challengeOf(refusal));
  if (status === 503) fields.push('retry-after', RETRY_AFTER_SECONDS);
  return { status, title, fields, body: `${JSON.stringify({ type: 'about:blank', title, status, decisionId })}\n` };
}

/**
 * The answer to a gRPC call, as the fields of a response that ends with its head (PROTOCOL-HTTP2.md, Trailers-Only): flat name and value.
 * A title is ASCII without `%`, and so its own percent-encoding.
 */
export function describeGrpcRefusal({
  refusal,
  decisionId,
}: Pick<RefusalMessage, 'refusal' | 'decisionId'>): readonly string[] {
  const title = STATUS_CODES[statusOfRefusal(refusal)] ?? 'Error';
  return [
    'content-type',
    'application/grpc',
    'grpc-status',
    String(grpcStatusOfRefusal(refusal)),
    'grpc-message',
    `${title} (decision ${decisionId})`,
    'x-sallyport-decision-id',
    decisionId,
  ];
}

/** RFC 6750 §3: no error code for a request without authentication information. */
const BEARER_CHALLENGES: Readonly<Partial<Record<Refusal, string>>> = {
  'no-token': 'Bearer',
  'invalid-token': 'Bearer error="invalid_token"',
  'foreign-token': 'Bearer error="invalid_token"',
  'token-expired': 'Bearer error="invalid_token"',
};

/** There is no registered scheme for a client certificate. */
function challengeOf(refusal: Refusal): string {
  return BEARER_CHALLENGES[refusal] ?? 'mTLS';
}
