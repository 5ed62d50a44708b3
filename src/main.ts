#!/usr/bin/env node
// The program: gives the command line its terminal.

import { readVersion } from './app/version.ts';
import { runProgram } from './cli/program.ts';

await runProgram(process.argv.slice(2), readVersion(), {
  write: (text) => void process.stdout.write(text),
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
