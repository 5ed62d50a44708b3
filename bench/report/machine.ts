// Where a run took place, and with what.

import { spawnSync } from 'node:child_process';
import { arch, cpus, release, totalmem, type } from 'node:os';
import type { Machine } from './results.ts';

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown CPU',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${type()} ${release()} ${arch()}`,
  };
}

/** With `-changed` when files differ from it; `unknown` outside a repository. */
export function describeCommit(directory: string): string {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', args, { cwd: directory, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : null;
  };
  const commit = git('rev-parse', '--short=12', 'HEAD');
  if (commit === null) return 'unknown';
  // What the bench itself writes does not count.
  const changes = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/results', ':!README.md');
  return changes === '' ? commit : `${commit}-changed`;
}
