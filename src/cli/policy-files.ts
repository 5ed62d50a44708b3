// Policies and their tests from the paths a person types, with positions that stay relative to those paths.

import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { findPackageRoot } from '../app/version.ts';
import { FileError } from '../files/file-error.ts';
import { readFileGroup } from '../files/file-group.ts';
import { nodeFileSystem } from '../files/file-system.ts';
import { policyGroup, toPolicySources } from '../files/policy-group.ts';
import { loadPolicy } from '../policy/load.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';

export interface TestFile {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/**
 * The policy as the proxy would load it from `path`, a directory or a file.
 * @throws {FileError | DocumentError}
 */
export async function readPolicy(path: string): Promise<CompiledPolicy> {
  const location = { path: resolve(path), builtinProtocols: join(findPackageRoot(), 'policies', 'protocols') };
  const reading = await readFileGroup(policyGroup(location), nodeFileSystem);
  const sources = toPolicySources(reading, location).map(({ file, kind, bytes }) => ({
    file: asTyped(file, location.path, path),
    kind,
    bytes,
  }));
  return loadPolicy(sources, 'enforce');
}

/**
 * The policy that `path` is about, and its tests: all `*.test.yaml` of a directory; those of one policy file; or one test file,
 * which is about the directory it stands in.
 * @throws {FileError | DocumentError}
 */
export async function readTestedPolicy(path: string): Promise<{ policy: CompiledPolicy; tests: readonly TestFile[] }> {
  if (isTestFile(path)) return { policy: await readPolicy(dirname(path)), tests: await readTests(path) };
  const policy = await readPolicy(path);
  const beside = path.replace(/\.yaml$/, '.test.yaml');
  return { policy, tests: await readTests((await isDirectory(path)) ? path : beside) };
}

async function readTests(path: string): Promise<readonly TestFile[]> {
  const accepts = (relativePath: string): boolean => !relativePath.includes('/') && isTestFile(relativePath);
  const reading = await readFileGroup({ paths: [resolve(path)], accepts }, nodeFileSystem);
  const tests = reading.files.map(({ path: file, bytes }) => ({ file: asTyped(file, resolve(path), path), bytes }));
  if (tests.length === 0) throw new FileError('not-found', join(path, '*.test.yaml'));
  return tests;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}

function isTestFile(path: string): boolean {
  return path.endsWith('.test.yaml');
}

function asTyped(file: string, absolute: string, typed: string): string {
  if (file === absolute) return typed;
  return file.startsWith(`${absolute}/`) ? join(typed, file.slice(absolute.length + 1)) : file;
}
