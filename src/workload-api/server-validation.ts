// The one method of the Workload API that answers with claims: its messages, for agents only; we verify tokens ourselves.
// SPIFFE_Workload_API.md §6.1, §6.2.3

import type { Method } from './messages.ts';
import { bytesField, messageCodec, stringField } from '../protobuf/protobuf-message.ts';

export interface ValidateJwtSvidRequest {
  readonly audience: string;
  /** In JWS compact serialization. */
  readonly svid: string;
}

export interface ValidateJwtSvidResponse {
  readonly spiffeId: string;
  /** google.protobuf.Struct, encoded. */
  readonly claims: Uint8Array;
}

/** Answers once. */
export const VALIDATE_JWT_SVID: Method<ValidateJwtSvidRequest, ValidateJwtSvidResponse> = {
  path: '/SpiffeWorkloadAPI/ValidateJWTSVID',
  request: messageCodec('ValidateJWTSVIDRequest', { audience: stringField(1), svid: stringField(2) }),
  response: messageCodec('ValidateJWTSVIDResponse', { spiffeId: stringField(1), claims: bytesField(2) }),
};
