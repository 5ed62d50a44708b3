// One digest for a directory, which anybody can compute with the tools of a shell:
//   cd DIR && find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

import { createHash } from 'node:crypto';
import type { DigestAlgorithm } from './digest.ts';

/** As node:crypto calls them. */
export const HASH_NAMES: Readonly<Record<DigestAlgorithm, string>> = {
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
  blake2b: 'blake2b512',
};

export interface DigestedFile {
  /** Below the directory. */
  readonly path: string;
  readonly hex: string;
}

/** `files` in the order of the bytes of their paths. Null when a name cannot stand on a line as it is. */
export function treeDigest(files: readonly DigestedFile[], algorithm: DigestAlgorithm): string | null {
  // The tools write such names with a mark and escapes, not all of them alike.
  if (files.some(({ path }) => /[\n\r\\]/.test(path))) return null;
  const hash = createHash(HASH_NAMES[algorithm]);
  for (const { path, hex } of files) hash.update(`${hex}  ./${path}\n`);
  return hash.digest('hex');
}
