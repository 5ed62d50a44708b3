// One thing that is trusted no more: what it is, why, since when, and until when somebody has to remember it.

import type { IdPattern } from '../spiffe/id-pattern.ts';

export type RevocationTarget =
  /** Every X.509-SVID and JWT-SVID whose ID matches. */
  | { readonly kind: 'id'; readonly pattern: IdPattern }
  /**
   * One certificate. `issuer` is the SHA-256 of the SubjectPublicKeyInfo of the CA that signed it, in lower-case hex: several CAs may share a
   * name, and one CA may have several certificates, of which the revoked peer would choose which to present; its key is the same in all of them.
   */
  | {
      readonly kind: 'certificate';
      readonly issuer: string /** As `Certificate.serialNumber`. */;
      readonly serialNumber: string;
    }
  /** Every certificate with this key, and every certificate and JWT-SVID that this key signed. SHA-256 of the SubjectPublicKeyInfo in lower-case hex. */
  | { readonly kind: 'key'; readonly spkiSha256: string }
  /** One JWT-SVID, by its `jti`. */
  | { readonly kind: 'token'; readonly tokenId: string };

export interface Revocation {
  readonly target: RevocationTarget;
  readonly reason: string;
  /** When it was revoked, for people: it counts from when it is listed, whatever this says. */
  readonly atMs: number;
  /** From this instant on it does not count any more; null: it always does. */
  readonly expiresMs: number | null;
}

/**
 * The one spelling of what is revoked, equal for equal targets however they were written: `id:spiffe://…`, `certificate:<issuer>:<serial>`,
 * `spki:<sha256>`, `jti:<jti>`.
 */
export function revocationKey(target: RevocationTarget): string {
  switch (target.kind) {
    case 'id':
      return `id:${formatIdPattern(target.pattern)}`;
    case 'certificate':
      return `certificate:${target.issuer}:${target.serialNumber}`;
    case 'key':
      return `spki:${target.spkiSha256}`;
    case 'token':
      return `jti:${target.tokenId}`;
  }
}

/** With its trust domain, also where the pattern was written without. */
export function formatIdPattern({ trustDomain, segments, rest }: IdPattern): string {
  return `spiffe://${[trustDomain, ...segments.map((segment) => segment ?? '*'), ...(rest ? ['**'] : [])].join('/')}`;
}
