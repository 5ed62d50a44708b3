// Where the configuration file names other files: the place to look when one of them is not what it should be.

import type { SourcePosition } from '../core/source-position.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { positionAt, type YamlNode } from '../yaml/located.ts';

export interface ConfigPositions {
  readonly certificate: SourcePosition;
  readonly privateKey: SourcePosition;
  /** Of the whole mapping. */
  readonly trustBundles: SourcePosition;
  readonly trustBundleOf: ReadonlyMap<TrustDomain, SourcePosition>;
  readonly policy: SourcePosition;
}

export function findPositions(root: YamlNode, trustDomains: Iterable<TrustDomain>): ConfigPositions {
  const at = (...steps: readonly string[]): SourcePosition => positionAt(root, steps);
  return {
    certificate: at('identity', 'files', 'certificate'),
    privateKey: at('identity', 'files', 'privateKey'),
    trustBundles: at('identity', 'files', 'trustBundles'),
    trustBundleOf: new Map(
      Array.from(trustDomains, (name) => [name, at('identity', 'files', 'trustBundles', name)] as const),
    ),
    policy: at('policy', 'path'),
  };
}
