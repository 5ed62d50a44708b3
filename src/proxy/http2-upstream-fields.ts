// A request as the fields of a stream to an upstream of HTTP/2.

import { fieldsOf, pushFields } from '../http1/field-lines.ts';
import { type RawFields, withNeverIndexed } from '../http2/endpoint-ports.ts';
import { isGrpcContentType } from './grpc-status.ts';
import { WEBSOCKET_KEY } from './switching.ts';
import type { UpstreamRequest } from './upstream.ts';

/** Of a WebSocket over HTTP/2, which has no key: what it would be in HTTP/1.1 besides. */
export interface WebSocketRequest {
  readonly fields: RawFields;
  readonly key: string;
}

/** RFC 6455 §4.1: 16 octets. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

export function requestFields(request: UpstreamRequest, scheme: 'http' | 'https'): RawFields {
  const { method, target, authority, lines, body, expectsContinue, neverIndexed } = request;
  const fields = [':method', method, ':scheme', scheme, ':authority', authority, ':path', target];
  const passedOnAt = fields.length;
  pushFields(fields, lines);
  let isGrpc = false;
  for (let at = passedOnAt; at < fields.length; at += 2) {
    if (fields[at] === 'content-type') isGrpc = isGrpcContentType(fields[at + 1] ?? '');
  }
  if (body.kind === 'length') fields.push('content-length', String(body.bytes));
  if (expectsContinue) fields.push('expect', '100-continue');
  // PROTOCOL-HTTP2.md: servers tell by it that nothing on the way loses trailers.
  if (isGrpc) fields.push('te', 'trailers');
  return withNeverIndexed(fields, neverIndexed);
}

/** An extended CONNECT (RFC 8441 §4). @returns null for what asks for no WebSocket, or has none of the keys that one must have. */
export function webSocketRequest(request: UpstreamRequest, scheme: 'http' | 'https'): WebSocketRequest | null {
  const { method, target, authority, lines, body, upgrade, neverIndexed } = request;
  if (upgrade !== 'websocket' || method !== 'GET' || body.kind !== 'none') return null;
  const fields = [
    ':method',
    'CONNECT',
    ':protocol',
    upgrade,
    ':scheme',
    scheme,
    ':authority',
    authority,
    ':path',
    target,
  ];
  const keys: string[] = [];
  const passedOn = fieldsOf(lines);
  for (let at = 0; at < passedOn.length; at += 2) {
    const [name = '', value = ''] = [passedOn[at], passedOn[at + 1]];
    if (name === WEBSOCKET_KEY) keys.push(value);
    else fields.push(name, value);
  }
  const [key, ...others] = keys;
  return key !== undefined && others.length === 0 && KEY.test(key)
    ? { fields: withNeverIndexed(fields, neverIndexed), key }
    : null;
}
