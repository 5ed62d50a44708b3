// Our own X.509-SVID and the trust bundles from files: two groups, so that a broken bundle does not hold up a rotated key.

import { SallyportError } from '../core/error.ts';
import { parseOwnIdentity, type OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { parseTrustBundleFile } from '../spiffe/trust-bundle-file.ts';
import { FileError } from './file-error.ts';
import type { FileGroup, FileWarning, GroupFile, GroupReading } from './file-group.ts';
import { judgeSecretFile } from './secret-file.ts';

/** Absolute paths of PEM files. */
export interface OwnIdentityFiles {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Absolute paths of PEM files or SPIFFE bundle documents. */
export type TrustBundleFiles = ReadonlyMap<TrustDomain, string>;

/** The message has a line for each file that is wrong, which begins with the file and, where the contents are, the line. */
export class TrustBundleFilesError extends SallyportError<'invalid-trust-bundles'> {
  readonly errors: readonly SallyportError<string>[];

  constructor(errors: readonly SallyportError<string>[]) {
    super('invalid-trust-bundles', errors.map(({ message }) => message).join('\n'));
    this.errors = errors;
  }
}

export interface LoadedOwnIdentity {
  readonly identity: OwnIdentity;
  readonly warnings: readonly FileWarning[];
}

/** Certificate and key are one group: a key is only ever served with its own certificate. */
export function ownIdentityGroup({ certificate, privateKey }: OwnIdentityFiles): FileGroup {
  return { paths: [certificate, privateKey], accepts: null };
}

export function trustBundleGroup(files: TrustBundleFiles): FileGroup {
  return { paths: [...files.values()], accepts: null };
}

/** @throws {OwnIdentityError | PemError | FileError} */
export function parseOwnIdentityFiles(
  reading: GroupReading,
  files: OwnIdentityFiles,
  trustDomain: TrustDomain,
): LoadedOwnIdentity {
  const certificate = fileAt(reading, files.certificate);
  const privateKey = fileAt(reading, files.privateKey);
  const source = {
    certificate: certificate.bytes,
    certificateFile: certificate.path,
    privateKey: privateKey.bytes,
    privateKeyFile: privateKey.path,
  };
  return {
    identity: parseOwnIdentity(source, trustDomain),
    warnings: [...reading.warnings, ...judgeSecretFile('private key', privateKey)],
  };
}

/**
 * All bundles or none: with one of them missing its whole trust domain would be refused.
 * @throws {TrustBundleFilesError} with every file that is wrong.
 */
export function parseTrustBundleFiles(reading: GroupReading, files: TrustBundleFiles): TrustBundles {
  const bundles = new Map<TrustDomain, TrustBundle>();
  const errors: SallyportError<string>[] = [];
  for (const [trustDomain, path] of files) {
    try {
      bundles.set(trustDomain, parseTrustBundleFile(trustDomain, fileAt(reading, path).bytes, path));
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new TrustBundleFilesError(errors);
  return bundles;
}

function fileAt(reading: GroupReading, path: string): GroupFile {
  const file = reading.files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new FileError('not-found', path);
  return file;
}
