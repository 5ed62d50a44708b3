// Where a cluster is, how it proves itself, and with what we prove ourselves to it.

import type { ExecConfig } from './exec-config.ts';

export interface ClusterTarget {
  /** For people: "context `prod` of /home/…/config". */
  readonly name: string;
  /** Its path is in front of that of every request. */
  readonly server: URL;
  readonly serverProof: ServerProof;
  readonly identity: ClientIdentitySource;
  readonly bearer: BearerSource;
  readonly impersonation: Impersonation | null;
  /** Of the context; what `--namespace` is when nobody says. */
  readonly namespace: string | null;
  /** What whoever reads the report should know. */
  readonly cautions: readonly string[];
}

export type ServerProof =
  /** PEM; null for the authorities of the system. Null for the name in the URL. */
  | { readonly kind: 'verified'; readonly authorities: string | null; readonly serverName: string | null }
  /** Only where somebody has said that this is meant. */
  | { readonly kind: 'none'; readonly serverName: string | null };

export interface ClientIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export type ClientIdentitySource =
  | { readonly kind: 'none' }
  | { readonly kind: 'fixed'; readonly identity: ClientIdentity }
  /** Read again from time to time: they are rotated. */
  | { readonly kind: 'files'; readonly certificate: MaterialSource; readonly privateKey: MaterialSource };

export type MaterialSource =
  | { readonly kind: 'data'; readonly pem: string }
  | { readonly kind: 'file'; readonly path: string };

export type BearerSource =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'token-file'; readonly path: string }
  | { readonly kind: 'exec'; readonly exec: ExecConfig };

/** https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation */
export interface Impersonation {
  readonly user: string;
  readonly uid: string | null;
  readonly groups: readonly string[];
  readonly extra: readonly (readonly [key: string, values: readonly string[]])[];
}
