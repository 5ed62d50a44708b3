// What the peer is told when the proxy answers by itself: the status, an opaque id, and nothing that helps an attacker.
// application/problem+json, RFC 9457

import { STATUS_CODES } from 'node:http';
import { encodeResponseHead } from '../http1/encode.ts';
import { encodeFields } from '../http1/field-lines.ts';
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
  const status = statusOfRefusal(message.refusal);
  const title = STATUS_CODES[status] ?? 'Error';
  const body = `${JSON.stringify({ type: 'about:blank', title, status, decisionId: message.decisionId })}\n`;
  const fields = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(body.length),
    'x-sallyport-decision-id',
    message.decisionId,
    'cache-control',
    'no-store',
  ];
  // RFC 9110 §15.5.2 demands one.
  if (status === 401) fields.push('www-authenticate', challengeOf(message.refusal));
  if (status === 503) fields.push('retry-after', RETRY_AFTER_SECONDS);
  if (!message.keepAlive) fields.push('connection', 'close');
  const head = encodeResponseHead({ status, reason: title, lines: encodeFields(fields) });
  return message.method === 'HEAD' ? head : head + body;
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
