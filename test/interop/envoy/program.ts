// Envoy, where `fetch` leaves it.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The path of the program; null where it has not been fetched. */
export function findEnvoy(): string | null {
  const program = execFileSync(join(import.meta.dirname, 'fetch'), ['--where'], { encoding: 'utf8' }).trim();
  return existsSync(program) ? program : null;
}
