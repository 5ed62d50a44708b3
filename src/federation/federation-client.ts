// The bundles of all foreign trust domains we federate with, each fetched, ordered and aged by itself and never merged.
// SPIFFE_Federation.md §4.2, §5, §6

import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { BundleRefresher, type FederationState, type RefresherPorts } from './bundle-refresher.ts';
import type { FederatedTrustDomain } from './relationship.ts';

export interface FederationClientOptions extends RefresherPorts {
  /** Each trust domain at most once. */
  readonly domains: readonly FederatedTrustDomain[];
}

export class FederationClient {
  readonly #refreshers: readonly BundleRefresher[];
  readonly #subscribers = new Set<(state: FederationState) => void>();
  #bundles: TrustBundles = new Map();

  /** @throws {FederationError} when a URL is not one of a bundle endpoint, or an initial bundle is of another trust domain. */
  constructor(options: FederationClientOptions) {
    this.#refreshers = options.domains.map(
      (domain) =>
        new BundleRefresher(domain, options, (state) => {
          this.#bundles = this.#collect();
          for (const subscriber of this.#subscribers) subscriber(state);
        }),
    );
    this.#bundles = this.#collect();
  }

  /** In the order of the configuration. */
  get states(): readonly FederationState[] {
    return this.#refreshers.map(({ state }) => state);
  }

  /**
   * In force now: without the domains of which nothing is known or what is known is too old, and with those that have revoked everything,
   * under an empty bundle. The same object for as long as it says the same.
   */
  get bundles(): TrustBundles {
    return this.#bundles;
  }

  /** Told of every attempt that ended, and of every bundle that has become too old; returns the way out. */
  subscribe(subscriber: (state: FederationState) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  }

  /** Fetches every bundle at once, and from then on when it is due. */
  start(): void {
    for (const refresher of this.#refreshers) refresher.start();
  }

  /** For when time has passed unnoticed: after a suspend, or when the wall clock has jumped. */
  refreshNow(): void {
    for (const refresher of this.#refreshers) refresher.refreshNow();
  }

  /** Nothing is fetched or told any more; the bundles stay as they are. */
  close(): void {
    for (const refresher of this.#refreshers) refresher.close();
  }

  #collect(): TrustBundles {
    const next = new Map<TrustDomain, TrustBundle>();
    for (const { trustDomain, bundle } of this.#refreshers) {
      if (bundle !== null) next.set(trustDomain, bundle);
    }
    return isSameTrust(next, this.#bundles) ? this.#bundles : next;
  }
}

function isSameTrust(next: TrustBundles, current: TrustBundles): boolean {
  if (current === undefined || next.size !== current.size) return false;
  return [...next].every(([trustDomain, bundle]) => current.get(trustDomain) === bundle);
}
