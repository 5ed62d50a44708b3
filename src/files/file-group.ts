// Files that belong together, read as one unit: all of one generation, or a failure.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { quote } from '../core/quote.ts';
import { FileError, toFileError } from './file-error.ts';
import type { FileStat, FileSystem } from './file-system.ts';
import { LinkView } from './link-view.ts';

export interface FileGroup {
  /** Absolute. */
  readonly paths: readonly string[];
  /** Which files below a directory among `paths` belong, by their path relative to it; null: every path must be a file. */
  readonly accepts: ((relativePath: string) => boolean) | null;
}

export interface GroupFile {
  /** Where it was looked for, before links were followed. */
  readonly path: string;
  readonly bytes: Buffer;
  /** Permission bits. */
  readonly mode: number;
  /** Whether it belongs to the user this process runs as. */
  readonly isOurs: boolean;
}

export interface FileWarning {
  readonly code: 'world-writable-directory' | 'readable-private-key' | 'readable-password';
  readonly message: string;
}

export interface GroupReading {
  /** Sorted by path. */
  readonly files: readonly GroupFile[];
  /** SHA-256 in hex over paths, permissions and contents. */
  readonly digest: string;
  readonly warnings: readonly FileWarning[];
}

/** What a group looks like from outside; nothing has been read. */
export interface GroupSurvey {
  /** Another one whenever anything about any file is. */
  readonly fingerprint: string;
  readonly files: readonly SurveyedFile[];
  /** Those whose owners decide which files these are. */
  readonly directories: readonly string[];
}

interface SurveyedFile {
  readonly path: string;
  readonly resolved: string;
  readonly stat: FileStat;
}

const MAX_FILE_BYTES = 8 * 1024 * 1024;
const MAX_FILES = 1_000;
const MAX_DEPTH = 4;
const MAX_ATTEMPTS = 4;
const WORLD_WRITABLE = 0o002;
const STICKY = 0o1000;

/**
 * Reads every file of the group. What changes or goes away meanwhile is looked for again, a few times.
 * @throws {FileError}
 */
export async function readFileGroup(group: FileGroup, fileSystem: FileSystem): Promise<GroupReading> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readSurveyed(await surveyFileGroup(group, fileSystem), fileSystem);
    } catch (error) {
      const mayPass = error instanceof FileError && (error.code === 'unstable' || error.code === 'not-found');
      if (!mayPass || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** @throws {FileError} when a path is missing, is not what it should be, or may be written by everyone. */
export async function surveyFileGroup(group: FileGroup, fileSystem: FileSystem): Promise<GroupSurvey> {
  const view = new LinkView(fileSystem);
  const files: SurveyedFile[] = [];
  for (const path of new Set(group.paths)) {
    try {
      const resolved = await view.resolve(path);
      const stat = await view.stat(resolved);
      if (stat.kind === 'directory' && group.accepts !== null) {
        const directory = { path, resolved, relative: '', depth: 0 };
        files.push(...(await surveyDirectory(directory, { view, fileSystem, accepts: group.accepts })));
      } else {
        files.push({ path, resolved, stat });
      }
    } catch (error) {
      throw toFileError(error, path);
    }
  }
  if (files.length > MAX_FILES) throw new FileError('too-many-files', group.paths[0] ?? '');
  for (const { path, stat } of files) {
    if (stat.kind !== 'file') throw new FileError('not-a-file', path);
    if (stat.size > MAX_FILE_BYTES) throw new FileError('too-large', path);
    if ((stat.mode & WORLD_WRITABLE) !== 0) throw new FileError('world-writable', path);
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const fingerprint = JSON.stringify(files.map(({ path, resolved, stat }) => [path, resolved, stat.version]));
  return { files, fingerprint, directories: view.directories };
}

interface Listing {
  readonly view: LinkView;
  readonly fileSystem: FileSystem;
  readonly accepts: (relativePath: string) => boolean;
}

interface Directory {
  readonly path: string;
  readonly resolved: string;
  /** Ends with `/` unless empty. */
  readonly relative: string;
  readonly depth: number;
}

async function surveyDirectory(directory: Directory, listing: Listing): Promise<readonly SurveyedFile[]> {
  const { view, fileSystem, accepts } = listing;
  if (directory.depth > MAX_DEPTH) throw new FileError('too-deep', directory.path);
  // The names in a Kubernetes volume are made after the generation they belong to is switched: only `..data` knows which exist.
  const isVolume = await view.isLink(directory.resolved, '..data');
  const base = isVolume ? await view.resolve(join(directory.resolved, '..data')) : directory.resolved;
  const files: SurveyedFile[] = [];
  for (const name of await fileSystem.list(base)) {
    if (name.startsWith('.')) continue;
    const path = join(directory.path, name);
    const relative = directory.relative + name;
    const resolved = await view.resolve(join(base, name));
    const stat = await unlessGone(() => view.stat(resolved), path);
    if (stat?.kind === 'directory') {
      const below = { path, resolved, relative: `${relative}/`, depth: directory.depth + 1 };
      files.push(...(await surveyDirectory(below, listing)));
    } else if (stat !== null) {
      if (accepts(relative)) files.push({ path, resolved, stat });
    } else if (accepts(relative) || isVolume) {
      // A generation of a volume never changes, so where one file is gone the others are going.
      throw new FileError('not-found', path);
    }
    if (files.length > MAX_FILES) throw new FileError('too-many-files', directory.path);
  }
  return files;
}

/** @throws {FileError} `unstable` unless all files are, before and after, what was surveyed. */
async function readSurveyed(survey: GroupSurvey, fileSystem: FileSystem): Promise<GroupReading> {
  const files: GroupFile[] = [];
  for (const { path, resolved, stat } of survey.files) {
    const bytes = await unlessGone(() => fileSystem.read(resolved, MAX_FILE_BYTES), path);
    if (bytes?.length !== stat.size) throw new FileError('unstable', path);
    files.push({ path, bytes, mode: stat.mode, isOurs: stat.isOurs });
  }
  // Only now, for all of them: a version that is still the same was the same during every read above.
  for (const { path, resolved, stat } of survey.files) {
    const after = await unlessGone(() => fileSystem.stat(resolved), path);
    if (after?.version !== stat.version) throw new FileError('unstable', path);
  }
  return { files, digest: digestOf(files), warnings: await findOpenDirectories(survey.directories, fileSystem) };
}

/** Null when there is nothing at the path, or something else than when it was surveyed. */
async function unlessGone<T>(ask: () => Promise<T>, path: string): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    const failure = toFileError(error, path);
    if (failure.code === 'not-found' || failure.code === 'link-loop') return null;
    throw failure;
  }
}

async function findOpenDirectories(
  directories: readonly string[],
  fileSystem: FileSystem,
): Promise<readonly FileWarning[]> {
  const warnings: FileWarning[] = [];
  for (const directory of directories) {
    const stat = await unlessGone(() => fileSystem.stat(directory), directory);
    if (stat === null || (stat.mode & WORLD_WRITABLE) === 0 || (stat.mode & STICKY) !== 0) continue;
    // Volumes of Kubernetes are open to everyone (kubernetes/kubernetes#133641), and mounted so that nobody can use that.
    if (await fileSystem.isReadOnly(directory)) continue;
    const message = `everyone on this machine may replace files in ${quote(directory)}; take that permission away (chmod o-w)`;
    warnings.push({ code: 'world-writable-directory', message });
  }
  return warnings;
}

/** Every part is preceded by its length, so that no two groups give the same bytes. */
function digestOf(files: readonly GroupFile[]): string {
  const hash = createHash('sha256');
  for (const { path, bytes, mode } of files) {
    hash.update(`${Buffer.byteLength(path)} ${mode} ${bytes.length} ${path}`).update(bytes);
  }
  return hash.digest('hex');
}
