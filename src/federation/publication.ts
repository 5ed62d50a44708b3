// Our own bundle as partners get it, under a sequence number that only grows.
// SPIFFE_Trust_Domain_and_Bundle.md §4.1

import { formatBundleDocument, parseBundleDocument } from '../spiffe/bundle-document.ts';
import type { TrustBundle } from '../spiffe/trust-bundle.ts';
import { contentOf, isSameContent } from './bundle-content.ts';

export interface Publication {
  /** Of the bundle, whether or not a document can say all of it. */
  readonly content: ReadonlySet<string>;
  readonly sequence: bigint;
  /**
   * Null without any authority that a document can carry: `keys` that are empty would tell partners that all of ours are revoked, while
   * all that is known is that we know none.
   */
  readonly text: string | null;
}

/**
 * The sequence number is the second in which these contents were first seen, and at least one more than that of the contents before. So
 * it grows across restarts, and replicas that see a change at about the same time agree about the order of any two changes, without
 * keeping anything; what they need is a clock that is roughly right.
 */
export function publish(
  previous: Publication | null,
  bundle: TrustBundle,
  at: { readonly wallMs: number; readonly refreshHintMs: number },
): Publication {
  const content = contentOf(bundle);
  if (previous !== null && isSameContent(content, previous.content)) return previous;
  const second = BigInt(Math.floor(at.wallMs / 1000));
  const sequence = previous === null || second > previous.sequence ? second : previous.sequence + 1n;
  const text = formatBundleDocument({ bundle, sequence, refreshHintMs: at.refreshHintMs });
  return { content, sequence, text: hasAuthorities(bundle, text) ? text : null };
}

/** As a partner reads it, since JWK has no form for some keys. */
function hasAuthorities({ trustDomain }: TrustBundle, text: string): boolean {
  return parseBundleDocument(trustDomain, Buffer.from(text), 'our own bundle').bundle.authorities.length > 0;
}
