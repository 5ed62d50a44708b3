// What the operator says of a foreign trust domain and where its bundle is: all of it explicit, nothing inferred.
// SPIFFE_Federation.md §5.1, §7.2

import type { BundleDocument } from '../spiffe/bundle-document.ts';
import { type SpiffeId, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import type { EndpointAuthentication } from './endpoint-connection.ts';
import { FederationError } from './federation-error.ts';

export interface FederatedTrustDomain {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly profile: /** `ca`: PEM, in place of the system's roots. */
    | { readonly kind: 'https_web'; readonly ca: Uint8Array | null }
    | { readonly kind: 'https_spiffe'; readonly endpointId: SpiffeId };
  /** In force until the first fetch, and what a self-serving endpoint is authenticated with then. */
  readonly initial: BundleDocument | null;
  /** How old a bundle may become before it is not used any more; null for any age. */
  readonly maxAgeMs: number | null;
}

/**
 * How the endpoint proves who it is, by what is known at this moment. An endpoint that serves its own trust domain's bundle is
 * authenticated by the latest of them, also when that is past its maximum age: how else would there be a newer one?
 * @throws {FederationError}
 */
export function endpointAuthentication(
  { trustDomain, profile }: Pick<FederatedTrustDomain, 'trustDomain' | 'profile'>,
  known: { readonly latest: TrustBundle | null; readonly trust: TrustBundles },
): EndpointAuthentication {
  if (profile.kind === 'https_web') return profile;
  const { endpointId } = profile;
  const endpointDomain = trustDomainOf(endpointId);
  const isSelfServing = endpointDomain === trustDomain;
  const bundle = (isSelfServing ? known.latest : null) ?? known.trust.get(endpointDomain);
  if (bundle === undefined) {
    const message = `there is no trust bundle of \`${endpointDomain}\` yet to authenticate \`${endpointId}\` with`;
    throw new FederationError('no-endpoint-bundle', message);
  }
  if (bundle.authorities.length === 0) {
    const message = `\`${endpointDomain}\` has revoked all its authorities, so that \`${endpointId}\` cannot be authenticated; it takes a new initial bundle`;
    throw new FederationError('no-endpoint-bundle', message);
  }
  return { kind: 'https_spiffe', endpointId, bundle };
}
