// What configuration, policy, identity and bundles, each sound in itself, do not agree on.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { Problem } from '../core/source-position.ts';
import { parsePem } from '../pki/pem.ts';
import { findRequestRules } from '../policy/connection-rules.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { componentsOf } from './config-authorization.ts';
import { isOverTcp, type Config } from './config.ts';
import { toProblem } from './start-error.ts';

/**
 * What makes a policy deny what this configuration is there to serve: safe, and hardly meant. A sidecar does not start with
 * one of these; when a reload brings it about, it serves on and warns.
 */
export function findPolicyConflicts(config: Config, policy: CompiledPolicy): readonly Problem[] {
  const known = new Set(policy.components);
  const served = [
    ...config.listeners.flatMap(({ routes }) => routes),
    ...config.authorization.flatMap((service) =>
      componentsOf(service).map((component) => ({ component, position: service.componentsPosition })),
    ),
  ];
  const problems: Problem[] = served
    .filter(({ component }) => !known.has(component))
    .map(({ component, position }) => ({
      code: 'unknown-component',
      message: `the policy has no component ${quote(component)}, so every request to it would be denied`,
      position,
    }));
  if (!mayHaveBundle(config, policy.trustDomain)) {
    problems.push({
      code: 'missing-trust-bundle',
      message: `there is no bundle for ${quote(policy.trustDomain)}, the trust domain of the policy: nobody whom it names could be verified`,
      position: config.positions.trustBundles,
    });
  }
  return problems;
}

/**
 * Rules that this configuration cannot hold anybody to, since what they look at is not there to be seen. A policy with one of these is not
 * loaded, be it at the start or later.
 */
export function findUnenforceableRules(config: Config, policy: CompiledPolicy): readonly Problem[] {
  const overTcp = new Set<string>();
  const asRequests = new Set(config.authorization.flatMap((service) => componentsOf(service)));
  for (const { mode, routes } of config.listeners) {
    for (const { component } of routes) (isOverTcp(mode) ? overTcp : asRequests).add(component);
  }
  return findRequestRules(policy, new Set([...overTcp].filter((component) => !asRequests.has(component))));
}

/** An agent may bring any. */
function mayHaveBundle({ identity, trust }: Config, trustDomain: TrustDomain): boolean {
  if (identity.kind === 'workload-api' || identity.trustBundles.has(trustDomain)) return true;
  return trust.bundles.has(trustDomain) || trust.federation.some((federated) => federated.trustDomain === trustDomain);
}

/**
 * Why peers, who hold our certificate against the same bundle, would refuse it at `nowMs`; null when they would not. Rotation
 * heals this, so a sidecar starts with it, warns, and is not ready once its SVID has expired.
 */
export function findOwnSvidProblem(
  config: Config,
  { identity, bundles }: { readonly identity: OwnIdentity; readonly bundles: TrustBundles },
  nowMs: number,
): Problem | null {
  const certificate = config.identity.kind === 'files' ? config.identity.certificate : 'Workload API';
  const chain = parsePem(Buffer.from(identity.certificatePem), certificate).map(({ der }) => der);
  try {
    verifyX509Svid(chain, bundles, nowMs);
    return null;
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    const problem = toProblem(error, config.positions.identity);
    return { ...problem, message: `peers would refuse ${quote(certificate)}: ${problem.message}` };
  }
}
