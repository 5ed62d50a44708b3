// Sends a permitted request to the upstream: the head is built anew from parsed parts and proven identity.

import { addField, addParsedField, type FieldLines, joinLines, NO_LINES } from '../http1/field-lines.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { AUTHORIZATION } from './bearer-token.ts';
import type { Permit } from './enforce.ts';
import type { IdentityFieldFilter } from './identity-fields.ts';
import { WEBSOCKET_KEY } from './switching.ts';
import { continueTrace, TRACEPARENT, TRACESTATE } from './trace-context.ts';
import type { UpstreamStream, UpstreamUser } from './upstream.ts';

export interface ForwardedRequest {
  readonly head: RequestHead;
  /** The fields of `head` that identityFields forwards. */
  readonly lines: FieldLines;
  readonly decisionId: string;
  /** Of connectionFields(), encoded once a connection. */
  readonly connectionLines: FieldLines;
  readonly consumesAuthorization: boolean;
  /** Where it is not the peer's. */
  readonly webSocketKey: string | null;
  readonly identityFields: IdentityFieldFilter;
  /** Our own service has only our word for who asks; whoever is outside has our certificate. */
  readonly towards: 'service' | 'outside';
}

/** @returns the `traceparent` the upstream was sent. */
export function forward(
  permit: Permit,
  request: ForwardedRequest,
  to: { readonly stream: UpstreamStream; readonly user: UpstreamUser },
): string {
  const { head, decisionId } = request;
  let lines = endToEndLines(request);
  let traceparent: string | null = null;
  let traceparents = 0;
  let tracestate: string | null = null;
  for (let at = 0; at < head.fields.length; at += 2) {
    const name = head.fields[at] ?? '';
    const value = head.fields[at + 1] ?? '';
    if (name === TRACEPARENT) {
      traceparent = value;
      traceparents += 1;
    } else if (name === TRACESTATE) {
      tracestate = tracestate === null ? value : `${tracestate},${value}`;
    }
  }
  const trace = continueTrace(traceparents === 1 ? traceparent : null, decisionId);
  lines = addField(lines, TRACEPARENT, trace);
  // Trace Context §3.3.1.1: a tracestate without the traceparent it belongs to means nothing.
  if (tracestate !== null && trace === traceparent) lines = addField(lines, TRACESTATE, tracestate);
  if (request.towards === 'service') {
    const { forwardedHost, component } = request.identityFields;
    lines = joinLines(lines, forwardedHost.line(head.authority));
    lines = joinLines(lines, component.line(permit.component ?? 'unknown'));
  }
  lines = addField(lines, 'x-sallyport-decision-id', decisionId);
  if (request.webSocketKey !== null) lines = addField(lines, WEBSOCKET_KEY, request.webSocketKey);
  lines = joinLines(lines, request.connectionLines);
  const target = head.query === null ? head.path : `${head.path}?${head.query}`;
  const { method, authority, body, expectsContinue, upgrade, neverIndexed } = head;
  to.stream.begin(to.user, { method, target, authority, lines, body, expectsContinue, upgrade, neverIndexed });
  return trace;
}

/** A token is good for whoever has it: it goes no further than to whom it was sent. */
function endToEndLines({ head, lines, consumesAuthorization, identityFields }: ForwardedRequest): FieldLines {
  if (!consumesAuthorization) return lines;
  let others = NO_LINES;
  for (let at = 0; at < head.fields.length; at += 2) {
    const name = head.fields[at] ?? '';
    if (name !== AUTHORIZATION && identityFields.isForwarded(name)) others = addParsedField(others, head.fields, at);
  }
  return others;
}
