// SPIRE's two programs, where `build` leaves them.

import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface SpirePrograms {
  readonly server: string;
  readonly agent: string;
}

/** The name of the skip. */
export const SPIRE_IS_MISSING = 'SPIRE is not built here: test/interop/spire/build';

/** Null where they have not been built. */
export function findSpire(): SpirePrograms | null {
  const folder = execFileSync(join(import.meta.dirname, 'build'), ['--where'], { encoding: 'utf8' }).trim();
  const programs = { server: join(folder, 'spire-server'), agent: join(folder, 'spire-agent') };
  return existsSync(programs.server) && existsSync(programs.agent) ? programs : null;
}

const execute = promisify(execFile);

/** What a command writes to standard output; fails with what it says when it fails. */
export async function command(program: string, parameters: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, parameters, { encoding: 'utf8' });
  return stdout;
}
