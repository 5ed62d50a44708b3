// `demo`: what `npm start` runs; nobody needs to know a flag to see what this program does.

import { webcrypto } from 'node:crypto';
import { join } from 'node:path';
import type { Command } from 'commander';
import { findPackageRoot } from '../app/version.ts';
import { systemClock } from '../core/clock.ts';
import type { CommandIo } from './command-io.ts';
import { writeCredentialFiles } from './credential-files.ts';

const DIRECTORY = 'certs-dev';
const POLICY = 'policies/ai-platform.yaml';
const EXIT_FAILURE = 1;
/** Ctrl-C in `npm start` comes twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export function registerDemoCommand(program: Command, io: CommandIo): void {
  program
    .command('demo')
    .description(`three services behind Sallyport on this machine, and everybody asking; certificates in ${DIRECTORY}/`)
    .option('--once', 'end after the table: exit code 0 if every outcome is as expected', false)
    .action((options: { once: boolean }) => demo(options, io));
}

async function demo({ once }: { readonly once: boolean }, io: CommandIo): Promise<void> {
  const { stop, release } = stopOnSignal();
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
      mode: once ? 'once' : 'stay',
      write: (text) => io.write(text),
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

/** The first signal lets everything end in order; a later one is for those who do not want to wait. */
function stopOnSignal(): { readonly stop: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  let stoppedMs: number | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = systemClock.monotonicMs();
    if (stoppedMs === null) {
      stoppedMs = nowMs;
      controller.abort();
    } else if (nowMs - stoppedMs > SAME_SIGNAL_MS) {
      release();
      process.kill(process.pid, signal);
    }
  };
  const release = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return { stop: controller.signal, release };
}
