// What a bundle is trusted for, apart from the order and the document it came in.

import type { TrustBundle } from '../spiffe/trust-bundle.ts';

/** One entry for each authority; equal sets trust the same. */
export function contentOf({ authorities, jwtAuthorities }: TrustBundle): ReadonlySet<string> {
  const x509 = authorities.map(({ sha256 }) => `x509 ${sha256}`);
  const jwt = [...jwtAuthorities.values()].map(
    ({ keyId, publicKey }) => `jwt ${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')} ${keyId}`,
  );
  return new Set([...x509, ...jwt]);
}

export function isSameContent(left: ReadonlySet<string>, right: ReadonlySet<string>): boolean {
  return left.size === right.size && isWithin(left, right);
}

/** Trusts nothing that `right` does not. */
export function isWithin(left: ReadonlySet<string>, right: ReadonlySet<string>): boolean {
  return [...left].every((entry) => right.has(entry));
}
