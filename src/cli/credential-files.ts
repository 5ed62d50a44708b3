// Certificates and keys onto disk: secret from the first byte, whole or not at all, and never over somebody's file unasked.

import { randomBytes } from 'node:crypto';
import { link, lstat, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

export interface CredentialFile {
  readonly path: string;
  readonly contents: string | Uint8Array;
  /** `secret`: for this user only. */
  readonly readers: 'owner' | 'everybody';
}

type CredentialFileErrorCode = 'file-exists' | 'cannot-write';

class CredentialFileError extends SallyportError<CredentialFileErrorCode> {}

const MODES = { owner: 0o600, everybody: 0o644 };

/**
 * Writes all files, or none when one exists and `existing` is `refuse`. Each appears under its name complete, with its final mode.
 * Missing directories are made for this user only.
 * @throws {CredentialFileError}
 */
export async function writeCredentialFiles(
  files: readonly CredentialFile[],
  existing: 'refuse' | 'replace',
): Promise<void> {
  if (existing === 'refuse') await refuseExisting(files);
  const staged: { readonly temporary: string; readonly path: string }[] = [];
  try {
    for (const file of files) {
      await attempt(file.path, async () => {
        await mkdir(dirname(file.path), { recursive: true, mode: 0o700 });
        const temporary = join(dirname(file.path), `.${randomBytes(8).toString('hex')}.tmp`);
        staged.push({ temporary, path: file.path });
        await writeNew(temporary, file);
      });
    }
    for (const { temporary, path } of staged) {
      // A hard link fails on an existing name and a rename replaces it; both are one step for whoever reads the file meanwhile.
      await attempt(path, () => (existing === 'refuse' ? linkNew(temporary, path) : rename(temporary, path)));
    }
  } finally {
    for (const { temporary } of staged) await rm(temporary, { force: true });
  }
}

/** True when others may put files into the directory, or take some away: keys do not belong there. */
export async function isWritableByOthers(directory: string): Promise<boolean> {
  const { mode } = await stat(directory);
  const isSticky = (mode & 0o1000) !== 0;
  return (mode & 0o022) !== 0 && !isSticky;
}

async function refuseExisting(files: readonly CredentialFile[]): Promise<void> {
  const present: string[] = [];
  for (const { path } of files) {
    const found = await attempt(path, () => lstat(path).catch(absent));
    if (found !== null) present.push(quote(path));
  }
  if (present.length > 0) throw alreadyThere(present.join(', '));
}

// O_EXCL with the mode at creation: at no moment is the key readable by others, and no link planted here is followed.
async function writeNew(path: string, file: CredentialFile): Promise<void> {
  const handle = await open(path, 'wx', MODES[file.readers]);
  try {
    await handle.writeFile(file.contents);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function linkNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? alreadyThere(quote(path)) : error;
  }
}

async function attempt<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const code = errnoOf(error);
    if (code === null || error instanceof CredentialFileError) throw error;
    throw new CredentialFileError('cannot-write', `cannot write ${quote(path)}: ${code}`, { cause: error });
  }
}

function alreadyThere(paths: string): CredentialFileError {
  return new CredentialFileError(
    'file-exists',
    `${paths} exists already; choose another name, or replace with --force`,
  );
}

function absent(error: unknown): null {
  if (errnoOf(error) === 'ENOENT') return null;
  throw error;
}

function errnoOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
