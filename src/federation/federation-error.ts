// Why a bundle was not fetched, or was fetched and is not used: one closed list.
// SPIFFE_Federation.md §4, §5

import { SallyportError } from '../core/error.ts';

export type FederationErrorCode =
  /** Not a URL that a bundle endpoint may have (§5.2.1.1, §5.2.2.1). */
  | 'endpoint-url'
  /** No connection, or it broke; `cause` is the system's error. */
  | 'unreachable'
  /** The whole attempt, redirects included, took too long. */
  | 'timeout'
  /** The server's certificate does not prove what its profile asks for (§5.2.1.4, §5.2.2.4). */
  | 'untrusted-endpoint'
  /** `https_spiffe`: there is no bundle, or an empty one, for the trust domain of the endpoint's own SPIFFE ID (§5.2.2.2). */
  | 'no-endpoint-bundle'
  /** A redirect that is malformed, one too many, or leads where none may (§5.2.1.4, §7.5.1). */
  | 'redirect'
  /** Neither 200 nor a redirect. */
  | 'status'
  /** A compressed body: what it would grow to is not known before. */
  | 'encoded-body'
  /** A body over 4 MiB. */
  | 'too-large'
  /** An authority that says it is of another trust domain (X509-SVID.md §3.2). */
  | 'foreign-authority'
  /** A lower sequence number than one seen before. */
  | 'rollback'
  /** The sequence number in force again, with more in it than before (Trust Domain and Bundle §4.1.1). */
  | 'sequence-reused'
  /** The certificate and key of an `https_web` endpoint cannot be served. */
  | 'web-credential';

export class FederationError extends SallyportError<FederationErrorCode> {}
