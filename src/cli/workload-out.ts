// What an agent handed out, as files: keys and tokens for this user only, everything else for everybody.

import { join } from 'node:path';
import { formatPem } from '../pki/pem.ts';
import { formatBundleDocument, parseJwtBundle } from '../spiffe/bundle-document.ts';
import { parseOwnIdentityDer } from '../spiffe/own-identity.ts';
import { parseSpiffeId, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { parseTrustBundleDer, type TrustBundle } from '../spiffe/trust-bundle.ts';
import type {
  JwtBundlesResponse,
  X509BundlesResponse,
  X509SvidMessage,
  X509SvidResponse,
} from '../workload-api/messages.ts';
import type { CredentialFile } from './credential-files.ts';
import { trustDomainOfKey } from './workload-report.ts';

/**
 * `svid.pem`, `svid.key`, `bundle.pem`, and `federated-TRUSTDOMAIN.pem` for each other trust domain.
 * @throws {SallyportError} when one of them would be of no use
 */
export function x509Files(
  directory: string,
  svid: X509SvidMessage,
  { federatedBundles }: Pick<X509SvidResponse, 'federatedBundles'>,
): readonly CredentialFile[] {
  const trustDomain = trustDomainOf(parseSpiffeId(svid.spiffeId));
  const { chain, privateKey } = svid;
  const own = parseOwnIdentityDer({ chain, privateKey, origin: `the SVID for \`${svid.spiffeId}\`` }, trustDomain);
  const federated = [...federatedBundles].map(([key, der]) => readBundle(key, der));
  const publicFile = (name: string, contents: string): CredentialFile => ({
    path: join(directory, name),
    contents,
    readers: 'everybody',
  });
  return [
    { path: join(directory, 'svid.key'), contents: own.privateKeyPem, readers: 'owner' },
    publicFile('svid.pem', own.certificatePem),
    publicFile('bundle.pem', pemOf(readBundle(trustDomain, svid.bundle))),
    ...federated.map((bundle) => publicFile(`federated-${bundle.trustDomain}.pem`, pemOf(bundle))),
  ];
}

/** `TRUSTDOMAIN.json` for each: a SPIFFE bundle document. @throws {SallyportError} when one of them would be of no use */
export function bundleFiles(
  directory: string,
  x509: X509BundlesResponse,
  jwt: JwtBundlesResponse,
): readonly CredentialFile[] {
  const bundles = new Map<TrustDomain, TrustBundle>();
  for (const [key, der] of x509.bundles) {
    const bundle = readBundle(key, der);
    bundles.set(bundle.trustDomain, bundle);
  }
  for (const [key, jwks] of jwt.bundles) {
    const trustDomain = trustDomainOfKey(key);
    const jwtAuthorities = parseJwtBundle(trustDomain, jwks, `the JWT bundle of \`${trustDomain}\``);
    bundles.set(trustDomain, { trustDomain, authorities: bundles.get(trustDomain)?.authorities ?? [], jwtAuthorities });
  }
  return [...bundles.values()].map((bundle) => ({
    path: join(directory, `${bundle.trustDomain}.json`),
    contents: `${formatBundleDocument({ bundle, sequence: null, refreshHintMs: null })}\n`,
    readers: 'everybody',
  }));
}

function readBundle(key: string, der: Uint8Array): TrustBundle {
  const trustDomain = trustDomainOfKey(key);
  return parseTrustBundleDer(trustDomain, der, `the bundle of \`${trustDomain}\``);
}

function pemOf({ authorities }: TrustBundle): string {
  return authorities.map(({ der }) => formatPem('CERTIFICATE', der)).join('');
}
