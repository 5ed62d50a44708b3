// The trust bundles in force, put together from where they come from: each trust domain from one place, never merged.
// SPIFFE_Federation.md §4.2

import { SnapshotCell, type SnapshotView } from '../../core/snapshot.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../../spiffe/trust-bundle.ts';

/** `identity` gives ours, and those of others that the configuration does not say where to take from. */
export type TrustOrigin = 'identity' | 'bundle-file' | 'federation';

export class TrustComposition {
  readonly #cell = new SnapshotCell<TrustBundles>(new Map());
  readonly #claims: ReadonlyMap<TrustDomain, TrustOrigin>;
  readonly #given = new Map<TrustOrigin, TrustBundles>();

  /** `claims`: the trust domains that come from that origin alone, whoever else offers them. */
  constructor(claims: ReadonlyMap<TrustDomain, TrustOrigin>) {
    this.#claims = claims;
  }

  get view(): SnapshotView<TrustBundles> {
    return this.#cell;
  }

  originOf(trustDomain: TrustDomain): TrustOrigin {
    return this.#claims.get(trustDomain) ?? 'identity';
  }

  /** All that `origin` gives from now on. Nothing is swapped when that makes no difference: verifying everybody again has its price. */
  give(origin: TrustOrigin, bundles: TrustBundles): void {
    this.#given.set(origin, bundles);
    const composed = new Map<TrustDomain, TrustBundle>();
    for (const [from, given] of this.#given) {
      for (const [trustDomain, bundle] of given) {
        if (this.originOf(trustDomain) === from) composed.set(trustDomain, bundle);
      }
    }
    if (!areEqual(composed, this.#cell.current.value)) this.#cell.swap(composed);
  }
}

function areEqual(left: TrustBundles, right: TrustBundles): boolean {
  if (left.size !== right.size) return false;
  for (const [trustDomain, bundle] of left) {
    const other = right.get(trustDomain);
    if (other === undefined || !isSameBundle(bundle, other)) return false;
  }
  return true;
}

function isSameBundle(left: TrustBundle, right: TrustBundle): boolean {
  if (left === right) return true;
  if (left.authorities.length !== right.authorities.length) return false;
  if (left.jwtAuthorities.size !== right.jwtAuthorities.size) return false;
  if (left.authorities.some(({ sha256 }, at) => right.authorities[at]?.sha256 !== sha256)) return false;
  for (const [keyId, { publicKey }] of left.jwtAuthorities) {
    if (right.jwtAuthorities.get(keyId)?.publicKey.equals(publicKey) !== true) return false;
  }
  return true;
}
