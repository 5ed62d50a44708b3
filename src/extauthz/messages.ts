// The messages of Envoy's external authorization, as far as a decision reads or writes them.
// envoy/service/auth/v3/external_auth.proto, attribute_context.proto; envoy/config/core/v3/base.proto; google/rpc/status.proto

import {
  bytesField,
  messageCodec,
  messageField,
  numberField,
  repeatedMessage,
  repeatedString,
  stringField,
} from '../protobuf/protobuf-message.ts';

/** The `:path` of its one method. */
export const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check';

export interface CheckRequest {
  readonly attributes: Attributes | null;
}

interface Attributes {
  readonly source: Peer | null;
  readonly request: { readonly http: HttpAttributes | null } | null;
  readonly contextExtensions: readonly StringEntry[];
}

interface Peer {
  readonly principal: string;
  /** PEM, URL-encoded. */
  readonly certificate: string;
}

export interface HttpAttributes {
  readonly method: string;
  /** The fields with those of one name joined. */
  readonly headers: readonly StringEntry[];
  /** With its query. */
  readonly path: string;
  readonly host: string;
  /** Always empty. */
  readonly query: string;
  /** Always empty. */
  readonly fragment: string;
  /** In place of `headers`: the fields as they came. */
  readonly headerMap: { readonly headers: readonly HeaderValue[] } | null;
}

/** Of a map: its entries as they were sent, so that a key that occurs twice does not go unnoticed. */
export interface StringEntry {
  readonly key: string;
  readonly value: string;
}

export interface HeaderValue {
  readonly key: string;
  readonly value: string;
  readonly rawValue: Uint8Array;
}

export interface HeaderOption {
  readonly header: HeaderValue | null;
  readonly appendAction: number;
}

interface Status {
  /** Of gRPC; every other than 0 is a denial. */
  readonly code: number;
  readonly message: string;
}

interface DeniedHttpResponse {
  readonly status: { readonly code: number } | null;
  readonly headers: readonly HeaderOption[];
  readonly body: string;
}

interface OkHttpResponse {
  readonly headers: readonly HeaderOption[];
  readonly headersToRemove: readonly string[];
}

export interface CheckResponse {
  readonly status: Status | null;
  readonly denied: DeniedHttpResponse | null;
  readonly ok: OkHttpResponse | null;
}

/** HeaderValueOption.HeaderAppendAction: in place of every other field of the name. */
export const OVERWRITE_IF_EXISTS_OR_ADD = 2;

const stringEntry = messageCodec<StringEntry>('map entry', { key: stringField(1), value: stringField(2) });

const headerValue = messageCodec<HeaderValue>('HeaderValue', {
  key: stringField(1),
  value: stringField(2),
  rawValue: bytesField(3),
});

const headerOption = messageCodec<HeaderOption>('HeaderValueOption', {
  header: messageField(1, headerValue),
  appendAction: numberField(3),
});

const httpRequest = messageCodec<HttpAttributes>('HttpRequest', {
  method: stringField(2),
  headers: repeatedMessage(3, stringEntry),
  path: stringField(4),
  host: stringField(5),
  query: stringField(7),
  fragment: stringField(8),
  headerMap: messageField(
    13,
    messageCodec<{ readonly headers: readonly HeaderValue[] }>('HeaderMap', {
      headers: repeatedMessage(1, headerValue),
    }),
  ),
});

export const CHECK_REQUEST = messageCodec<CheckRequest>('CheckRequest', {
  attributes: messageField(
    1,
    messageCodec<Attributes>('AttributeContext', {
      source: messageField(1, messageCodec<Peer>('Peer', { principal: stringField(4), certificate: stringField(5) })),
      request: messageField(
        4,
        messageCodec<{ readonly http: HttpAttributes | null }>('Request', { http: messageField(2, httpRequest) }),
      ),
      contextExtensions: repeatedMessage(10, stringEntry),
    }),
  ),
});

export const CHECK_RESPONSE = messageCodec<CheckResponse>('CheckResponse', {
  status: messageField(1, messageCodec<Status>('Status', { code: numberField(1), message: stringField(2) })),
  denied: messageField(
    2,
    messageCodec<DeniedHttpResponse>('DeniedHttpResponse', {
      status: messageField(1, messageCodec<{ readonly code: number }>('HttpStatus', { code: numberField(1) })),
      headers: repeatedMessage(2, headerOption),
      body: stringField(3),
    }),
  ),
  ok: messageField(
    3,
    messageCodec<OkHttpResponse>('OkHttpResponse', {
      headers: repeatedMessage(2, headerOption),
      headersToRemove: repeatedString(5),
    }),
  ),
});
