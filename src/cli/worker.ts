// `worker`: a process that `run` starts where the configuration has more than one worker, and nobody else.

import type { Command } from 'commander';
import { describeStartFailure } from '../app/sidecar.ts';
import { StartError } from '../app/start-error.ts';
import { runWorker } from '../app/workers/run-worker.ts';
import type { CommandIo } from './command-io.ts';

const EXIT_FAILURE = 1;

export function registerWorkerCommand(program: Command, io: CommandIo): void {
  program.command('worker', { hidden: true }).action(() => {
    try {
      runWorker();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      io.writeError(`${describeStartFailure(error)}\n`);
      io.setExitCode(EXIT_FAILURE);
    }
  });
}
