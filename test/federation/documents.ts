// Bundle documents as partners publish them, written without the code that reads them.

import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type BundleDocument, parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';

export interface DocumentSpec {
  /** PEM, one certificate each. */
  readonly authorities?: readonly string[];
  readonly jwt?: Readonly<Record<string, KeyObject>>;
  /** As it stands in the JSON. */
  readonly sequence?: string | number;
  /** Seconds, as it stands in the JSON. */
  readonly refreshHint?: string | number;
}

export function documentText({ authorities = [], jwt = {}, sequence, refreshHint }: DocumentSpec): string {
  const x509 = authorities.map((pem) => ({
    ...createPublicKey(pem).export({ format: 'jwk' }),
    use: 'x509-svid',
    x5c: [new X509Certificate(pem).raw.toString('base64')],
  }));
  const jwts = Object.entries(jwt).map(([kid, key]) => ({ ...key.export({ format: 'jwk' }), use: 'jwt-svid', kid }));
  return [
    `{"keys":${JSON.stringify([...x509, ...jwts])}`,
    ...(sequence === undefined ? [] : [`"spiffe_sequence":${sequence}`]),
    ...(refreshHint === undefined ? [] : [`"spiffe_refresh_hint":${refreshHint}`]),
  ]
    .join(',')
    .concat('}');
}

export function documentOf(trustDomain: string, spec: DocumentSpec): BundleDocument {
  return parseBundleDocument(parseTrustDomain(trustDomain), Buffer.from(documentText(spec)), 'a test');
}
