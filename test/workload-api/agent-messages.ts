// What an agent sends, made from real certificates.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { FETCH_JWT_BUNDLES, FETCH_X509_SVID, type X509SvidMessage } from '../../src/workload-api/messages.ts';
import { type CertificateSpec, issueSvid, selfSigned, type TestCertificate } from '../support/certificate-builder.ts';

export const root = selfSigned();
export const partnerRoot = selfSigned();

export const pkcs8 = ({ keys }: TestCertificate): Buffer => keys.privateKey.export({ type: 'pkcs8', format: 'der' });

/** One SVID of the root above, right in all it says unless `changes` says otherwise. */
export function svidMessage(
  id: string,
  changes: Partial<X509SvidMessage> = {},
  spec: CertificateSpec = {},
): X509SvidMessage {
  const leaf = issueSvid(root, id, spec);
  return { spiffeId: id, chain: leaf.der, privateKey: pkcs8(leaf), bundle: root.der, hint: '', ...changes };
}

/** An encoded X509SVIDResponse. */
export function x509Response(
  svids: readonly X509SvidMessage[],
  rest: { readonly crls?: readonly Uint8Array[]; readonly federated?: Readonly<Record<string, Uint8Array>> } = {},
): Buffer {
  const federatedBundles = new Map(Object.entries(rest.federated ?? {}));
  return FETCH_X509_SVID.response.encode({ svids, crls: rest.crls ?? [], federatedBundles });
}

/** An encoded JWTBundlesResponse. */
export function jwtResponse(bundles: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(bundles).map(([key, jwks]) => [key, Buffer.from(jwks)] as const);
  return FETCH_JWT_BUNDLES.response.encode({ bundles: new Map(entries) });
}

const jwtKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A JWK Set with one key for each key ID. */
export function jwks(...keyIds: readonly string[]): string {
  return JSON.stringify({ keys: keyIds.map((kid) => ({ ...jwkOf(jwtKeys.publicKey), use: 'jwt-svid', kid })) });
}

function jwkOf(publicKey: KeyObject): object {
  return publicKey.export({ format: 'jwk' });
}
