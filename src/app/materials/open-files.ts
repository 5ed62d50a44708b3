// The files that a configuration names, all opened at once: a start that fails says everything that is wrong with them.

import { FileError } from '../../files/file-error.ts';
import type { GroupReading } from '../../files/file-group.ts';
import {
  ownIdentityGroup,
  parseOwnIdentityFiles,
  parseTrustBundleFiles,
  trustBundleGroup,
} from '../../files/identity-files.ts';
import { policyGroup, type PolicyLocation, toPolicySources } from '../../files/policy-group.ts';
import { parseRevocationFile, revocationGroup } from '../../files/revocation-file.ts';
import { openFileGroup, type WatchPort } from '../../files/watch-file-group.ts';
import { parseWebCredential, type WebCredential } from '../../federation/web-credential.ts';
import { loadPolicy } from '../../policy/load.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';
import type { Revocation } from '../../revocation/revocation.ts';
import type { BundleDocument } from '../../spiffe/bundle-document.ts';
import type { OwnIdentity } from '../../spiffe/own-identity.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../spiffe/trust-bundle.ts';
import { parseBundleFile } from '../../spiffe/trust-bundle-file.ts';
import type { RedisAccess } from '../../store/redis-connection.ts';
import type { RedisConfig } from '../config-revocation.ts';
import type { FederationConfig } from '../config-trust.ts';
import type { Config } from '../config.ts';
import { describeLoadFailure, StartError } from '../start-error.ts';
import type { WatchedMaterial } from '../../telemetry/recorder.ts';
import { type FileMaterial, type FileOrigin, openFileMaterial } from './file-material.ts';

/** What is watched from now on; null where the configuration names no such file. */
export interface WatchedFiles {
  readonly identity: FileMaterial<OwnIdentity> | null;
  /** Of our own trust domain, if it is in a file, and of others. */
  readonly trust: FileMaterial<TrustBundles> | null;
  readonly policy: FileMaterial<CompiledPolicy>;
  readonly revocation: FileMaterial<readonly Revocation[]> | null;
  readonly redisAccess: FileMaterial<RedisAccess> | null;
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
  const { redis } = config.revocation;
  const opening = [
    openIfNamed(from, 'identity', identityOrigin(config)),
    openIfNamed(from, 'trust-bundle', trustOrigin(config)),
    openFileMaterial('policy', policyOrigin(config, from.builtinProtocols), from.port),
    openIfNamed(from, 'revocation', revocationOrigin(config)),
    openIfNamed(from, 'redis-access', redis === null ? null : redisAccessOrigin(redis)),
    openIfNamed(from, 'bundle-endpoint', webCredentialOrigin(config)),
    Promise.all(config.trust.federation.map(async (domain) => readFederationFiles(domain, from.port))),
  ] as const;
  const lines = (await Promise.allSettled(opening)).flatMap((outcome) =>
    outcome.status === 'rejected' ? describeLoadFailure(outcome.reason, config) : [],
  );
  if (lines.length > 0) throw new StartError(lines);
  const [identity, trust, policy, revocation, redisAccess, webCredential, federation] = await Promise.all(opening);
  return {
    watched: { identity, trust, policy, revocation, redisAccess, webCredential },
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

function identityOrigin({ identity: files, trustDomain }: Config): FileOrigin<OwnIdentity> | null {
  if (files.kind !== 'files') return null;
  return {
    group: ownIdentityGroup(files),
    parse: (reading) => {
      const { identity, warnings } = parseOwnIdentityFiles(reading, files, trustDomain);
      return { value: identity, warnings };
    },
  };
}

function trustOrigin({ identity, trust }: Config): FileOrigin<TrustBundles> | null {
  const files = new Map([...(identity.kind === 'files' ? identity.trustBundles : []), ...trust.bundles]);
  if (files.size === 0) return null;
  return {
    group: trustBundleGroup(files),
    parse: (reading) => ({ value: parseTrustBundleFiles(reading, files), warnings: reading.warnings }),
  };
}

function policyOrigin({ policy }: Config, builtinProtocols: string): FileOrigin<CompiledPolicy> {
  const location: PolicyLocation = { path: policy.path, builtinProtocols };
  return {
    group: policyGroup(location),
    parse: (reading) => ({
      value: loadPolicy(toPolicySources(reading, location), policy.mode),
      warnings: reading.warnings,
    }),
  };
}

function revocationOrigin({ revocation: { file }, trustDomain }: Config): FileOrigin<readonly Revocation[]> | null {
  if (file === null) return null;
  return {
    group: revocationGroup(file),
    parse: (reading) => ({ value: parseRevocationFile(reading, file, trustDomain), warnings: reading.warnings }),
  };
}

function redisAccessOrigin({ username, passwordFile, ca }: RedisConfig): FileOrigin<RedisAccess> | null {
  const paths = [passwordFile, ca].filter((path) => path !== null);
  if (paths.length === 0) return null;
  return {
    group: { paths, accepts: null },
    parse: (reading) => ({
      value: {
        credentials: passwordFile === null ? null : { username, password: firstLine(bytesOf(reading, passwordFile)) },
        ca: ca === null ? null : bytesOf(reading, ca),
      },
      warnings: reading.warnings,
    }),
  };
}

function webCredentialOrigin({ trust: { endpoint } }: Config): FileOrigin<WebCredential> | null {
  if (endpoint?.profile.kind !== 'https_web') return null;
  const { certificate, privateKey } = endpoint.profile;
  return {
    group: { paths: [certificate, privateKey], accepts: null },
    parse: (reading) => ({
      value: parseWebCredential({
        certificate: bytesOf(reading, certificate),
        certificateFile: certificate,
        privateKey: bytesOf(reading, privateKey),
        privateKeyFile: privateKey,
      }),
      warnings: reading.warnings,
    }),
  };
}

async function readFederationFiles(
  { trustDomain, bundle, profile }: FederationConfig,
  port: WatchPort,
): Promise<readonly [TrustDomain, FederationFiles]> {
  const ca = profile.kind === 'https_web' ? profile.ca : null;
  const [initial, authorities] = await Promise.all([
    bundle === null ? null : readOnce(bundle, port, (bytes) => parseBundleFile(trustDomain, bytes, bundle)),
    ca === null ? null : readOnce(ca, port, (bytes) => bytes),
  ]);
  return [trustDomain, { initial, ca: authorities }];
}

async function readOnce<T>(path: string, port: WatchPort, parse: (bytes: Uint8Array) => T): Promise<T> {
  const group = { paths: [path], accepts: null };
  const files = await openFileGroup({ group, port, parse: (reading) => parse(bytesOf(reading, path)) });
  files.close();
  return files.initial;
}

function bytesOf({ files }: GroupReading, path: string): Buffer {
  const file = files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new FileError('not-found', path);
  return file.bytes;
}

function firstLine(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').split(/\r?\n/, 1)[0] ?? '';
}
