// What a configuration names, each thing held against what the sidecar would make of it at its start: everything wrong is told at once.

import { findOwnSvidProblem, findPolicyConflicts, findUnenforceableRules } from '../app/agreement.ts';
import type { Config } from '../app/config.ts';
import type { FileOrigin } from '../app/materials/file-material.ts';
import {
  identityOrigin,
  initialBundleOrigin,
  redisAuthoritiesOrigin,
  redisPasswordOrigin,
  revocationOrigin,
  trustOrigins,
  webAuthoritiesOrigin,
  webCredentialOrigin,
} from '../app/materials/file-origins.ts';
import { describeLoadFailure } from '../app/start-error.ts';
import { isLoopbackHost } from '../core/loopback.ts';
import { quote } from '../core/quote.ts';
import { formatProblem } from '../core/source-position.ts';
import { type GroupReading, readFileGroup } from '../files/file-group.ts';
import { nodeFileSystem } from '../files/file-system.ts';
import { parsePem } from '../pki/pem.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { compileRevocations } from '../revocation/revocations.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { formatEndpointAddress } from '../workload-api/endpoint-address.ts';
import { readPolicy } from './policy-files.ts';

export interface Findings {
  /** Lines for people. */
  readonly problems: string[];
  readonly warnings: Warning[];
}

interface Warning {
  readonly code: string;
  readonly message: string;
}

/** What was found; null where it is not configured, is not in a file, or is among the problems. */
export interface NamedFiles {
  readonly policy: CompiledPolicy | null;
  readonly identity: OwnIdentity | null;
  readonly bundles: TrustBundles | null;
  readonly revocations: readonly Revocation[] | null;
}

export async function checkNamedFiles(config: Config, findings: Findings, nowMs: number): Promise<NamedFiles> {
  const check = new Check(config, findings);
  const policy = await check.attempt(() => readPolicy(config.policy.path));
  const identity = await check.files(identityOrigin(config));
  const bundles = await checkTrustBundles(check);
  await checkFederation(check);
  await checkBundleEndpoint(check, nowMs);
  await check.files(redisAuthoritiesOrigin(config));
  await check.files(redisPasswordOrigin(config));
  const revocations = await check.files(revocationOrigin(config));
  const found = { policy, identity, bundles, revocations };
  if (policy !== null) {
    const problems = [...findUnenforceableRules(config, policy), ...findPolicyConflicts(config, policy)];
    findings.problems.push(...problems.map(formatProblem));
  }
  checkOwnSvid(check, found, nowMs);
  checkTokenKeys(check, bundles);
  checkAgentAddress(check);
  return found;
}

/** What a sidecar would ask over the network, and this command does not. */
export function findUnasked({ identity, trust, revocation }: Config): readonly string[] {
  return [
    ...(identity.kind === 'files' ? [] : [`the Workload API at ${describeSocket(identity.socket)}`]),
    ...trust.federation.map(({ trustDomain, url }) => `the bundle endpoint of ${trustDomain} at ${url}`),
    ...(revocation.redis === null ? [] : [`Redis at ${revocation.redis.server.url}`]),
  ];
}

function describeSocket(socket: Parameters<typeof formatEndpointAddress>[0] | null): string {
  return socket === null ? 'SPIFFE_ENDPOINT_SOCKET' : formatEndpointAddress(socket);
}

class Check {
  readonly config: Config;
  readonly findings: Findings;

  constructor(config: Config, findings: Findings) {
    this.config = config;
    this.findings = findings;
  }

  /** What `run` gives, or null when it failed, which is then among the problems. */
  async attempt<T>(run: () => T | Promise<T>): Promise<T | null> {
    try {
      return await run();
    } catch (error) {
      this.findings.problems.push(...describeLoadFailure(error, this.config));
      return null;
    }
  }

  /** What the sidecar would make of the files at its start; null when there are none, or they are not what they should be. */
  async files<T>(origin: FileOrigin<T> | null): Promise<T | null> {
    if (origin === null) return null;
    const { group, parse } = origin;
    const read = (paths: readonly string[]): Promise<GroupReading | null> =>
      this.attempt(() => readFileGroup({ ...group, paths }, nodeFileSystem));
    // Each by itself first, so that every missing one is told.
    const readings: (GroupReading | null)[] = [];
    for (const path of new Set(group.paths)) readings.push(await read([path]));
    const reading = readings.includes(null) ? null : await read(group.paths);
    if (reading === null) return null;
    const parsed = await this.attempt(() => parse(reading));
    this.findings.warnings.push(...(parsed?.warnings ?? reading.warnings));
    return parsed?.value ?? null;
  }
}

async function checkTrustBundles(check: Check): Promise<TrustBundles | null> {
  const bundles = new Map<TrustDomain, TrustBundle>();
  let isWhole = true;
  for (const origin of trustOrigins(check.config).values()) {
    const found = await check.files(origin);
    if (found === null) isWhole = false;
    for (const [trustDomain, bundle] of found ?? []) bundles.set(trustDomain, bundle);
  }
  return isWhole ? bundles : null;
}

async function checkFederation(check: Check): Promise<void> {
  for (const federated of check.config.trust.federation) {
    await check.files(initialBundleOrigin(federated));
    await check.files(webAuthoritiesOrigin(federated));
  }
}

async function checkBundleEndpoint(check: Check, nowMs: number): Promise<void> {
  const credential = await check.files(webCredentialOrigin(check.config));
  const profile = check.config.trust.endpoint?.profile;
  if (credential === null || profile?.kind !== 'https_web' || credential.notAfterMs > nowMs) return;
  const message = `the certificate ${quote(profile.certificate)} of the bundle endpoint has expired, so partners would refuse it`;
  check.findings.warnings.push({ code: 'expired-certificate', message });
}

function checkOwnSvid(
  { config, findings }: Check,
  { identity, bundles, revocations }: NamedFiles,
  nowMs: number,
): void {
  if (identity === null || bundles === null) return;
  const problem = findOwnSvidProblem(config, { identity, bundles }, nowMs);
  if (problem !== null) {
    findings.problems.push(formatProblem(problem));
    return;
  }
  const chain = parsePem(Buffer.from(identity.certificatePem), identity.svid.id).map(({ der }) => der);
  const match = compileRevocations({ entries: revocations ?? [], crls: [] }).findSvid(
    verifyX509Svid(chain, bundles, nowMs),
    nowMs,
  );
  if (match === null) return;
  const message = `our own SVID ${quote(identity.svid.id)} is in the revocation list: ${quote(match.reason)}`;
  findings.warnings.push({ code: 'own-svid-revoked', message });
}

// Certificates in PEM bring no keys for tokens. What comes over the network may.
function checkTokenKeys({ config, findings }: Check, bundles: TrustBundles | null): void {
  const { identity, trust, listeners } = config;
  if (bundles === null || identity.kind !== 'files' || trust.federation.length > 0) return;
  if ([...bundles.values()].some(({ jwtAuthorities }) => jwtAuthorities.size > 0)) return;
  for (const { name, authenticate } of listeners) {
    if (authenticate.jwt === null) continue;
    const message = `the listener ${quote(name)} takes tokens, and no bundle has a key to verify one with; PEM files have none, SPIFFE bundle documents may`;
    findings.warnings.push({ code: 'no-token-keys', message });
  }
}

// SPIFFE_Workload_Endpoint.md §3: TCP is for networks that by themselves say who is asking, such as loopback.
function checkAgentAddress({ config: { identity }, findings }: Check): void {
  if (identity.kind === 'files' || identity.socket?.kind !== 'tcp' || isLoopbackHost(identity.socket.host)) return;
  const message = `the Workload API at ${quote(formatEndpointAddress(identity.socket))} is not on this machine, and it sends private keys in the clear; use a unix socket or loopback`;
  findings.warnings.push({ code: 'workload-api-in-the-clear', message });
}
