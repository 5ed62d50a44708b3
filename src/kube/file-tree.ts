// The few questions that reading manifests puts to the file system, as a port, so that tests can have files that may not be read.

import { closeSync, constants, type Dirent, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';

export type FileLook =
  | { readonly kind: 'file'; readonly identity: string; readonly bytes: number }
  | { readonly kind: 'directory'; readonly identity: string }
  /** A pipe, such as a shell makes of `<(helm template …)`; or a socket or device. */
  | { readonly kind: 'pipe' | 'other' };

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
}

/** Its functions throw errors of the operating system. */
export interface FileTree {
  /** Of what a link leads to. `identity` is the same for the same thing under every name. */
  look(path: string): FileLook;
  /** What is in a directory, in no particular order. */
  list(path: string): readonly DirectoryEntry[];
  /** At most `maxBytes`, of a file or a pipe. */
  read(path: string, maxBytes: number): Buffer;
}

// Synchronously: a thousand small files take a tenth of the time.
export const nodeFileTree: FileTree = {
  look(path) {
    const stat = statSync(path, { bigint: true });
    const identity = `${stat.dev}:${stat.ino}`;
    if (stat.isFile()) return { kind: 'file', identity, bytes: Number(stat.size) };
    if (stat.isDirectory()) return { kind: 'directory', identity };
    return { kind: stat.isFIFO() ? 'pipe' : 'other' };
  },

  list(path) {
    return readdirSync(path, { withFileTypes: true }).map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  },

  read(path, maxBytes) {
    const descriptor = openSync(path, constants.O_RDONLY);
    try {
      const stat = fstatSync(descriptor);
      const chunks: Buffer[] = [];
      let bytes = 0;
      while (bytes < maxBytes) {
        // One more than there should be, so that the first read shows that it is the last.
        const wanted = Math.max(stat.size - bytes + 1, MIN_CHUNK_BYTES);
        const chunk = Buffer.allocUnsafe(Math.min(wanted, maxBytes - bytes));
        const read = readSync(descriptor, chunk);
        if (read > 0) chunks.push(chunk.subarray(0, read));
        bytes += read;
        if (read === 0 || (stat.isFile() && read < chunk.length)) break;
      }
      return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    } finally {
      closeSync(descriptor);
    }
  },
};

const MIN_CHUNK_BYTES = 4096;

function kindOf(entry: Dirent): DirectoryEntry['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

export const NO_SUCH_FILE = 'no such file or directory';

/** In words, with the name that the operating system has for it. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
  const code = String(error.code);
  const words = EXPLANATIONS.get(code);
  return words === undefined ? `it could not be read (${code})` : words;
}

const EXPLANATIONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', NO_SUCH_FILE],
  ['ENOTDIR', NO_SUCH_FILE],
  ['EACCES', 'this process may not read it'],
  ['EPERM', 'this process may not read it'],
  ['ELOOP', 'its symbolic links lead round in a circle'],
  ['ENAMETOOLONG', 'its name is too long'],
]);
