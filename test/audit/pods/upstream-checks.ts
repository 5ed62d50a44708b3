// Asks the checks of k8s.io/pod-security-admission itself, where Go and the module are at hand.

import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type UpstreamChecks =
  | { readonly kind: 'built'; readonly path: string; readonly remove: () => void }
  | { readonly kind: 'missing'; readonly reason: string };

const BUILD_MS = 110_000;
export const BUILDS_WITHIN_MS = 2 * BUILD_MS + 10_000;

export async function buildUpstreamChecks(): Promise<UpstreamChecks> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-pod-security-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const path = join(directory, 'program');
  const environment = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false' };
  // First from the module cache alone: without network that answers at once, where a download would wait.
  for (const proxy of [{ GOPROXY: 'off' }, {}]) {
    try {
      await promisify(execFile)('go', ['build', '-o', path, '.'], {
        cwd: join(import.meta.dirname, 'upstream'),
        env: { ...environment, ...proxy },
        timeout: BUILD_MS,
      });
      return { kind: 'built', path, remove };
    } catch {
      // Without Go, without the module, or with an older Go: the test says that it was skipped.
    }
  }
  remove();
  return { kind: 'missing', reason: 'k8s.io/pod-security-admission cannot be built' };
}

/** For each template, the names of the checks that it fails, each behind its level and a colon. */
export function askUpstream(path: string, templates: readonly unknown[]): readonly (readonly string[])[] {
  const input = templates.map((template) => `${JSON.stringify(template)}\n`).join('');
  const output = execFileSync(path, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as readonly string[]);
}
