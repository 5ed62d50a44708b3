// YAML as Kubernetes' own library reads it, by the program in go-yaml/.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface KubernetesYaml {
  /** What it makes of each text; undefined for what it refuses. */
  read(texts: readonly string[]): readonly unknown[];
  remove(): void;
}

const BUILT_WITHIN_MS = 120_000;

/** Null where there is no Go, or no network to have the library from. */
export function buildKubernetesYaml(): KubernetesYaml | null {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-go-yaml-'));
  const program = join(directory, 'program');
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const environment = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false' };
  // First from the module cache alone: without network that answers at once.
  for (const proxy of [{ GOPROXY: 'off' }, {}]) {
    try {
      const cwd = join(import.meta.dirname, 'go-yaml');
      const options = {
        cwd,
        env: { ...environment, ...proxy },
        stdio: 'ignore',
        timeout: BUILT_WITHIN_MS / 2,
      } as const;
      execFileSync('go', ['build', '-o', program, '.'], options);
      return { remove, read: (texts) => readWith(program, texts) };
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') break;
    }
  }
  remove();
  return null;
}

function readWith(program: string, texts: readonly string[]): readonly unknown[] {
  const input = texts.map((text) => `${JSON.stringify(text)}\n`).join('');
  const output = execFileSync(program, { input, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
  const lines = output.trimEnd().split('\n');
  if (lines.length !== texts.length) throw new Error(`${lines.length} answers to ${texts.length} texts`);
  return lines.map((line): unknown => (line.startsWith('J') ? JSON.parse(line.slice(1)) : undefined));
}
