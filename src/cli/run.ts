// `run`: the sidecar itself, from its configuration file to its last drained connection.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parseConfig } from '../app/config.ts';
import { runUntilSignalled } from '../app/run.ts';
import { describeStartFailure } from '../app/sidecar.ts';
import { SallyportError } from '../core/error.ts';
import { toFileError } from '../files/file-error.ts';
import type { CommandIo } from './command-io.ts';

const EXIT_FAILURE = 1;

export function registerRunCommand(program: Command, io: CommandIo): void {
  program
    .command('run')
    .description('run the sidecar until SIGTERM or SIGINT')
    .requiredOption('--config <file>', 'configuration file (YAML)')
    .action(async (options: { config: string }) => {
      try {
        const config = parseConfig(await readConfig(options.config), options.config);
        await runUntilSignalled(config);
      } catch (error) {
        if (!(error instanceof SallyportError)) throw error;
        io.writeError(`${describeStartFailure(error)}\n`);
        io.setExitCode(EXIT_FAILURE);
      }
    });
}

async function readConfig(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw toFileError(error, file);
  }
}
