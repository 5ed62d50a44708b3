// The command line: every command, and what they have in common.

import { Command, CommanderError } from 'commander';
import type { CommandIo } from './command-io.ts';
import { registerConfigCommand } from './config.ts';
import { registerDemoCommand } from './demo.ts';
import { registerDevCaCommand } from './dev-ca.ts';
import { registerIdCommand } from './id.ts';
import { registerPolicyCommand } from './policy.ts';
import { registerRunCommand } from './run.ts';
import { registerSvidCommand } from './svid.ts';

const EXIT_USAGE = 2;

/** Runs one command; it has ended, or left something running, when this resolves. */
export async function runProgram(argv: readonly string[], version: string, io: CommandIo): Promise<void> {
  const program = new Command('sallyport');
  program
    .description('SPIFFE-aware authorization sidecar proxy')
    .version(version)
    .configureOutput({ writeOut: (text) => io.write(text), writeErr: (text) => io.writeError(text) })
    .exitOverride();
  for (const register of [
    registerRunCommand,
    registerDemoCommand,
    registerConfigCommand,
    registerPolicyCommand,
    registerIdCommand,
    registerSvidCommand,
    registerDevCaCommand,
  ]) {
    register(program, io);
  }
  inheritSettings(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are answers; everything else commander throws is a wrong call.
    io.setExitCode(error.exitCode === 0 ? 0 : EXIT_USAGE);
  }
}

/** Commands made before their parent was configured do not inherit its settings. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inheritSettings(child);
  }
}
