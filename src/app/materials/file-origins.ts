// The files that a configuration names, and what is made of each group of them: the start and `config check` judge them alike.

import { parseAuthorityFile } from '../../files/authority-file.ts';
import { FileError } from '../../files/file-error.ts';
import type { GroupFile, GroupReading } from '../../files/file-group.ts';
import {
  ownIdentityGroup,
  parseOwnIdentityFiles,
  parseTrustBundleFiles,
  type TrustBundleFiles,
  trustBundleGroup,
} from '../../files/identity-files.ts';
import { parsePasswordFile } from '../../files/password-file.ts';
import { policyGroup, type PolicyLocation, toPolicySources } from '../../files/policy-group.ts';
import { parseRevocationFile, revocationGroup } from '../../files/revocation-file.ts';
import { judgeSecretFile } from '../../files/secret-file.ts';
import { parseWebCredential, type WebCredential } from '../../federation/web-credential.ts';
import { loadPolicy, type PolicySource } from '../../policy/load.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';
import type { Revocation } from '../../revocation/revocation.ts';
import type { BundleDocument } from '../../spiffe/bundle-document.ts';
import type { OwnIdentity } from '../../spiffe/own-identity.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../spiffe/trust-bundle.ts';
import { parseBundleFile } from '../../spiffe/trust-bundle-file.ts';
import { DocumentError } from '../../yaml/located.ts';
import { findUnenforceableRules } from '../agreement.ts';
import type { FederationConfig } from '../config-trust.ts';
import type { Config } from '../config.ts';
import type { FileOrigin } from './file-material.ts';

export function identityOrigin({ identity: files, trustDomain }: Config): FileOrigin<OwnIdentity> | null {
  if (files.kind !== 'files') return null;
  return {
    group: ownIdentityGroup(files),
    parse: (reading) => {
      const { identity, warnings } = parseOwnIdentityFiles(reading, files, trustDomain);
      return { value: identity, warnings };
    },
  };
}

/** Each by itself: a partner's broken bundle must not keep an authority of ours in force that was taken out, nor a new one out. */
export function trustOrigins({ identity, trust }: Config): ReadonlyMap<TrustDomain, FileOrigin<TrustBundles>> {
  const files = [...(identity.kind === 'files' ? identity.trustBundles : []), ...trust.bundles];
  return new Map(files.map(([trustDomain, path]) => [trustDomain, trustOrigin(new Map([[trustDomain, path]]))]));
}

function trustOrigin(files: TrustBundleFiles): FileOrigin<TrustBundles> {
  return {
    group: trustBundleGroup(files),
    parse: (reading) => ({ value: parseTrustBundleFiles(reading, files), warnings: reading.warnings }),
  };
}

/** What a policy was compiled from goes to other workers, who compile it for themselves. */
export interface LoadedPolicy {
  readonly compiled: CompiledPolicy;
  readonly sources: readonly PolicySource[];
}

export function policyOrigin(config: Config, builtinProtocols: string): FileOrigin<LoadedPolicy> {
  const { policy } = config;
  const location: PolicyLocation = { path: policy.path, builtinProtocols };
  return {
    group: policyGroup(location),
    parse: (reading) => {
      const sources = toPolicySources(reading, location);
      const compiled = loadPolicy(sources, policy.mode);
      const problems = findUnenforceableRules(config, compiled);
      if (problems.length > 0) throw new DocumentError(problems);
      return { value: { compiled, sources }, warnings: reading.warnings };
    },
  };
}

export function revocationOrigin({
  revocation: { file },
  trustDomain,
}: Config): FileOrigin<readonly Revocation[]> | null {
  if (file === null) return null;
  return {
    group: revocationGroup(file),
    parse: (reading) => ({ value: parseRevocationFile(reading, file, trustDomain), warnings: reading.warnings }),
  };
}

export function redisPasswordOrigin({ revocation: { redis } }: Config): FileOrigin<string> | null {
  const path = redis?.passwordFile ?? null;
  if (path === null) return null;
  return {
    group: { paths: [path], accepts: null },
    parse: (reading) => {
      const file = fileAt(reading, path);
      return { value: parsePasswordFile(file), warnings: [...reading.warnings, ...judgeSecretFile('password', file)] };
    },
  };
}

export function redisAuthoritiesOrigin({ revocation: { redis } }: Config): FileOrigin<Uint8Array> | null {
  return authoritiesOrigin(redis?.ca ?? null);
}

export function webCredentialOrigin({ trust: { endpoint } }: Config): FileOrigin<WebCredential> | null {
  if (endpoint?.profile.kind !== 'https_web') return null;
  const { certificate, privateKey } = endpoint.profile;
  return {
    group: { paths: [certificate, privateKey], accepts: null },
    parse: (reading) => {
      const key = fileAt(reading, privateKey);
      const value = parseWebCredential({
        certificate: fileAt(reading, certificate).bytes,
        certificateFile: certificate,
        privateKey: key.bytes,
        privateKeyFile: privateKey,
      });
      return { value, warnings: [...reading.warnings, ...judgeSecretFile('private key', key)] };
    },
  };
}

/** What federation with one trust domain begins with. */
export function initialBundleOrigin({ trustDomain, bundle }: FederationConfig): FileOrigin<BundleDocument> | null {
  if (bundle === null) return null;
  return {
    group: { paths: [bundle], accepts: null },
    parse: (reading) => ({
      value: parseBundleFile(trustDomain, fileAt(reading, bundle).bytes, bundle),
      warnings: reading.warnings,
    }),
  };
}

export function webAuthoritiesOrigin({ profile }: FederationConfig): FileOrigin<Uint8Array> | null {
  return authoritiesOrigin(profile.kind === 'https_web' ? profile.ca : null);
}

/** PEM. */
function authoritiesOrigin(path: string | null): FileOrigin<Uint8Array> | null {
  if (path === null) return null;
  return {
    group: { paths: [path], accepts: null },
    parse: (reading) => ({ value: parseAuthorityFile(fileAt(reading, path)), warnings: reading.warnings }),
  };
}

function fileAt({ files }: GroupReading, path: string): GroupFile {
  const file = files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new FileError('not-found', path);
  return file;
}
