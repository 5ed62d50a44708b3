// Sends a permitted request to the upstream: the head is built anew from parsed parts and proven identity.

import { encodeRequestHead } from '../http1/encode.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { AUTHORIZATION } from './bearer-token.ts';
import type { Permit } from './enforce.ts';
import type { IdentityFieldFilter } from './identity-fields.ts';
import { continueTrace } from './trace-context.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';

export interface ForwardedRequest {
  readonly head: RequestHead;
  readonly decisionId: string;
  /** Rendered by connectionFields(). */
  readonly connectionFields: readonly string[];
  readonly consumesAuthorization: boolean;
  readonly identityFields: IdentityFieldFilter;
}

/** @returns the `traceparent` the upstream was sent. */
export function forward(
  permit: Permit,
  request: ForwardedRequest,
  to: { readonly connection: UpstreamConnection; readonly user: UpstreamUser },
): string {
  const { head, decisionId } = request;
  const fields = ['host', head.authority];
  let traceparent: string | null = null;
  let traceparents = 0;
  let tracestate: string | null = null;
  for (let at = 0; at < head.fields.length; at += 2) {
    const name = head.fields[at] ?? '';
    const value = head.fields[at + 1] ?? '';
    if (name === 'traceparent') {
      traceparent = value;
      traceparents += 1;
    } else if (name === 'tracestate') {
      tracestate = tracestate === null ? value : `${tracestate},${value}`;
    } else if (name === AUTHORIZATION && request.consumesAuthorization) {
      // A token is good for whoever has it: it goes no further than to whom it was sent.
      continue;
    } else if (!request.identityFields.isStripped(name)) {
      fields.push(name, value);
    }
  }
  const trace = continueTrace(traceparents === 1 ? traceparent : null, decisionId);
  fields.push('traceparent', trace);
  // Trace Context §3.3.1.1: a tracestate without the traceparent it belongs to means nothing.
  if (tracestate !== null && trace === traceparent) fields.push('tracestate', tracestate);
  fields.push('x-forwarded-host', head.authority, 'x-sallyport-component', permit.component ?? 'unknown');
  fields.push('x-sallyport-decision-id', decisionId, 'via', '1.1 sallyport');
  for (const part of request.connectionFields) fields.push(part);
  if (head.expectsContinue) fields.push('expect', '100-continue');
  if (head.body.kind === 'length') fields.push('content-length', String(head.body.bytes));
  else if (head.body.kind === 'chunked') fields.push('transfer-encoding', 'chunked');
  const target = head.query === null ? head.path : `${head.path}?${head.query}`;
  to.connection.begin(to.user, {
    method: head.method,
    head: encodeRequestHead({ method: head.method, target, fields }),
    body: head.body,
  });
  return trace;
}
