// The few questions that are put to the file system, as a port, so that tests can change files between any two of them.

import { constants } from 'node:fs';
import { access, lstat, open, readdir, readlink } from 'node:fs/promises';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly mode: number;
  /** Whether it belongs to the user this process runs as. */
  readonly isOurs: boolean;
  readonly size: number;
  /** Differs whenever contents or metadata do, as far as the file system's clock can tell. */
  readonly version: string;
}

export interface FileSystem {
  /** The target of the symbolic link at `path`; null when it is no longer one. */
  readLink(path: string): Promise<string | null>;
  /** Of `path` itself, not of what it links to. */
  stat(path: string): Promise<FileStat>;
  /** At most `maxBytes` bytes; none of what is not a regular file. */
  read(path: string, maxBytes: number): Promise<Buffer>;
  /** Names in a directory, in no particular order. */
  list(path: string): Promise<readonly string[]>;
  /** Whether nobody can write at `path` whatever its permissions say: it is mounted read-only. */
  isReadOnly(path: string): Promise<boolean>;
}

export const nodeFileSystem: FileSystem = {
  async readLink(path) {
    try {
      return await readlink(path);
    } catch {
      // Whatever it is now, it was a link when it was looked at: the caller looks again, and then sees what it is.
      return null;
    }
  },

  async stat(path) {
    return toFileStat(await lstat(path, { bigint: true }));
  },

  async read(path, maxBytes) {
    // Never waits for the writer of a pipe that was put here since the path was looked at.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = toFileStat(await handle.stat({ bigint: true }));
      const buffer = Buffer.alloc(stat.kind === 'file' ? Math.min(stat.size, maxBytes) : 0);
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    } finally {
      await handle.close();
    }
  },

  list: (path) => readdir(path),

  async isReadOnly(path) {
    try {
      await access(path, constants.W_OK);
      return false;
    } catch (error) {
      // Permissions come first: without them the mount is not told.
      return error instanceof Error && 'code' in error && error.code === 'EROFS';
    }
  },
};

interface BigStat {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mode: bigint;
  readonly uid: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

// The change time is in it because nobody can set that one: `touch -r` and `cp -p` keep the modification time of other contents.
function toFileStat(stat: BigStat): FileStat {
  const { dev, ino, size, mode, uid, mtimeNs, ctimeNs } = stat;
  return {
    kind: kindOf(stat),
    mode: Number(mode & 0o7777n),
    isOurs: Number(uid) === process.geteuid?.(),
    size: Number(size),
    version: [dev, ino, size, mode, uid, mtimeNs, ctimeNs].join(':'),
  };
}

function kindOf(stat: BigStat): FileStat['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'link' : 'other';
}
