// What must hold between the keys that say where the bundles of other trust domains come from.

import { quote } from '../core/quote.ts';
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { type Conflict, type Path, type RuleSource, showPath } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import type { ConfigDocument } from './config-schema.ts';
import type { FederatedDocument } from './config-trust-schema.ts';

type SoundDocument = Sound<ConfigDocument>;

const OWN_BUNDLES: Path = ['identity', 'files', 'trustBundles'];
const OTHER_BUNDLES: Path = ['trust', 'bundles'];
const FEDERATION: Path = ['trust', 'federation'];

export function* findTrustConflicts(document: SoundDocument, source: RuleSource): Iterable<Conflict> {
  yield* findRivalBundles(document, source);
  yield* findUnreachableEndpoints(document);
}

// Two bundles for one trust domain would have to be merged, or one of them would be ignored. SPIFFE_Federation.md §4.2
function* findRivalBundles({ trustDomain, identity, trust }: SoundDocument, source: RuleSource): Iterable<Conflict> {
  const places: readonly (readonly [Path, Iterable<TrustDomain>])[] = [
    [OWN_BUNDLES, identity?.files?.trustBundles?.keys() ?? []],
    [OTHER_BUNDLES, trust?.bundles?.keys() ?? []],
    [FEDERATION, trust?.federation?.keys() ?? []],
  ];
  const firstPath = new Map<TrustDomain, Path>();
  for (const [parent, names] of places) {
    for (const name of names) {
      const path = [...parent, name];
      const first = firstPath.get(name);
      if (name === trustDomain && parent !== OWN_BUNDLES) {
        const message = `${quote(name)} is our own trust domain, whose bundle comes with our identity; take it out`;
        yield { code: 'own-trust-domain', path, message };
      } else if (first !== undefined) {
        const message = `the bundle of ${quote(name)} already comes from ${describePlace(first, source)}; take it out of one of the two`;
        yield { code: 'rival-bundles', path, message };
      } else {
        firstPath.set(name, path);
      }
    }
  }
}

/** `trust.bundles` on line 7. */
function describePlace(path: Path, source: RuleSource): string {
  return `${quote(showPath(path.slice(0, -1)))} ${source.locate(path)}`;
}

// An endpoint of `https_spiffe` is authenticated by a bundle, which therefore cannot be the one it is the first to give.
// SPIFFE_Federation.md §5.2.2.2
function* findUnreachableEndpoints({ trustDomain, identity, trust }: SoundDocument): Iterable<Conflict> {
  const federation = trust?.federation;
  // Without one of these it is not known which bundles there are.
  if (trustDomain === undefined || identity === undefined || federation === undefined) return;
  if ('files' in identity && identity.files?.trustBundles === undefined) return;
  if (trust !== undefined && 'bundles' in trust && trust.bundles === undefined) return;
  const given = new Set([
    trustDomain,
    ...(identity.files?.trustBundles?.keys() ?? []),
    ...(trust?.bundles?.keys() ?? []),
  ]);
  const mayComeFromAgent = (name: TrustDomain): boolean => identity.files === undefined && !federation.has(name);
  const isReachable = (federated: SoundFederated): boolean => {
    if (federated === undefined || 'bundle' in federated || federated.profile !== 'https_spiffe') return true;
    const { endpointSpiffeId } = federated;
    if (endpointSpiffeId === undefined) return true;
    const authority = trustDomainOf(endpointSpiffeId);
    return given.has(authority) || mayComeFromAgent(authority);
  };
  let waiting = [...federation];
  for (;;) {
    const reachable = waiting.filter(([, federated]) => isReachable(federated));
    if (reachable.length === 0) break;
    for (const [name] of reachable) given.add(name);
    waiting = waiting.filter(([name]) => !given.has(name));
  }
  for (const [name, federated] of waiting) {
    if (federated?.profile !== 'https_spiffe' || federated.endpointSpiffeId === undefined) continue;
    const message = describeUnreachable(name, trustDomainOf(federated.endpointSpiffeId), federation);
    yield { code: 'missing-trust-bundle', path: [...FEDERATION, name, 'endpointSpiffeId'], message };
  }
}

type SoundFederated = Sound<FederatedDocument> | undefined;

function describeUnreachable(
  name: TrustDomain,
  authority: TrustDomain,
  federation: ReadonlyMap<TrustDomain, unknown>,
): string {
  if (authority === name) {
    return `this endpoint is authenticated by the bundle that it serves, so the first one must come from elsewhere; add \`bundle: FILE\``;
  }
  if (federation.has(authority)) {
    return `the bundle of ${quote(authority)}, by which this endpoint is authenticated, cannot be fetched before this one; give one of them a \`bundle: FILE\``;
  }
  return `there is no bundle for ${quote(authority)}, the trust domain of this endpoint; give its file in \`trust.bundles\`, or where to fetch it in \`trust.federation\``;
}
