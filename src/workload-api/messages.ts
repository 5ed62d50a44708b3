// The messages of the SPIFFE Workload API that we send and receive, in both directions, and the paths of its methods.
// SPIFFE_Workload_API.md §5.1, §6.1

import {
  bytesField,
  type Codec,
  mapField,
  messageCodec,
  repeatedBytes,
  repeatedMessage,
  repeatedString,
  stringField,
} from '../protobuf/protobuf-message.ts';

export interface Method<Request, Response> {
  /** The `:path` of its requests. */
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

/** X509SVIDRequest, X509BundlesRequest and JWTBundlesRequest have no fields. */
export type EmptyRequest = Readonly<Record<string, never>>;

/** X509SVID; all but `hint` are mandatory. */
export interface X509SvidMessage {
  readonly spiffeId: string;
  /** DER certificates one after the other, leaf first. */
  readonly chain: Uint8Array;
  /** PKCS #8 DER, unencrypted. */
  readonly privateKey: Uint8Array;
  /** DER certificates one after the other, of the SVID's own trust domain. */
  readonly bundle: Uint8Array;
  readonly hint: string;
}

export interface X509SvidResponse {
  readonly svids: readonly X509SvidMessage[];
  /** DER each. */
  readonly crls: readonly Uint8Array[];
  /** By SPIFFE ID of the trust domain: DER certificates one after the other. */
  readonly federatedBundles: ReadonlyMap<string, Uint8Array>;
}

export interface X509BundlesResponse {
  /** DER each. */
  readonly crls: readonly Uint8Array[];
  /** By SPIFFE ID of the trust domain: DER certificates one after the other. */
  readonly bundles: ReadonlyMap<string, Uint8Array>;
}

export interface JwtSvidRequest {
  readonly audiences: readonly string[];
  /** Empty for every identity that the caller is entitled to. */
  readonly spiffeId: string;
}

/** JWTSVID; all but `hint` are mandatory. */
export interface JwtSvidMessage {
  readonly spiffeId: string;
  /** In JWS compact serialization. */
  readonly svid: string;
  readonly hint: string;
}

export interface JwtSvidResponse {
  readonly svids: readonly JwtSvidMessage[];
}

export interface JwtBundlesResponse {
  /** By SPIFFE ID of the trust domain: JWK Sets. */
  readonly bundles: ReadonlyMap<string, Uint8Array>;
}

const emptyRequest = messageCodec<EmptyRequest>('request', {});

const x509SvidMessage = messageCodec<X509SvidMessage>('X509SVID', {
  spiffeId: stringField(1),
  chain: bytesField(2),
  privateKey: bytesField(3),
  bundle: bytesField(4),
  hint: stringField(5),
});

const jwtSvidMessage = messageCodec<JwtSvidMessage>('JWTSVID', {
  spiffeId: stringField(1),
  svid: stringField(2),
  hint: stringField(3),
});

// The package of workloadapi.proto is empty, so the service's name stands alone.
const SERVICE = '/SpiffeWorkloadAPI';

/** Answers with a stream. */
export const FETCH_X509_SVID: Method<EmptyRequest, X509SvidResponse> = {
  path: `${SERVICE}/FetchX509SVID`,
  request: emptyRequest,
  response: messageCodec('X509SVIDResponse', {
    svids: repeatedMessage(1, x509SvidMessage),
    crls: repeatedBytes(2),
    federatedBundles: mapField(3),
  }),
};

/** Answers with a stream. */
export const FETCH_X509_BUNDLES: Method<EmptyRequest, X509BundlesResponse> = {
  path: `${SERVICE}/FetchX509Bundles`,
  request: emptyRequest,
  response: messageCodec('X509BundlesResponse', { crls: repeatedBytes(1), bundles: mapField(2) }),
};

/** Answers once. */
export const FETCH_JWT_SVID: Method<JwtSvidRequest, JwtSvidResponse> = {
  path: `${SERVICE}/FetchJWTSVID`,
  request: messageCodec('JWTSVIDRequest', { audiences: repeatedString(1), spiffeId: stringField(2) }),
  response: messageCodec('JWTSVIDResponse', { svids: repeatedMessage(1, jwtSvidMessage) }),
};

/** Answers with a stream. */
export const FETCH_JWT_BUNDLES: Method<EmptyRequest, JwtBundlesResponse> = {
  path: `${SERVICE}/FetchJWTBundles`,
  request: emptyRequest,
  response: messageCodec('JWTBundlesResponse', { bundles: mapField(1) }),
};

/** Stands in the metadata of every request, against server-side request forgery. SPIFFE_Workload_Endpoint.md §3 */
export const SECURITY_HEADER = { name: 'workload.spiffe.io', value: 'true' } as const;
