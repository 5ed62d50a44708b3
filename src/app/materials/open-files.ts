// The files that a configuration names, all opened at once: a start that fails says everything that is wrong with them.

import { openFileGroup, type WatchPort } from '../../files/watch-file-group.ts';
import type { WebCredential } from '../../federation/web-credential.ts';
import type { Revocation } from '../../revocation/revocation.ts';
import type { BundleDocument } from '../../spiffe/bundle-document.ts';
import type { OwnIdentity } from '../../spiffe/own-identity.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../spiffe/trust-bundle.ts';
import type { WatchedMaterial } from '../../telemetry/recorder.ts';
import type { FederationConfig } from '../config-trust.ts';
import type { Config } from '../config.ts';
import { describeLoadFailure, StartError } from '../start-error.ts';
import { type FileMaterial, type FileOrigin, openFileMaterial } from './file-material.ts';
import {
  identityOrigin,
  initialBundleOrigin,
  type LoadedPolicy,
  policyOrigin,
  redisAuthoritiesOrigin,
  redisPasswordOrigin,
  revocationOrigin,
  trustOrigins,
  webAuthoritiesOrigin,
  webCredentialOrigin,
} from './file-origins.ts';

/** What is watched from now on; null where the configuration names no such file. */
export interface WatchedFiles {
  readonly identity: FileMaterial<OwnIdentity> | null;
  /** Of our own trust domain, if it is in a file, and of others. */
  readonly trust: ReadonlyMap<TrustDomain, FileMaterial<TrustBundles>>;
  readonly policy: FileMaterial<LoadedPolicy>;
  readonly revocation: FileMaterial<readonly Revocation[]> | null;
  readonly redisPassword: FileMaterial<string> | null;
  /** PEM. */
  readonly redisAuthorities: FileMaterial<Uint8Array> | null;
  readonly webCredential: FileMaterial<WebCredential> | null;
}

/** What federation begins with, read once. */
export interface FederationFiles {
  readonly initial: BundleDocument | null;
  /** PEM. */
  readonly ca: Uint8Array | null;
}

export interface OpenedFiles {
  readonly watched: WatchedFiles;
  readonly federation: ReadonlyMap<TrustDomain, FederationFiles>;
}

export interface FilePlaces {
  readonly builtinProtocols: string;
  readonly port: WatchPort;
}

/** @throws {StartError} with what is wrong with each of them. */
export async function openFiles(config: Config, from: FilePlaces): Promise<OpenedFiles> {
  const opening = [
    openIfNamed(from, 'identity', identityOrigin(config)),
    openFileMaterial('policy', policyOrigin(config, from.builtinProtocols), from.port),
    openIfNamed(from, 'revocation', revocationOrigin(config)),
    openIfNamed(from, 'redis-password', redisPasswordOrigin(config)),
    openIfNamed(from, 'redis-ca', redisAuthoritiesOrigin(config)),
    openIfNamed(from, 'bundle-endpoint', webCredentialOrigin(config)),
    Promise.all(config.trust.federation.map(async (domain) => readFederationFiles(domain, from.port))),
  ] as const;
  const openingBundles = Array.from(
    trustOrigins(config),
    async ([name, origin]) => [name, await openFileMaterial('trust-bundle', origin, from.port)] as const,
  );
  const lines = (await Promise.allSettled([opening[0], ...openingBundles, ...opening.slice(1)])).flatMap((outcome) =>
    outcome.status === 'rejected' ? describeLoadFailure(outcome.reason, config) : [],
  );
  if (lines.length > 0) throw new StartError(lines);
  const [identity, policy, revocation, redisPassword, redisAuthorities, webCredential, federation] =
    await Promise.all(opening);
  const trust = new Map(await Promise.all(openingBundles));
  return {
    watched: { identity, trust, policy, revocation, redisPassword, redisAuthorities, webCredential },
    federation: new Map(federation),
  };
}

async function openIfNamed<T>(
  { port }: FilePlaces,
  name: WatchedMaterial,
  origin: FileOrigin<T> | null,
): Promise<FileMaterial<T> | null> {
  return origin === null ? null : openFileMaterial(name, origin, port);
}

async function readFederationFiles(
  federated: FederationConfig,
  port: WatchPort,
): Promise<readonly [TrustDomain, FederationFiles]> {
  const [initial, ca] = await Promise.all([
    readOnce(initialBundleOrigin(federated), port),
    readOnce(webAuthoritiesOrigin(federated), port),
  ]);
  return [federated.trustDomain, { initial, ca }];
}

async function readOnce<T>(origin: FileOrigin<T> | null, port: WatchPort): Promise<T | null> {
  if (origin === null) return null;
  const files = await openFileGroup({ ...origin, port });
  files.close();
  return files.initial.value;
}
