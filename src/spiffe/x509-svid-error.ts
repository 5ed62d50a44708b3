// Why a certificate chain is not an X.509-SVID this program trusts: the closed list of reasons.

import { SallyportError } from '../core/error.ts';

export type X509SvidErrorCode =
  /** The peer presented no certificate. */
  | 'empty-chain'
  /** More than 8 certificates were presented. */
  | 'chain-too-long'
  /** A presented certificate cannot be read as strict DER and RFC 5280; `cause` is the CertificateError. */
  | 'malformed-certificate'
  /** The leaf is itself an authority of a trust bundle (X509-SVID.md §3.2: signing certificates must not authenticate). */
  | 'leaf-is-authority'
  /** The leaf has basic constraints cA (§4.1, §5.2). */
  | 'leaf-is-ca'
  /** The leaf's key usage is absent, not critical, without digitalSignature, or with keyCertSign or cRLSign (§4.3, §5.2). */
  | 'leaf-key-usage'
  /** An extended key usage without both serverAuth and clientAuth, in the leaf or in a CA above it (§4.4). */
  | 'extended-key-usage'
  /** No URI among the leaf's subject alternative names (§2). */
  | 'no-spiffe-id'
  /** More than one URI among the leaf's subject alternative names, of whatever scheme (§2, §5.2). */
  | 'multiple-uri-names'
  /** The leaf's URI is not a SPIFFE ID; `cause` is the SpiffeIdError. */
  | 'invalid-spiffe-id'
  /** The leaf's SPIFFE ID has no path: it names a trust domain, not a workload (§3.1, §5.2). */
  | 'spiffe-id-without-path'
  /** The subject is empty and the subject alternative name is not critical (§3.1, RFC 5280 §4.2.1.6). */
  | 'subject-alt-name-not-critical'
  /** There is no trust bundle for the trust domain of the leaf's SPIFFE ID. */
  | 'unknown-trust-domain'
  /** The trust bundle of that trust domain has no authority: all its SVIDs are refused. */
  | 'empty-trust-bundle'
  /** The leaf's validity has ended. */
  | 'expired'
  /** The leaf's validity has not begun. */
  | 'not-yet-valid'
  /** The validity of an intermediate or authority has ended. */
  | 'authority-expired'
  /** The validity of an intermediate or authority has not begun. */
  | 'authority-not-yet-valid'
  /** An extension marked critical that this program does not evaluate. */
  | 'unknown-critical-extension'
  /** A key that is too weak, broken or of an unsupported kind. */
  | 'key-not-accepted'
  /** A signature algorithm that is too weak (SHA-1, MD5) or unsupported. */
  | 'signature-algorithm'
  /** A certificate names an issuer whose key did not make its signature. */
  | 'signature-invalid'
  /** An issuer without basic constraints cA. */
  | 'issuer-not-ca'
  /** An issuer whose key usage does not include keyCertSign, or an intermediate without key usage. */
  | 'issuer-key-usage'
  /** An issuer whose own SPIFFE ID is malformed or has a path (X509-SVID.md §3.2). */
  | 'issuer-spiffe-id'
  /** More CAs below an issuer than its path length allows. */
  | 'path-length'
  /** A name that an issuer's name constraints exclude or do not permit. */
  | 'name-constraints'
  /** A name constraint of a form this program does not evaluate, where it could apply. */
  | 'name-constraints-unsupported'
  /** No presented certificate and no authority of the trust domain issued a certificate of the chain. */
  | 'unknown-authority'
  /** The presented certificates allow more paths than this program tries. */
  | 'too-many-paths';

export class X509SvidError extends SallyportError<X509SvidErrorCode> {}

/** One reason as a value, for rules that are asked in turn. */
export interface Refusal {
  readonly code: X509SvidErrorCode;
  readonly message: string;
  readonly cause?: unknown;
}

export function toX509SvidError({ code, message, cause }: Refusal): X509SvidError {
  return new X509SvidError(code, message, cause === undefined ? {} : { cause });
}
