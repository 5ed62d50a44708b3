// A trust bundle from a file of either kind: PEM certificates, or a SPIFFE bundle document.

import { type BundleDocument, parseBundleDocument } from './bundle-document.ts';
import type { TrustDomain } from './spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundle } from './trust-bundle.ts';

const OPENING_BRACE = 0x7b;
const JSON_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * A file whose first character beside white space is `{` is a bundle document, any other is PEM, which has no sequence. `file` is used in
 * messages only.
 * @throws {BundleDocumentError | TrustBundleError | PemError} whose message begins with `file`
 */
export function parseBundleFile(trustDomain: TrustDomain, source: Uint8Array, file: string): BundleDocument {
  const first = source.find((byte) => !JSON_SPACE.has(byte));
  if (first === OPENING_BRACE) return parseBundleDocument(trustDomain, source, file);
  return { bundle: parseTrustBundlePem(trustDomain, source, file), sequence: null, refreshHintMs: null };
}

/** @throws what `parseBundleFile` does */
export function parseTrustBundleFile(trustDomain: TrustDomain, source: Uint8Array, file: string): TrustBundle {
  return parseBundleFile(trustDomain, source, file).bundle;
}
