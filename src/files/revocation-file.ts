// The revocation file as a group of one: read, judged and watched as every other file is.

import { parseRevocationDocument } from '../revocation/document.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { FileError } from './file-error.ts';
import type { FileGroup, GroupReading } from './file-group.ts';

/** `path` is absolute. */
export function revocationGroup(path: string): FileGroup {
  return { paths: [path], accepts: null };
}

/**
 * `own` is the trust domain of patterns written without one. A file that is gone is an error and not an empty list.
 * @throws {DocumentError | FileError}
 */
export function parseRevocationFile(reading: GroupReading, path: string, own: TrustDomain): readonly Revocation[] {
  const file = reading.files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new FileError('not-found', path);
  return parseRevocationDocument(file.bytes, path, own);
}
