// Which signature algorithms count as proof, and how OpenSSL is to be called for each.

export type SignatureAlgorithm =
  | { readonly kind: 'rsa-pkcs1' | 'ecdsa'; readonly hash: SignatureHash }
  | { readonly kind: 'rsa-pss'; readonly hash: SignatureHash; readonly saltBytes: number }
  | { readonly kind: 'ed25519' }
  /** Known to be forgeable (MD5, SHA-1) or unknown to us: never proof of anything. */
  | { readonly kind: 'refused'; readonly name: string };

export type SignatureHash = 'sha256' | 'sha384' | 'sha512';
