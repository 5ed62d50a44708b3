// Builds the programs in Go that are Sallyport's peers and judges: those under go-spiffe/, made of the SPIFFE project's own library, and h2spec.

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

/** A package as seen from the folder of the module that pins what it is made of. */
const PROGRAMS = {
  'go-spiffe': { module: 'go-spiffe', source: '.' },
  'go-spiffe peer': { module: 'go-spiffe', source: './peer' },
  'grpc-go': { module: 'go-spiffe', source: './grpc' },
  h2spec: { module: 'h2spec', source: 'github.com/summerwind/h2spec/cmd/h2spec' },
} as const;
export type GoProgramName = keyof typeof PROGRAMS;

export async function buildGoProgram(name: GoProgramName): Promise<GoProgram> {
  const { module, source } = PROGRAMS[name];
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-go-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const path = join(directory, 'program');
  const environment = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false' };
  let reason = '';
  // First from the module cache alone: without network that answers at once, where a download would wait.
  for (const proxy of [{ GOPROXY: 'off' }, {}]) {
    try {
      await execute('go', ['build', '-o', path, source], {
        cwd: join(import.meta.dirname, module),
        env: { ...environment, ...proxy },
        timeout: BUILD_MS,
      });
      return { kind: 'built', path, remove };
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      reason = isMissing ? 'Go is missing' : `${module} cannot be built`;
      if (isMissing) break;
    }
  }
  remove();
  return { kind: 'missing', reason };
}

/** Builds it for all tests of a file, which are skipped by name where it is missing. @returns its path, for use in a test. */
export function useGoProgram(name: GoProgramName): () => string {
  let program: GoProgram = { kind: 'missing', reason: 'not built' };
  beforeAll(async () => {
    program = await buildGoProgram(name);
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
