// The command line: every command, and what they have in common.

import { Command, CommanderError } from 'commander';
import type { CommandIo } from './command-io.ts';

type Register = (program: Command, io: CommandIo) => void;

// Loaded when asked for: the sidecar should not carry what only the demo needs, nor `id parse` wait for it.
const COMMANDS: ReadonlyMap<string, () => Promise<Register>> = new Map([
  ['run', async () => (await import('./run.ts')).registerRunCommand],
  ['worker', async () => (await import('./worker.ts')).registerWorkerCommand],
  ['demo', async () => (await import('./demo.ts')).registerDemoCommand],
  ['config', async () => (await import('./config.ts')).registerConfigCommand],
  ['policy', async () => (await import('./policy.ts')).registerPolicyCommand],
  ['id', async () => (await import('./id.ts')).registerIdCommand],
  ['svid', async () => (await import('./svid.ts')).registerSvidCommand],
  ['revoke', async () => (await import('./revoke.ts')).registerRevokeCommand],
  ['workload', async () => (await import('./workload.ts')).registerWorkloadCommand],
  ['audit', async () => (await import('./audit.ts')).registerAuditCommand],
  ['dev-ca', async () => (await import('./dev-ca.ts')).registerDevCaCommand],
]);

const EXIT_USAGE = 2;

/** Runs one command; it has ended, or left something running, when this resolves. */
export async function runProgram(argv: readonly string[], version: string, io: CommandIo): Promise<void> {
  const program = new Command('sallyport');
  program
    .description('SPIFFE-aware authorization sidecar proxy')
    .version(version)
    .configureOutput({ writeOut: (text) => io.write(text), writeErr: (text) => io.writeError(text) })
    .exitOverride();
  for (const load of commandsFor(argv[0])) (await load())(program, io);
  inheritSettings(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are answers; everything else commander throws is a wrong call.
    io.setExitCode(error.exitCode === 0 ? 0 : EXIT_USAGE);
  }
}

/** The one that is named; all of them for help, and to say what is near a name that none has. */
function commandsFor(name: string | undefined): Iterable<() => Promise<Register>> {
  const named = COMMANDS.get(name ?? '');
  return named === undefined ? COMMANDS.values() : [named];
}

/** Commands made before their parent was configured do not inherit its settings. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inheritSettings(child);
  }
}
