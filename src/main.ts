#!/usr/bin/env -S node --max-semi-space-size=4
// The program: gives the command line its terminal.

import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { readVersion } from './app/version.ts';
import { runProgram } from './cli/program.ts';
import { writeWhole } from './cli/standard-output.ts';

const MIN_NODE = { major: 24, minor: 15 };
const STANDARD_OUTPUT = 1;
/** Beside the bundle alone: what V8 made of its parts. It counts for this Node, this kind of processor and this user, or not at all. */
const COMPILED = fileURLToPath(new URL('./compiled', import.meta.url));

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < MIN_NODE.major || (major === MIN_NODE.major && minor < MIN_NODE.minor)) {
  process.stderr.write(`sallyport: needs Node ${MIN_NODE.major}.${MIN_NODE.minor}, this is ${process.version}\n`);
  process.exit(2);
}
if (existsSync(COMPILED)) nodeModule.enableCompileCache({ directory: COMPILED, portable: true });
await runProgram(process.argv.slice(2), readVersion(), {
  write,
  tell,
  writeError: (text) => void process.stderr.write(text),
  // Opened by those who read it.
  get stdin() {
    return process.stdin;
  },
  colour: isatty(STANDARD_OUTPUT) && process.env['NO_COLOR'] === undefined,
  setExitCode: (code) => {
    process.exitCode = code;
  },
});

/** For the answers of commands; the sidecar logs to standard output as well, and minds its errors itself. */
function write(text: string): void {
  // A reader that has seen enough ends the command.
  if (writeWhole(STANDARD_OUTPUT, text) === 'gone') endCommand();
}

function tell(text: string): void {
  if (process.stdout.listenerCount('error', endCommand) === 0) process.stdout.on('error', endCommand);
  process.stdout.write(text);
}

function endCommand(): never {
  process.exit(1);
}
