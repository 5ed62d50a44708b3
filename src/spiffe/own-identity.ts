// Our own X.509-SVID and key, from the bytes of two PEM files: checked before anything is served with them.

import { SallyportError } from '../core/error.ts';
import type { SpiffeId, TrustDomain } from './spiffe-id.ts';

/** The subject organization of everything the development CA issues. */
export const DEVELOPMENT_ORGANIZATION = 'Sallyport development CA - not for production';

export interface OwnIdentity {
  readonly svid: {
    readonly id: SpiffeId;
    readonly trustDomain: TrustDomain;
    /** Of the leaf, in lower-case hex. */
    readonly leafSha256: string;
    /** The latest notBefore and the earliest notAfter of the chain in the file. */
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
  };
  /** The certificates of the file alone, leaf first, as PEM. */
  readonly certificatePem: string;
  /** Unencrypted PKCS #8. */
  readonly privateKeyPem: string;
  /** True when any certificate of the chain is of the development CA. */
  readonly isDevelopment: boolean;
}

export interface OwnIdentitySource {
  readonly certificate: Uint8Array;
  readonly certificateFile: string;
  readonly privateKey: Uint8Array;
  readonly privateKeyFile: string;
}

export type OwnIdentityErrorCode =
  /** The certificate file has no certificate, or a block that is not one. */
  | 'identity-certificate'
  /** The leaf breaks a rule of X509-SVID.md; `cause` is the X509SvidError. */
  | 'identity-not-svid'
  /** The leaf's SPIFFE ID is of another trust domain than the configured one. */
  | 'identity-trust-domain'
  /** The certificates after the leaf are not its issuers in order. */
  | 'identity-chain'
  /** The key file has no private key, several, or one that cannot be read. */
  | 'identity-private-key'
  /** The private key is not that of the leaf. */
  | 'identity-key-mismatch';

export class OwnIdentityError extends SallyportError<OwnIdentityErrorCode> {}

/**
 * Does not look at the clock: an identity that has expired, or is not valid yet, is for the caller to judge.
 * @throws {OwnIdentityError | PemError}
 */
export function parseOwnIdentity(_source: OwnIdentitySource, _trustDomain: TrustDomain): OwnIdentity {
  throw new Error('not built yet');
}
