// Builds the programs under go-spiffe/, which are Sallyport's peers and judges made of the SPIFFE project's own library.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach } from 'vitest';

export type GoProgram =
  | { readonly kind: 'built'; readonly path: string; readonly remove: () => void }
  | { readonly kind: 'missing'; readonly reason: string };

const BUILD_MS = 110_000;
/** For the hook that builds one. */
export const GO_BUILDS_WITHIN_MS = 2 * BUILD_MS + 10_000;

const execute = promisify(execFile);

export async function buildGoProgram(folder: '.' | './peer'): Promise<GoProgram> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-go-spiffe-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const path = join(directory, 'program');
  const environment = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false' };
  let reason = '';
  // First from the module cache alone: without network that answers at once, where a download would wait.
  for (const proxy of [{ GOPROXY: 'off' }, {}]) {
    try {
      await execute('go', ['build', '-o', path, folder], {
        cwd: join(import.meta.dirname, 'go-spiffe'),
        env: { ...environment, ...proxy },
        timeout: BUILD_MS,
      });
      return { kind: 'built', path, remove };
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      reason = isMissing ? 'Go is missing' : 'go-spiffe cannot be built';
      if (isMissing) break;
    }
  }
  remove();
  return { kind: 'missing', reason };
}

/** Builds it for all tests of a file, which are skipped by name where it is missing. @returns its path, for use in a test. */
export function useGoProgram(folder: '.' | './peer'): () => string {
  let program: GoProgram = { kind: 'missing', reason: 'not built' };
  beforeAll(async () => {
    program = await buildGoProgram(folder);
  }, GO_BUILDS_WITHIN_MS);
  beforeEach(({ skip }) => {
    if (program.kind === 'missing') skip(program.reason);
  });
  afterAll(() => {
    if (program.kind === 'built') program.remove();
  });
  return () => {
    if (program.kind === 'missing') throw new Error(program.reason);
    return program.path;
  };
}
