// What a development agent is told to hand out and to trust; refuses what clients could understand in two ways.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';

/** A workload identity that the agent gives to everybody who asks. */
export interface AgentEntry {
  /** No two entries have the same. */
  readonly id: SpiffeId;
  /** Empty: none. No two entries have the same. */
  readonly hint: string;
  /** Of its X.509-SVIDs and JWT-SVIDs. */
  readonly ttlMs: number;
  /** Host names in its X.509-SVIDs, for peers without SPIFFE. */
  readonly dnsNames: readonly string[];
}

export type DevelopmentAgentErrorCode =
  | 'duplicate-id'
  | 'duplicate-hint'
  /** A bundle that claims to be of our own trust domain, or two of the same. */
  | 'federated-trust-domain'
  /** The agent runs already, or has been closed. */
  | 'cannot-start';

export class DevelopmentAgentError extends SallyportError<DevelopmentAgentErrorCode> {}

/** @throws {DevelopmentAgentError} */
export function requireDistinct(entries: readonly AgentEntry[]): void {
  const ids = new Set<SpiffeId>();
  const hints = new Set<string>();
  for (const { id, hint } of entries) {
    if (ids.has(id)) throw new DevelopmentAgentError('duplicate-id', `two entries have the ID ${quote(id)}`);
    // SPIFFE_Workload_API.md §5.2.1: a server has to see to that.
    if (hints.has(hint)) throw new DevelopmentAgentError('duplicate-hint', `two entries have the hint ${quote(hint)}`);
    ids.add(id);
    if (hint !== '') hints.add(hint);
  }
}

/** @throws {DevelopmentAgentError} */
export function toFederated(bundles: readonly TrustBundle[], own: TrustDomain): TrustBundles {
  const federated = new Map<TrustDomain, TrustBundle>();
  for (const bundle of bundles) {
    const { trustDomain } = bundle;
    if (trustDomain === own || federated.has(trustDomain)) {
      const what = trustDomain === own ? 'is our own trust domain' : 'has two bundles';
      throw new DevelopmentAgentError(
        'federated-trust-domain',
        `${quote(trustDomain)} ${what}; bundles are never merged`,
      );
    }
    federated.set(trustDomain, bundle);
  }
  return federated;
}
