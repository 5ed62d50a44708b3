// The document that says whose signature counts, and the keys and roots that it names.

import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parseTrustDocument, type TrustFile } from '../artifact/trust-document.ts';
import { parseTrustedKey, parseTrustedRoot, type Trust, TrustError } from '../artifact/trust.ts';
import { formatPosition } from '../core/source-position.ts';
import { FileError, toFileError } from '../files/file-error.ts';
import { TRUST_DOCUMENT } from '../files/policy-group.ts';

const MAX_BYTES = 8 * 1024 * 1024;

/**
 * `path`: the document, or the directory that it lies in.
 * @throws {FileError | DocumentError | TrustError}
 */
export function readTrust(path: string): Trust {
  const file = isDirectory(path) ? join(path, TRUST_DOCUMENT) : path;
  const document = parseTrustDocument(readWhole(file), file);
  return {
    document,
    keys: readEach(document.keys, file, parseTrustedKey),
    roots: readEach(document.roots, file, parseTrustedRoot),
  };
}

function readEach<Material>(
  files: ReadonlyMap<string, TrustFile>,
  document: string,
  parse: (source: Buffer, file: string) => Material,
): ReadonlyMap<string, Material> {
  return new Map(
    [...files].map(([name, { path, position }]) => {
      const file = isAbsolute(path) ? path : join(dirname(document), path);
      try {
        return [name, parse(readWhole(file), file)];
      } catch (error) {
        if (!(error instanceof FileError || error instanceof TrustError)) throw error;
        throw new TrustError('bad-key', `${formatPosition(position)}: ${error.message}`, { cause: error });
      }
    }),
  );
}

function readWhole(file: string): Buffer {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw new FileError('not-a-file', file);
    if (stat.size > MAX_BYTES) throw new FileError('too-large', file);
    return readFileSync(file);
  } catch (error) {
    throw toFileError(error, file);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw toFileError(error, path);
  }
}
