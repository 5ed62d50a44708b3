// A ruling as a CheckResponse: what is put in and taken out of the request, or what its peer is told.

import type { IdentityFieldFilter } from '../proxy/identity-fields.ts';
import { describeRefusal } from '../proxy/respond.ts';
import { TRACEPARENT, TRACESTATE } from '../proxy/trace-context.ts';
import { GRPC_STATUS, type GrpcStatus } from '../proxy/grpc-status.ts';
import type { Ruling } from './judge.ts';
import { CHECK_RESPONSE, type HeaderOption, OVERWRITE_IF_EXISTS_OR_ADD } from './messages.ts';
import { permittedFields } from './permitted-fields.ts';

/** Sanitised by Envoy itself before any filter sees them, and made anew by it: what is in them is Envoy's word. */
const OWNED_BY_ENVOY = new Set(['x-forwarded-client-cert', 'x-forwarded-for', 'x-forwarded-proto']);
const OWNED_PREFIX = 'x-envoy-';
/** Continued by Envoy, and nobody's identity. */
const OF_TRACE = new Set([TRACEPARENT, TRACESTATE]);
/** Of one hop, which is Envoy's, and the only such field that the filter takes out. */
const HTTP2_SETTINGS = 'http2-settings';

const STATUS_OF_HTTP: ReadonlyMap<number, GrpcStatus> = new Map([
  [400, GRPC_STATUS.invalidArgument],
  [401, GRPC_STATUS.unauthenticated],
  [403, GRPC_STATUS.permissionDenied],
  [404, GRPC_STATUS.notFound],
  [414, GRPC_STATUS.invalidArgument],
  [501, GRPC_STATUS.unimplemented],
  [503, GRPC_STATUS.unavailable],
  [504, GRPC_STATUS.deadlineExceeded],
]);

export interface AnsweredCheck {
  /** Of the request, in lower case. */
  readonly fieldNames: readonly string[];
  readonly identityFields: IdentityFieldFilter;
}

/** The encoded message. */
export function encodeCheckResponse(ruling: Ruling, { fieldNames, identityFields }: AnsweredCheck): Buffer {
  if (ruling.kind === 'permitted') {
    const set = permittedFields(ruling);
    const names = new Set(set.map(([name]) => name));
    // Envoy takes out after it has put in: what is overwritten must not be taken out.
    const headersToRemove = fieldNames.filter((name) => !names.has(name) && isRemoved(name, identityFields));
    const headers = set.map(([name, value]) => overwrite(name, value));
    return CHECK_RESPONSE.encode({ status: { code: 0, message: '' }, denied: null, ok: { headers, headersToRemove } });
  }
  const { status, title, fields, body } = describeRefusal(ruling);
  const headers: HeaderOption[] = [];
  for (let at = 0; at < fields.length; at += 2) headers.push(overwrite(fields[at] ?? '', fields[at + 1] ?? ''));
  const code = STATUS_OF_HTTP.get(status) ?? GRPC_STATUS.permissionDenied;
  return CHECK_RESPONSE.encode({
    status: { code, message: title },
    denied: { status: { code: status }, headers, body },
    ok: null,
  });
}

function isRemoved(name: string, { isForwarded }: IdentityFieldFilter): boolean {
  if (isForwarded(name) || OF_TRACE.has(name) || OWNED_BY_ENVOY.has(name) || name.startsWith(OWNED_PREFIX))
    return false;
  return name !== HTTP2_SETTINGS;
}

function overwrite(key: string, value: string): HeaderOption {
  return { header: { key, value, rawValue: new Uint8Array(0) }, appendAction: OVERWRITE_IF_EXISTS_OR_ADD };
}
