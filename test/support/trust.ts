// Trust bundles for tests, from certificates that a test has just made.

import { parseTrustDomain, type TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { pemOf, type TestCertificate } from './certificate-builder.ts';

/** `bundlesOf({ 'ai.example': [root] })` */
export function bundlesOf(authorities: Readonly<Record<string, readonly TestCertificate[]>>): TrustBundles {
  const bundles = new Map<TrustDomain, ReturnType<typeof parseTrustBundlePem>>();
  for (const [name, certificates] of Object.entries(authorities)) {
    const trustDomain = parseTrustDomain(name);
    bundles.set(trustDomain, parseTrustBundlePem(trustDomain, Buffer.from(pemOf(...certificates)), `${name}.pem`));
  }
  return bundles;
}
