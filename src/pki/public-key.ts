// The key inside a certificate: which kind, how large, and whether it is strong enough to prove anything.

export type PublicKeyAlgorithm =
  | { readonly kind: 'ec'; readonly curve: 'P-256' | 'P-384' | 'P-521' }
  | { readonly kind: 'rsa' | 'rsa-pss'; readonly modulusBits: number; readonly exponent: number }
  | { readonly kind: 'ed25519' }
  /** Readable as SubjectPublicKeyInfo, of a kind this program does not verify with; `oid` names it. */
  | { readonly kind: 'unsupported'; readonly oid: string };

export interface SubjectPublicKey {
  /** The whole SubjectPublicKeyInfo. */
  readonly der: Buffer;
  readonly algorithm: PublicKeyAlgorithm;
}
