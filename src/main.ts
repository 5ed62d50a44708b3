#!/usr/bin/env node
// The program: gives the command line its terminal.

import { readVersion } from './app/version.ts';
import { runProgram } from './cli/program.ts';

const MIN_NODE_MAJOR = 24;

if (Number(process.versions.node.split('.')[0]) < MIN_NODE_MAJOR) {
  process.stderr.write(`sallyport: needs Node ${MIN_NODE_MAJOR}, this is ${process.version}\n`);
  process.exit(2);
}
await runProgram(process.argv.slice(2), readVersion(), {
  write,
  writeError: (text) => void process.stderr.write(text),
  // Opened by those who read it.
  get stdin() {
    return process.stdin;
  },
  colour: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
  setExitCode: (code) => {
    process.exitCode = code;
  },
});

/** For the answers of commands; the sidecar logs to standard output as well, and minds its errors itself. */
function write(text: string): void {
  // A reader that has seen enough, such as `head`, ends the command.
  if (process.stdout.listenerCount('error', endCommand) === 0) process.stdout.on('error', endCommand);
  process.stdout.write(text);
}

function endCommand(): void {
  process.exit(1);
}
