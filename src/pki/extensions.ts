// The extensions of a certificate that decide about it; the rest are listed with their criticality.
// RFC 5280 §4.2

import type { GeneralName } from './general-name.ts';

export type KeyUsageBit =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/** Each is null when the certificate does not have it. */
export interface CertificateExtensions {
  readonly subjectAltName: { readonly critical: boolean; readonly names: readonly GeneralName[] } | null;
  readonly keyUsage: { readonly critical: boolean; readonly bits: ReadonlySet<KeyUsageBit> } | null;
  /** Purposes as dotted object identifiers. */
  readonly extendedKeyUsage: { readonly critical: boolean; readonly purposes: readonly string[] } | null;
  readonly basicConstraints: {
    readonly critical: boolean;
    readonly isCa: boolean;
    readonly maxPathLength: number | null;
  } | null;
  readonly nameConstraints: {
    readonly critical: boolean;
    readonly permitted: readonly GeneralName[];
    readonly excluded: readonly GeneralName[];
  } | null;
  readonly subjectKeyIdentifier: Buffer | null;
  readonly authorityKeyIdentifier: {
    readonly keyIdentifier: Buffer | null;
    readonly issuer: readonly GeneralName[] | null;
    readonly serialNumber: string | null;
  } | null;
  /** All others, in their order. */
  readonly unknown: readonly { readonly oid: string; readonly critical: boolean }[];
}
