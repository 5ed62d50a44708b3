// Why a token is not a JWT-SVID this program trusts: the closed list of reasons.

import { SallyportError } from '../core/error.ts';

export type JwtSvidErrorCode =
  /** Over 16 KiB. */
  | 'token-too-large'
  /** Not three parts between two dots: another serialization, an encrypted token, or none (JWT-SVID.md §5.1). */
  | 'not-compact'
  /** A part that is not canonical base64url: padding, white space, spare bits (RFC 7515 §2). */
  | 'not-base64url'
  /** A header that is not a JSON object, has a name twice, or a value of the wrong type. */
  | 'malformed-header'
  /** A header parameter other than `alg`, `kid` and `typ` (§2). */
  | 'unexpected-header'
  /** `alg` is missing or not one of the nine that count (§2.1). */
  | 'algorithm'
  /** `typ` is neither `JWT` nor `JOSE` (§2.3). */
  | 'token-type'
  /** No `kid`: nothing says which key to try. */
  | 'no-key-id'
  /** Claims that are not a JSON object, have a name twice, or a registered claim of the wrong type. */
  | 'malformed-claims'
  /** `sub` is missing, not a SPIFFE ID, or has no path (§3.1). */
  | 'subject'
  /** There is no trust bundle for the trust domain of `sub`. */
  | 'unknown-trust-domain'
  /** That bundle has no JWT authority with this `kid`. */
  | 'unknown-key'
  /** The key of that `kid` is of another type or curve than `alg` needs, or too weak. */
  | 'key-mismatch'
  /** The key did not make the signature. */
  | 'signature-invalid'
  /** `aud` is missing, empty, or not strings (§3.2). */
  | 'audience-missing'
  /** `aud` has more elements than are accepted here: each of them could replay the token (§7.2). */
  | 'too-many-audiences'
  /** No element of `aud` is ours. */
  | 'wrong-audience'
  /** `exp` is missing, or one of `exp`, `nbf`, `iat` is not a plain decimal number of seconds before the year 10000. */
  | 'time-claim'
  /** `exp` is reached (§3.3). */
  | 'expired'
  /** `nbf` is not reached. */
  | 'not-yet-valid'
  /** `iat` is in the future. */
  | 'issued-in-future';

/** The message never holds the token or its signature. */
export class JwtSvidError extends SallyportError<JwtSvidErrorCode> {}
