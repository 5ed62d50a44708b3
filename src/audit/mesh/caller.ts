// Who asks, as the mesh of the one who is asked sees it.

export type CallerIdentity =
  | { readonly kind: 'proven'; readonly namespace: string; readonly serviceAccount: string }
  /** Plaintext, or a certificate of nobody in the mesh. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Somebody in the mesh whom no policy can know by name: neither part of it is a name that Kubernetes takes. */
export const STRANGER: CallerIdentity = { kind: 'proven', namespace: '-', serviceAccount: '-' };
export const ANONYMOUS: CallerIdentity = { kind: 'none' };
