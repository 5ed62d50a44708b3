// `demo`: what `npm start` runs; nobody needs to know a flag to see what this program does.

import { webcrypto } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { findPackageRoot } from '../app/version.ts';
import { systemClock } from '../core/clock.ts';
import type { CommandIo } from './command-io.ts';
import { writeCredentialFiles } from './credential-files.ts';
import { shellWord } from './shell-word.ts';
import { stopOnSignal } from './stop-signal.ts';

const DIRECTORY = 'certs-dev';
const POLICY = 'policies/ai-platform.yaml';
const EXIT_FAILURE = 1;

export function registerDemoCommand(program: Command, io: CommandIo): void {
  program
    .command('demo')
    .description(`three services behind Sallyport on this machine, and everybody asking; certificates in ${DIRECTORY}/`)
    .option('--once', 'end after the table: exit code 0 if every outcome is as expected', false)
    .action((options: { once: boolean }) => demo(options, io));
}

async function demo({ once }: { readonly once: boolean }, io: CommandIo): Promise<void> {
  const { signal: stop, release } = stopOnSignal();
  try {
    const { runDemo } = await import('../app/demo/demo.ts');
    const { describeStartFailure } = await import('../app/sidecar.ts');
    const { demoFilesIn } = await import('../app/demo/demo-files.ts');
    const { PREFERRED_PORTS } = await import('../app/demo/listeners.ts');
    const isAsExpected = await runDemo({
      paths: demoFilesIn(DIRECTORY),
      policyFile: join(findPackageRoot(), POLICY),
      preferredPorts: PREFERRED_PORTS,
      writeFiles: (files) => writeCredentialFiles(files, 'replace'),
      issuing: () => ({ nowMs: systemClock.wallMs(), crypto: webcrypto }),
      program: callOfThisProgram(),
      mode: once ? 'once' : 'stay',
      write: (text) => io.tell(text),
      colour: io.colour,
      stop,
    }).catch((error: unknown) => {
      io.writeError(`${describeStartFailure(error)}\n`);
      return false;
    });
    if (!isAsExpected) io.setExitCode(EXIT_FAILURE);
  } finally {
    release();
  }
}

/** What can be pasted into a shell where the demo was started. */
function callOfThisProgram(): string {
  const main = process.argv[1] ?? '';
  const root = findPackageRoot();
  // In a fresh clone the Node of the dependencies is the right one, whichever the shell finds.
  const isClone = process.cwd() === root && existsSync(join(root, 'node_modules', '.bin', 'node'));
  return isClone ? `npx node ${shellWord(relative(root, main))}` : `${shellWord(process.execPath)} ${shellWord(main)}`;
}
